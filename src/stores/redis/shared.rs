//! The shards' way to Redis: a cheap handle that sends orders to the backplane and awaits the replies, and the work
//! that does them there. The queue is bounded and full means "not there" at once.

use std::hash::BuildHasher as _;
use std::hash::RandomState;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use crate::error::Fault;
use crate::expectation::character::Character;
use crate::expectation::ports::Body;
use crate::expectation::ports::Gear;
use crate::expectation::ports::Kept;
use crate::expectation::shared::Dated;
use crate::expectation::shared::Done;
use crate::expectation::shared::Lead;
use crate::expectation::shared::Shared;
use crate::expectation::shared::SharedName;
use crate::expectation::shared::Slot;
use crate::expectation::shared::Turn;
use crate::expectation::view::View;
use crate::stores::redis::bodies::Bodies;
use crate::stores::redis::cache::SharedCache;
use crate::stores::redis::caches::Cache;
use crate::stores::redis::caches::Held;
use crate::stores::redis::caches::jittered;
use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::events::Bus;
use crate::stores::redis::eviction;
use crate::stores::redis::flight;
use crate::stores::redis::flight::Flights;
use crate::stores::redis::flight::Landed;
use crate::stores::redis::millis;
use crate::stores::redis::popularity::Popularity;
use crate::stores::redis::probe::RedisSnapshot;
use crate::stores::redis::values;

/// Orders that may wait to be begun.
pub const ORDERS_MAX: usize = 4_096;
/// Orders begun and not done; a turn that is waited for is one.
pub const WORK_MAX: usize = 4_096;
/// V2 and V3 results above this are made again rather than shared (the older system's bound), bytes.
pub const TOTALS_BYTES_MAX: usize = 5 * 1024;

type Reply<T> = oneshot::Sender<Option<T>>;

enum Order {
    Body { place: Place, reply: Reply<Dated<Body>> },
    PutBody { place: Place, body: Dated<Body>, reply: Reply<Body> },
    Gear { ocid: String, reply: Reply<Dated<Gear>> },
    PutGear { ocid: String, gear: Dated<Gear>, reply: Reply<()> },
    Name { name: String, reply: Reply<SharedName> },
    PutName { name: String, said: SharedName, reply: Reply<()> },
    Turn { work: String, reply: Reply<Turn> },
    Outdate { ocid: String, born_us: u64, reply: Reply<()> },
    Claim { ocid: String, cool_down: Duration, reply: Reply<Duration> },
    GiveBack { ocid: String, reply: Reply<()> },
    Visits(Vec<(String, u32)>),
    Snapshot { reply: Reply<RedisSnapshot> },
}

/// A [`Slot`] that may travel to another thread.
enum Place {
    Field { ocid: String, field: String },
    Totals { ocid: String, name: String, at_s: u64 },
}

/// The handle. One per shard, any thread.
#[derive(Clone)]
pub struct SharedRedis {
    orders: mpsc::Sender<Order>,
    refused: Arc<AtomicU64>,
}

/// Orders on their way to the backplane; may travel to its thread.
pub struct Orders {
    queue: mpsc::Receiver<Order>,
    refused: Arc<AtomicU64>,
}

/// The two ends, made before the backplane and the shards are.
#[must_use]
pub fn channel() -> (SharedRedis, Orders) {
    let (orders, queue) = mpsc::channel(ORDERS_MAX);
    let refused = Arc::<AtomicU64>::default();
    (SharedRedis { orders, refused: Arc::clone(&refused) }, Orders { queue, refused })
}

/// What orders are done with. Of one thread.
pub struct Desk {
    client: Client,
    cache: SharedCache,
    bodies: Bodies,
    bus: Bus,
    flights: Flights,
    popularity: Popularity,
    edition: String,
    dice: RandomState,
}

impl Desk {
    /// Values over `values`, everything else over `client`; they may be the same. `edition` tells apart what different builds and rulesets make of the same gear.
    #[must_use]
    pub fn new(
        (client, values): (Client, Client),
        bus: Bus,
        flights: Flights,
        edition: &str,
    ) -> Self {
        Self {
            cache: SharedCache::new(values.clone()),
            bodies: Bodies::new(values, edition),
            popularity: Popularity::new(client.clone()),
            edition: edition.to_owned(),
            dice: RandomState::new(),
            client,
            bus,
            flights,
        }
    }

