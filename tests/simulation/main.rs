//! The production owner, flow, directory and near cache of 1 to 4 shards, of one process or of two that share a memory,
//! under a seeded scheduler: questions, forced ones, clients that give up, messages that lag, a shared memory that dies
//! and comes back, a game that fails, hangs, panics and renames characters. The rules are in `rules.rs`; each run is one seed, and a failure prints the seed and how to replay it.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod game;
mod mailbox;
mod memory;
mod rules;
mod world;

use std::time::Duration;

use world::Kind;
use world::World;

/// Runs of the ordinary test: ten seconds on two cores.
const SEEDS: u64 = 10_000;
/// Events of one run, at most.
const EVENTS_MAX: usize = 300;
/// Longer than every deadline there is.
const LONG: Duration = Duration::from_secs(120);

/// Runs one seed to its end; gives what it did as a number, to tell runs apart.
fn run(seed: u64) -> u64 {
    let world = World::new(seed);
    for _ in 0..world.dice().below(EVENTS_MAX) + 1 {
        event(&world);
        world.check();
        for _ in 0..world.dice().below(12) {
            if !world.sim.step() {
                break;
            }
            world.check();
        }
    }
    world.game.heal();
    world.memory.recover();
    world.run_for(LONG);
    world.check_end();
    world.rules.trace()
}

fn event(world: &World) {
    let dice = world.dice();
    match dice.below(100) {
        0 => world.everybody_leaves(),
        1..=54 => world.ask(if dice.chance(85) { Kind::Plain } else { Kind::Forced }),
        55..=60 => world.give_up(),
        61..=67 => world.game.change_gear(dice),
        68..=69 => world.game.rename(dice),
        70..=72 => world.game.fall_ill(dice),
        73..=75 => world.game.heal(),
        76 if dice.chance(50) => world.memory.die(),
        76 => world.memory.fall_mute(),
        77..=78 => world.memory.recover(),
        79..=92 => world.run_for(dice.up_to(Duration::from_millis(300))),
        93..=97 => world.run_for(dice.up_to(Duration::from_secs(30))),
        // Past the freshness, past the staleness, and seldom past what a name is believed for.
        98 => world.run_for(dice.up_to(Duration::from_secs(4_000))),
        _ => world.run_for(dice.up_to(Duration::from_secs(100_000))),
    }
}

/// The seeds to run: one of the environment, or all.
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SIM_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    }
}

#[test]
fn no_seed_breaks_a_rule() {
    let (seeds, workers) = (seeds(), 2);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let own = seeds.clone().skip(worker).step_by(workers);
            scope.spawn(move || own.for_each(run_loudly));
        }
    });
}

/// Runs a seed and says how to replay it when it fails.
fn run_loudly(seed: u64) {
    if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
        eprintln!("seed {seed} failed; replay it: SIM_SEED={seed} cargo test --test simulation");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_seed_replays_exactly() {
    let traces: Vec<_> = (0..40).map(run).collect();
    for (seed, trace) in (0..40).zip(&traces) {
        assert_eq!(run(seed), *trace, "seed {seed}");
    }
    let different = traces.iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(different.len(), traces.len(), "seeds differ");
}

/// Rules that nothing ever puts to the test prove nothing.
#[test]
fn the_seeds_reach_what_the_rules_are_about() {
    let mut seen = rules::Seen::default();
    for seed in 0..400 {
        let world = World::new(seed);
        for _ in 0..EVENTS_MAX {
            event(&world);
            for _ in 0..world.dice().below(12) {
                world.sim.step();
            }
        }
        world.game.heal();
        world.memory.recover();
        world.run_for(LONG);
        world.check_end();
        seen.add(&world.rules.seen());
    }
    println!("{seen:?}");
    for (what, count) in seen.counts() {
        assert!(count >= 20, "{what}: only {count} in 400 seeds");
    }
}
