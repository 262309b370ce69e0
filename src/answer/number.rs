//! How exact means reach the wire: only here are they rounded, each from its own exact value (game rules C24).

use serde::Serialize;
use serde::Serializer;

/// Whole, half up: mesos, and counts in the old integer fields.
#[must_use]
pub fn whole(exact: f64) -> u64 {
    // A cast saturates: negative and NaN give 0, beyond 2^64 its maximum; no real cost comes near.
    let floor = exact.floor();
    (if exact - floor >= 0.5 { floor + 1.0 } else { floor }) as u64
}

/// Two decimals, half up: destroy counts, flame trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hundredths(pub f64);

impl Serialize for Hundredths {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let hundredths = whole(self.0 * 100.0);
        if hundredths.is_multiple_of(100) {
            to.serialize_u64(hundredths / 100)
        } else {
            to.serialize_f64(hundredths as f64 / 100.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_up() {
        assert_eq!([0.49, 0.5, 1.5, 2.4999, 861_536.62].map(whole), [0, 1, 2, 2, 861_537]);
        // The largest double below one half must not become one by adding.
        assert_eq!(whole(0.499_999_999_999_999_94), 0);
        assert_eq!(whole(4_503_599_627_370_497.5), 4_503_599_627_370_498);
    }

    #[test]
    fn hundredths_on_the_wire() {
        for (exact, text) in
            [(3.867, "3.87"), (0.0, "0"), (138.0, "138"), (0.045, "0.05"), (11.5, "11.5")]
        {
            assert_eq!(sonic_rs::to_string(&Hundredths(exact)).expect("number"), text);
        }
    }
}
