//! Remembered success probabilities: characters share gear, so the same questions come back.
//! Only ever an answer of `probability`, never an estimate; bounded; belongs to one [`Tables`].

use super::dimension::Dimension;
use super::dimension::LINES;
use super::dimension::Target;
use super::probability::success_probability;
use super::tables::Roll;
use super::tables::Tables;
use std::collections::HashMap;

/// Answers kept: about 1 MB. A full memo is emptied and fills again.
pub const MEMO_ENTRIES_MAX: usize = 8_192;

/// Exact thresholds, compared by their bits.
type Key = (Roll, [Option<(Dimension, u64)>; LINES]);

const _: () = assert!(size_of::<(Key, f64)>() <= 64);

/// One per thread. Answers are those of the tables it is used with: one memo, one [`Tables`].
#[derive(Debug, Default)]
pub struct PotentialMemo {
    answers: HashMap<Key, f64>,
}

impl PotentialMemo {
    /// [`success_probability`], computed once. More than [`LINES`] targets are not remembered.
    ///
    /// # Panics
    /// When the roll belongs to other tables.
    pub fn success_probability(&mut self, tables: &Tables, roll: Roll, targets: &[Target]) -> f64 {
        if targets.len() > LINES {
            return success_probability(tables, roll, targets);
        }
        let mut thresholds = [None; LINES];
        for (threshold, target) in thresholds.iter_mut().zip(targets) {
            *threshold = Some((target.dimension, target.at_least.to_bits()));
        }
        let key = (roll, thresholds);
        if let Some(answer) = self.answers.get(&key) {
            return *answer;
        }
        if self.answers.len() == MEMO_ENTRIES_MAX {
            self.answers.clear();
        }
        let answer = success_probability(tables, roll, targets);
        self.answers.insert(key, answer);
        answer
    }

    /// Answers remembered at the moment, at most [`MEMO_ENTRIES_MAX`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}
