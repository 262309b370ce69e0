//! SQLite under test: a file of its own for each case.

use maple_expectation::expectation::ports::Ledger;
use maple_expectation::stores::sqlite::Sqlite;
use maple_expectation::stores::sqlite::SqliteThread;
use rusqlite::OptionalExtension as _;

use crate::conformance::Subject;

pub(crate) struct File {
    folder: tempfile::TempDir,
    /// None only while it is reopened.
    open: Option<(Sqlite, SqliteThread)>,
}

impl File {
    pub(crate) fn new() -> Self {
        let mut file = Self { folder: tempfile::tempdir().unwrap(), open: None };
        file.reopen();
        file
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("characters.sqlite")
    }
}

impl Subject for File {
    fn ledger(&self) -> &dyn Ledger {
        &self.open.as_ref().unwrap().0
    }

    fn reopen(&mut self) {
        if let Some((_, thread)) = self.open.take() {
            thread.end();
        }
        // At a time when no gear is too old.
        self.open = Some(Sqlite::open(&self.path(), 0).unwrap());
    }

    fn summary(&self, ocid: &str, preset_no: u8) -> Option<([u64; 5], u64)> {
        let raw = rusqlite::Connection::open(self.path()).unwrap();
        let sql =
            "SELECT total_expected_cost, black_cube_cost, red_cube_cost, additional_cube_cost,
            starforce_cost, calculated_at_ms FROM equipment_expectation_summary
            WHERE ocid = ?1 AND preset_no = ?2";
        let column = |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let found = raw.query_row(sql, rusqlite::params![ocid, preset_no], |row| {
            let costs = [0, 1, 2, 3, 4].map(|at| column(row, at).unwrap());
            Ok((costs, column(row, 5)?))
        });
        found.optional().unwrap()
    }
}
