//! Brings a database up to date: under the server's named lock, so that processes that start together do it once. Such a
//! lock is gone with its session, and so is whoever would go on without it: both are this connection.

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

/// Applies what is missing. The inner error is about the database, the outer one about the server.
pub(super) async fn migrate(connection: &mut Conn) -> mysql_async::Result<Result<(), Mismatch>> {
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
    let applied: Vec<(u32, String)> =
        connection.query("SELECT number, checksum FROM schema_migration ORDER BY number").await?;
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
