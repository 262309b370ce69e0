//! The rule by table, and as a world: processes with clocks that drift, cut off from either tier at any moment, whose
//! meetings take time and get lost. Whatever happens, one holds the lock.

use super::*;
use crate::locks::gate::Gate;
use proptest::prelude::*;

const TIMES: Times = Times {
    lease: Duration::from_millis(30_000),
    renew: Duration::from_millis(10_000),
    meet: Duration::from_millis(2_000),
    alive: Duration::from_millis(10_000),
    margin: Duration::from_millis(3_000),
};
const NOW_MS: u64 = 1_000_000;

fn row(node: &str, seen_ms: u64, left_first_ms: Option<u64>, second: bool) -> Row {
    Row { node: node.to_owned(), meeting: 1, seen_ms, left_first_ms, second }
}

fn report(meeting: u64, first_reachable: bool, holds_second: bool) -> Report {
    Report { meeting, first_reachable, holds_second }
}

fn standing(rows: &[Row], first_reachable: bool, holds_second: bool) -> Standing {
    meet(&TIMES, rows, NOW_MS, "me", report(2, first_reachable, holds_second)).1
}

#[test]
fn the_first_tier_is_for_those_who_reach_it_while_nobody_uses_the_second() {
    assert_eq!(standing(&[], true, false), Standing::First);
    assert_eq!(standing(&[row("b", NOW_MS, Some(0), false)], true, false), Standing::First);
    assert_eq!(standing(&[row("b", NOW_MS, Some(0), true)], true, false), Standing::Neither);
    assert_eq!(standing(&[], true, true), Standing::Neither, "what I hold runs out first");
    let dead = row("b", NOW_MS - 43_001, Some(0), true);
    assert_eq!(standing(&[dead], true, false), Standing::First);
}

#[test]
fn the_second_tier_is_for_when_nobody_has_used_the_first_for_a_lease() {
    let mine = |left_ms| row("me", NOW_MS - 2_000, left_ms, false);
    assert_eq!(standing(&[], false, false), Standing::Second, "I never used it");
    assert_eq!(standing(&[mine(None)], false, false), Standing::Neither);
    assert_eq!(standing(&[mine(Some(NOW_MS - 33_000))], false, false), Standing::Neither);
    let mine = mine(Some(NOW_MS - 33_001));
    assert_eq!(standing(std::slice::from_ref(&mine), false, false), Standing::Second);
    for (other, granted) in [
        (row("b", NOW_MS - 43_000, None, false), Standing::Neither),
        (row("b", NOW_MS - 43_001, None, false), Standing::Second),
        (row("b", NOW_MS, Some(NOW_MS - 33_000), false), Standing::Neither),
        (row("b", NOW_MS, Some(NOW_MS - 33_001), true), Standing::Second),
    ] {
        assert_eq!(standing(&[mine.clone(), other.clone()], false, false), granted, "{other:?}");
    }
}

#[test]
fn a_row_tells_what_was_granted_and_what_is_still_held() {
    let mine = |meeting, seen_ms, left_first_ms, second| Row {
        meeting,
        ..row("me", seen_ms, left_first_ms, second)
    };
    let away = report(2, false, false);
    let (left, _) = meet(&TIMES, &[mine(1, 5, None, false)], NOW_MS, "me", away);
    assert_eq!(left, mine(2, NOW_MS, Some(NOW_MS), false));
    let (late, granted) = meet(&TIMES, std::slice::from_ref(&left), NOW_MS, "me", away);
    assert_eq!((&late, granted), (&left, Standing::Neither), "a meeting twice");
    let away = report(3, false, false);
    let (later, _) = meet(&TIMES, &[left], NOW_MS + 7, "me", away);
    assert_eq!(later, mine(3, NOW_MS + 7, Some(NOW_MS), false));
    let (draining, _) = meet(&TIMES, &[later], NOW_MS + 8, "me", report(4, true, true));
    assert_eq!(draining, mine(4, NOW_MS + 8, None, true));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Time passes, ms.
    Pass(u64),
    /// A process loses or finds its way to a tier.
    Cut {
        node: usize,
        first: bool,
    },
    /// Redis dies, or lives again.
    Outage,
    /// All meet so often, two seconds apart.
    Meet(usize),
    /// A meeting begins, reaches the database, is answered.
    Begin(usize),
    /// The oldest that is under way, or the newest.
    Commit {
        node: usize,
        oldest: bool,
    },
    Answer(usize),
    /// A process asks for the lock, or renews it.
    Use(usize),
    /// A process lets go.
    Release(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..3_usize;
    prop_oneof![
        3 => prop_oneof![0..500_u64, 500..12_000_u64, 20_000..50_000_u64].prop_map(Step::Pass),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, first)| Step::Cut { node, first }),
        1 => Just(Step::Outage),
        2 => prop_oneof![1..3_usize, 5..24_usize].prop_map(Step::Meet),
        5 => node.clone().prop_map(Step::Begin),
        5 => (node.clone(), any::<bool>())
            .prop_map(|(node, oldest)| Step::Commit { node, oldest }),
        5 => node.clone().prop_map(Step::Answer),
        6 => node.clone().prop_map(Step::Use),
        1 => node.prop_map(Step::Release),
    ]
}

