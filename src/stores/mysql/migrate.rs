//! Brings a database up to date: under the server's named lock, so that processes that start together do it once. Such a
//! lock is gone with its session, and so is whoever would go on without it: both are this connection. A database that is
//! up to date already is only looked at.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use crate::stores::migrations;
use crate::stores::migrations::Migration;
use crate::stores::migrations::Mismatch;

/// How long another process is waited for that is at it.
const LOCK_WAIT: Duration = Duration::from_secs(10);

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number     int unsigned NOT NULL,
    name       varchar(100) NOT NULL,
    checksum   char(16) NOT NULL,
    applied_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin";

/// Closes a session that holds the lock and says nothing for so long (seconds): a process that stops in the middle keeps
/// the others out for less than they wait. A statement under way is no silence.
const IMPATIENT: &str = "SET SESSION wait_timeout = 5";
const PATIENT: &str = "SET SESSION wait_timeout = DEFAULT";

/// Applies what is missing. The inner error is about the database, the outer one about the server.
pub(super) async fn migrate(connection: &mut Conn) -> mysql_async::Result<Result<(), Mismatch>> {
    // A step is entered once all of it is done, so nobody who is at one need be waited for to see that nothing is missing.
    if let Some(applied) = applied(connection).await? {
        match migrations::missing(migrations::MYSQL, &applied) {
            Ok([]) => return Ok(Ok(())),
            Ok(_) => {}
            Err(mismatch) => return Ok(Err(mismatch)),
        }
    }
    connection.query_drop(IMPATIENT).await?;
    let done = migrate_alone(connection).await;
    if !matches!(&done, Err(error) if error.is_fatal()) {
        connection.query_drop(PATIENT).await?;
    }
    done
}

async fn migrate_alone(connection: &mut Conn) -> mysql_async::Result<Result<(), Mismatch>> {
    // Locks are the server's, databases are many. Its name may have 64 characters, so only its hash is in the lock's.
    let lock: Option<String> =
        connection.query_first("SELECT CONCAT('maple_migrations:', MD5(DATABASE()))").await?;
    let lock = lock.unwrap_or_default();
    if !lock_for(connection, &lock).await? {
        return Err(mysql_async::Error::Other("another process is migrating".into()));
    }
    let done = apply(connection, migrations::MYSQL).await;
    if !matches!(&done, Err(error) if error.is_fatal()) {
        connection.exec_drop("DO RELEASE_LOCK(?)", (lock,)).await?;
    }
    done
}

/// The steps applied. None when there is no history yet.
async fn applied(connection: &mut Conn) -> mysql_async::Result<Option<Vec<(u32, String)>>> {
    const NO_SUCH_TABLE: u16 = 1146;
    let all = "SELECT number, checksum FROM schema_migration ORDER BY number";
    match connection.query(all).await {
        Ok(applied) => Ok(Some(applied)),
        Err(mysql_async::Error::Server(error)) if error.code == NO_SUCH_TABLE => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether it was had in time.
async fn lock_for(connection: &mut Conn, lock: &str) -> mysql_async::Result<bool> {
    let got = connection.exec_first("SELECT GET_LOCK(?, ?)", (lock, LOCK_WAIT.as_secs())).await?;
    // NULL: the server could not.
    Ok(got.flatten().unwrap_or(false))
}

async fn apply(
    connection: &mut Conn,
    all: &[Migration],
) -> mysql_async::Result<Result<(), Mismatch>> {
    connection.query_drop(HISTORY).await?;
    let applied = applied(connection).await?.unwrap_or_default();
    let missing = match migrations::missing(all, &applied) {
        Ok(missing) => missing,
        Err(mismatch) => return Ok(Err(mismatch)),
    };
    for step in missing {
        for statement in step.statements() {
            connection.query_drop(statement).await?;
        }
        let row = (step.number, step.name, step.checksum());
        let sql = "INSERT INTO schema_migration (number, name, checksum) VALUES (?, ?, ?)";
        connection.exec_drop(sql, row).await?;
        tracing::info!(number = step.number, name = step.name, "migrated the store");
    }
    Ok(Ok(()))
}
