//! Records on their way into a store: coalesced, bounded, taken in batches and given back when the store fails. Pure.

use std::collections::HashMap;
use std::collections::VecDeque;

use crate::expectation::ports::Record;
use crate::stores::batch::Batch;
use crate::stores::batch::Share;

/// What makes two records the same row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Row {
    Name(String),
    Gear(String),
    Summary(String, u8),
}

/// The records that wait. At most `rows_max`; beyond that the one that has waited longest is given up, which costs
/// nothing but another call to the game one day.
pub struct Pending {
    rows_max: usize,
    records: HashMap<Row, Record>,
    order: VecDeque<Row>,
}

impl Pending {
    /// Room for `rows_max` records, at least one.
    #[must_use]
    pub fn new(rows_max: usize) -> Self {
        Self { rows_max: rows_max.max(1), records: HashMap::new(), order: VecDeque::new() }
    }

    /// Takes a record in place of any older one of the same row; gives how many were given up for it.
    pub fn put(&mut self, record: Record) -> u64 {
        let row = row(&record);
        match self.records.get_mut(&row) {
            Some(held) if at_ms(held) > at_ms(&record) => return 0,
            Some(held) => {
                *held = record;
                return 0;
            }
            None => {}
        }
        let full = self.records.len() >= self.rows_max;
        if full && let Some(oldest) = self.order.pop_front() {
            self.records.remove(&oldest);
        }
        self.order.push_back(row.clone());
        self.records.insert(row, record);
        u64::from(full)
    }

    /// A batch, those first that have waited longest.
    pub fn take(&mut self, share: Share) -> Vec<Record> {
        let mut batch = Batch::new(share);
        while let Some(row) = self.order.front() {
            match self.records.get(row) {
                Some(record) if !batch.has_room(record) => break,
                _ => {}
            }
            let record = self.order.pop_front().and_then(|row| self.records.remove(&row));
            record.into_iter().for_each(|record| batch.push(record));
        }
        batch.into_records()
    }

    /// Records that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

fn row(record: &Record) -> Row {
    match record {
        Record::Name { name, .. } => Row::Name(name.clone()),
        Record::Gear { ocid, .. } => Row::Gear(ocid.clone()),
        Record::Summary { ocid, preset_no, .. } => Row::Summary(ocid.clone(), *preset_no),
    }
}

fn at_ms(record: &Record) -> u64 {
    match record {
        Record::Name { confirmed_ms: at, .. }
        | Record::Gear { received_ms: at, .. }
        | Record::Summary { calculated_ms: at, .. } => *at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn up_to(names: usize) -> Share {
        Share { names, ..Share::ALL }
    }

    fn name(name: &str, confirmed_ms: u64) -> Record {
        Record::Name { name: name.to_owned(), ocid: "o".to_owned(), confirmed_ms }
    }

    #[test]
    fn the_newest_of_a_row_goes_and_the_oldest_row_goes_first() {
        let mut pending = Pending::new(10);
        for record in [name("a", 1), name("b", 1), name("a", 3), name("a", 2)] {
            assert_eq!(pending.put(record), 0);
        }
        assert_eq!(pending.take(up_to(1)), [name("a", 3)]);
        assert_eq!(pending.take(Share::ALL), [name("b", 1)]);
        assert!(pending.is_empty());
    }

    #[test]
    fn what_has_waited_longest_is_given_up_first() {
        let mut pending = Pending::new(2);
        let lost: u64 = ["a", "b", "c"].into_iter().map(|row| pending.put(name(row, 1))).sum();
        assert_eq!((lost, pending.take(Share::ALL)), (1, vec![name("b", 1), name("c", 1)]));
    }

    proptest! {
        /// Whatever is put, taken and given back: within the bound nothing is lost, and the newest of a row comes out.
        #[test]
        fn nothing_is_lost_within_the_bound(
            steps in prop::collection::vec((0..6_u8, 0..50_u64, any::<bool>()), 1..200),
        ) {
            let mut pending = Pending::new(6);
            let (mut put, mut stored) = (BTreeMap::new(), BTreeMap::new());
            for (row, at, store_works) in steps {
                let row = row.to_string();
                prop_assert_eq!(pending.put(name(&row, at)), 0);
                let newest = put.entry(row).or_insert(at);
                *newest = at.max(*newest);
                for record in pending.take(up_to(3)) {
                    let Record::Name { name, confirmed_ms, .. } = &record else { unreachable!() };
                    if store_works {
                        let held = stored.entry(name.clone()).or_insert(*confirmed_ms);
                        *held = (*held).max(*confirmed_ms);
                    } else {
                        pending.put(record);
                    }
                }
            }
            for record in pending.take(Share::ALL) {
                let Record::Name { name, confirmed_ms, .. } = record else { unreachable!() };
                let held = stored.entry(name).or_insert(confirmed_ms);
                *held = (*held).max(confirmed_ms);
            }
            prop_assert_eq!(stored, put);
        }
    }
}
