//! A shard that does not get round to its mailbox: what does not fit is refused at once and counted, what fitted is
//! answered once the shard goes on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use maple_expectation::error::Fault;
use maple_expectation::expectation::name::CharacterName;
use maple_expectation::expectation::ports::NoLedger;
use maple_expectation::expectation::shared::Backing;
use maple_expectation::expectation::view::View;
use maple_expectation::http::negotiate::Encoding;
use maple_expectation::routes::owner::Wanted;
use shards::ShardId;
use shards::clock::Clock as _;
use shards::mailbox;
use shards::mailbox::Reason;
use shards::routing::owner_of;
use shards::sim::Dice;
use shards::sim::Sim;

use crate::game::Game;
use crate::game::Line;
use crate::game::NAMES;
use crate::rules::Rules;
use crate::world;

const EVENTS_MAX: usize = 3;
const QUESTIONS: usize = 20;

#[test]
fn a_full_mailbox_refuses_at_once_and_loses_nothing_it_took() {
    let sim = Sim::new(1, 2, 0);
    let rules = Rules::new(sim.clock(), (1, 2), true);
    let game = Game::new(Rc::clone(&rules));
    let (mailboxes, inboxes) = mailbox::lanes_of(2, EVENTS_MAX);
    let (owners, mut pumps): (Vec<_>, Vec<_>) = ShardId::all(2)
        .zip(inboxes)
        .map(|(shard, inbox)| {
            let line =
                Line { process: 0, shard, game: Rc::clone(&game), dice: Rc::new(Dice::new(1)) };
            let backing = Backing { ledger: Rc::new(NoLedger), shared: None };
            world::owner(&sim, line, backing, (mailboxes.clone(), inbox), 1 << 20)
        })
        .unzip();
    // A name whose home is the second shard, asked for on the first; the second does not run.
    let held_up = pumps.pop().unwrap();
    sim.spawn(ShardId::new(0), Duration::ZERO, pumps.pop().unwrap());
    let name = NAMES.into_iter().find(|name| owner_of(name.as_bytes(), 2) == ShardId::new(1));
    let name = name.expect("one of the names lives there");
    let answers = Rc::<RefCell<Vec<_>>>::default();
    for _ in 0..QUESTIONS {
        let (owner, answers, clock) = (Rc::clone(&owners[0]), Rc::clone(&answers), sim.clock());
        sim.spawn(ShardId::new(0), Duration::ZERO, async move {
            let (view, encoding) = (View::Expectation, Encoding::Gzip);
            let wanted = Wanted { view, force: false, encoding, target: None, counts: false };
            let name = CharacterName::parse(name).unwrap();
            let answered = owner.document(name, wanted, clock.monotonic()).await;
            answers.borrow_mut().push((clock.monotonic(), answered.map(|_| ())));
        });
    }
    sim.run_for(Duration::ZERO, || ());
    // A sender has one place beyond the bound.
    let refused = QUESTIONS - EVENTS_MAX - 1;
    let at_once = vec![(Duration::ZERO, Err(Fault::overloaded("mailbox"))); refused];
    assert_eq!(*answers.borrow(), at_once);
    let counted = owners[0].mailboxes();
    assert_eq!((counted.refused(Reason::Full), counted.refused(Reason::Closed)), (16, 0));

    sim.spawn(ShardId::new(1), Duration::ZERO, held_up);
    sim.run_for(Duration::from_secs(20), || ());
    let late = answers
        .borrow()
        .iter()
        .skip(refused)
        .map(|(_, answered)| answered.clone())
        .collect::<Vec<_>>();
    assert_eq!(late, vec![Ok(()); EVENTS_MAX + 1]);
}
