//! Locks and the jobs under them. Without a shared memory there are none, and the counters stand still at zero.

use super::Counter;
use super::Gauge;
use super::one;
use crate::metrics::scrape::Scrape;
use crate::metrics::text::Text;

pub(super) fn render(text: &mut Text, scrape: &Scrape) {
    let seen = scrape.jobs.unwrap_or_default();
    let locks = "maple_locks_total";
    text.family(locks, Counter, "Locks by what came of asking, and those lost while held.");
    for (outcome, count) in [
        ("first", seen.locks.taken_first),
        ("second", seen.locks.taken_second),
        ("busy", seen.locks.busy),
        ("closed", seen.locks.closed),
        ("lost", seen.locks.lost),
    ] {
        text.sample(locks, &[("outcome", outcome)], count as f64);
    }
    let meetings = "maple_lock_meetings_failed_total";
    let help = "Times this process could not write into the book of the locks.";
    one(text, meetings, Counter, help, seen.locks.meetings_failed);
    let sessions = "maple_lock_sessions";
    text.family(sessions, Gauge, "Sessions of the locks' pool of the store.");
    let (active, idle) = seen.sessions;
    for (state, count) in [("active", active), ("idle", idle)] {
        text.sample(sessions, &[("state", state)], count as f64);
    }
    let runs = "maple_warmup_total";
    text.family(runs, Counter, "Warm-ups by what came of them.");
    for (result, count) in [
        ("success", seen.warm_up.succeeded),
        ("failed", seen.warm_up.failed),
        ("skipped", seen.warm_up.skipped),
    ] {
        text.sample(runs, &[("result", result)], count as f64);
    }
    let characters = "maple_warmup_characters_total";
    text.family(characters, Counter, "Characters of warm-ups by what came of them.");
    for (result, count) in [("ready", seen.warm_up.ready), ("failed", seen.warm_up.unready)] {
        text.sample(characters, &[("result", result)], count as f64);
    }
}
