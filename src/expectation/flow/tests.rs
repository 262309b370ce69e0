//! The flow with fakes behind its ports, a clock moved by hand and tasks run by hand: no sockets, no waiting.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::future::Future;
use std::future::ready;
use std::pin::Pin;
use std::task::Context;
use std::task::Waker;

use bytes::Bytes;
use futures_channel::oneshot;
use shards::clock::ManualClock;
use shards::spawn;

use super::*;
use crate::expectation::flight::Patience;
use crate::expectation::name::CharacterName;
use crate::expectation::ports::Gear;
use crate::expectation::ports::Kept;
use crate::expectation::ports::Ledger;
use crate::expectation::ports::Named;
use crate::expectation::ports::Payload;

/// Tasks of the flow, polled in turn until none makes progress on its own.
#[derive(Default)]
struct Tasks(RefCell<VecDeque<spawn::LocalFuture>>);

impl spawn::Executor for Tasks {
    fn spawn(&self, task: spawn::LocalFuture) {
        self.0.borrow_mut().push_back(task);
    }
    fn sleep(&self, _: Duration) -> spawn::LocalFuture {
        Box::pin(std::future::pending())
    }
}

impl Tasks {
    /// Polls everything a few times round: what waits for a fake stays.
    fn run(&self) {
        for _ in 0..8 {
            let tasks: Vec<_> = self.0.borrow_mut().drain(..).collect();
            for mut task in tasks {
                if poll(task.as_mut()).is_none() {
                    self.0.borrow_mut().push_back(task);
                }
            }
        }
    }
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

/// A game whose answers are counted, may fail, and may be held back.
#[derive(Default)]
struct Game {
    fetches: Cell<u32>,
    fault: RefCell<Option<Fault>>,
    panics: Cell<bool>,
    holding: Cell<bool>,
    held: RefCell<Vec<oneshot::Sender<()>>>,
}

impl GameApi for Rc<Game> {
    async fn ocid(&self, name: &str) -> Result<String, Fault> {
        Ok(format!("ocid-{name}"))
    }
    async fn basic(&self, _: &str) -> Result<Basic, Fault> {
        Ok(Basic::default())
    }
    async fn equipment(&self, _: &str) -> Result<Payload, Fault> {
        let number = self.fetches.get() + 1;
        self.fetches.set(number);
        assert!(!self.panics.get(), "the game panics");
        if self.holding.get() {
            let (release, released) = oneshot::channel();
            self.held.borrow_mut().push(release);
            let _ = released.await;
        }
        match self.fault.borrow().clone() {
            Some(fault) => Err(fault),
            None => Ok(Payload { body: Bytes::from(format!("revision {number}")), gzip: false }),
        }
    }
}

/// Makes a body that says from which payload and for which view it is.
struct Shop(Rc<Cell<u32>>);

impl Workshop for Shop {
    async fn make(&self, job: Job) -> Result<Made, Fault> {
        self.0.set(self.0.get() + 1);
        let text = match job {
            Job::Render { view, payload, .. } => {
                format!("{view:?} of {}", String::from_utf8_lossy(&payload.body))
            }
            Job::MarkStale(body) => format!("stale {}", String::from_utf8_lossy(&body.gzip)),
        };
        // The hash sets the jitter of freshness: 127 is the middle, so ages here are as configured.
        Ok(Body { gzip: text.into(), plain_bytes: 0, hash: 127 }.into())
    }
}

/// A ledger that may be looked into.
#[derive(Default)]
struct Book {
    gear: RefCell<HashMap<String, Gear>>,
    kept: RefCell<Vec<Record>>,
}

impl Ledger for Book {
    fn name(&self, _: &str) -> Kept<Named> {
        Box::pin(ready(None))
    }
    fn gear(&self, ocid: &str) -> Kept<Gear> {
        Box::pin(ready(self.gear.borrow().get(ocid).cloned()))
    }
    fn received(&self, ocid: &str) -> Kept<u64> {
        Box::pin(ready(self.gear.borrow().get(ocid).map(|gear| gear.received_ms)))
    }
    fn keep(&self, record: Record) {
        self.kept.borrow_mut().push(record);
    }
}

struct World {
    tasks: Rc<Tasks>,
    clock: Rc<ManualClock>,
    game: Rc<Game>,
    jobs: Rc<Cell<u32>>,
    book: Rc<Book>,
    flow: Rc<Flow<Rc<Game>, Shop>>,
}

const MINUTE: Duration = Duration::from_secs(60);
/// Longer than any test: what a deadline does is tested with a clock that moves on its own (`tests/simulation.rs`).
const PATIENCE: Patience = Patience { leader: MINUTE, follower: MINUTE };

impl World {
    fn new() -> Self {
        let tasks = Rc::new(Tasks::default());
        spawn::install(Rc::clone(&tasks) as Rc<dyn spawn::Executor>);
        let clock = Rc::new(ManualClock::at_unix_ms(0));
        let (game, jobs) = (Rc::new(Game::default()), Rc::new(Cell::new(0)));
        let limits = Limits {
            fresh: 15 * MINUTE,
            stale: 60 * MINUTE,
            force_cool_down: MINUTE,
            l1_bytes_max: 1 << 20,
        };
        let shop = Shop(Rc::clone(&jobs));
        let tower = Tower { patience: PATIENCE, probe: Rc::default() };
        let time = Rc::clone(&clock) as Rc<dyn Clock>;
        let book = Rc::<Book>::default();
        let backing = Backing { ledger: Rc::clone(&book) as Rc<dyn Ledger>, shared: None };
        let flow =
            Flow::new(Rc::clone(&game), shop, backing, (Rc::clone(&time), time), (limits, tower));
        Self { tasks, clock, game, jobs, book, flow }
    }

