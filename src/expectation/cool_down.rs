//! The least time between two forced recalculations of one character. Pure: time comes in. One per shard, for the
//! characters that shard owns.

use std::collections::HashMap;
use std::time::Duration;

use crate::error::Fault;
use crate::expectation::character::Ocid;

/// Characters remembered. Beyond it, and with none of them expired, a force is refused for load.
const CHARACTERS_MAX: usize = 65_536;

/// When each character was last forced.
pub struct CoolDown {
    least: Duration,
    last: HashMap<Ocid, Duration, ahash::RandomState>,
}

impl CoolDown {
    /// `least` between two forces; zero switches it off.
    #[must_use]
    pub fn new(least: Duration) -> Self {
        Self { least, last: HashMap::default() }
    }

    /// Claims the force of `ocid` at `now`.
    ///
    /// # Errors
    /// `CoolDown` with the seconds left (rounded up), or `Overloaded` when the table is full.
    pub fn claim(&mut self, ocid: &Ocid, now: Duration) -> Result<(), Fault> {
        if self.least.is_zero() {
            return Ok(());
        }
        if let Some(last) = self.last.get(ocid) {
            let left = self.least.saturating_sub(now.saturating_sub(*last));
            if !left.is_zero() {
                let seconds = left.as_millis().div_ceil(1_000);
                return Err(Fault::cool_down(u32::try_from(seconds).unwrap_or(u32::MAX)));
            }
        }
        if self.last.len() >= CHARACTERS_MAX {
            self.last.retain(|_, last| now.saturating_sub(*last) < self.least);
            if self.last.len() >= CHARACTERS_MAX {
                return Err(Fault::overloaded("forced recalculations"));
            }
        }
        self.last.insert(ocid.clone(), now);
        Ok(())
    }

    /// Gives a claim back: the force failed, so nobody got anything for it.
    pub fn give_back(&mut self, ocid: &Ocid) {
        self.last.remove(ocid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::What;

    fn seconds_left(result: Result<(), Fault>) -> u32 {
        match result.expect_err("refused").what {
            What::CoolDown { seconds } => seconds,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_second_force_waits_out_the_first() {
        let mut cool_down = CoolDown::new(Duration::from_secs(60));
        let name = Ocid::new("a");
        let other = Ocid::new("b");
        let at = Duration::from_millis;
        assert!(cool_down.claim(&name, at(0)).is_ok());
        assert_eq!(seconds_left(cool_down.claim(&name, at(500))), 60);
        assert_eq!(seconds_left(cool_down.claim(&name, at(59_999))), 1);
        assert!(cool_down.claim(&other, at(500)).is_ok(), "each character on its own");
        assert!(cool_down.claim(&name, at(60_000)).is_ok());
        cool_down.give_back(&name);
        assert!(cool_down.claim(&name, at(60_001)).is_ok(), "a failed force costs nothing");
    }

    #[test]
    fn zero_switches_it_off() {
        let mut cool_down = CoolDown::new(Duration::ZERO);
        let name = Ocid::new("a");
        for _ in 0..3 {
            assert!(cool_down.claim(&name, Duration::ZERO).is_ok());
        }
    }
}
