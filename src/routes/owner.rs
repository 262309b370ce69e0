//! A shard as the owner of some characters and as a client of the owners of the others: from a nickname to a
//! finished document. What crosses shards is a [`Question`]; a reply nobody waits for any more ends the work for it.
//!
//! A nickname is resolved on its home shard, `hash(name)`; the gear is kept by the owner, `hash(ocid)`. What a
//! shard has learnt about names it keeps, so that one hop is the usual price of a miss, and none that of a hit. What is
//! answered only from what is kept, and made by the queue's workers, is in `views`.

mod views;

pub use views::Viewed;

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future;
use futures_util::future::Either;
use shards::ShardId;
use shards::mailbox::Mailboxes;
use shards::mailbox::Reason;
use shards::routing::owner_of;
use shards::spawn;

use crate::error::Fault;
use crate::error::What;
use crate::expectation::character::Character;
use crate::expectation::character::Ocid;
use crate::expectation::directory::Directory;
use crate::expectation::directory::Finding;
use crate::expectation::flow::Answer;
use crate::expectation::flow::Ask;
use crate::expectation::flow::Effort;
use crate::expectation::flow::Flow;
use crate::expectation::flow::Source;
use crate::expectation::jobs::Jobs;
use crate::expectation::name::CharacterName;
use crate::expectation::ports::Basic;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Workshop;
use crate::expectation::view::View;
use crate::http::negotiate::Encoding;
use crate::routes::event::Event;
use crate::routes::near::Finished;
use crate::routes::near::Near;
use crate::routes::popularity;
use crate::routes::popularity::Popularity;
use crate::routes::popularity::Visits;
use crate::routes::respond;

type Reply<T> = oneshot::Sender<Result<T, Fault>>;
/// An id or the lack of one, and the time since the game said so.
type Located = (Option<String>, Duration);

/// What one shard asks of another as the owner of characters. Owned and `Send`.
pub enum Question {
    /// The id behind a nickname whose home the receiver is.
    Locate {
        /// Normalised name.
        name: String,
        /// An id that turned out to be none any more: not this one from memory.
        outdated: Option<String>,
        /// Ask the game even when nobody is known to have the name.
        again: bool,
        /// Where the id or the lack of one goes, with its age.
        reply: Reply<Located>,
    },
    /// A document of a character that the receiver owns.
    Ask {
        /// Normalised name.
        name: String,
        /// Its id.
        ocid: String,
        /// Which document.
        view: View,
        /// How good an answer.
        effort: Effort,
        /// Where the answer goes; dropped when the client is gone.
        reply: Reply<Answer>,
    },
    /// What is kept of a nickname whose home the receiver is.
    Recall {
        /// Normalised name.
        name: String,
        /// Where the id or the lack of one goes, with its age; nothing when nothing is kept.
        reply: Reply<Option<Located>>,
    },
    /// What is kept of a document of a character that the receiver owns.
    Kept {
        /// Normalised name.
        name: String,
        /// Its id.
        ocid: String,
        /// Which document.
        view: View,
        /// Where it goes.
        reply: Reply<Option<Answer>>,
    },
    /// A character that the receiver owns is to be fetched and valued again, later.
    Recalculate {
        /// Normalised name.
        name: String,
        /// Its id.
        ocid: String,
        /// Told when that is queued.
        reply: Reply<()>,
    },
    /// A job of the queue: the valuation of a nickname whose home the receiver is.
    Value {
        /// Normalised name.
        name: String,
        /// Fetch again.
        force: bool,
        /// Told when it is made and kept.
        reply: Reply<()>,
    },
    /// Facts about a character that the receiver owns.
    Facts {
        /// Its id.
        ocid: String,
        /// Where the answer goes.
        reply: Reply<Basic>,
    },
    /// Make the plain answer about a character ready, as if a client had asked the receiver for it.
    Prepare {
        /// The name as it was counted.
        name: String,
        /// Where it goes that it is, or why not.
        reply: Reply<()>,
    },
    /// A character changed: forget its finished answers.
    Invalidate {
        /// Its id.
        ocid: String,
        /// Told when they are forgotten.
        done: oneshot::Sender<()>,
    },
    /// Another process has newer gear of a character: forget what is from before.
    Outdate {
        /// Its id.
        ocid: String,
        /// When that process asked the game, unix microseconds.
        born_us: u64,
    },
    /// News of other processes may have been missed: believe nothing that is cached.
    Doubt,
}

