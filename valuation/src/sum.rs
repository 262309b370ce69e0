//! Compensated summation (Neumaier): long sums of probabilities keep their last digits.

/// A running sum with a correction term. Error is independent of the number of terms.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum {
    total: f64,
    correction: f64,
}

impl Sum {
    /// Adds one term.
    pub fn add(&mut self, term: f64) {
        let next = self.total + term;
        self.correction += if self.total.abs() >= term.abs() {
            (self.total - next) + term
        } else {
            (term - next) + self.total
        };
        self.total = next;
    }

    /// The compensated total.
    #[must_use]
    pub fn value(self) -> f64 {
        self.total + self.correction
    }

    /// The compensated sum of all terms.
    pub fn of(terms: impl IntoIterator<Item = f64>) -> f64 {
        let mut sum = Self::default();
        for term in terms {
            sum.add(term);
        }
        sum.value()
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;

    #[test]
    fn keeps_what_plain_addition_loses() {
        assert_eq!(Sum::of([1e16, 1.0, -1e16]), 1.0);
        let tenth = Sum::of(std::iter::repeat_n(0.1, 1_000_000));
        assert!((tenth - 100_000.0).abs() < 1e-9, "{tenth}");
    }
}
