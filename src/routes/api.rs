//! The handler of one shard: finds the route, asks the owner of the character (this shard or, by one hop, another)
//! and answers within the deadline.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::future;
use futures_util::future::Either;
use shards::ShardId;
use shards::mailbox::Mailboxes;
use shards::mailbox::Reason;
use shards::routing::owner_of;
use shards::runtime::DriverKind;

use crate::error::Fault;
use crate::expectation::flow::Answer;
use crate::expectation::flow::Ask;
use crate::expectation::flow::Flow;
use crate::expectation::flow::Identity;
use crate::expectation::name::CharacterName;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Workshop;
use crate::expectation::view::View;
use crate::http::Handler;
use crate::http::Request;
use crate::http::Response;
use crate::http::Status;
use crate::http::status::Problem;
use crate::routes::actuator;
use crate::routes::characters;
use crate::routes::openapi;
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
}

/// What a shard has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the probe's own counters")]
pub struct Counters {
    pub accepted: u64,
    pub open: u64,
    pub panics: u64,
}

type Reply<T> = oneshot::Sender<Result<T, Fault>>;

/// What one shard asks of another. Owned and `Send`.
pub enum Event {
    /// A document of a character that the receiver owns.
    Ask {
        /// Normalised name.
        name: String,
        /// Which document.
        view: View,
        /// Fetch again.
        force: bool,
        /// Where the answer goes; dropped when the client is gone.
        reply: Reply<Answer>,
    },
    /// Facts about a character that the receiver owns.
    Identify {
        /// Normalised name.
        name: String,
        /// Where the answer goes.
        reply: Reply<Identity>,
    },
    /// The receiver's counters.
    Count {
        /// Where the answer goes.
        reply: oneshot::Sender<Counters>,
    },
}

/// How long `/actuator/info` waits for another shard's counters.
const COUNTERS_TIMEOUT: Duration = Duration::from_millis(500);

/// One per shard.
pub struct Api<G, W> {
    /// This shard.
    pub shard: ShardId,
    /// The flow of the characters it owns.
    pub flow: Rc<Flow<G, W>>,
    /// The way to the other shards.
    pub mailboxes: Mailboxes<Event>,
    /// The process.
    pub about: Arc<About>,
    /// What this shard runs on.
    pub driver: DriverKind,
    /// Reads this shard's counters.
    pub counters: Rc<dyn Fn() -> Counters>,
    /// The OpenAPI document.
    pub api_docs: Bytes,
}

impl<G: GameApi + 'static, W: Workshop + 'static> Handler for Api<G, W> {
    async fn handle(&self, request: &Request<'_>) -> Response {
        match table::find(request.method(), request.path()) {
            Matched::Route(endpoint, parameters) => {
                let deadline = shards::spawn::sleep(self.about.deadline);
                let answered = self.answer(endpoint, parameters, request);
                let answered = match future::select(Box::pin(answered), Box::pin(deadline)).await {
                    Either::Left((answered, _)) => answered,
                    Either::Right(_) => Err(Fault::deadline()),
                };
                answered.unwrap_or_else(|fault| respond::fault(request, &fault))
            }
            Matched::OtherMethods(allow) => Problem::transport(Status::METHOD_NOT_ALLOWED)
                .respond(request)
                .field("Allow", &allow),
            Matched::Nothing => Problem::transport(Status::NOT_FOUND).respond(request),
        }
    }
}

