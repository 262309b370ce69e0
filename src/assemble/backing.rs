//! What outlives a shard: opens the store that was configured, and ends it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use shards::clock::Clock as _;
use shards::clock::SystemClock;

use super::StartError;
use crate::backplane::Guest;
use crate::config::Config;
use crate::config::MysqlStore;
use crate::config::Store;
use crate::expectation::ports::Ledger;
use crate::expectation::ports::NoLedger;
use crate::stores::migrations::Mismatch;
use crate::stores::mysql::Mysql;
use crate::stores::mysql::MysqlConfig;
use crate::stores::mysql::MysqlEnd;
use crate::stores::probe::StoreProbe;
use crate::stores::probe::StoreSnapshot;
use crate::stores::sqlite::Sqlite;
use crate::stores::sqlite::SqliteThread;

/// How long the start waits to hear what the database is like. One that is away then is no reason not to start.
const SCHEMA_WAIT: Duration = Duration::from_secs(3);
/// What writing the rest may take at the end, before it goes into the journal.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The store, as it is handed to the shards.
#[derive(Clone)]
pub(super) enum Kept {
    Nothing,
    File(Sqlite),
    Server(Mysql),
}

/// The store, for whoever ends the process.
pub(super) enum End {
    Nothing,
    File(SqliteThread),
    Server(MysqlEnd),
}

/// What the first database that was reached is like.
pub(super) type Schema = mpsc::Receiver<Result<(), Mismatch>>;

/// A store that is about to be run.
pub(super) struct Opened {
    pub(super) kept: Kept,
    pub(super) end: End,
    /// To be run on the backplane.
    pub(super) guest: Option<Guest>,
    pub(super) schema: Option<Schema>,
}

impl Kept {
    pub(super) fn ledger(&self) -> Rc<dyn Ledger> {
        match self {
            Self::Nothing => Rc::new(NoLedger),
            Self::File(store) => Rc::new(store.clone()),
            Self::Server(store) => Rc::new(store.clone()),
        }
    }

    /// What a store that may be away counts.
    pub(super) fn server(&self) -> Option<Arc<StoreProbe>> {
        match self {
            Self::Nothing | Self::File(_) => None,
            Self::Server(store) => Some(store.shared_probe()),
        }
    }

    pub(super) fn snapshot(&self) -> Option<StoreSnapshot> {
        match self {
            Self::Nothing => None,
            Self::File(store) => Some(store.probe().snapshot()),
            Self::Server(store) => Some(store.probe().snapshot()),
        }
    }
}

impl End {
    pub(super) fn end(self) {
        match self {
            Self::Nothing => {}
            Self::File(store) => store.end(),
            Self::Server(store) => {
                if !store.end(END_WITHIN) {
                    tracing::error!("the store did not end in time");
                }
            }
        }
    }
}

/// Opens what was configured. `game` tells one game API from another: what a simulator says must not be taken for the
/// real one's word.
pub(super) fn open(config: &Config, game: &str) -> Result<Opened, StartError> {
    match &config.store {
        Store::None => {
            Ok(Opened { kept: Kept::Nothing, end: End::Nothing, guest: None, schema: None })
        }
        Store::Sqlite => file(config, game),
        Store::Mysql(mysql) => server(config, mysql, game),
    }
}

fn file(config: &Config, game: &str) -> Result<Opened, StartError> {
    let file = config.data.join(format!("characters-{game}.sqlite"));
    let opened = Sqlite::open(&file, SystemClock::new().unix_ms());
    let (store, thread) =
        opened.map_err(|error| StartError::Configuration(format!("server.data: {error}")))?;
    tracing::info!(file = %file.display(), "store");
    Ok(Opened { kept: Kept::File(store), end: End::File(thread), guest: None, schema: None })
}

fn server(config: &Config, mysql: &MysqlStore, game: &str) -> Result<Opened, StartError> {
    let journal = config.data.join(format!("journal-{game}"));
    let opened = Mysql::open(&MysqlConfig {
        url: mysql.url.reveal().to_owned(),
        sessions_max: mysql.pool,
        journal: journal.clone(),
        journal_bytes_max: mysql.journal_bytes_max,
    });
    let opened = opened.map_err(|error| {
        StartError::Configuration(format!("store.url, or {} for it: {error}", journal.display()))
    })?;
    tracing::info!(sessions_max = mysql.pool, journal = %journal.display(), "store: MySQL");
    let task = opened.task;
    Ok(Opened {
        kept: Kept::Server(opened.store),
        end: End::Server(opened.end),
        guest: Some(Box::new(move || Box::pin(task.run()))),
        schema: Some(opened.schema),
    })
}

/// Waits a little for what the database is like: another build's refuses the start.
pub(super) fn await_schema(schema: &Schema) -> Result<(), StartError> {
    match schema.recv_timeout(SCHEMA_WAIT) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(mismatch)) => {
            Err(StartError::Configuration(format!("store.url: the database {mismatch}")))
        }
        Err(mpsc::RecvTimeoutError::Timeout) => {
            tracing::warn!("the store cannot be reached: starting without it");
            Ok(())
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(StartError::Other("the store has ended".to_owned()))
        }
    }
}
