//! What is written behind: from memory, and from the journal what could not be written before.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc as threads;

use mysql_async::prelude::Queryable as _;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::Phase;
use super::Store;
use super::pace::Pace;
use crate::expectation::ports::Payload;
use crate::expectation::ports::Record;
use crate::gzip;
use crate::resilience::health::State;
use crate::stores::batch::Share;
use crate::stores::journal::Journal;
use crate::stores::migrations::Mismatch;
use crate::stores::mysql::BORROW_TIMEOUT_JOB;
use crate::stores::mysql::MIGRATION_TIMEOUT;
use crate::stores::mysql::PENDING_KEPT;
use crate::stores::mysql::PENDING_MAX;
use crate::stores::mysql::RETRY_PAUSE;
use crate::stores::mysql::SHARE;
use crate::stores::mysql::WRITE_TIMEOUT;
use crate::stores::mysql::migrate::migrate;
use crate::stores::mysql::rows;
use crate::stores::mysql::sessions::Bounds;
use crate::stores::mysql::sessions::Failure;

const WRITE: Bounds = Bounds { borrow: BORROW_TIMEOUT_JOB, work: WRITE_TIMEOUT };
const MIGRATION: Bounds = Bounds { borrow: BORROW_TIMEOUT_JOB, work: MIGRATION_TIMEOUT };
/// A batch whose rows somebody else has is tried at once again, so often: of two in each other's way, one gets on.
const TRIES: u32 = 5;
/// Records of one append to the journal, and so of one sync of the disk.
const SPILL: Share =
    Share { names: 256, gears: 256, gear_bytes: 8 * 1024 * 1024, summaries: 1_024 };

/// The writer of one store.
pub(super) struct Writer {
    store: Rc<Store>,
    /// None only while a thread is at it.
    journal: Option<Journal>,
    phase: watch::Receiver<Phase>,
    pace: Pace,
    /// Told once.
    schema: Option<threads::SyncSender<Result<(), Mismatch>>>,
}

impl Writer {
    pub(super) fn new(
        store: Rc<Store>,
        journal: Journal,
        schema: threads::SyncSender<Result<(), Mismatch>>,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self { store, journal: Some(journal), phase, pace: Pace::default(), schema: Some(schema) }
    }

    /// Writes until the end; what is left then goes to the journal.
    pub(super) async fn run(mut self) {
        loop {
            let works = self.advance().await;
            let phase = *self.phase.borrow();
            // A store that is not healthy gets there by the writer alone: look-ups ask it nothing.
            let rests = works && self.is_idle() && self.store.state() == State::Healthy;
            let hopeless = !works && self.store.state() == State::Degraded;
            match phase {
                Phase::Over => break,
                Phase::Ending if rests || hopeless => break,
                _ => {}
            }
            let store = Rc::clone(&self.store);
            if rests {
                tokio::select! { () = store.wake.notified() => {}, _ = self.phase.changed() => {} }
            } else if !works {
                if self.is_crowded() {
                    self.spill(PENDING_KEPT).await;
                }
                tokio::select! { () = sleep(RETRY_PAUSE) => {}, _ = self.phase.changed() => {} }
            }
        }
        self.spill(0).await;
    }

    fn is_idle(&self) -> bool {
        let replayed = self.journal.as_ref().is_none_or(Journal::is_empty);
        replayed && self.store.pending.borrow().is_empty()
    }

    /// Whether records go to the disk: in an outage, or when a short one has kept too many waiting.
    fn is_crowded(&self) -> bool {
        let degraded = self.store.state() == State::Degraded;
        degraded || self.store.pending.borrow().len() > PENDING_MAX / 2
    }

    /// The next piece of work; false when the server failed.
    async fn advance(&mut self) -> bool {
        if self.store.state() == State::Degraded && !self.connect().await {
            return false;
        }
        let batch = self.store.pending.borrow_mut().take(self.pace.of(SHARE));
        let left = self.write(batch).await;
        let works = left.is_empty();
        self.store.put(left);
        works && self.replay().await
    }

    /// Whether the server is there, with a schema of this build. Looked at after each outage: what comes back may be
    /// another server.
    async fn connect(&mut self) -> bool {
        let sessions = &self.store.sessions;
        let work = async {
            // Migrating may take long, but not to begin.
            sessions.run(WRITE, async |connection| connection.ping().await).await?;
            sessions.run(MIGRATION, async |connection| migrate(connection).await).await
        };
        let tried = tokio::select! {
            tried = work => tried,
            () = ended(self.phase.clone()) => Err(cut_off()),
        };
        match tried {
            Ok(schema) => self.learn(schema),
            Err(failure) => {
                self.store.judge(Some(&failure));
                false
            }
        }
    }

    fn learn(&mut self, schema: Result<(), Mismatch>) -> bool {
        let known = schema.is_ok();
        match &schema {
            Ok(()) => self.store.judge(None),
            Err(mismatch) => tracing::error!(%mismatch, "the store is another build's"),
        }
        if let Some(told) = self.schema.take() {
            // Nobody may be interested.
            let _ = told.try_send(schema);
        }
        known
    }

