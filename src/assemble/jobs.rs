//! Locks and the jobs under them, on the backplane beside the shared memory: without one there are none.

use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use shards::clock::SystemClock;
use shards::mailbox::Mailboxes;
use shards::routing::owner_of;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::StartError;
use super::shared::deliver;
use super::shared::random;
use crate::config::Config;
use crate::config::Store;
use crate::jobs::warm_up::Settings;
use crate::jobs::warm_up::WarmUp;
use crate::jobs::warm_up::WarmUpProbe;
use crate::locks::held::Locks;
use crate::locks::redis::RedisTier;
use crate::locks::rule::Times;
use crate::locks::sql::SqlTier;
use crate::locks::tier::NoSecond;
use crate::locks::tier::SecondTier;
use crate::metrics::scrape::JobsScrape;
use crate::routes::event::Event;
use crate::routes::owner::Question;
use crate::stores::redis::client::Client;
use crate::stores::redis::popularity::Popularity;

/// Scrapes that may wait; a further one goes without.
const QUESTIONS_MAX: usize = 4;

type Reply = oneshot::Sender<JobsScrape>;

/// The way to what the jobs have counted.
#[derive(Clone)]
pub(super) struct Counted(mpsc::Sender<Reply>);

/// Jobs that are about to be run.
pub(super) struct Jobs {
    /// This process in the book.
    node: String,
    second: Option<SqlTier>,
    settings: Settings,
    /// For one character of the warm-up.
    deadline: Duration,
    questions: mpsc::Receiver<Reply>,
}

/// Connects to nothing yet.
pub(super) fn open(config: &Config, instance: &str) -> Result<(Counted, Jobs), StartError> {
    let times = Times::SETTLED;
    let second = match &config.store {
        Store::Mysql(mysql) => Some(SqlTier::new(mysql.url.reveal(), times)?),
        Store::None | Store::Sqlite => None,
    };
    if config.warm_up.top > 0 && config.shared.is_none() {
        tracing::warn!("warmup.top has no effect without redis.url, where names are counted");
    }
    let settings = Settings {
        top: config.warm_up.top,
        after: config.warm_up.after,
        pause: config.warm_up.pause,
        fresh: config.fresh,
    };
    // A process that starts again is another one.
    let node = format!("{instance}.{:x}", random());
    let (ask, questions) = mpsc::channel(QUESTIONS_MAX);
    let jobs = Jobs { node, second, settings, deadline: config.deadline, questions };
    Ok((Counted(ask), jobs))
}

impl Counted {
    /// Nothing when there are no jobs.
    pub(super) async fn snapshot(&self) -> Option<JobsScrape> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(reply).ok()?;
        answer.await.ok()
    }
}

impl Jobs {
    /// Begins everything, on this `LocalSet`.
    pub(super) fn begin(
        self,
        client: Client,
        mailboxes: Mailboxes<Event>,
        tasks: &mut JoinSet<()>,
    ) {
        match self.second.clone() {
            Some(second) => self.begin_over(client, second, mailboxes, tasks),
            None => self.begin_over(client, NoSecond, mailboxes, tasks),
        }
    }

    fn begin_over(
        self,
        client: Client,
        second: impl SecondTier + 'static,
        mailboxes: Mailboxes<Event>,
        tasks: &mut JoinSet<()>,
    ) {
        let Self { node, second: sql, settings, deadline, mut questions } = self;
        let clock = Rc::new(SystemClock::new());
        let first = RedisTier::new(client.clone());
        let (locks, meetings) =
            Locks::new(first, second, Times::SETTLED, &node, Rc::clone(&clock) as _);
        tasks.spawn_local(meetings.run());
        let probe = Rc::<WarmUpProbe>::default();
        if settings.top > 0 {
            let popularity = Popularity::new(client);
            let counting = Rc::clone(&probe);
            let job = WarmUp::new(locks.clone(), popularity, settings, clock, counting);
            let prepare = async move |name| prepare(&mailboxes, name, deadline).await;
            tasks.spawn_local(job.run(prepare));
        }
        tasks.spawn_local(async move {
            while let Some(reply) = questions.recv().await {
                let scrape = JobsScrape {
                    locks: locks.probe().snapshot(),
                    sessions: sql.as_ref().map(SqlTier::sessions).unwrap_or_default(),
                    warm_up: probe.snapshot(),
                };
                // Whoever asked may have gone.
                let _ = reply.send(scrape);
            }
        });
    }
}

/// Has the name's home make its answer ready.
async fn prepare(mailboxes: &Mailboxes<Event>, name: String, within: Duration) -> bool {
    let home = owner_of(name.as_bytes(), mailboxes.shards());
    let (reply, answer) = oneshot::channel();
    let prepared = async {
        deliver(mailboxes, home, Question::Prepare { name, reply }).await;
        answer.await
    };
    // No answer: its shard has ended, or dropped the question.
    matches!(timeout(within, prepared).await, Ok(Ok(Ok(()))))
}
