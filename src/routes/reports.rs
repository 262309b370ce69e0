//! A shard's counters, and those of all shards for whoever asks this one. One per shard. Gathering is a message to
//! each shard and its answer; rendering is done by somebody else, off the shards.

use std::pin::Pin;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future;
use futures_util::future::Either;
use shards::ShardId;
use shards::clock::Clock;
use shards::mailbox::Mailboxes;

use crate::error::Fault;
use crate::http::Status;
use crate::metrics::requests::Requests;
use crate::metrics::requests::Route;
use crate::metrics::scrape::RouteProbe;
use crate::metrics::scrape::ShardScrape;
use crate::routes::event::Event;
use crate::routes::table::ROUTES;

/// How long a scrape waits for a shard. One that takes longer is reported as silent.
const REPORT_TIMEOUT: Duration = Duration::from_millis(500);

type Rendered = Pin<Box<dyn Future<Output = Result<String, Fault>>>>;

/// What a shard is asked to count with and to gather through.
pub struct Reports {
    shard: ShardId,
    mailboxes: Mailboxes<Event>,
    counters: Rc<Counters>,
    clock: Rc<dyn Clock>,
    renderer: Box<dyn Fn(Vec<Option<ShardScrape>>) -> Rendered>,
}

/// The counters of a shard's routes, and how to take those of everything else on it.
pub struct Counters {
    /// Near cache and admission.
    pub probe: RouteProbe,
    /// Answered requests.
    pub requests: Requests,
    /// The rest of the shard, as a report without the two above.
    pub others: Box<dyn Fn() -> ShardScrape>,
}

impl Counters {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(others: Box<dyn Fn() -> ShardScrape>) -> Rc<Self> {
        let route = |route: &crate::routes::table::Route| Route {
            method: route.method.as_str(),
            uri: route.path,
        };
        // What matches no route shares one line, whatever its path: paths are chosen by clients.
        let nothing = Route { method: "UNKNOWN", uri: "UNKNOWN" };
        let routes = ROUTES.iter().map(route).chain([nothing]).collect();
        Rc::new(Self { probe: RouteProbe::default(), requests: Requests::new(routes), others })
    }

    /// Everything the shard has counted.
    #[must_use]
    pub fn report(&self) -> ShardScrape {
        let (routes, requests) = (self.probe.snapshot(), self.requests.snapshot());
        ShardScrape { routes, requests, ..(self.others)() }
    }
}

impl Reports {
    /// `renderer` turns the reports of all shards into a document, elsewhere.
    pub fn new(
        shard: ShardId,
        mailboxes: Mailboxes<Event>,
        counters: Rc<Counters>,
        clock: Rc<dyn Clock>,
        renderer: impl Fn(Vec<Option<ShardScrape>>) -> Rendered + 'static,
    ) -> Self {
        Self { shard, mailboxes, counters, clock, renderer: Box::new(renderer) }
    }

    /// Counters of the routes.
    pub(super) fn probe(&self) -> &RouteProbe {
        &self.counters.probe
    }

    /// A fine reading of the clock, to measure an answer by.
    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Counts an answer of the route at `place` that was begun at `began`.
    pub(super) fn answered(&self, place: usize, status: Status, began: Duration) {
        let took = self.now().saturating_sub(began);
        self.counters.requests.record(place, status, took);
    }

    /// The reports of every shard; None for one that did not answer in time.
    pub(super) async fn gather(&self) -> Vec<Option<ShardScrape>> {
        let asked = ShardId::all(self.mailboxes.shards()).map(|shard| async move {
            if shard == self.shard {
                return Some(self.counters.report());
            }
            let (reply, report) = oneshot::channel();
            self.mailboxes.try_send(shard, Event::Report { reply }).ok()?;
            match future::select(report, pin!(shards::spawn::sleep(REPORT_TIMEOUT))).await {
                Either::Left((report, _)) => report.ok(),
                Either::Right(_) => None,
            }
        });
        future::join_all(asked).await
    }

    /// The metrics of the process.
    ///
    /// # Errors
    /// `Overloaded` or `Internal` when the renderer cannot be reached.
    pub(super) async fn render(&self) -> Result<String, Fault> {
        (self.renderer)(self.gather().await).await
    }
}
