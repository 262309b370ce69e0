//! Answered requests by route and status, with their latencies. One per shard. A route is its template, never the
//! path a client sent; a status is one of those this server gives.

use std::cell::RefCell;
use std::time::Duration;

use crate::http::Status;
use crate::metrics::latency::Latency;
use crate::metrics::latency::LatencySnapshot;

/// What a request was, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Method of the route.
    pub method: &'static str,
    /// Template of the path.
    pub uri: &'static str,
}

/// One series at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// Which route.
    pub route: Route,
    /// Status of the answers.
    pub status: u16,
    /// Their latencies.
    pub latency: LatencySnapshot,
}

/// Latencies of one shard. Routes are known by their place in the list given at the start.
pub struct Requests {
    routes: Vec<Route>,
    /// By route, then by place of the status in `Status::ALL`; only what has been seen exists.
    seen: RefCell<Vec<[Option<Box<Latency>>; Status::ALL.len()]>>,
}

impl Requests {
    /// Nothing seen of `routes`.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        let seen = routes.iter().map(|_| [const { None }; Status::ALL.len()]).collect();
        Self { routes, seen: RefCell::new(seen) }
    }

    /// Counts one answer of the route at `place` in the list.
    pub fn record(&self, place: usize, status: Status, took: Duration) {
        let mut seen = self.seen.borrow_mut();
        seen[place][status.place()].get_or_insert_default().record(took);
    }

    /// Every series with an observation.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Series> {
        let seen = self.seen.borrow();
        let rows = self.routes.iter().zip(seen.iter());
        rows.flat_map(|(route, statuses)| {
            let statuses = Status::ALL.iter().zip(statuses);
            statuses.filter_map(|(status, latency)| {
                let latency = latency.as_ref()?.snapshot();
                Some(Series { route: *route, status: status.code(), latency })
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_route_and_status() {
        let routes = ["/a", "/b"].map(|uri| Route { method: "GET", uri });
        let requests = Requests::new(routes.to_vec());
        for status in [Status::OK, Status::OK, Status::VERSION_NOT_SUPPORTED] {
            requests.record(1, status, Duration::from_micros(7));
        }
        let seen = requests.snapshot();
        let counts: Vec<_> =
            seen.iter().map(|s| (s.route.uri, s.status, s.latency.count())).collect();
        assert_eq!(counts, [("/b", 200, 2), ("/b", 505, 1)]);
    }
}