    /// How long a value is shared.
    fn ttl(&self, cache: Cache, key: &str) -> Duration {
        let now_ms = self.client.clock().unix_ms();
        jittered(cache.ttl(), self.dice.hash_one((key, now_ms)))
    }

    /// A value for so long.
    fn held(&self, value: Vec<u8>, born: u64, ttl: Duration) -> Held {
        let expires_ms = self.client.clock().unix_ms() + millis(ttl);
        Held { value: value.into(), born, expires_ms }
    }

    async fn body(&self, place: &Place) -> Option<Dated<Body>> {
        match place {
            Place::Field { ocid, field } => {
                let (packed, born_us) = self.bodies.get(ocid, field).await?;
                Some(Dated { value: values::unpack_body(&packed)?, born_us })
            }
            Place::Totals { ocid, name, at_s } => {
                let held = self.cache.get(Cache::Result, &self.totals_key(ocid, *at_s)).await?;
                // Spellings of a name share the key: the value says whose it is.
                let packed = held.value.strip_prefix(name.as_bytes())?.strip_prefix(&[0])?;
                let packed = held.value.slice_ref(packed);
                Some(Dated { value: values::unpack_body(&packed)?, born_us: held.born })
            }
        }
    }

    /// Gives the body that another process made of the same gear before.
    async fn put_body(&self, place: &Place, body: &Dated<Body>) -> Option<Body> {
        let Dated { value: body, born_us } = body;
        let packed = values::pack_body(body);
        // In vain when Redis is away; counted.
        match place {
            Place::Field { ocid, field } => {
                let ttl = self.ttl(Cache::V4, ocid);
                let put = self.bodies.put(ocid, (field, &packed), *born_us, ttl).await;
                return values::unpack_body(&put.ok()??);
            }
            Place::Totals { .. } if packed.len() > TOTALS_BYTES_MAX => {
                self.client.probe().oversized.add(1);
            }
            Place::Totals { ocid, name, at_s } => {
                let key = self.totals_key(ocid, *at_s);
                let value = [name.as_bytes(), &[0], &packed].concat();
                let held = self.held(value, *born_us, self.ttl(Cache::Result, &key));
                let _ = self.cache.put(Cache::Result, &key, &held).await;
            }
        }
        None
    }

    async fn gear(&self, ocid: &str) -> Option<Dated<Gear>> {
        let held = self.cache.get(Cache::Equipment, ocid).await?;
        Some(Dated { value: values::unpack_gear(&held.value)?, born_us: held.born })
    }

    async fn put_gear(&self, ocid: &str, gear: &Dated<Gear>) {
        let ttl = self.ttl(Cache::Equipment, ocid);
        let held = self.held(values::pack_gear(&gear.value), gear.born_us, ttl);
        let _ = self.bodies.put_gear(ocid, &held, ttl).await;
    }

    /// What was said last, that somebody has the name or that nobody has.
    async fn name(&self, name: &str) -> Option<SharedName> {
        let [known, unknown] =
            [Cache::Ocid, Cache::NoOcid].map(|cache| self.cache.get(cache, name));
        let (known, unknown) = tokio::join!(known, unknown);
        let last = [known, unknown].into_iter().flatten().max_by_key(|held| held.born)?;
        values::unpack_name(&last.value, last.born)
    }

    async fn put_name(&self, name: &str, said: &SharedName) {
        let cache = if said.ocid.is_some() { Cache::Ocid } else { Cache::NoOcid };
        let held = self.held(values::pack_name(said), said.confirmed_ms, self.ttl(cache, name));
        let put = self.cache.put(cache, name, &held).await;
        if put.is_ok() && said.ocid.is_some() {
            let _ = self.cache.remove(Cache::NoOcid, name).await;
        }
    }

