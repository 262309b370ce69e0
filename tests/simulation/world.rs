//! Shards put together as `assemble` does it, on the simulator, with clients that ask them.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future;
use futures_util::future::Either;
use maple_expectation::error::Fault;
use maple_expectation::expectation::directory::Directory;
use maple_expectation::expectation::directory::Trust;
use maple_expectation::expectation::flight::Patience;
use maple_expectation::expectation::flight::Tower;
use maple_expectation::expectation::flow::Flow;
use maple_expectation::expectation::flow::Limits;
use maple_expectation::expectation::flow::Source;
use maple_expectation::expectation::jobs::Jobs;
use maple_expectation::expectation::jobs::Offered;
use maple_expectation::expectation::jobs::Said;
use maple_expectation::expectation::jobs::Wish;
use maple_expectation::expectation::name::CharacterName;
use maple_expectation::expectation::ports::NoLedger;
use maple_expectation::expectation::shared::Backing;
use maple_expectation::expectation::shared::Shared;
use maple_expectation::expectation::view::View;
use maple_expectation::http::negotiate::Encoding;
use maple_expectation::routes::event::Event;
use maple_expectation::routes::near::Finished;
use maple_expectation::routes::owner::Owner;
use maple_expectation::routes::owner::Wanted;
use shards::ShardId;
use shards::clock::Clock;
use shards::clock::ManualClock;
use shards::mailbox;
use shards::mailbox::Inbox;
use shards::mailbox::Reason;
use shards::sim::Dice;
use shards::sim::Sim;
use shards::sim::TaskId;
use shards::spawn;

use crate::game::Game;
use crate::game::Line;
use crate::game::NAMES;
use crate::memory;
use crate::memory::Memory;
use crate::rules::Asked;
use crate::rules::Rules;

/// The design's times; what they are does not matter to the rules, that they hold does.
pub(crate) const FRESH: Duration = Duration::from_secs(15 * 60);
pub(crate) const STALE: Duration = Duration::from_secs(60 * 60);
pub(crate) const LEADER: Duration = Duration::from_secs(28);
pub(crate) const FOLLOWER: Duration = Duration::from_secs(25);
pub(crate) const CLIENT: Duration = Duration::from_secs(30);
pub(crate) const TRUST: Trust =
    Trust { known: Duration::from_secs(24 * 60 * 60), unknown: Duration::from_secs(30 * 60) };
/// Below the wait for an acknowledged invalidation.
pub(crate) const LAG_MAX: Duration = Duration::from_millis(400);
const BEGAN_UNIX_MS: u64 = 1_790_000_000_000;

pub(crate) type Service = Owner<Line, Line>;

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Forced,
}

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) rules: Rc<Rules>,
    pub(crate) game: Rc<Game>,
    pub(crate) memory: Rc<Memory>,
    /// Of every process, all of the same number of shards.
    owners: Vec<Rc<Service>>,
    clients: RefCell<Vec<TaskId>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let dice = Dice::new(seed ^ 0x5eed);
        let count = u16::try_from(1 + dice.below(4)).unwrap();
        // Two processes that share a memory, in half of the worlds.
        let processes = u16::try_from(1 + dice.below(2)).unwrap();
        let sim = Sim::new(seed, processes * count, BEGAN_UNIX_MS);
        // A mailbox that is often full in some of the worlds, caches that hold next to nothing in others.
        let tight = dice.chance(15);
        let rules = Rules::new(sim.clock(), (processes, count), tight);
        let game = Game::new(Rc::clone(&rules));
        let memory = Memory::new(Rc::clone(&rules), Rc::new(Dice::new(dice.bits())));
        let events_max = if tight { 1 } else { mailbox::MAILBOX_EVENTS_MAX };
        let cache_bytes = if dice.chance(25) { 1 << 10 } else { 1 << 20 };
        let mut owners = Vec::new();
        let mut threads = ShardId::all(processes * count);
        for process in 0..usize::from(processes) {
            let (mailboxes, inboxes) = mailbox::lanes_of(count, events_max);
            memory.listen(mailboxes.clone());
            for (id, inbox) in ShardId::all(count).zip(inboxes) {
                let thread = threads.next().unwrap();
                sim.enter(thread);
                let dice = Rc::new(Dice::new(dice.bits()));
                let line = Line { process, shard: id, game: Rc::clone(&game), dice };
                let shared = (processes > 1).then(|| {
                    let memory = Rc::clone(&memory);
                    Rc::new(memory::Line { process, memory }) as Rc<dyn Shared>
                });
                let backing = Backing { ledger: Rc::new(NoLedger), shared };
                let lanes = (mailboxes.clone(), inbox);
                let (owner, pump) = owner(&sim, line, backing, lanes, cache_bytes);
                sim.spawn(thread, LAG_MAX, pump);
                owners.push(owner);
            }
        }
        Self { sim, rules, game, memory, owners, clients: RefCell::default() }
    }

    pub(crate) fn dice(&self) -> &Dice {
        self.sim.dice()
    }

    pub(crate) fn run_for(&self, span: Duration) {
        self.sim.run_for(span, || self.check());
    }

    pub(crate) fn check(&self) {
        self.rules.check();
    }

    /// A client asks a shard, which need not be the owner, and judges what it gets.
    pub(crate) fn ask(&self, kind: Kind) {
        let dice = self.dice();
        let shards = u16::try_from(self.owners.len()).unwrap();
        let (shard, owner) =
            ShardId::all(shards).zip(&self.owners).nth(dice.below(self.owners.len())).unwrap();
        let name = NAMES[dice.below(NAMES.len())];
        let view = [View::Expectation, View::Preset(2), View::Equipment][dice.below(3)];
        let process = shard.index() / usize::from(owner.mailboxes().shards());
        let asking = (process, name, view, kind);
        let client = client(Rc::clone(owner), self.sim.clock(), Rc::clone(&self.rules), asking);
        self.clients.borrow_mut().push(self.sim.spawn(shard, Duration::ZERO, client));
    }

    /// One of the clients goes away, answered already or not.
    pub(crate) fn give_up(&self) {
        let mut clients = self.clients.borrow_mut();
        if !clients.is_empty() {
            let at = self.dice().below(clients.len());
            let client = clients.swap_remove(at);
            if self.sim.cancel(client) {
                self.rules.gave_up();
            }
        }
    }

    /// All clients go away; what was worked on for them alone is given up.
    pub(crate) fn everybody_leaves(&self) {
        for client in self.clients.take() {
            if self.sim.cancel(client) {
                self.rules.gave_up();
            }
        }
        self.run_for(2 * LAG_MAX);
        self.rules.check_idle();
    }

    /// Everybody has been answered and nothing is left in the air.
    pub(crate) fn check_end(&self) {
        self.check();
        self.rules.check_end();
        for owner in &self.owners {
            assert_eq!(owner.flow().sizes().flights, 0, "flights left");
            assert_eq!(owner.directory().in_flight(), 0, "name flights left");
        }
        // One pump per shard stays.
        assert_eq!(self.sim.tasks(), self.owners.len(), "tasks left");
    }
}

