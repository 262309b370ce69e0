//! A ledger in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::ready;

use maple_expectation::expectation::ports::Costs;
use maple_expectation::expectation::ports::Gear;
use maple_expectation::expectation::ports::Kept;
use maple_expectation::expectation::ports::Ledger;
use maple_expectation::expectation::ports::Named;
use maple_expectation::expectation::ports::Record;

use crate::conformance::Subject;

#[derive(Default)]
pub(crate) struct Fake(RefCell<Rows>);

#[derive(Default)]
struct Rows {
    /// By id.
    names: BTreeMap<String, (String, u64)>,
    gears: BTreeMap<String, Gear>,
    summaries: BTreeMap<(String, u8), (Costs, u64)>,
}

impl Ledger for Fake {
    fn name(&self, name: &str) -> Kept<Named> {
        let kept = self.0.borrow();
        let found = kept.names.iter().find(|(_, (given, _))| given == name);
        let named = found.map(|(ocid, (_, at))| Named { ocid: ocid.clone(), confirmed_ms: *at });
        Box::pin(ready(named))
    }

    fn gear(&self, ocid: &str) -> Kept<Gear> {
        Box::pin(ready(self.0.borrow().gears.get(ocid).cloned()))
    }

    fn received(&self, ocid: &str) -> Kept<u64> {
        Box::pin(ready(self.0.borrow().gears.get(ocid).map(|gear| gear.received_ms)))
    }

    fn keep(&self, record: Record) {
        let mut kept = self.0.borrow_mut();
        match record {
            Record::Name { name, ocid, confirmed_ms: at } => {
                kept.names
                    .retain(|other, (given, then)| *given != name || *other == ocid || *then > at);
                let taken =
                    kept.names.iter().any(|(other, (given, _))| *given == name && *other != ocid);
                let newer = kept.names.get(&ocid).is_some_and(|(_, then)| *then > at);
                if !taken && !newer {
                    kept.names.insert(ocid, (name, at));
                }
            }
            Record::Gear { ocid, payload, received_ms } => {
                if kept.gears.get(&ocid).is_none_or(|held| held.received_ms <= received_ms) {
                    kept.gears.insert(ocid, Gear { payload, received_ms });
                }
            }
            Record::Summary { ocid, preset_no, costs, calculated_ms } => {
                let key = (ocid, preset_no);
                if kept.summaries.get(&key).is_none_or(|(_, then)| *then <= calculated_ms) {
                    kept.summaries.insert(key, (costs, calculated_ms));
                }
            }
        }
    }
}

impl Subject for Fake {
    fn ledger(&self) -> &dyn Ledger {
        self
    }

    fn reopen(&mut self) {}

    fn summary(&self, ocid: &str, preset_no: u8) -> Option<([u64; 5], u64)> {
        let kept = self.0.borrow();
        let found = kept.summaries.get(&(ocid.to_owned(), preset_no));
        found.map(|(costs, at)| (costs.columns(), *at))
    }
}
