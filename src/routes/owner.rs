//! One hop to the shard that owns a character, and what the owner does there. What crosses is an [`Event`].

use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future;
use futures_util::future::Either;
use shards::ShardId;
use shards::mailbox::Mailboxes;
use shards::mailbox::Reason;
use shards::routing::owner_of;

use crate::error::Fault;
use crate::expectation::flow::Answer;
use crate::expectation::flow::Ask;
use crate::expectation::flow::Flow;
use crate::expectation::flow::Identity;
use crate::expectation::name::CharacterName;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Workshop;
use crate::expectation::view::View;
use crate::routes::near::Near;

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
    /// A character changed: forget its finished answers.
    Invalidate {
        /// Normalised name.
        name: String,
        /// Told when they are forgotten.
        done: oneshot::Sender<()>,
    },
    /// The receiver's counters.
    Count {
        /// Where the answer goes.
        reply: oneshot::Sender<Counters>,
    },
}

/// How long a forced answer waits for the other shards to forget the old one, and `/actuator/info` for their
/// counters. A shard that takes longer is stuck, and its near cache asks again on its own before long.
const SHARD_ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// A shard as the owner of some characters and as a client of the owners of the others. One per shard.
pub struct Owner<G, W> {
    shard: ShardId,
    mailboxes: Mailboxes<Event>,
    flow: Rc<Flow<G, W>>,
    counters: Box<dyn Fn() -> Counters>,
    pub(super) near: Near,
}

impl<G: GameApi + 'static, W: Workshop + 'static> Owner<G, W> {
    /// `near_bytes_max` for finished answers of each coding.
    pub fn new(
        shard: ShardId,
        mailboxes: Mailboxes<Event>,
        flow: Rc<Flow<G, W>>,
        counters: Box<dyn Fn() -> Counters>,
        near_bytes_max: u64,
    ) -> Rc<Self> {
        Rc::new(Self { shard, mailboxes, flow, counters, near: Near::new(near_bytes_max) })
    }

    /// Answers a question here or where its character is owned.
    ///
    /// # Errors
    /// The owner's fault, or `Overloaded` when its mailbox is full.
    pub async fn answer(&self, ask: Ask) -> Result<Answer, Fault> {
        let Some(owner) = self.elsewhere(&ask.name) else { return self.own_answer(ask).await };
        let Ask { name, view, force } = ask;
        let name = name.as_str().to_owned();
        self.hop(owner, |reply| Event::Ask { name, view, force, reply }).await
    }

    /// Identifies a character here or where it is owned.
    ///
    /// # Errors
    /// As [`Owner::answer`].
    pub async fn identify(&self, name: &CharacterName) -> Result<Identity, Fault> {
        let Some(owner) = self.elsewhere(name) else { return self.flow.identity(name).await };
        let name = name.as_str().to_owned();
        self.hop(owner, |reply| Event::Identify { name, reply }).await
    }

    /// The counters of every shard; None for one that did not answer in time.
    pub async fn all_counters(&self) -> Vec<Option<Counters>> {
        let asked = ShardId::all(self.mailboxes.shards()).map(|shard| async move {
            if shard == self.shard {
                return Some((self.counters)());
            }
            let (reply, counters) = oneshot::channel();
            self.mailboxes.try_send(shard, Event::Count { reply }).ok()?;
            soon(counters).await
        });
        future::join_all(asked).await
    }

    /// Does what another shard asks. A reply nobody waits for any more is no error: that client is gone.
    pub async fn work(self: Rc<Self>, event: Event) {
        match event {
            Event::Ask { name, view, force, reply } => {
                let answer = match CharacterName::parse(&name) {
                    Ok(name) => self.own_answer(Ask { name, view, force }).await,
                    Err(fault) => Err(fault),
                };
                let _ = reply.send(answer);
            }
            Event::Identify { name, reply } => {
                let identity = match CharacterName::parse(&name) {
                    Ok(name) => self.flow.identity(&name).await,
                    Err(fault) => Err(fault),
                };
                let _ = reply.send(identity);
            }
            Event::Invalidate { name, done } => {
                if let Ok(name) = CharacterName::parse(&name) {
                    self.near.invalidate(&name);
                }
                let _ = done.send(());
            }
            Event::Count { reply } => {
                let _ = reply.send((self.counters)());
            }
        }
    }

    /// A forced answer is given only after every shard has forgotten the old one.
    async fn own_answer(&self, ask: Ask) -> Result<Answer, Fault> {
        let forced = ask.force.then(|| ask.name.clone());
        let answer = self.flow.answer(ask).await?;
        if let Some(name) = forced {
            self.invalidate_everywhere(&name).await;
        }
        Ok(answer)
    }

    async fn invalidate_everywhere(&self, name: &CharacterName) {
        self.near.invalidate(name);
        let others = ShardId::all(self.mailboxes.shards()).filter(|shard| *shard != self.shard);
        let told = others.map(|shard| async move {
            let (done, acknowledged) = oneshot::channel();
            let event = Event::Invalidate { name: name.as_str().to_owned(), done };
            if self.mailboxes.try_send(shard, event).is_err() || soon(acknowledged).await.is_none() {
                tracing::warn!(%shard, character = %name, "may serve the old answer a few seconds more");
            }
        });
        future::join_all(told).await;
    }

    /// The other shard that owns a character, if another does.
    fn elsewhere(&self, name: &CharacterName) -> Option<ShardId> {
        let owner = owner_of(name.as_str().as_bytes(), self.mailboxes.shards());
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
}

async fn soon<T>(answer: oneshot::Receiver<T>) -> Option<T> {
    let limit = Box::pin(shards::spawn::sleep(SHARD_ANSWER_TIMEOUT));
    match future::select(answer, limit).await {
        Either::Left((answer, _)) => answer.ok(),
        Either::Right(_) => None,
    }
}
