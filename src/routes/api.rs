//! The handler of one shard: a finished answer at once, else the route, the owner of the character, and the answer
//! within the deadline.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future;
use futures_util::future::Either;

use crate::error::Fault;
use crate::expectation::flow::Source;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Workshop;
use crate::expectation::view::View;
use crate::http::Handler;
use crate::http::Method;
use crate::http::Request;
use crate::http::Response;
use crate::http::Status;
use crate::http::negotiate;
use crate::http::status::Problem;
use crate::metrics::scrape::RouteProbe;
use crate::routes::actuator;
use crate::routes::characters;
use crate::routes::openapi;
use crate::routes::owner::Owner;
use crate::routes::owner::Viewed;
use crate::routes::owner::Wanted;
use crate::routes::reports::Reports;
use crate::routes::respond;
use crate::routes::table;
use crate::routes::table::Endpoint;
use crate::routes::table::Matched;

/// Facts about the process, for its own description. One per process, read-only.
#[derive(Debug)]
pub struct About {
    /// Shards.
    pub shards: u16,
    /// Ruleset id.
    pub ruleset: String,
    /// `simulator` (in this process) or `http`.
    pub upstream_kind: &'static str,
    /// Base URL of the game's API.
    pub upstream_url: String,
    /// Client-facing deadline.
    pub deadline: Duration,
    /// Requests a shard works on at once; further ones are refused before they cost anything.
    pub in_flight_max: usize,
}

/// One per shard.
pub struct Api<G, W> {
    owner: Rc<Owner<G, W>>,
    reports: Reports,
    about: Arc<About>,
    api_docs: Bytes,
}

impl<G: GameApi + 'static, W: Workshop + 'static> Api<G, W> {
    /// A handler in front of `owner`.
    #[must_use]
    pub fn new(owner: Rc<Owner<G, W>>, reports: Reports, about: Arc<About>) -> Self {
        Self { owner, reports, about, api_docs: openapi::document().to_string().into() }
    }
}

impl<G: GameApi + 'static, W: Workshop + 'static> Handler for Api<G, W> {
    async fn handle(&self, request: &Request<'_>) -> Response {
        let began = self.reports.now();
        if let Some((hit, route)) = self.hit(request) {
            self.reports.answered(route, hit.status, began);
            return hit;
        }
        let found = table::find(request.method(), request.path());
        let route = found.place();
        let response = match found {
            Matched::Route { .. } if has_foreign_body(request) => {
                Problem::transport(Status::UNSUPPORTED_MEDIA_TYPE).respond(request)
            }
            Matched::Route { endpoint, parameters, .. } => {
                // Boxed: only a hit must not pay for the room a miss needs.
                let answered = Box::pin(self.in_time(endpoint, parameters, route, request)).await;
                answered.unwrap_or_else(|fault| respond::fault(request, &fault))
            }
            Matched::OtherMethods(allow) => Problem::transport(Status::METHOD_NOT_ALLOWED)
                .respond(request)
                .field("Allow", &allow),
            Matched::Nothing => Problem::transport(Status::NOT_FOUND).respond(request),
        };
        self.reports.answered(route, response.status, began);
        response
    }
}

impl<G: GameApi + 'static, W: Workshop + 'static> Api<G, W> {
    /// A finished answer to exactly this target. Targets with a query are never kept.
    fn hit(&self, request: &Request<'_>) -> Option<(Response, usize)> {
        if !request.query().is_empty() || !matches!(request.method(), Method::Get | Method::Head) {
            return None;
        }
        let encoding = negotiate::encoding(request.headers("accept-encoding"));
        let (found, route) = self.owner.hit(encoding, request.path(), request.received())?;
        self.reports.probe().near_hits.add(1);
        Some((respond::finished(request, &found, Source::HitL1), route))
    }

