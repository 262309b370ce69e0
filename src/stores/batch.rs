//! What one write takes: so many records of each kind, and so many bytes. Pure.

use crate::expectation::ports::Record;

/// The most of one batch, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Names.
    pub names: usize,
    /// Gear.
    pub gears: usize,
    /// Bytes of gear, as received. Gear larger than this goes alone.
    pub gear_bytes: usize,
    /// Summaries.
    pub summaries: usize,
}

impl Share {
    /// Everything.
    pub const ALL: Self = Self {
        names: usize::MAX,
        gears: usize::MAX,
        gear_bytes: usize::MAX,
        summaries: usize::MAX,
    };

    /// Half of it, and half of that, so often; never less than one of each kind.
    #[must_use]
    pub fn halved(self, times: u32) -> Self {
        let part = |whole: usize| whole.checked_shr(times).unwrap_or(0).max(1);
        Self {
            names: part(self.names),
            gears: part(self.gears),
            gear_bytes: part(self.gear_bytes),
            summaries: part(self.summaries),
        }
    }
}

/// A batch on its way to being full.
#[derive(Debug)]
pub struct Batch {
    left: Share,
    records: Vec<Record>,
}

impl Batch {
    /// An empty one.
    #[must_use]
    pub fn new(share: Share) -> Self {
        Self { left: share, records: Vec::new() }
    }

    /// Whether the record can be added.
    #[must_use]
    pub fn has_room(&self, record: &Record) -> bool {
        match record {
            Record::Name { .. } => self.left.names > 0,
            Record::Summary { .. } => self.left.summaries > 0,
            Record::Gear { payload, .. } => {
                let first = !self.records.iter().any(|held| matches!(held, Record::Gear { .. }));
                self.left.gears > 0 && (first || payload.body.len() <= self.left.gear_bytes)
            }
        }
    }

    /// Adds a record there is room for.
    pub fn push(&mut self, record: Record) {
        let left = match &record {
            Record::Name { .. } => &mut self.left.names,
            Record::Summary { .. } => &mut self.left.summaries,
            Record::Gear { payload, .. } => {
                self.left.gear_bytes = self.left.gear_bytes.saturating_sub(payload.body.len());
                &mut self.left.gears
            }
        };
        *left = left.saturating_sub(1);
        self.records.push(record);
    }

    /// The records, in the order they came.
    #[must_use]
    pub fn into_records(self) -> Vec<Record> {
        self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expectation::ports::Costs;
    use crate::expectation::ports::Payload;

    const SHARE: Share = Share { names: 1, gears: 3, gear_bytes: 10, summaries: 2 };

    fn gear(bytes: usize) -> Record {
        let payload = Payload { body: vec![0; bytes].into(), gzip: true };
        Record::Gear { ocid: "o".to_owned(), payload, received_ms: 1 }
    }

    fn taken(records: &[Record]) -> usize {
        let mut batch = Batch::new(SHARE);
        for record in records {
            if !batch.has_room(record) {
                break;
            }
            batch.push(record.clone());
        }
        batch.into_records().len()
    }

    #[test]
    fn each_kind_has_its_room() {
        let name = Record::Name { name: "n".to_owned(), ocid: "o".to_owned(), confirmed_ms: 1 };
        let summary = Record::Summary {
            ocid: "o".to_owned(),
            preset_no: 1,
            costs: Costs::default(),
            calculated_ms: 1,
        };
        assert_eq!(taken(&[name.clone(), name.clone()]), 1);
        assert_eq!(taken(&[summary.clone(), summary.clone(), summary.clone()]), 2);
        assert_eq!(taken(&[gear(1), gear(1), gear(1), gear(1)]), 3);
        assert_eq!(taken(&[summary.clone(), gear(1), name, gear(1), summary, gear(1)]), 6);
    }

    #[test]
    fn gear_is_bounded_by_its_bytes_too_but_the_largest_goes_alone() {
        assert_eq!(taken(&[gear(5), gear(5), gear(0), gear(0)]), 3);
        assert_eq!(taken(&[gear(5), gear(6)]), 1);
        assert_eq!(taken(&[gear(11), gear(1)]), 1);
    }
}
