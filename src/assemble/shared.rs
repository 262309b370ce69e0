//! The memory that processes share: puts its parts together on the backplane, and hands what other processes say to
//! every shard of this one. The queue of valuations lives in it, too, or without it in this process.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use shards::ShardId;
use shards::clock::SystemClock;
use shards::mailbox::Mailboxes;
use shards::mailbox::Reason;
use shards::runtime::Shard;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::StartError;
use super::jobs::Jobs;
use super::valuations::Workers;
use crate::backplane::Guest;
use crate::backplane::first_panic;
use crate::config::Config;
use crate::config::SharedMemory;
use crate::expectation::shared::Shared;
use crate::jobs::stretching;
use crate::routes::event::Event;
use crate::routes::owner::Question;
use crate::secret::Secret;
use crate::stores::probe::StoreProbe;
use crate::stores::queue::orders;
use crate::stores::queue::orders::QueuedJobs;
use crate::stores::redis::address::Address;
use crate::stores::redis::client;
use crate::stores::redis::client::Client;
use crate::stores::redis::direct::Direct;
use crate::stores::redis::events;
use crate::stores::redis::events::Bus;
use crate::stores::redis::flight::Flights;
use crate::stores::redis::flight::Times;
use crate::stores::redis::lines;
use crate::stores::redis::lines::Dialler;
use crate::stores::redis::lines::Lines;
use crate::stores::redis::probe::RedisProbe;
use crate::stores::redis::shard::ShardRedis;
use crate::stores::redis::shared;
use crate::stores::redis::shared::Desk;
use crate::stores::redis::shared::Orders;
use crate::stores::redis::shared::SharedRedis;

/// News that may wait for the shards. Beyond that they are told to doubt everything instead, which covers it.
const NEWS_MAX: usize = 4_096;
/// How soon a full mailbox is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// The way to the memory, if there is one, and what runs it.
pub(super) struct Opened {
    pub(super) shared: Option<SharedRedis>,
    /// As many as shards, all alike, if there is one.
    pub(super) ways: Vec<Way>,
    /// The way to the queue of valuations.
    pub(super) valuations: QueuedJobs,
    pub(super) guest: Guest,
}

/// What a shard makes its own way to the memory of.
pub(super) struct Way {
    shared: SharedRedis,
    lines: Lines,
    edition: String,
    command_timeout: Duration,
}

impl Way {
    /// On the shard's thread.
    pub(super) fn open(self, shard: &Shard) -> (Rc<dyn Shared>, Rc<Direct>) {
        let clock = shard.clock.fine();
        let direct = Direct::open(shard.driver, clock, self.command_timeout, self.lines);
        let way = ShardRedis::new(self.shared, Rc::clone(&direct), self.edition);
        (Rc::new(way), direct)
    }
}

/// Opens what was configured, with the jobs that run beside it; connects to nothing yet. `edition` tells apart what
/// builds and rulesets make of gear.
pub(super) fn open(
    config: &Config,
    instance: String,
    edition: String,
    mailboxes: &Mailboxes<Event>,
    (jobs, store): (Jobs, Option<Arc<StoreProbe>>),
) -> Result<Opened, StartError> {
    let (valuations, wishes) = orders::channel();
    let (of_shards, redrive) = (mailboxes.clone(), config.redrive);
    let workers = Workers { orders: wishes, mailboxes: of_shards, redrive };
    let Some(memory) = &config.shared else {
        let guest: Guest = Box::new(move || Box::pin(workers.run(None)));
        return Ok(Opened { shared: None, ways: Vec::new(), valuations, guest });
    };
    let state = client_at(memory, "redis.url", &memory.url)?;
    let own_cache = !memory.cache_url.is_empty();
    let values =
        own_cache.then(|| client_at(memory, "redis.cache_url", &memory.cache_url)).transpose()?;
    tracing::info!(instance, own_cache, "shared memory: Redis");
    let (handle, orders) = shared::channel();
    let times = times(memory);
    let (ways, diallers) = ShardId::all(mailboxes.shards())
        .map(|_| {
            let ((lines, dialler), shared) = (lines::pair(), handle.clone());
            let command_timeout = memory.command_timeout;
            (Way { shared, lines, edition: edition.clone(), command_timeout }, dialler)
        })
        .unzip();
    let mailboxes = mailboxes.clone();
    let guest: Guest = Box::new(move || {
        let orders = (orders, workers, diallers);
        Box::pin(run((state, values), times, (instance, edition), orders, mailboxes, (jobs, store)))
    });
    Ok(Opened { shared: Some(handle), ways, valuations, guest })
}

fn client_at(memory: &SharedMemory, key: &str, url: &Secret) -> Result<client::Config, StartError> {
    let address: Address = url
        .reveal()
        .parse()
        .map_err(|wrong| StartError::Configuration(format!("{key}: {wrong}")))?;
    Ok(client::Config {
        connect_timeout: memory.connect_timeout,
        command_timeout: memory.command_timeout,
        ..client::Config::at(address)
    })
}