    async fn in_time(
        &self,
        endpoint: Endpoint,
        parameters: [&str; 2],
        route: usize,
        request: &Request<'_>,
    ) -> Result<Response, Fault> {
        let deadline = shards::spawn::sleep(self.about.deadline);
        let answered = self.answer(endpoint, parameters, route, request);
        match future::select(Box::pin(answered), Box::pin(deadline)).await {
            Either::Left((answered, _)) => answered,
            Either::Right(_) => Err(Fault::deadline()),
        }
    }

    async fn answer(
        &self,
        endpoint: Endpoint,
        [name, second]: [&str; 2],
        route: usize,
        request: &Request<'_>,
    ) -> Result<Response, Fault> {
        let view = match endpoint {
            Endpoint::Health => return Ok(actuator::health(&self.about)),
            Endpoint::Info => {
                return Ok(actuator::info(&self.about, &self.reports.gather().await));
            }
            Endpoint::Prometheus => return Ok(respond::exposition(self.reports.render().await?)),
            Endpoint::ApiDocs => return Ok(respond::json(self.api_docs.clone())),
            Endpoint::HistoricLike => {
                return Ok(Problem::new(Status::GONE, "H410", LIKE_MOVED).respond(request));
            }
            Endpoint::Character => {
                let name = characters::name(name)?;
                let _admitted = self.admit()?;
                let (character, basic) = self.owner.identity(name).await?;
                return Ok(characters::identity(&character, &basic));
            }
            Endpoint::RecalculateLater => {
                let name = characters::name(name)?;
                let _admitted = self.admit()?;
                self.owner.recalculate(name).await?;
                let path = request.path();
                return Ok(respond::pending(path.strip_suffix("/recalculate").unwrap_or(path)));
            }
            Endpoint::Valuation => View::Valuation,
            Endpoint::Expectation | Endpoint::Recalculate => View::Expectation,
            Endpoint::ExpectationPreset => characters::preset(second)?,
            Endpoint::Totals => View::Totals,
            Endpoint::Equipment => View::Equipment,
        };
        let force = match endpoint {
            Endpoint::Recalculate => true,
            Endpoint::Expectation => characters::force(request)?,
            _ => false,
        };
        let name = characters::name(name)?;
        let _admitted = self.admit()?;
        let cacheable = request.method() != Method::Post && request.query().is_empty();
        if cacheable {
            self.reports.probe().near_misses.add(1);
        }
        let wanted = Wanted {
            view,
            force,
            encoding: negotiate::encoding(request.headers("accept-encoding")),
            target: cacheable.then(|| (request.path(), route)),
            counts: matches!(endpoint, Endpoint::Expectation | Endpoint::Valuation),
        };
        if endpoint == Endpoint::Valuation {
            return Ok(match self.owner.view(name, wanted, request.received()).await? {
                Viewed::Ready(finished, source) => respond::finished(request, &finished, source),
                Viewed::Pending => respond::pending(request.path()),
            });
        }
        let (finished, source) = self.owner.document(name, wanted, request.received()).await?;
        Ok(respond::finished(request, &finished, source))
    }

    /// Room for one more request in work; given back on drop.
    fn admit(&self) -> Result<Admitted<'_>, Fault> {
        let probe = self.reports.probe();
        if probe.in_flight.get() >= self.about.in_flight_max as u64 {
            probe.rejected.add(1);
            return Err(Fault::overloaded("requests in flight"));
        }
        probe.in_flight.add(1);
        Ok(Admitted(probe))
    }
}

struct Admitted<'a>(&'a RouteProbe);

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.in_flight.sub(1);
    }
}

/// A body that says it is something else than JSON. No route reads one yet; a client that sends another kind has
/// mistaken the service, and is told so instead of being ignored.
fn has_foreign_body(request: &Request<'_>) -> bool {
    let json = |kind: &[u8]| {
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    };
    !request.body().is_empty() && request.header("content-type").is_some_and(|kind| !json(kind))
}

const LIKE_MOVED: &str =
    "이 API는 종료되었습니다. POST /api/v2/characters/{userIgn}/like 를 사용해주세요.";