    fn asking(&self, name: &str, view: View, force: bool) -> Asking {
        let effort = if force { Effort::Forced { claimed: false } } else { Effort::AtHand };
        self.asking_for(name, view, effort)
    }

    fn asking_for(&self, name: &str, view: View, effort: Effort) -> Asking {
        let character = Character {
            name: CharacterName::parse(name).expect("valid"),
            ocid: Ocid::new(&format!("ocid-{}", name.to_lowercase())),
        };
        let ask = Ask { character, view, effort };
        let flow = Rc::clone(&self.flow);
        Box::pin(async move { flow.answer(ask).await })
    }

    /// Asks and runs the tasks until the answer is there.
    fn ask(&self, name: &str, view: View, force: bool) -> Result<(String, Source), Fault> {
        let mut asking = self.asking(name, view, force);
        self.finish(&mut asking).expect("nothing is held back")
    }

    fn finish(&self, asking: &mut Asking) -> Option<Result<(String, Source), Fault>> {
        for _ in 0..8 {
            if let Some(answer) = poll(asking.as_mut()) {
                let text = |body: Body| String::from_utf8_lossy(&body.gzip).into_owned();
                return Some(answer.map(|answer| (text(answer.body), answer.source)));
            }
            self.tasks.run();
        }
        None
    }

    fn plain(&self) -> Result<(String, Source), Fault> {
        self.ask("가", View::Expectation, false)
    }

