//! The queue of valuations: what its workers do with a job. They ask the home of the name, a shard like any other.

use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use shards::clock::SystemClock;
use shards::mailbox::Mailboxes;
use shards::routing::owner_of;

use crate::error::Fault;
use crate::error::What;
use crate::limits::VALUATION_TRIES_MAX;
use crate::limits::VALUATIONS_DEAD_MAX;
use crate::limits::VALUATIONS_HIGH_MAX;
use crate::limits::VALUATIONS_LOW_MAX;
use crate::routes::event::Event;
use crate::routes::owner::Question;
use crate::stores::queue::Rules;
use crate::stores::queue::desk::Valuation;
use crate::stores::queue::desk::Worked;
use crate::stores::queue::orders::Orders;
use crate::stores::redis::client::Client;

/// Pause after the first failed try; doubles with each.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What makes the queue run on the backplane.
pub(super) struct Workers {
    pub(super) orders: Orders,
    pub(super) mailboxes: Mailboxes<Event>,
    /// A job that was in work for so long is given to another process.
    pub(super) redrive: Duration,
}

impl Workers {
    /// Runs the queue: in this Redis, while it can be reached, else in this process.
    pub(super) async fn run(self, client: Option<Client>) {
        let rules = Rules {
            high_max: VALUATIONS_HIGH_MAX,
            low_max: VALUATIONS_LOW_MAX,
            retry: RETRY_PAUSE,
            tries_max: VALUATION_TRIES_MAX,
            in_work_max: self.redrive,
            aside_max: VALUATIONS_DEAD_MAX,
        };
        let mailboxes = self.mailboxes;
        let work = move |valuation| work(mailboxes.clone(), valuation);
        self.orders.run(client, rules, Rc::new(SystemClock::new()), work).await;
    }
}

/// Has a valuation made. That nobody has the name is an answer, too: the name's home remembers it.
async fn work(mailboxes: Mailboxes<Event>, Valuation { name, force }: Valuation) -> Worked {
    let home = owner_of(name.as_bytes(), mailboxes.shards());
    let (reply, made) = oneshot::channel();
    let question = Question::Value { name, force, reply };
    // A refused question has dropped its reply.
    let _ = mailboxes.try_send(home, Event::Question(question));
    match made.await {
        Ok(Ok(()) | Err(Fault { what: What::NoSuchCharacter { .. }, .. })) => Worked::Done,
        Ok(Err(fault)) => {
            tracing::debug!(%fault, "a valuation of the queue failed");
            Worked::Failed
        }
        Err(oneshot::Canceled) => Worked::Failed,
    }
}