/// Which document, in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Which.
    pub view: View,
    /// Fetch again.
    pub force: bool,
    /// The coding the client takes.
    pub encoding: Encoding,
    /// The target under which the finished answer may be kept, if it may, and its route for the counters.
    pub target: Option<(&'a str, usize)>,
    /// Whether it counts towards the character's popularity.
    pub counts: bool,
}

/// How long a forced answer waits for the other shards to forget the old one. A shard that takes longer is stuck,
/// and its near cache asks again on its own before long.
const SHARD_ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// Ids of one question that may turn out to be none any more: the one this shard remembers and the one the name's home
/// remembers. The next is the game's own word.
const OUTDATED_MAX: usize = 2;

/// One per shard.
pub struct Owner<G, W> {
    shard: ShardId,
    mailboxes: Mailboxes<Event>,
    directory: Rc<Directory<G>>,
    flow: Rc<Flow<G, W>>,
    jobs: Rc<dyn Jobs>,
    near: Near,
    popularity: Popularity,
}

impl<G: GameApi + 'static, W: Workshop + 'static> Owner<G, W> {
    /// `near_bytes_max` for finished answers.
    pub fn new(
        (shard, mailboxes): (ShardId, Mailboxes<Event>),
        directory: Rc<Directory<G>>,
        flow: Rc<Flow<G, W>>,
        jobs: Rc<dyn Jobs>,
        near_bytes_max: u64,
    ) -> Rc<Self> {
        let (near, popularity) = (Near::new(near_bytes_max), Popularity::default());
        Rc::new(Self { shard, mailboxes, directory, flow, jobs, near, popularity })
    }

    /// A finished answer to exactly this target and its route, if this shard has one that may still be used.
    #[must_use]
    pub fn hit(
        &self,
        encoding: Encoding,
        target: &str,
        now: Duration,
    ) -> Option<(Finished, usize)> {
        self.near.get(encoding, target, now)
    }

    /// The document of a character, wherever it is owned; kept near when the owner calls it fresh. `now` is when it
    /// was asked for.
    ///
    /// # Errors
    /// What the game or the owner said; `Overloaded` when a mailbox is full.
    pub async fn document(
        &self,
        name: CharacterName,
        wanted: Wanted<'_>,
        now: Duration,
    ) -> Result<(Finished, Source), Fault> {
        let work = async |character: &Character| self.document_of(character, wanted, now).await;
        let (_, found) = self.of_character(name, wanted.force, work).await?;
        Ok(found)
    }

    /// Id and basic facts of a character, wherever it is owned.
    ///
    /// # Errors
    /// As [`Owner::document`].
    pub async fn identity(&self, name: CharacterName) -> Result<(Character, Basic), Fault> {
        self.of_character(name, false, async |character| self.facts(&character.ocid).await).await
    }

    /// Does what another shard asks.
    pub async fn work(&self, question: Question) {
        match question {
            Question::Locate { name, outdated, again, reply } => {
                reply_with(reply, self.home_locate(&name, outdated, again)).await;
            }
            Question::Ask { name, ocid, view, effort, reply } => {
                let asked = async {
                    let character = character(&name, &ocid)?;
                    self.own_answer(Ask { character, view, effort }).await
                };
                reply_with(reply, asked).await;
            }
            Question::Recall { name, reply } => reply_with(reply, self.home_recall(&name)).await,
            Question::Kept { name, ocid, view, reply } => {
                let kept = async { self.flow.kept(character(&name, &ocid)?, view).await };
                reply_with(reply, kept).await;
            }
            Question::Recalculate { name, ocid, reply } => {
                let queued = async { self.own_recalculate(&character(&name, &ocid)?).await };
                reply_with(reply, queued).await;
            }
            Question::Value { name, force, reply } => {
                reply_with(reply, self.value(&name, force)).await;
            }
            Question::Facts { ocid, reply } => {
                reply_with(reply, self.flow.facts(&Ocid::new(&ocid))).await;
            }
            Question::Prepare { name, reply } => reply_with(reply, self.prepare(&name)).await,
            Question::Invalidate { ocid, done } => {
                self.near.invalidate(&Ocid::new(&ocid));
                // The asker may have given up waiting; what it asked for is done.
                let _ = done.send(());
            }
            Question::Outdate { ocid, born_us } => {
                let ocid = Ocid::new(&ocid);
                self.flow.outdate(&ocid, born_us);
                self.near.invalidate(&ocid);
            }
            Question::Doubt => {
                self.flow.flush();
                self.near.invalidate_all();
            }
        }
    }

    /// How often each name has been answered here since this was last asked.
    pub fn take_visits(&self) -> Vec<(String, u32)> {
        self.popularity.take()
    }