    /// Writes a batch; gives back what is left of it when the server failed. Records it refuses are gone.
    async fn write(&mut self, mut batch: Vec<Record>) -> Vec<Record> {
        if batch.is_empty() {
            return batch;
        }
        match self.write_all(&batch).await {
            Ok(()) => {
                self.pace.in_time();
                Vec::new()
            }
            Err(Failure::Late(_)) => {
                self.pace.late();
                batch
            }
            Err(Failure::Away(_) | Failure::Contended(_)) => batch,
            // One spoils it for all: each by itself.
            Err(Failure::Refused(_)) => {
                for at in 0..batch.len() {
                    match self.write_all(&batch[at..=at]).await {
                        Ok(()) => {}
                        Err(Failure::Away(_) | Failure::Late(_) | Failure::Contended(_)) => {
                            return batch.split_off(at);
                        }
                        Err(Failure::Refused(why)) => {
                            let record = key(&batch[at]);
                            tracing::warn!(why, record, "the store refuses a record");
                            self.store.probe.refused.fetch_add(1, Relaxed);
                        }
                    }
                }
                Vec::new()
            }
        }
    }

    /// Writes all or nothing.
    async fn write_all(&mut self, batch: &[Record]) -> Result<(), Failure> {
        let packed = packed(batch).await;
        let mut tries = 0;
        let written = loop {
            let write = self.store.sessions.run(WRITE, async |c| rows::write(c, &packed).await);
            let written = tokio::select! {
                written = write => written,
                () = ended(self.phase.clone()) => Err(cut_off()),
            };
            self.store.judge(written.as_ref().err());
            tries += 1;
            if tries == TRIES || !matches!(written, Err(Failure::Contended(_))) {
                break written;
            }
        };
        match &written {
            Ok(()) => self.store.probe.written.fetch_add(batch.len() as u64, Relaxed),
            Err(_) => self.store.probe.write_failures.fetch_add(1, Relaxed),
        };
        written
    }

    /// Brings a batch of the journal into the store; false when the server failed.
    async fn replay(&mut self) -> bool {
        if self.journal.as_ref().is_some_and(|journal| !journal.is_empty()) {
            let share = self.pace.of(SHARE);
            let batch = match self.on_disk(move |journal| journal.oldest(share)).await {
                Ok(batch) => batch,
                // The disk's failure, not the server's, and no segment fails twice: nothing to wait for.
                Err(error) => {
                    tracing::error!(%error, "a segment of the journal could not be read");
                    self.store.probe.segments_unreadable.fetch_add(1, Relaxed);
                    return true;
                }
            };
            let records = batch.len() as u64;
            if !self.write(batch).await.is_empty() {
                return false;
            }
            self.store.probe.replayed.fetch_add(records, Relaxed);
            if let Err(error) = self.on_disk(Journal::stored).await {
                tracing::warn!(%error, "a segment of the journal could not be deleted");
            }
        }
        if self.journal.as_ref().is_none_or(Journal::is_empty) {
            self.store.change(|health, _| health.replayed());
        }
        true
    }

    /// Brings what waits beyond `kept` records to the disk, those first that have waited longest.
    async fn spill(&mut self, kept: usize) {
        loop {
            let excess = self.store.pending.borrow().len().saturating_sub(kept);
            if excess == 0 {
                return;
            }
            let batch = self.store.pending.borrow_mut().take(SPILL);
            let (batch, taken) = self
                .on_disk(move |journal| {
                    let taken = journal.append(&batch);
                    (batch, taken)
                })
                .await;
            let taken = taken.unwrap_or_else(|error| {
                tracing::error!(%error, "the journal could not be written");
                0
            });
            self.store.probe.journaled.fetch_add(taken as u64, Relaxed);
            let rest = batch.into_iter().skip(taken);
            if taken > 0 {
                self.store.put(rest);
            } else if kept > 0 {
                // No room on the disk: they wait in memory, and the oldest of them go when that is full too.
                self.store.put(rest);
                return;
            } else {
                self.store.probe.given_up.fetch_add(rest.count() as u64, Relaxed);
                self.store.put([]);
            }
        }
    }

    /// Does some work on the journal, off this thread.
    async fn on_disk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Journal) -> T + Send + 'static,
    ) -> T {
        let mut journal = self.journal.take().expect("given back by each use");
        let (journal, done) = spawn_blocking(move || {
            let done = work(&mut journal);
            (journal, done)
        })
        .await
        .expect("the journal does not panic, and the runtime outlives the writer");
        self.store.probe.journal_bytes.store(journal.bytes(), Relaxed);
        self.journal = Some(journal);
        done
    }
}

/// Until no time is left.
async fn ended(mut phase: watch::Receiver<Phase>) {
    // The sender is gone only when the task is.
    let _ = phase.wait_for(|phase| *phase == Phase::Over).await;
}

fn cut_off() -> Failure {
    Failure::Away("the process ends".to_owned())
}

/// The batch with its gear as gzip. The game sends it like that; what is not takes a millisecond, on another thread.
async fn packed(batch: &[Record]) -> Vec<Record> {
    let batch = batch.to_vec();
    let plain = |record: &Record| matches!(record, Record::Gear { payload, .. } if !payload.gzip);
    if !batch.iter().any(plain) {
        return batch;
    }
    let pack = |record| match record {
        Record::Gear { ocid, payload, received_ms } if !payload.gzip => {
            let payload = Payload { body: gzip::compress(&payload.body), gzip: true };
            Record::Gear { ocid, payload, received_ms }
        }
        other => other,
    };
    let packing = spawn_blocking(move || batch.into_iter().map(pack).collect());
    packing.await.expect("compressing does not panic")
}

/// What to call a record in the log.
fn key(record: &Record) -> &str {
    match record {
        Record::Name { name, .. } => name,
        Record::Gear { ocid, .. } | Record::Summary { ocid, .. } => ocid,
    }
}
