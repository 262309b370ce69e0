//! The thread that owns everything that needs tokio: the guarded client of the game's API, and guests such as the store
//! and the shared memory. It also renders the metrics, which would hold up a shard. One per process.
//!
//! A shard sends a call and awaits the reply; dropping the reply cancels the call. The queue is bounded and full
//! means "overloaded" at once.

use std::future::Future;
use std::io;
use std::pin::Pin;

use futures_channel::oneshot;
use shards::runtime::panic_text;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::Fault;
use crate::expectation::ports::Basic;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Payload;
use crate::upstream::answer;
use crate::upstream::client::Client;
use crate::upstream::client::ClientConfig;
use crate::upstream::client::Document;
use crate::upstream::guarded::Guarded;
use crate::upstream::guarded::Guards;
use crate::upstream::probe::UpstreamSnapshot;

/// Something else that lives on the backplane's thread: made there, ended with it.
pub type Guest = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Calls waiting to be started or in flight.
pub const CALLS_MAX: usize = 4_096;

type Reply<T> = oneshot::Sender<Result<T, Fault>>;

enum Call {
    Ocid { name: String, reply: Reply<String> },
    Basic { ocid: String, reply: Reply<Basic> },
    Equipment { ocid: String, reply: Reply<Payload> },
    Render { render: Render, reply: Reply<String> },
}

/// Work over the backplane's own counters, done on its thread.
type Render = Box<dyn FnOnce(&UpstreamSnapshot) -> String + Send>;

/// The way to the backplane. Cheap to clone, one per shard.
#[derive(Clone)]
pub struct Backplane {
    calls: mpsc::Sender<Call>,
}

impl Backplane {
    /// Starts the thread and its client. It ends when the last handle is gone, or when a guest panics: then `on_panic` is
    /// told, because nobody could say what of the guest's work is still done.
    ///
    /// # Errors
    /// The thread or its runtime cannot be started, or the client refuses its configuration.
    pub fn start(
        config: ClientConfig,
        guards: Guards,
        guests: Vec<Guest>,
        on_panic: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<Self> {
        let client = Client::new(&config).map_err(io::Error::other)?;
        let guarded = Guarded::new(client, guards, jitter_seed());
        let (calls, queue) = mpsc::channel(CALLS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("backplane".to_owned()).spawn(move || {
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let mut lodged = JoinSet::new();
                for guest in guests {
                    lodged.spawn_local(guest());
                }
                tokio::select! {
                    () = run(guarded, queue) => {}
                    panic = first_panic(&mut lodged) => on_panic(panic),
                }
            });
        })?;
        Ok(Self { calls })
    }

    /// A document made from the counters of the upstream, and whatever else `render` carries, off the shards.
    ///
    /// # Errors
    /// `Overloaded` or `Internal` when the backplane cannot take it.
    pub async fn render(
        &self,
        render: impl FnOnce(&UpstreamSnapshot) -> String + Send + 'static,
    ) -> Result<String, Fault> {
        self.call(|reply| Call::Render { render: Box::new(render), reply }).await
    }

    async fn call<T>(&self, call: impl FnOnce(Reply<T>) -> Call) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        self.calls.try_send(call(reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Fault::overloaded("upstream calls"),
            mpsc::error::TrySendError::Closed(_) => Fault::internal("the backplane has ended"),
        })?;
        answer.await.unwrap_or_else(|_| Err(Fault::internal("the backplane dropped a call")))
    }
}

impl GameApi for Backplane {
    async fn ocid(&self, name: &str) -> Result<String, Fault> {
        self.call(|reply| Call::Ocid { name: name.to_owned(), reply }).await
    }

    async fn basic(&self, ocid: &str) -> Result<Basic, Fault> {
        self.call(|reply| Call::Basic { ocid: ocid.to_owned(), reply }).await
    }

    async fn equipment(&self, ocid: &str) -> Result<Payload, Fault> {
        self.call(|reply| Call::Equipment { ocid: ocid.to_owned(), reply }).await
    }
}

/// Waits for a task to panic; for ever when none does.
pub async fn first_panic(tasks: &mut JoinSet<()>) -> String {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            return panic_text(&*panic);
        }
    }
    std::future::pending().await
}

async fn run(client: Guarded, mut queue: mpsc::Receiver<Call>) {
    let client = std::rc::Rc::new(client);
    while let Some(call) = queue.recv().await {
        let client = std::rc::Rc::clone(&client);
        tokio::task::spawn_local(async move {
            match call {
                Call::Ocid { name, reply } => answer(reply, client.ocid(&name)).await,
                Call::Basic { ocid, reply } => {
                    answer(reply, async { client.basic(&ocid).await.map(facts) }).await
                }
                Call::Equipment { ocid, reply } => {
                    answer(reply, async { client.equipment(&ocid).await.map(payload) }).await
                }
                Call::Render { render, reply } => {
                    answer(reply, async { Ok(render(&client.snapshot())) }).await
                }
            }
        });
    }
}

/// Makes the call unless, or until, nobody waits for it any more: dropping the future closes its connection.
async fn answer<T>(mut reply: Reply<T>, call: impl Future<Output = Result<T, Fault>>) {
    let answered = tokio::select! {
        answered = call => answered,
        () = reply.cancellation() => return,
    };
    let _ = reply.send(answered);
}

/// Different in every process, so that several do not retry in step.
fn jitter_seed() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(std::process::id())
}

fn facts(basic: answer::Basic) -> Basic {
    Basic {
        world_name: basic.world_name,
        character_class: basic.character_class,
        character_image: basic.character_image,
    }
}

fn payload(document: Document) -> Payload {
    Payload { body: document.body, gzip: document.gzip }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::resilience::breaker::Settings;
    use crate::resilience::retry::Policy;
    use crate::secret::Secret;

    #[test]
    fn a_guest_that_panics_is_reported_and_one_that_ends_is_not() {
        let client = ClientConfig {
            base_url: "http://127.0.0.1:1".to_owned(),
            api_key: Secret::new("none"),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            user_agent: "test".to_owned(),
        };
        let second = Duration::from_secs(1);
        let guards = Guards {
            retry: Policy { attempts_max: 1, base: second },
            retries_per_minute: 1,
            breaker: Settings { window: 1, failures_percent: 50, open_for: second, probes: 1 },
            concurrency: 1,
            calls_per_second: 1,
        };
        let ends: Guest = Box::new(|| Box::pin(async {}));
        let panics: Guest = Box::new(|| {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                panic!("broken invariant");
            })
        });
        let (told, heard) = std::sync::mpsc::channel();
        let on_panic = move |why| told.send(why).expect("the test waits");
        let backplane = Backplane::start(client, guards, vec![ends, panics], on_panic);
        let _backplane = backplane.expect("started");
        assert_eq!(heard.recv_timeout(Duration::from_secs(5)).as_deref(), Ok("broken invariant"));
    }
}