    /// The flow behind, for its sizes.
    #[must_use]
    pub fn flow(&self) -> &Flow<G, W> {
        &self.flow
    }

    /// The names known here.
    #[must_use]
    pub fn directory(&self) -> &Directory<G> {
        &self.directory
    }

    /// Finished answers held here, and their bytes.
    #[must_use]
    pub fn near_sizes(&self) -> (u64, u64) {
        self.near.sizes()
    }

    /// The sending ends of this shard.
    #[must_use]
    pub fn mailboxes(&self) -> &Mailboxes<Event> {
        &self.mailboxes
    }

    async fn document_of(
        &self,
        character: &Character,
        wanted: Wanted<'_>,
        now: Duration,
    ) -> Result<(Finished, Source), Fault> {
        // From before the owner is asked: an invalidation that comes in between wins.
        let valid = self.near.flag(&character.ocid);
        let effort = if wanted.force { Effort::Forced { claimed: false } } else { Effort::AtHand };
        let ask = Ask { character: character.clone(), view: wanted.view, effort };
        let answer = self.answer(ask).await?;
        let finished = self.finish(character, wanted, &answer, (valid, now))?;
        Ok((finished, answer.source))
    }

    /// Counts an answer and keeps it near when it is fresh. `valid` is the character's flag, and `now` the time, from
    /// before it was asked for.
    fn finish(
        &self,
        character: &Character,
        wanted: Wanted<'_>,
        answer: &Answer,
        (valid, now): (Rc<Cell<bool>>, Duration),
    ) -> Result<Finished, Fault> {
        let Wanted { encoding, target, counts, .. } = wanted;
        let visits = if counts { self.popularity.of(&character.name) } else { Visits::default() };
        popularity::count(&visits);
        let finished = respond::finish(&answer.body, encoding)?;
        if let Some((target, route)) = target
            && !answer.fresh_for.is_zero()
        {
            let key = (encoding, target, route);
            self.near.put(key, finished.clone(), (valid, visits), now, answer.fresh_for);
        }
        Ok(finished)
    }

    /// Does `work` for the character of a name; again when the id that was remembered turns out to be none any more.
    async fn of_character<T>(
        &self,
        name: CharacterName,
        force: bool,
        work: impl AsyncFn(&Character) -> Result<T, Fault>,
    ) -> Result<(Character, T), Fault> {
        let mut character = self.locate(name, force).await?;
        for _ in 0..OUTDATED_MAX {
            match work(&character).await {
                Err(Fault { what: What::OutdatedId, .. }) => {
                    character = self.locate_again(character).await?;
                }
                done => return Ok((character, done?)),
            }
        }
        let done = work(&character).await?;
        Ok((character, done))
    }

    async fn locate(&self, name: CharacterName, force: bool) -> Result<Character, Fault> {
        let found = match self.directory.known(&name) {
            Some(found) if found.ocid.is_some() || !force => found.ocid,
            _ => self.ask_home(&name, None, force).await?,
        };
        let ocid = found.ok_or_else(|| Fault::no_such_character(name.as_str()))?;
        Ok(Character { name, ocid })
    }

    /// After the game refused the id: what the name stands for now, if that is something else.
    async fn locate_again(&self, character: Character) -> Result<Character, Fault> {
        let Character { name, ocid: outdated } = character;
        self.directory.forget(&name, &outdated);
        let found = self.ask_home(&name, Some(&outdated), true).await?;
        let ocid = found.ok_or_else(|| Fault::no_such_character(name.as_str()))?;
        if ocid == outdated {
            return Err(Fault::upstream_failed("the game gives an id that it does not know"));
        }
        Ok(Character { name, ocid })
    }

    async fn ask_home(
        &self,
        name: &CharacterName,
        outdated: Option<&Ocid>,
        again: bool,
    ) -> Result<Option<Ocid>, Fault> {
        let text = name.as_str().to_owned();
        let outdated = outdated.map(|ocid| ocid.as_str().to_owned());
        let found = match self.elsewhere(text.as_bytes()) {
            None => self.home_locate(&text, outdated, again).await,
            Some(home) => {
                let question = |reply| Question::Locate { name: text, outdated, again, reply };
                self.hop(home, question).await
            }
        };
        self.directory.learn(name, found.map(finding)).map(|found| found.ocid)
    }

    async fn home_locate(
        &self,
        name: &str,
        outdated: Option<String>,
        again: bool,
    ) -> Result<Located, Fault> {
        let name = CharacterName::parse(name)?;
        if let Some(outdated) = outdated {
            self.directory.forget(&name, &Ocid::new(&outdated));
        }
        let found = match self.directory.known(&name) {
            Some(found) if found.ocid.is_some() || !again => found,
            _ => self.directory.resolve(&name, again).await?,
        };
        Ok(located(found))
    }

