//! Whether a store can be relied on: healthy, degraded, or recovering until what had to wait is in it again. Pure:
//! outcomes and the time come in as arguments.
//!
//! It degrades when failures go on for the debounce without a success between them, so that one lost connection is no
//! outage; it recovers at the first success; it is healthy again when told that nothing waits any more. A failure
//! while it recovers degrades it at once.

use std::time::Duration;

/// Where a store stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum State {
    /// It works.
    #[default]
    Healthy = 0,
    /// It does not.
    Degraded = 1,
    /// It works again, and is being given what had to wait.
    Recovering = 2,
}

impl State {
    /// The state of this number (`state as u8`); degraded for any other number.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        let all = [Self::Healthy, Self::Degraded, Self::Recovering];
        all.into_iter().find(|state| *state as u8 == number).unwrap_or(Self::Degraded)
    }
}

/// The state of one store. Begins degraded: nothing has worked yet.
#[derive(Debug, Clone)]
pub struct Health {
    debounce: Duration,
    state: State,
    /// When the failures began that no success has followed.
    failing_since: Option<Duration>,
}

impl Health {
    /// A store nothing is known of. Failures count after `debounce` of them.
    #[must_use]
    pub fn new(debounce: Duration) -> Self {
        Self { debounce, state: State::Degraded, failing_since: None }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Something worked.
    pub fn succeeded(&mut self) {
        self.failing_since = None;
        if self.state == State::Degraded {
            self.state = State::Recovering;
        }
    }

    /// Something failed at `now`, and the store is to blame.
    pub fn failed(&mut self, now: Duration) {
        let since = *self.failing_since.get_or_insert(now);
        let lasting = now.saturating_sub(since) >= self.debounce;
        if self.state == State::Recovering || lasting {
            self.state = State::Degraded;
        }
    }

    /// Nothing waits any more.
    pub fn replayed(&mut self) {
        if self.state == State::Recovering {
            self.state = State::Healthy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEBOUNCE: Duration = Duration::from_secs(5);

    #[derive(Debug, Clone, Copy)]
    enum Input {
        Success,
        Failure,
        Replayed,
    }
    use Input::Failure;
    use Input::Replayed;
    use Input::Success;

    fn after(inputs: &[(u64, Input)]) -> State {
        let mut health = Health::new(DEBOUNCE);
        for (second, input) in inputs {
            match input {
                Success => health.succeeded(),
                Failure => health.failed(Duration::from_secs(*second)),
                Replayed => health.replayed(),
            }
        }
        health.state()
    }

    #[test]
    fn every_transition() {
        let up = [(0, Success), (0, Replayed)];
        let cases: &[(&[(u64, Input)], State)] = &[
            (&[], State::Degraded),
            (&[(0, Replayed)], State::Degraded),
            (&[(0, Failure)], State::Degraded),
            (&[(0, Success)], State::Recovering),
            (&up, State::Healthy),
            (&[up[0], up[1], (1, Failure)], State::Healthy),
            (&[up[0], up[1], (1, Failure), (5, Failure)], State::Healthy),
            (&[up[0], up[1], (1, Failure), (6, Failure)], State::Degraded),
            (&[up[0], up[1], (1, Failure), (3, Success), (6, Failure)], State::Healthy),
            (&[(0, Failure), (1, Success), (2, Failure)], State::Degraded),
            (&[(0, Success), (1, Success)], State::Recovering),
            (&[up[0], up[1], (2, Success), (3, Replayed)], State::Healthy),
        ];
        for (inputs, state) in cases {
            assert_eq!(after(inputs), *state, "{inputs:?}");
        }
    }

    #[test]
    fn numbers_are_states() {
        for state in [State::Healthy, State::Degraded, State::Recovering] {
            assert_eq!(State::from_number(state as u8), state);
        }
    }

    proptest! {
        /// Whatever happens: it is healthy only after a success and a replay, and degrades only at a failure.
        #[test]
        fn the_ways_are_these(inputs in prop::collection::vec((0..4_u64, 0..3_u8), 0..100)) {
            let mut health = Health::new(DEBOUNCE);
            let (mut now, mut before) = (0, health.state());
            for (seconds, input) in inputs {
                now += seconds;
                match input {
                    0 => health.succeeded(),
                    1 => health.failed(Duration::from_secs(now)),
                    _ => health.replayed(),
                }
                let way = (before, input, health.state());
                let known = before == way.2 || matches!(
                    way,
                    (State::Degraded, 0, State::Recovering)
                        | (State::Recovering, 2, State::Healthy)
                        | (State::Healthy | State::Recovering, 1, State::Degraded)
                );
                prop_assert!(known, "{way:?}");
                before = way.2;
            }
        }
    }
}