/// A lease on a tier: who, and until when by the tier's clock.
type Lease = Option<(usize, f64)>;

struct Node {
    gate: Gate,
    /// Own milliseconds for one of the world.
    speed: f64,
    first_cut: bool,
    second_cut: bool,
    meetings: Vec<Meeting>,
    /// The tier and the end of the use (own time).
    held: Option<(Standing, Duration)>,
}

struct Meeting {
    /// Own time.
    began: Duration,
    report: Report,
    /// Once it is committed.
    granted: Option<Standing>,
}

struct World {
    now_ms: f64,
    nodes: Vec<Node>,
    book: Vec<Row>,
    first: Lease,
    second: Lease,
    /// How often a lock was taken on the second tier, to see that the world reaches it.
    seconds: usize,
}

impl World {
    fn new(speeds: [f64; 3]) -> Self {
        let node = |speed| Node {
            gate: Gate::new(TIMES),
            speed,
            first_cut: false,
            second_cut: false,
            meetings: Vec::new(),
            held: None,
        };
        let nodes = speeds.map(node).into();
        Self { now_ms: 1e6, nodes, book: Vec::new(), first: None, second: None, seconds: 0 }
    }

    fn own(&self, node: usize) -> Duration {
        Duration::from_secs_f64(self.now_ms * self.nodes[node].speed / 1_000.0)
    }

    fn holders(&self) -> usize {
        let holds =
            |at: &usize| self.nodes[*at].held.is_some_and(|(_, until)| self.own(*at) < until);
        (0..self.nodes.len()).filter(holds).count()
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Pass(ms) => self.now_ms += ms as f64,
            Step::Cut { node, first: true } => self.nodes[node].first_cut ^= true,
            Step::Cut { node, first: false } => self.nodes[node].second_cut ^= true,
            Step::Outage => self.nodes.iter_mut().for_each(|node| node.first_cut ^= true),
            Step::Meet(times) => self.all_meet(times),
            Step::Begin(at) => {
                let now = self.own(at);
                let node = &mut self.nodes[at];
                let holds_second =
                    node.held.is_some_and(|(tier, until)| tier == Standing::Second && now < until);
                let number = node.meetings.len() as u64 + 1;
                let report = report(number, !node.first_cut, holds_second);
                node.gate.meeting(report);
                node.meetings.push(Meeting { began: now, report, granted: None });
            }
            Step::Commit { node, oldest } => self.commit(node, oldest),
            Step::Answer(at) => {
                let node = &mut self.nodes[at];
                if let Some(Meeting { began, granted: Some(standing), .. }) = node.meetings.last()
                    && !node.second_cut
                {
                    node.gate.met(*began, *standing);
                }
            }
            Step::Use(at) => self.take(at),
            Step::Release(at) => self.release(at),
        }
    }

    fn all_meet(&mut self, times: usize) {
        for _ in 0..times {
            for node in 0..self.nodes.len() {
                let commit = Step::Commit { node, oldest: false };
                [Step::Begin(node), commit, Step::Answer(node)]
                    .into_iter()
                    .for_each(|step| self.run(step));
            }
            self.run(Step::Pass(2_000));
        }
    }

    fn commit(&mut self, at: usize, oldest: bool) {
        let now_ms = self.now_ms as u64;
        let node = &mut self.nodes[at];
        let mut under_way = node.meetings.iter_mut().filter(|meeting| meeting.granted.is_none());
        let meeting = if oldest { under_way.next() } else { under_way.next_back() };
        let Some(meeting) = meeting.filter(|_| !node.second_cut) else { return };
        let name = at.to_string();
        let (row, standing) = meet(&TIMES, &self.book, now_ms, &name, meeting.report);
        self.book.retain(|row| row.node != name);
        self.book.push(row);
        meeting.granted = Some(standing);
    }

    fn take(&mut self, at: usize) {
        let (now, now_ms) = (self.own(at), self.now_ms);
        let node = &mut self.nodes[at];
        let standing = node.gate.standing(now);
        let (lease, cut) = match standing {
            Standing::First => (&mut self.first, node.first_cut),
            Standing::Second => (&mut self.second, node.second_cut),
            Standing::Neither => return,
        };
        // What is held on the other tier is used until it ends, not asked for again.
        let elsewhere = node.held.is_some_and(|(tier, until)| tier != standing && now < until);
        if cut || elsewhere || lease.is_some_and(|(by, until)| by != at && now_ms < until) {
            return;
        }
        *lease = Some((at, now_ms + TIMES.lease.as_millis() as f64));
        node.held = Some((standing, node.gate.usable(now)));
        self.seconds += usize::from(standing == Standing::Second);
    }

    fn release(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some((tier, _)) = node.held.take() else { return };
        let (lease, cut) = match tier {
            Standing::First => (&mut self.first, node.first_cut),
            _ => (&mut self.second, node.second_cut),
        };
        if !cut && lease.is_some_and(|(by, _)| by == at) {
            *lease = None;
        }
    }
}