    async fn prepare(&self, name: &str) -> Result<(), Fault> {
        let wanted = Wanted {
            view: View::Expectation,
            force: false,
            encoding: Encoding::Gzip,
            target: None,
            counts: false,
        };
        // Nothing is kept near, so that it does not matter when it was asked for.
        self.document(CharacterName::parse(name)?, wanted, Duration::ZERO).await.map(drop)
    }

    async fn facts(&self, ocid: &Ocid) -> Result<Basic, Fault> {
        let text = ocid.as_str().to_owned();
        let Some(owner) = self.elsewhere(text.as_bytes()) else {
            return self.flow.facts(ocid).await;
        };
        self.hop(owner, |reply| Question::Facts { ocid: text, reply }).await
    }

    async fn answer(&self, ask: Ask) -> Result<Answer, Fault> {
        let Some(owner) = self.elsewhere(ask.character.ocid.as_str().as_bytes()) else {
            return self.own_answer(ask).await;
        };
        let Ask { character, view, effort } = ask;
        let (name, ocid) = texts(&character);
        self.hop(owner, |reply| Question::Ask { name, ocid, view, effort, reply }).await
    }

    /// A forced answer is given only after every shard has forgotten the old one and the other processes were told.
    async fn own_answer(&self, ask: Ask) -> Result<Answer, Fault> {
        let forced = matches!(ask.effort, Effort::Forced { .. });
        let forced = forced.then(|| ask.character.ocid.clone());
        let answer = self.flow.answer(ask).await?;
        if let Some(ocid) = forced {
            self.invalidate_everywhere(&ocid).await;
            self.flow.announce(&ocid).await;
        }
        Ok(answer)
    }

    async fn invalidate_everywhere(&self, ocid: &Ocid) {
        self.near.invalidate(ocid);
        let others = ShardId::all(self.mailboxes.shards()).filter(|shard| *shard != self.shard);
        let told = others.map(|shard| async move {
            let (done, acknowledged) = oneshot::channel();
            let event =
                Event::Question(Question::Invalidate { ocid: ocid.as_str().to_owned(), done });
            if self.mailboxes.try_send(shard, event).is_err() || soon(acknowledged).await.is_none()
            {
                let ocid = ocid.as_str();
                tracing::warn!(%shard, ocid, "may serve the old answer a few seconds more");
            }
        });
        future::join_all(told).await;
    }

    /// The other shard that a key belongs to, if it belongs to another.
    fn elsewhere(&self, key: &[u8]) -> Option<ShardId> {
        let owner = owner_of(key, self.mailboxes.shards());
        (owner != self.shard).then_some(owner)
    }

    async fn hop<T>(
        &self,
        to: ShardId,
        question: impl FnOnce(Reply<T>) -> Question,
    ) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        self.mailboxes.try_send(to, Event::Question(question(reply))).map_err(|refused| {
            match refused.reason {
                Reason::Full => Fault::overloaded("mailbox"),
                Reason::Closed => Fault::internal("the owner shard has ended"),
            }
        })?;
        answer.await.unwrap_or_else(|_| Err(Fault::internal("the owner shard dropped a question")))
    }
}

/// A character as it was told by another shard.
fn character(name: &str, ocid: &str) -> Result<Character, Fault> {
    Ok(Character { name: CharacterName::parse(name)?, ocid: Ocid::new(ocid) })
}

/// A character as it is told to another shard: name and id.
fn texts(character: &Character) -> (String, String) {
    (character.name.as_str().to_owned(), character.ocid.as_str().to_owned())
}

fn finding((ocid, age): Located) -> Finding {
    Finding { ocid: ocid.as_deref().map(Ocid::new), age }
}

fn located(Finding { ocid, age }: Finding) -> Located {
    (ocid.map(|ocid| ocid.as_str().to_owned()), age)
}

/// Sends what `work` gives, or drops it as soon as nobody waits for it any more.
async fn reply_with<T>(mut reply: Reply<T>, work: impl Future<Output = Result<T, Fault>>) {
    let done = match future::select(pin!(work), reply.cancellation()).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => return,
    };
    // The asker may be gone since.
    let _ = reply.send(done);
}

async fn soon<T>(answer: oneshot::Receiver<T>) -> Option<T> {
    match future::select(answer, pin!(spawn::sleep(SHARD_ANSWER_TIMEOUT))).await {
        Either::Left((answer, _)) => answer.ok(),
        Either::Right(_) => None,
    }
}
