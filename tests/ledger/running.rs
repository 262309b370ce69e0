//! A MySQL store that runs: on a thread with the same kind of runtime as the backplane's.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use maple_expectation::resilience::health::State;
use maple_expectation::stores::migrations::Mismatch;
use maple_expectation::stores::mysql::Mysql;
use maple_expectation::stores::mysql::MysqlConfig;
use maple_expectation::stores::mysql::MysqlEnd;
use maple_expectation::stores::mysql::Opened;
use maple_expectation::stores::mysql::SESSIONS_MAX;
use maple_expectation::stores::probe::StoreSnapshot;

use crate::block_on;
use crate::wait_until;

pub(crate) struct Running {
    pub(crate) store: Mysql,
    end: MysqlEnd,
    schema: std::sync::mpsc::Receiver<Result<(), Mismatch>>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Starts one; waits for nothing.
    pub(crate) fn start(url: &str, journal: &Path, journal_bytes_max: u64) -> Self {
        let config = MysqlConfig {
            url: url.to_owned(),
            sessions_max: SESSIONS_MAX,
            journal: journal.to_path_buf(),
            journal_bytes_max,
        };
        let Opened { store, task, end, schema } = Mysql::open(&config).unwrap();
        let thread = std::thread::spawn(move || {
            let local = tokio::task::LocalSet::new();
            block_on(local.run_until(task.run()));
        });
        Self { store, end, schema, thread }
    }

    /// Starts one and waits until it is healthy.
    pub(crate) fn healthy(url: &str, journal: &Path) -> Self {
        let running = Self::start(url, journal, 1 << 30);
        running.wait_for(State::Healthy);
        running
    }

    pub(crate) fn seen(&self) -> StoreSnapshot {
        self.store.probe().snapshot()
    }

    pub(crate) fn wait_for(&self, state: State) {
        wait_until(&format!("{state:?}"), || self.seen().state == state);
    }

    /// What the first database it has reached is like.
    pub(crate) fn schema(&mut self) -> Result<(), Mismatch> {
        self.schema.recv().unwrap()
    }

    /// Ends it; gives what it has done.
    pub(crate) fn end(self, within: Duration) -> StoreSnapshot {
        assert!(self.end.end(within), "in time");
        self.thread.join().unwrap();
        self.store.probe().snapshot()
    }
}