fn times(memory: &SharedMemory) -> Times {
    Times { lease: memory.lease, renew: memory.lease / 3, ..Times::SETTLED }
}

async fn run(
    (state, values): (client::Config, Option<client::Config>),
    times: Times,
    (instance, edition): (String, String),
    (orders, workers, diallers): (Orders, Workers, Vec<Dialler>),
    mailboxes: Mailboxes<Event>,
    (jobs, store): (Jobs, Option<Arc<StoreProbe>>),
) {
    let clock = || Rc::new(SystemClock::new());
    let probe = Rc::<RedisProbe>::default();
    let (client, keeper) = Client::counting(state, clock(), Rc::clone(&probe));
    // Without one of these the process would be half of one: their panics are those of the whole.
    let mut vital = JoinSet::new();
    vital.spawn_local(keeper.run());
    let values = match values {
        Some(values) => {
            let (values, keeper) = Client::counting(values, clock(), probe);
            vital.spawn_local(keeper.run());
            values
        }
        None => client.clone(),
    };
    for dialler in diallers {
        vital.spawn_local(dialler.run(values.clone()));
    }
    vital.spawn_local(workers.run(Some(client.clone())));
    let bus = Bus::new(client.clone(), &instance);
    let (news, heard) = mpsc::channel(NEWS_MAX);
    vital.spawn_local(tell(heard, mailboxes.clone()));
    jobs.begin(client.clone(), mailboxes, &mut vital);
    vital.spawn_local(bus.clone().listen(move |event| {
        // Full: the last of what waits is that everything is to be doubted, see `tell`.
        let _ = news.try_send(event);
    }));
    if let Some(store) = store {
        vital.spawn_local(stretching::run(values.clone(), move || store.snapshot().state));
    }
    let flights = Flights::new(client.clone(), times, &instance);
    tokio::select! {
        () = orders.run(Desk::new((client, values), bus, flights, &edition)) => {}
        panic = first_panic(&mut vital) => std::panic::resume_unwind(Box::new(panic)),
    }
}

/// Hands news to every shard, in order, however long a mailbox is full. When so many wait that some may have been lost,
/// the shards are told to doubt everything.
async fn tell(mut heard: mpsc::Receiver<events::Event>, mailboxes: Mailboxes<Event>) {
    while let Some(event) = heard.recv().await {
        let overflown = heard.len() + 1 >= NEWS_MAX;
        if overflown {
            while heard.try_recv().is_ok() {}
        }
        let question = |event: &events::Event| match event {
            events::Event::Evict { key, born_us: Some(born_us), .. } if !overflown => {
                Question::Outdate { ocid: key.clone(), born_us: *born_us }
            }
            // A kind of news that this build does not know, or too many: nothing is certain.
            _ => Question::Doubt,
        };
        for shard in ShardId::all(mailboxes.shards()) {
            deliver(&mailboxes, shard, question(&event)).await;
        }
    }
}

/// Waits for room in the mailbox.
pub(super) fn deliver(
    mailboxes: &Mailboxes<Event>,
    shard: ShardId,
    question: Question,
) -> Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async move {
        let mut event = Event::Question(question);
        while let Err(refused) = mailboxes.try_send(shard, event) {
            if refused.reason == Reason::Closed {
                return;
            }
            event = refused.event;
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    })
}

/// A name for this process among others: what was configured, or the machine and the port, which stay the same over a
/// restart; without a port of its own, something that nobody else has.
pub(super) fn instance(config: &Config) -> String {
    if let Some(instance) = &config.instance {
        return instance.clone();
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match config.listen.port() {
        0 => format!("{}:{}.{:x}", host.trim(), std::process::id(), random()),
        port => format!("{}:{port}", host.trim()),
    }
}

pub(super) fn random() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    fn named(keys: &[(&str, &str)]) -> String {
        let mut layers = Layers::defaults();
        for (key, value) in keys {
            layers.flag(key, "--test", Some((*value).to_owned()));
        }
        instance(&Config::check(&layers).expect("valid"))
    }

    #[test]
    fn row_174_two_processes_of_a_machine_have_names_of_their_own_that_last() {
        let one = named(&[("server.listen", "127.0.0.1:8081")]);
        assert_ne!(one, named(&[("server.listen", "127.0.0.1:8082")]));
        assert_eq!(one, named(&[("server.listen", "127.0.0.1:8081")]), "after a restart");
        assert!(one.ends_with(":8081") && one.len() > 5, "{one}");
        assert_eq!(named(&[("server.instance", "blue-1")]), "blue-1");
        let any_port = [("server.listen", "127.0.0.1:0")];
        assert_ne!(named(&any_port), named(&any_port));
    }
}
