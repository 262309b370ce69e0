//! A circuit breaker over the last calls: when half of them failed it stops calling for a while, then lets a few
//! probes decide. A call admitted in one state is not counted in another: its permit remembers when it was given.

use std::collections::VecDeque;
use std::time::Duration;

/// When it opens and closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Calls looked back on; it does not open before as many have ended.
    pub window: usize,
    /// It opens when at least this share of the window failed, percent.
    pub failures_percent: usize,
    /// How long it stays open before it probes.
    pub open_for: Duration,
    /// Calls let through to decide whether to close again.
    pub probes: usize,
}

/// What an ended call says about the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Success,
    /// It is ill: timeout, no connection, 5xx, 429.
    Failure,
    /// Nothing: the call was given up, or the request itself was wrong.
    Unknown,
}

/// Where the breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls pass.
    HalfOpen,
}

/// Leave for one call; to be handed back with its verdict.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    epoch: u64,
}

/// One circuit breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: Settings,
    state: State,
    /// Grows with every change of state, so that late verdicts are known as such.
    epoch: u64,
}

#[derive(Debug, Clone)]
enum State {
    Closed { failed: VecDeque<bool> },
    Open { until: Duration },
    HalfOpen { out: usize, succeeded: usize, failed: usize },
}

impl Breaker {
    /// A closed breaker that has seen nothing.
    ///
    /// # Panics
    /// When the window or the probes are zero, or the share is not 1 to 100.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        assert!(settings.window > 0 && settings.probes > 0, "a breaker needs calls to judge by");
        assert!((1..=100).contains(&settings.failures_percent), "a share is 1 to 100 percent");
        Self { settings, state: State::Closed { failed: VecDeque::new() }, epoch: 0 }
    }

    /// Where it stands at `now`.
    #[must_use]
    pub fn phase(&self, now: Duration) -> Phase {
        match self.state {
            State::Closed { .. } => Phase::Closed,
            State::Open { until } if now < until => Phase::Open,
            State::Open { .. } | State::HalfOpen { .. } => Phase::HalfOpen,
        }
    }

    /// Leave for a call that starts at `now`; None when it must not be made.
    pub fn admit(&mut self, now: Duration) -> Option<Permit> {
        if matches!(self.state, State::Open { until } if now >= until) {
            self.become_state(State::HalfOpen { out: 0, succeeded: 0, failed: 0 });
        }
        match &mut self.state {
            State::Closed { .. } => {}
            State::Open { .. } => return None,
            State::HalfOpen { out, succeeded, failed } => {
                if *out + *succeeded + *failed >= self.settings.probes {
                    return None;
                }
                *out += 1;
            }
        }
        Some(Permit { epoch: self.epoch })
    }

    /// Takes the verdict of a call that ended at `now`.
    pub fn record(&mut self, permit: Permit, verdict: Verdict, now: Duration) {
        if permit.epoch != self.epoch {
            return;
        }
        let share = self.settings.failures_percent;
        let next = match &mut self.state {
            State::Closed { failed } => {
                if verdict == Verdict::Unknown {
                    return;
                }
                failed.push_back(verdict == Verdict::Failure);
                if failed.len() > self.settings.window {
                    failed.pop_front();
                }
                let failures = failed.iter().filter(|failed| **failed).count();
                let full = failed.len() == self.settings.window;
                (full && failures * 100 >= share * failed.len()).then(|| self.opened(now))
            }
            // Admits nothing, so no permit is of this epoch.
            State::Open { .. } => None,
            State::HalfOpen { out, succeeded, failed } => {
                *out -= 1;
                match verdict {
                    Verdict::Success => *succeeded += 1,
                    Verdict::Failure => *failed += 1,
                    Verdict::Unknown => {}
                }
                let seen = *succeeded + *failed;
                if seen < self.settings.probes {
                    None
                } else if *failed * 100 >= share * seen {
                    Some(self.opened(now))
                } else {
                    Some(State::Closed { failed: VecDeque::new() })
                }
            }
        };
        if let Some(next) = next {
            self.become_state(next);
        }
    }

    fn opened(&self, now: Duration) -> State {
        State::Open { until: now + self.settings.open_for }
    }

    fn become_state(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETTINGS: Settings =
        Settings { window: 10, failures_percent: 50, open_for: Duration::from_secs(10), probes: 3 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn call(breaker: &mut Breaker, verdict: Verdict, now: Duration) {
        let permit = breaker.admit(now).expect("admitted");
        breaker.record(permit, verdict, now);
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(SETTINGS);
        for n in 0..10 {
            call(&mut breaker, if n % 2 == 0 { Verdict::Failure } else { Verdict::Success }, at(0));
        }
        assert_eq!(breaker.phase(at(0)), Phase::Open);
        breaker
    }

    #[test]
    fn it_opens_at_half_of_a_full_window_and_not_before() {
        let mut breaker = Breaker::new(SETTINGS);
        for _ in 0..9 {
            call(&mut breaker, Verdict::Failure, at(0));
        }
        assert_eq!(breaker.phase(at(0)), Phase::Closed, "nine calls are no window");
        let mut lucky = Breaker::new(SETTINGS);
        for n in 0..100 {
            let verdict = if n % 10 < 4 { Verdict::Failure } else { Verdict::Success };
            call(&mut lucky, verdict, at(0));
            call(&mut lucky, Verdict::Unknown, at(0));
        }
        assert_eq!(lucky.phase(at(0)), Phase::Closed, "four of ten, and what says nothing");
        opened();
    }

    #[test]
    fn open_refuses_then_three_probes_decide() {
        for (verdicts, phase) in [
            ([Verdict::Success, Verdict::Success, Verdict::Success], Phase::Closed),
            ([Verdict::Success, Verdict::Failure, Verdict::Success], Phase::Closed),
            ([Verdict::Failure, Verdict::Success, Verdict::Failure], Phase::Open),
        ] {
            let mut breaker = opened();
            assert_eq!(breaker.admit(at(9)), None);
            let probes: Vec<_> = (0..3).map(|_| breaker.admit(at(10)).expect("a probe")).collect();
            assert_eq!(breaker.admit(at(10)), None, "no fourth");
            for (probe, verdict) in probes.into_iter().zip(verdicts) {
                breaker.record(probe, verdict, at(11));
            }
            assert_eq!(breaker.phase(at(11)), phase, "{verdicts:?}");
        }
    }

    #[test]
    fn a_probe_given_up_makes_room_for_another() {
        let mut breaker = opened();
        let probe = breaker.admit(at(10)).expect("a probe");
        breaker.record(probe, Verdict::Unknown, at(10));
        for _ in 0..3 {
            call(&mut breaker, Verdict::Success, at(10));
        }
        assert_eq!(breaker.phase(at(10)), Phase::Closed);
    }

    #[test]
    fn verdicts_of_an_earlier_state_change_nothing() {
        let mut breaker = Breaker::new(SETTINGS);
        let slow: Vec<_> = (0..20).map(|_| breaker.admit(at(0)).expect("closed")).collect();
        for _ in 0..10 {
            call(&mut breaker, Verdict::Failure, at(0));
        }
        for permit in slow {
            breaker.record(permit, Verdict::Success, at(5));
        }
        assert_eq!(breaker.phase(at(5)), Phase::Open);
    }

    proptest! {
        /// Against any history: open means nothing passes before its time, half open means never more than the
        /// probes are out, and a healthy side always ends closed.
        #[test]
        fn any_history_keeps_its_promises(steps in prop::collection::vec((0_u8..6, 0_u64..4), 1..400)) {
            let mut breaker = Breaker::new(SETTINGS);
            let mut out = Vec::new();
            let mut now = Duration::ZERO;
            let mut opened_at = None;
            for (action, seconds) in steps {
                now += at(seconds);
                let before = breaker.phase(now);
                match action {
                    0..=2 => match breaker.admit(now) {
                        Some(permit) => {
                            prop_assert_ne!(before, Phase::Open);
                            out.push(permit);
                        }
                        None => prop_assert_ne!(before, Phase::Closed),
                    },
                    _ => {
                        let Some(permit) = out.pop() else { continue };
                        let verdict = [Verdict::Success, Verdict::Failure, Verdict::Unknown];
                        breaker.record(permit, verdict[usize::from(action) - 3], now);
                    }
                }
                if let State::HalfOpen { out, succeeded, failed } = breaker.state {
                    prop_assert!(out + succeeded + failed <= SETTINGS.probes);
                }
                if breaker.phase(now) == Phase::Open {
                    let since = *opened_at.get_or_insert(now);
                    prop_assert!(now - since < SETTINGS.open_for);
                } else {
                    opened_at = None;
                }
            }
            for permit in out.drain(..) {
                breaker.record(permit, Verdict::Unknown, now);
            }
            // Whatever it stands at, a side that is well closes it within two rounds of probes.
            for _ in 0..2 * SETTINGS.window {
                now += SETTINGS.open_for;
                if let Some(permit) = breaker.admit(now) {
                    breaker.record(permit, Verdict::Success, now);
                }
            }
            prop_assert_eq!(breaker.phase(now), Phase::Closed);
        }
    }
}