/// Nothing is queued here: every question is answered.
struct NoQueue;

impl Jobs for NoQueue {
    fn offer(&self, _: &str, _: Wish) -> Said<Offered> {
        Box::pin(future::ready(Offered::Full))
    }

    fn recalculating(&self, _: &str) -> Said<bool> {
        Box::pin(future::ready(false))
    }
}

/// A shard's owner and its pump, which somebody has to run.
pub(crate) fn owner(
    sim: &Sim,
    line: Line,
    backing: Backing,
    (mailboxes, inbox): (mailbox::Mailboxes<Event>, Inbox<Event>),
    cache_bytes: u64,
) -> (Rc<Service>, impl Future<Output = ()> + 'static) {
    let shard = line.shard;
    let clock = || sim.clock() as Rc<dyn Clock>;
    let tower =
        Tower { patience: Patience { leader: LEADER, follower: FOLLOWER }, probe: Rc::default() };
    let limits = Limits {
        fresh: FRESH,
        stale: STALE,
        force_cool_down: Duration::from_secs(1),
        l1_bytes_max: cache_bytes,
    };
    let directory = Directory::new(line.clone(), backing.clone(), clock(), TRUST, tower.clone());
    let flow = Flow::new(line.clone(), line, backing, (clock(), clock()), (limits, tower));
    let owner = Owner::new((shard, mailboxes), directory, flow, Rc::new(NoQueue), cache_bytes);
    let working = Rc::clone(&owner);
    let work = move |event| {
        let owner = Rc::clone(&working);
        async move {
            // Nothing asks for reports here.
            if let Event::Question(question) = event {
                owner.work(question).await;
            }
        }
    };
    (owner, inbox.pump(Rc::default(), work))
}

/// What `Api` does for one request, as far as characters go.
fn client(
    owner: Rc<Service>,
    clock: Rc<ManualClock>,
    rules: Rc<Rules>,
    (process, name, view, kind): (usize, &'static str, View, Kind),
) -> impl Future<Output = ()> + 'static {
    let asked = rules.asks((process, name, view, kind), owner.mailboxes().refused(Reason::Full));
    async move {
        let target = format!("/{name}/{view:?}");
        let now = clock.monotonic();
        let force = kind == Kind::Forced;
        if !force && let Some((hit, _)) = owner.hit(Encoding::Gzip, &target, now) {
            return judge(&rules, asked, &owner, Ok((hit, Source::HitL1)));
        }
        let target = (!force).then_some((target.as_str(), 0));
        let wanted = Wanted { view, force, encoding: Encoding::Gzip, target, counts: true };
        let name = CharacterName::parse(name).unwrap();
        let answered = owner.document(name, wanted, now);
        let answered = match future::select(pin!(answered), pin!(spawn::sleep(CLIENT))).await {
            Either::Left((answered, _)) => answered,
            Either::Right(_) => Err(Fault::deadline()),
        };
        judge(&rules, asked, &owner, answered);
    }
}

fn judge(
    rules: &Rules,
    asked: Asked,
    owner: &Service,
    answered: Result<(Finished, Source), Fault>,
) {
    let refused = owner.mailboxes().refused(Reason::Full);
    rules.judge(asked, refused, answered);
}
