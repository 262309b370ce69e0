//! Who is asked for how often: counted on the shard, by a cell that the near cache's entries share, and taken every
//! second by whoever keeps the ranking. A hit pays one increment.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::expectation::name::CharacterName;

/// Names counted at once; further ones are not, until the next taking.
const NAMES_MAX: usize = 20_000;

/// Answers given to a name since the last taking.
pub type Visits = Rc<Cell<u32>>;

/// The counts of one shard.
#[derive(Default)]
pub struct Popularity {
    names: RefCell<HashMap<CharacterName, Visits, ahash::RandomState>>,
}

impl Popularity {
    /// The count of a name.
    #[must_use]
    pub fn of(&self, name: &CharacterName) -> Visits {
        let mut names = self.names.borrow_mut();
        if let Some(visits) = names.get(name) {
            return Rc::clone(visits);
        }
        let visits = Visits::default();
        if names.len() < NAMES_MAX {
            names.insert(name.clone(), Rc::clone(&visits));
        }
        visits
    }

    /// What has been counted since the last taking. Names that nobody else counts on are dropped.
    pub fn take(&self) -> Vec<(String, u32)> {
        let mut taken = Vec::new();
        self.names.borrow_mut().retain(|name, visits| {
            let count = visits.take();
            if count > 0 {
                taken.push((name.as_str().to_owned(), count));
            }
            Rc::strong_count(visits) > 1
        });
        taken
    }
}

/// One more answer.
pub fn count(visits: &Visits) {
    visits.set(visits.get().saturating_add(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_taken_once_and_idle_names_are_dropped() {
        let popularity = Popularity::default();
        let [a, b] = ["가", "나"].map(|name| CharacterName::parse(name).expect("valid"));
        let kept = popularity.of(&a);
        for _ in 0..3 {
            count(&kept);
        }
        count(&popularity.of(&b));
        let mut taken = popularity.take();
        taken.sort();
        assert_eq!(taken, [("가".to_owned(), 3), ("나".to_owned(), 1)]);
        assert_eq!(popularity.take(), []);
        assert_eq!(popularity.names.borrow().len(), 1, "the entry that is still held");
        count(&kept);
        assert_eq!(popularity.take(), [("가".to_owned(), 1)]);
    }

    #[test]
    fn names_are_bounded() {
        let popularity = Popularity::default();
        for number in 0..NAMES_MAX + 10 {
            let name = CharacterName::parse(&format!("n{number}")).expect("valid");
            count(&popularity.of(&name));
        }
        assert_eq!(popularity.take().len(), NAMES_MAX);
    }
}