impl<G: GameApi + 'static, W: Workshop + 'static> Api<G, W> {
    async fn answer(
        &self,
        endpoint: Endpoint,
        [name, second]: [&str; 2],
        request: &Request<'_>,
    ) -> Result<Response, Fault> {
        match endpoint {
            Endpoint::Health => Ok(actuator::health(&self.about)),
            Endpoint::Info => {
                let driver = self.driver.to_string();
                Ok(actuator::info(&self.about, &driver, &self.all_counters().await))
            }
            Endpoint::ApiDocs => Ok(respond::json(self.api_docs.clone())),
            Endpoint::HistoricLike => Ok(Problem::new(
                Status::GONE,
                "H410",
                "이 API는 종료되었습니다. POST /api/v2/characters/{userIgn}/like 를 사용해주세요.",
            )
            .respond(request)),
            Endpoint::Character => {
                let name = characters::name(name)?;
                Ok(characters::identity(name.as_str(), &self.identify(&name).await?))
            }
            Endpoint::Expectation => {
                let force = characters::force(request)?;
                self.document(request, name, View::Expectation, force).await
            }
            Endpoint::ExpectationPreset => {
                let view = characters::preset(second)?;
                self.document(request, name, view, false).await
            }
            Endpoint::Recalculate => self.document(request, name, View::Expectation, true).await,
            Endpoint::Totals => self.document(request, name, View::Totals, false).await,
            Endpoint::Equipment => self.document(request, name, View::Equipment, false).await,
        }
    }

    async fn document(
        &self,
        request: &Request<'_>,
        name: &str,
        view: View,
        force: bool,
    ) -> Result<Response, Fault> {
        let name = characters::name(name)?;
        let answer = match self.owner(&name) {
            None => self.flow.answer(Ask { name, view, force }).await?,
            Some(owner) => {
                let name = name.as_str().to_owned();
                self.hop(owner, |reply| Event::Ask { name, view, force, reply }).await?
            }
        };
        respond::document(request, &answer)
    }

    async fn identify(&self, name: &CharacterName) -> Result<Identity, Fault> {
        match self.owner(name) {
            None => self.flow.identity(name).await,
            Some(owner) => {
                let name = name.as_str().to_owned();
                self.hop(owner, |reply| Event::Identify { name, reply }).await
            }
        }
    }

    /// The other shard that owns a character, if another does.
    fn owner(&self, name: &CharacterName) -> Option<ShardId> {
        let owner = owner_of(name.as_str().as_bytes(), self.about.shards);
        (owner != self.shard).then_some(owner)
    }

    async fn hop<T>(
        &self,
        owner: ShardId,
        event: impl FnOnce(Reply<T>) -> Event,
    ) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        self.mailboxes.try_send(owner, event(reply)).map_err(|refused| match refused.reason {
            Reason::Full => Fault::overloaded("mailbox"),
            Reason::Closed => Fault::internal("the owner shard has ended"),
        })?;
        answer.await.unwrap_or_else(|_| Err(Fault::internal("the owner shard dropped a question")))
    }

    async fn all_counters(&self) -> Vec<Option<Counters>> {
        let asked = ShardId::all(self.about.shards).map(|shard| async move {
            if shard == self.shard {
                return Some((self.counters)());
            }
            let (reply, counters) = oneshot::channel();
            self.mailboxes.try_send(shard, Event::Count { reply }).ok()?;
            let limit = Box::pin(shards::spawn::sleep(COUNTERS_TIMEOUT));
            match future::select(counters, limit).await {
                Either::Left((counters, _)) => counters.ok(),
                Either::Right(_) => None,
            }
        });
        future::join_all(asked).await
    }
}

/// Does what another shard asks of this one.
pub async fn work<G: GameApi + 'static, W: Workshop + 'static>(
    flow: Rc<Flow<G, W>>,
    counters: Rc<dyn Fn() -> Counters>,
    event: Event,
) {
    // A reply nobody waits for any more is no error: that client is gone.
    match event {
        Event::Ask { name, view, force, reply } => {
            let answer = match CharacterName::parse(&name) {
                Ok(name) => flow.answer(Ask { name, view, force }).await,
                Err(fault) => Err(fault),
            };
            let _ = reply.send(answer);
        }
        Event::Identify { name, reply } => {
            let identity = match CharacterName::parse(&name) {
                Ok(name) => flow.identity(&name).await,
                Err(fault) => Err(fault),
            };
            let _ = reply.send(identity);
        }
        Event::Count { reply } => {
            let _ = reply.send(counters());
        }
    }
}

/// The OpenAPI document of this build.
#[must_use]
pub fn api_docs() -> Bytes {
    openapi::document().to_string().into()
}