    fn release(&self) {
        self.game.holding.set(false);
        for held in self.game.held.borrow_mut().drain(..) {
            let _ = held.send(());
        }
    }
}

type Asking = Pin<Box<dyn Future<Output = Result<Answer, Fault>>>>;

fn answer(text: &str, source: Source) -> Result<(String, Source), Fault> {
    Ok((text.to_owned(), source))
}

#[test]
fn fresh_then_stale_then_gone() {
    let world = World::new();
    assert_eq!(world.plain(), answer("Expectation of revision 1", Source::Miss));
    world.clock.advance(14 * MINUTE);
    assert_eq!(world.plain(), answer("Expectation of revision 1", Source::HitL1));
    world.clock.advance(2 * MINUTE);
    world.game.holding.set(true);
    assert_eq!(world.plain(), answer("stale Expectation of revision 1", Source::Stale));
    assert_eq!(world.plain(), answer("stale Expectation of revision 1", Source::Stale));
    assert_eq!(world.game.fetches.get(), 2, "one refresh however many stale answers");
    world.release();
    world.tasks.run();
    assert_eq!(world.plain(), answer("Expectation of revision 2", Source::Miss));
    *world.game.fault.borrow_mut() = Some(Fault::upstream_failed("down"));
    world.clock.advance(59 * MINUTE);
    assert_eq!(world.plain(), answer("stale Expectation of revision 2", Source::Stale));
    world.clock.advance(2 * MINUTE);
    assert_eq!(world.plain(), answer("stale Expectation of revision 2", Source::Stale));
    assert_eq!(world.ask("나", View::Expectation, false), Err(Fault::upstream_failed("down")));
}

#[test]
fn views_of_one_character_share_one_payload() {
    let world = World::new();
    for view in View::ALL {
        assert_eq!(
            world.ask("가", view, false),
            answer(&format!("{view:?} of revision 1"), Source::Miss)
        );
        assert_eq!(
            world.ask("가", view, false),
            answer(&format!("{view:?} of revision 1"), Source::HitL1)
        );
    }
    assert_eq!((world.game.fetches.get(), world.jobs.get()), (1, 8));
}

#[test]
fn many_askers_one_flight_and_giving_up_harms_nobody() {
    let world = World::new();
    world.game.holding.set(true);
    let mut askers: Vec<_> =
        (0..10).map(|_| world.asking("가", View::Expectation, false)).collect();
    for asker in &mut askers {
        assert!(world.finish(asker).is_none());
    }
    // The first one led; it and another go away.
    drop(askers.remove(0));
    drop(askers.remove(4));
    world.release();
    for asker in &mut askers {
        let landed = world.finish(asker).expect("landed");
        assert_eq!(landed, answer("Expectation of revision 1", Source::Miss));
    }
    assert_eq!((world.game.fetches.get(), world.jobs.get()), (1, 1));
    assert!(world.flow.fetches.is_empty() && world.flow.bodies.is_empty());
}

#[test]
fn a_leaders_failure_reaches_all_at_once_and_the_next_question_flies_again() {
    let world = World::new();
    world.game.holding.set(true);
    let mut askers: Vec<_> = (0..3).map(|_| world.asking("가", View::Expectation, false)).collect();
    for asker in &mut askers {
        assert!(world.finish(asker).is_none());
    }
    *world.game.fault.borrow_mut() = Some(Fault::upstream_timeout("slow"));
    world.release();
    for asker in &mut askers {
        assert_eq!(world.finish(asker), Some(Err(Fault::upstream_timeout("slow"))));
    }
    *world.game.fault.borrow_mut() = None;
    world.game.panics.set(true);
    assert!(world.plain().is_err(), "a panic in a flight is an error for those who wait");
    world.game.panics.set(false);
    assert_eq!(world.plain(), answer("Expectation of revision 3", Source::Miss));
}

#[test]
fn a_forced_answer_wins_over_a_plain_fetch_that_began_before_it() {
    let world = World::new();
    world.game.holding.set(true);
    let mut slow = world.asking("가", View::Expectation, false);
    assert!(world.finish(&mut slow).is_none());
    world.clock.advance(Duration::from_secs(1));
    world.game.holding.set(false);
    let forced = world.ask("가", View::Expectation, true);
    assert_eq!(forced, answer("Expectation of revision 2", Source::Miss));
    world.release();
    // The slow one gets what it asked for, but leaves nothing behind.
    assert!(world.finish(&mut slow).expect("landed").is_ok());
    assert_eq!(world.plain(), answer("Expectation of revision 2", Source::HitL1));
}

#[test]
fn force_has_its_cool_down_and_a_failed_force_gives_it_back() {
    let world = World::new();
    assert!(world.ask("가", View::Expectation, true).is_ok());
    assert_eq!(world.ask("가", View::Totals, true), Err(Fault::cool_down(60)));
    world.clock.advance(MINUTE);
    *world.game.fault.borrow_mut() = Some(Fault::upstream_failed("down"));
    assert_eq!(world.ask("가", View::Expectation, true), Err(Fault::upstream_failed("down")));
    assert_eq!(world.plain(), answer("Expectation of revision 1", Source::HitL1), "kept");
    *world.game.fault.borrow_mut() = None;
    assert!(world.ask("가", View::Expectation, true).is_ok());
}

#[test]
fn the_last_client_to_leave_ends_the_work() {
    let world = World::new();
    world.game.holding.set(true);
    let mut askers: Vec<_> = (0..2).map(|_| world.asking("가", View::Expectation, false)).collect();
    for asker in &mut askers {
        assert!(world.finish(asker).is_none());
    }
    drop(askers.remove(0));
    world.tasks.run();
    assert!(!world.game.held.borrow()[0].is_canceled(), "one still waits");
    drop(askers);
    world.tasks.run();
    assert!(world.game.held.borrow()[0].is_canceled(), "the call is dropped");
    assert!(world.flow.fetches.is_empty());
}

#[test]
fn a_copy_too_old_answers_only_when_the_game_cannot() {
    let world = World::new();
    assert!(world.plain().is_ok());
    world.clock.advance(600 * MINUTE);
    for fault in [Fault::upstream_timeout("slow"), Fault::deadline(), Fault::overloaded("calls")] {
        *world.game.fault.borrow_mut() = Some(fault);
        assert_eq!(world.plain(), answer("stale Expectation of revision 1", Source::Stale));
    }
    *world.game.fault.borrow_mut() = Some(Fault::internal("ours"));
    assert_eq!(world.plain(), Err(Fault::internal("ours")), "our own defects are not papered over");
    *world.game.fault.borrow_mut() = None;
    assert_eq!(world.plain(), answer("Expectation of revision 6", Source::Miss));
}

#[test]
fn another_spelling_of_the_name_shares_payloads_and_sees_a_newer_one() {
    let world = World::new();
    let ask = |name| world.ask(name, View::Expectation, false);
    assert_eq!(ask("Abc"), answer("Expectation of revision 1", Source::Miss));
    assert_eq!(ask("aBC"), answer("Expectation of revision 1", Source::Miss));
    assert_eq!((world.game.fetches.get(), world.jobs.get()), (1, 2), "each shows its own name");
    world.clock.advance(MINUTE);
    assert!(world.ask("Abc", View::Expectation, true).is_ok());
    assert_eq!(ask("aBC"), answer("Expectation of revision 2", Source::Miss));
}

/// Gear of an hour number in the ledger, asked for at hour 100.
fn with_gear_of(age: Duration) -> World {
    let world = World::new();
    world.clock.advance(6_000 * MINUTE);
    let received = world.clock.unix_ms() - u64::try_from(age.as_millis()).unwrap();
    let payload = Payload { body: Bytes::from_static(b"kept gear"), gzip: false };
    let gear = Gear { payload, received_ms: received };
    world.book.gear.borrow_mut().insert("ocid-가".to_owned(), gear);
    world
}

#[test]
fn gear_that_is_fresh_in_the_ledger_is_not_fetched() {
    let world = with_gear_of(14 * MINUTE);
    assert_eq!(world.plain(), answer("Expectation of kept gear", Source::Store));
    assert_eq!(world.game.fetches.get(), 0);
    // Its age counts from when the game gave it.
    world.clock.advance(2 * MINUTE);
    assert_eq!(world.plain(), answer("stale Expectation of kept gear", Source::Stale));
    world.tasks.run();
    assert_eq!(world.plain(), answer("Expectation of revision 1", Source::Miss));
}

#[test]
fn old_or_forced_gear_is_fetched_and_kept() {
    let world = with_gear_of(15 * MINUTE);
    assert_eq!(world.plain(), answer("Expectation of revision 1", Source::Miss));
    assert_eq!(world.book.kept.borrow().len(), 1);
    let world = with_gear_of(MINUTE);
    let forced = world.ask("가", View::Expectation, true);
    assert_eq!(forced, answer("Expectation of revision 1", Source::Miss));
    let kept = world.book.kept.borrow();
    let Record::Gear { ocid, received_ms, .. } = &kept[0] else { panic!("{kept:?}") };
    assert_eq!((ocid.as_str(), *received_ms), ("ocid-가", world.clock.unix_ms()));
}

#[test]
fn gear_of_any_age_answers_when_the_game_does_not() {
    let world = with_gear_of(5_000 * MINUTE);
    *world.game.fault.borrow_mut() = Some(Fault::upstream_failed("down"));
    for _ in 0..3 {
        assert_eq!(world.plain(), answer("stale Expectation of kept gear", Source::Stale));
        assert_eq!(world.jobs.get(), 2, "what was made from it once is not made again");
    }
    *world.game.fault.borrow_mut() = Some(Fault::outdated_id());
    assert_eq!(world.plain(), Err(Fault::outdated_id()), "it is somebody else's");
    *world.game.fault.borrow_mut() = None;
    assert_eq!(world.plain(), answer("Expectation of revision 5", Source::Miss));
}

/// What is kept of 가's valuation, without a task being run for the game.
fn kept(world: &World) -> Option<(String, Source, bool)> {
    let character = Character {
        name: CharacterName::parse("가").expect("valid"),
        ocid: Ocid::new("ocid-가"),
    };
    let flow = Rc::clone(&world.flow);
    let mut asking = Box::pin(async move { flow.kept(character, View::Valuation).await });
    for _ in 0..8 {
        if let Some(answer) = poll(asking.as_mut()) {
            let text = |body: Body| String::from_utf8_lossy(&body.gzip).into_owned();
            let answer = answer.expect("the shop is open")?;
            return Some((text(answer.body), answer.source, !answer.fresh_for.is_zero()));
        }
        world.tasks.run();
    }
    panic!("nothing is held back")
}

#[test]
fn what_is_kept_is_shown_for_a_day_and_the_game_is_never_asked() {
    let world = World::new();
    assert_eq!(kept(&world), None);
    let text = |source, fresh| Some(("Valuation of kept gear".to_owned(), source, fresh));
    let day = 24 * 60 * MINUTE;
    let world = with_gear_of(14 * MINUTE);
    assert_eq!(kept(&world), text(Source::Store, true));
    assert_eq!(kept(&world), text(Source::HitL1, true));
    world.clock.advance(2 * MINUTE);
    assert_eq!(kept(&world), text(Source::Stale, false), "it does not say so itself");
    world.clock.advance(day - 17 * MINUTE);
    assert_eq!(kept(&world), text(Source::Stale, false));
    world.clock.advance(MINUTE);
    assert_eq!(kept(&world), None);
    assert_eq!(kept(&with_gear_of(day)), None);
    assert_eq!((world.game.fetches.get(), world.jobs.get()), (0, 1));
}

#[test]
fn what_another_view_fetched_is_kept_for_this_one() {
    let world = World::new();
    assert!(world.plain().is_ok());
    let text = |revision| format!("Valuation of revision {revision}");
    assert_eq!(kept(&world), Some((text(1), Source::Miss, true)));
    assert!(world.ask("가", View::Expectation, true).is_ok());
    assert_eq!(kept(&world), Some((text(2), Source::Miss, true)));
    assert_eq!(world.game.fetches.get(), 2);
}

#[test]
fn a_fresh_answer_is_made_where_a_plain_question_takes_a_stale_one() {
    let world = World::new();
    assert!(world.plain().is_ok());
    world.clock.advance(16 * MINUTE);
    let fresh = |world: &World| {
        let mut asking = world.asking_for("가", View::Expectation, Effort::Fresh);
        world.finish(&mut asking).expect("nothing is held back")
    };
    assert_eq!(fresh(&world), answer("Expectation of revision 2", Source::Miss));
    world.clock.advance(16 * MINUTE);
    *world.game.fault.borrow_mut() = Some(Fault::upstream_failed("down"));
    assert_eq!(fresh(&world), answer("stale Expectation of revision 2", Source::Stale));
}

#[test]
fn a_force_that_was_let_through_before_is_not_refused_and_begins_the_cool_down() {
    let world = World::new();
    let later = |world: &World| {
        let effort = Effort::Forced { claimed: true };
        let mut asking = world.asking_for("가", View::Valuation, effort);
        world.finish(&mut asking).expect("nothing is held back")
    };
    assert_eq!(later(&world), answer("Valuation of revision 1", Source::Miss));
    assert_eq!(world.ask("가", View::Expectation, true), Err(Fault::cool_down(60)));
    assert_eq!(later(&world), answer("Valuation of revision 2", Source::Miss));
}

#[test]
fn births_told_by_others_keep_their_order_within_a_step_of_the_clock() {
    let flow = &World::new().flow;
    assert!(flow.born(7) < flow.born(8));
    assert_eq!(
        flow.born(u64::MAX),
        flow.born(u64::MAX - 1),
        "nobody's clock is believed far ahead"
    );
}

#[test]
fn a_wall_clock_that_is_set_is_followed_and_one_that_is_steered_is_not() {
    let World { flow, clock, .. } = World::new();
    clock.advance(MINUTE);
    let half_a_minute = Duration::from_secs(30);
    assert_eq!(flow.born(30_000_000), half_a_minute);
    clock.set_ahead(Duration::from_millis(40));
    assert_eq!(flow.born(30_000_000), half_a_minute);
    clock.set_ahead(60 * MINUTE);
    let told = 30_040_000 + 3_600_000_000;
    assert_eq!((flow.born(told), flow.born_us(half_a_minute)), (half_a_minute, told));
}
