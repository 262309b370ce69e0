//! The scenarios, one to a file. Each file's header says hypothesis, fault, load and invariant, in this order; it is
//! copied into the results. To add one: write the file, name it in the table.

use std::future::Future;
use std::pin::Pin;

use crate::failure::Outcome;
use crate::report::Report;
use crate::stack::Context;

mod c01_redis_dies;
mod c01b_failover;
mod c02_sql_dies;
mod c04_split_brain;
mod c06b_slow_loris;
mod c09_retry_storm;
mod c17_locks;
mod n01_thundering_herd;
mod n03_saturation;
mod n04_connection_vampire;
mod n05_hot_key;
mod n06_client_gone;
mod p01_one_flight;
mod p02_force_reaches_all;
mod p03_rolling_restart;
mod p04_leader_killed;

/// One scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    source: &'static str,
    pub(crate) run: for<'a> fn(&'a Context, &'a mut Report) -> Run<'a>,
}

type Run<'a> = Pin<Box<dyn Future<Output = Outcome<()>> + 'a>>;

/// The file's name is the scenario's name.
macro_rules! scenario {
    ($name:ident) => {
        Scenario {
            name: stringify!($name),
            source: include_str!(concat!(stringify!($name), ".rs")),
            run: |context, report| Box::pin($name::run(context, report)),
        }
    };
}

/// All of them, in the order they run.
pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!(n01_thundering_herd),
    scenario!(n03_saturation),
    scenario!(n05_hot_key),
    scenario!(n06_client_gone),
    scenario!(c04_split_brain),
    scenario!(c06b_slow_loris),
    scenario!(c09_retry_storm),
    scenario!(p01_one_flight),
    scenario!(p02_force_reaches_all),
    scenario!(p03_rolling_restart),
    scenario!(p04_leader_killed),
    scenario!(n04_connection_vampire),
    scenario!(c01_redis_dies),
    scenario!(c01b_failover),
    scenario!(c02_sql_dies),
    scenario!(c17_locks),
];

impl Scenario {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// The header of its file, as Markdown.
    pub(crate) fn intent(&self) -> String {
        let header = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        header.map(|line| format!("{}\n", line.trim_start())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_says_hypothesis_fault_load_invariant() {
        for scenario in SCENARIOS {
            let intent = scenario.intent();
            let places = ["Hypothesis:", "Fault:", "Load:", "Invariant:"].map(|part| {
                intent.find(part).unwrap_or_else(|| panic!("{}: no {part}", scenario.name))
            });
            assert!(places.is_sorted(), "{}: {places:?}", scenario.name);
        }
    }
}