    async fn turn(&self, work: &str) -> Turn {
        match self.flights.turn(work).await {
            flight::Turn::Followed(Landed::Done(_)) => Turn::Ended(Ok(())),
            flight::Turn::Followed(Landed::Failed(why)) => {
                Turn::Ended(Err(values::unpack_fault(&why)))
            }
            flight::Turn::Lead(lease) => {
                let (lead, told) = Lead::new();
                spawn_local(async move {
                    // Dropped untold: so is the lease, and whoever waits takes over.
                    if let Ok(outcome) = told.await {
                        lease.land(landed(&outcome));
                    }
                });
                Turn::Lead(lead)
            }
        }
    }

    async fn outdate(&self, ocid: &str, born_us: u64) {
        // In vain when Redis is away: the bus keeps it and says it later.
        let _ = self.bus.publish(Cache::Equipment.name(), Some(ocid), Some(born_us)).await;
    }

    async fn claim(&self, ocid: &str, cool_down: Duration) -> Option<Duration> {
        let key = cool_down_key(ocid);
        let mut set = redis::cmd("SET");
        set.arg(&key).arg("").arg("NX").arg("PX").arg(millis(cool_down));
        // Never: sent twice, the second would find the first.
        let begun: Option<String> = self.client.command(Again::Never, &set).await.ok()?;
        if begun.is_some() {
            return None;
        }
        let mut left = redis::cmd("PTTL");
        left.arg(&key);
        let left: i64 = self.client.command(Again::Safe, &left).await.ok()?;
        u64::try_from(left).ok().map(Duration::from_millis)
    }

    async fn give_back(&self, ocid: &str) {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(cool_down_key(ocid));
        // In vain when Redis is away: then it ends by itself.
        let _: Result<u64, Trouble> = self.client.command(Again::Safe, &unlink).await;
    }

    /// The key of V2 and V3 results: id, time of the gear, edition, and the version of its form.
    fn totals_key(&self, ocid: &str, at_s: u64) -> String {
        format!("expectation:v3:{ocid}:{at_s}:{}:lv1", self.edition)
    }

    async fn fill(&self, order: Order) {
        match order {
            Order::Body { place, reply } => answer(reply, self.body(&place)).await,
            Order::Gear { ocid, reply } => answer(reply, self.gear(&ocid)).await,
            Order::Name { name, reply } => answer(reply, self.name(&name)).await,
            Order::Turn { work, reply } => {
                answer(reply, async { Some(self.turn(&work).await) }).await;
            }
            Order::Claim { ocid, cool_down, reply } => {
                let _ = reply.send(self.claim(&ocid, cool_down).await);
            }
            Order::GiveBack { ocid, reply } => {
                self.give_back(&ocid).await;
                let _ = reply.send(Some(()));
            }
            // These are done even when nobody waits for them any more.
            Order::PutBody { place, body, reply } => {
                let _ = reply.send(self.put_body(&place, &body).await);
            }
            Order::PutGear { ocid, gear, reply } => {
                self.put_gear(&ocid, &gear).await;
                let _ = reply.send(Some(()));
            }
            Order::PutName { name, said, reply } => {
                self.put_name(&name, &said).await;
                let _ = reply.send(Some(()));
            }
            Order::Outdate { ocid, born_us, reply } => {
                self.outdate(&ocid, born_us).await;
                let _ = reply.send(Some(()));
            }
            Order::Visits(counts) => {
                let counts: Vec<_> =
                    counts.into_iter().map(|(name, count)| (name, u64::from(count))).collect();
                if let Err(trouble) = self.popularity.add(&counts).await {
                    tracing::debug!(%trouble, names = counts.len(), "counts of names were lost");
                }
            }
            Order::Snapshot { reply } => {
                let _ = reply.send(Some(self.client.probe().snapshot()));
            }
        }
    }
}

fn cool_down_key(ocid: &str) -> String {
    format!("cool-down::{ocid}")
}

fn landed(outcome: &Result<(), Fault>) -> Landed {
    match outcome {
        Ok(()) => Landed::Done(Bytes::new()),
        Err(fault) => Landed::Failed(values::pack_fault(fault).into()),
    }
}

impl Orders {
    /// Does orders until the last handle is gone. To be run on a `LocalSet`.
    pub async fn run(self, desk: Desk) {
        let desk = Rc::new(desk);
        let client = desk.client.clone();
        tokio::select! {
            () = self.take(desk) => {}
            () = eviction::watch(&client) => {}
        }
    }