/// Clocks that run up to 3 % fast or slow: within the margin of 3 s in 40.
fn speeds() -> impl Strategy<Value = [f64; 3]> {
    [0.97..1.03_f64, 0.97..1.03_f64, 0.97..1.03_f64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_holds_the_lock(speeds in speeds(), steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::new(speeds);
        for step in steps {
            world.run(step);
            prop_assert!(world.holders() <= 1, "{} hold it after {step:?}", world.holders());
        }
    }
}

#[test]
fn an_outage_leads_to_the_second_tier_and_back() {
    let mut world = World::new([1.0; 3]);
    world.run(Step::Meet(2));
    world.run(Step::Use(0));
    assert_eq!((world.holders(), world.seconds), (1, 0));
    world.run(Step::Outage);
    world.run(Step::Meet(16));
    world.run(Step::Use(1));
    assert_eq!((world.holders(), world.seconds), (0, 0), "not before a lease is over");
    world.run(Step::Meet(4));
    world.run(Step::Use(1));
    assert_eq!((world.holders(), world.seconds), (1, 1));
    world.run(Step::Outage);
    world.run(Step::Meet(1));
    world.run(Step::Use(0));
    assert_eq!(world.holders(), 1, "1 still holds it, on the second tier");
    world.run(Step::Release(1));
    world.run(Step::Meet(2));
    world.run(Step::Use(0));
    assert_eq!((world.holders(), world.seconds), (1, 1));
}

/// One whole meeting.
fn meets(world: &mut World, node: usize) {
    for step in [Step::Begin(node), Step::Commit { node, oldest: false }, Step::Answer(node)] {
        world.run(step);
    }
}

/// So many rounds of the processes 0 and 2, two seconds apart.
fn the_others_meet(world: &mut World, times: usize) {
    for _ in 0..times {
        [0, 2].into_iter().for_each(|node| meets(world, node));
        world.run(Step::Pass(2_000));
    }
}

fn cut_first(world: &mut World, nodes: &[usize]) {
    nodes.iter().for_each(|&node| world.run(Step::Cut { node, first: true }));
}

#[test]
fn what_a_meeting_may_take_away_is_not_used_while_it_is_under_way() {
    let mut world = World::new([1.0; 3]);
    world.run(Step::Outage);
    world.run(Step::Meet(1));
    world.run(Step::Outage);
    world.run(Step::Begin(1));
    world.run(Step::Commit { node: 1, oldest: false });
    [2, 0].into_iter().for_each(|node| meets(&mut world, node));
    world.run(Step::Use(0));
    assert_eq!((world.holders(), world.seconds), (1, 0), "nobody is in the second tier any more");
    world.run(Step::Use(1));
    assert_eq!(world.holders(), 1);
}

#[test]
fn a_meeting_that_comes_late_changes_nothing() {
    let mut world = World::new([1.0; 3]);
    world.run(Step::Meet(1));
    cut_first(&mut world, &[1]);
    world.run(Step::Begin(1));
    cut_first(&mut world, &[0, 1, 2]);
    meets(&mut world, 1);
    world.run(Step::Commit { node: 1, oldest: true });
    the_others_meet(&mut world, 4);
    world.run(Step::Use(1));
    the_others_meet(&mut world, 13);
    meets(&mut world, 0);
    world.run(Step::Use(0));
    assert_eq!((world.holders(), world.seconds), (1, 0), "1 holds it for 35 s");
}

#[test]
fn who_cannot_meet_stops_before_the_others_go_on_without_him() {
    let mut world = World::new([1.0; 3]);
    world.run(Step::Meet(1));
    world.run(Step::Cut { node: 1, first: false });
    cut_first(&mut world, &[0, 2]);
    the_others_meet(&mut world, 15);
    world.run(Step::Use(1));
    the_others_meet(&mut world, 8);
    world.run(Step::Use(0));
    assert_eq!((world.holders(), world.seconds), (1, 1), "0 holds it, on the second tier");
}