    async fn take(mut self, desk: Rc<Desk>) {
        let room = Arc::new(Semaphore::new(WORK_MAX));
        while let Some(order) = self.queue.recv().await {
            desk.client.probe().orders_refused.add(self.refused.swap(0, Relaxed));
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let desk = Rc::clone(&desk);
            spawn_local(async move {
                desk.fill(order).await;
                drop(place);
            });
        }
    }
}

impl SharedRedis {
    /// What the backplane has counted; nothing when it is too busy to say.
    pub async fn snapshot(&self) -> Option<RedisSnapshot> {
        self.ask(|reply| Order::Snapshot { reply }).await
    }

    /// Counts answers by name; never waits.
    pub fn visited(&self, counts: Vec<(String, u32)>) {
        self.send(Order::Visits(counts));
    }

    fn send(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            self.refused.fetch_add(1, Relaxed);
        }
    }

    fn ask<T: 'static>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Kept<T> {
        let (reply, answer) = oneshot::channel();
        self.send(order(reply));
        // A refused order has dropped its reply.
        Box::pin(async { answer.await.unwrap_or(None) })
    }

    fn keep(&self, order: impl FnOnce(Reply<()>) -> Order) -> Done {
        let kept = self.ask(order);
        Box::pin(async {
            kept.await;
        })
    }
}

impl Shared for SharedRedis {
    fn body(&self, slot: &Slot) -> Kept<Dated<Body>> {
        let place = place(slot);
        self.ask(|reply| Order::Body { place, reply })
    }

    fn put_body(&self, slot: Slot, body: Dated<Body>) -> Kept<Body> {
        let place = place(&slot);
        self.ask(|reply| Order::PutBody { place, body, reply })
    }

    fn gear(&self, ocid: &str) -> Kept<Dated<Gear>> {
        self.ask(|reply| Order::Gear { ocid: ocid.to_owned(), reply })
    }

    fn put_gear(&self, ocid: &str, gear: Dated<Gear>) -> Done {
        self.keep(|reply| Order::PutGear { ocid: ocid.to_owned(), gear, reply })
    }

    fn name(&self, name: &str) -> Kept<SharedName> {
        self.ask(|reply| Order::Name { name: name.to_owned(), reply })
    }

    fn put_name(&self, name: &str, said: SharedName) -> Done {
        self.keep(|reply| Order::PutName { name: name.to_owned(), said, reply })
    }

    fn turn(&self, work: String) -> Pin<Box<dyn Future<Output = Turn>>> {
        let turn = self.ask(|reply| Order::Turn { work, reply });
        Box::pin(async { turn.await.unwrap_or_else(|| Turn::Lead(Lead::alone())) })
    }

    fn claim(&self, ocid: &str, cool_down: Duration) -> Kept<Duration> {
        self.ask(|reply| Order::Claim { ocid: ocid.to_owned(), cool_down, reply })
    }

    fn give_back(&self, ocid: &str) -> Done {
        self.keep(|reply| Order::GiveBack { ocid: ocid.to_owned(), reply })
    }

    fn outdate(&self, ocid: &str, born_us: u64) -> Done {
        self.keep(|reply| Order::Outdate { ocid: ocid.to_owned(), born_us, reply })
    }
}

/// The field of a body in the hash of its id.
pub(super) fn field(character: &Character, view: View) -> String {
    format!("{view:?}:{}", character.name.as_str())
}

fn place(slot: &Slot) -> Place {
    match slot {
        Slot::View(character, view) => Place::Field {
            ocid: character.ocid.as_str().to_owned(),
            field: field(character, *view),
        },
        Slot::Totals(character, at_s) => Place::Totals {
            ocid: character.ocid.as_str().to_owned(),
            name: character.name.as_str().to_owned(),
            at_s: *at_s,
        },
    }
}

/// Does the work unless, or until, nobody waits for it any more.
async fn answer<T>(mut reply: Reply<T>, work: impl Future<Output = Option<T>>) {
    let done = tokio::select! {
        done = work => done,
        () = reply.cancellation() => return,
    };
    let _ = reply.send(done);
}
