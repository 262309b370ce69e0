//! The schema's history, built into the binary. Pure: a store says what it has applied, this says what is missing.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

/// One step. Never changed once released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its place, from 1 without gaps.
    pub number: u32,
    /// What it does, as in its file's name.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

impl Migration {
    /// Of the statements, as kept in the database.
    #[must_use]
    pub fn checksum(&self) -> String {
        format!("{:016x}", xxh3_64(self.sql.as_bytes()))
    }

    /// The statements one by one, for servers that take no more at a time. Text in quotes holds no semicolon.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        let lines = self.sql.lines().filter(|line| !line.trim_start().starts_with("--"));
        let sql = lines.collect::<Vec<_>>().join("\n");
        let statements = sql.split(';').map(str::trim).filter(|statement| !statement.is_empty());
        statements.map(str::to_owned).collect()
    }
}

/// All steps of SQLite databases.
pub const SQLITE: &[Migration] = &[
    Migration {
        number: 1,
        name: "characters",
        sql: include_str!("../../migrations/sqlite/0001_characters.sql"),
    },
    Migration {
        number: 2,
        name: "summaries",
        sql: include_str!("../../migrations/sqlite/0002_summaries.sql"),
    },
];

/// All steps of MySQL and MariaDB databases. They commit each statement of a schema by itself, so that a step may have
/// to be applied over its own beginning: each statement can be repeated.
pub const MYSQL: &[Migration] = &[
    Migration {
        number: 1,
        name: "characters",
        sql: include_str!("../../migrations/mysql/0001_characters.sql"),
    },
    Migration {
        number: 2,
        name: "members_and_likes",
        sql: include_str!("../../migrations/mysql/0002_members_and_likes.sql"),
    },
    Migration {
        number: 3,
        name: "donations",
        sql: include_str!("../../migrations/mysql/0003_donations.sql"),
    },
    Migration {
        number: 4,
        name: "upstream_outbox",
        sql: include_str!("../../migrations/mysql/0004_upstream_outbox.sql"),
    },
    Migration {
        number: 5,
        name: "locks",
        sql: include_str!("../../migrations/mysql/0005_locks.sql"),
    },
];

/// A database that this build must not touch.
#[derive(Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// A step was applied in another form than this build knows.
    Changed {
        /// Which.
        number: u32,
    },
    /// A newer build has been here.
    Newer {
        /// The last step it applied.
        number: u32,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { number } => {
                write!(f, "migration {number} was applied in another form than this build knows")
            }
            Self::Newer { number } => {
                write!(f, "has migration {number}, which only a newer build knows")
            }
        }
    }
}

/// What is left to do for a database that has applied these numbers with these checksums, in order.
///
/// # Errors
/// [`Mismatch`].
pub fn missing<'a>(
    all: &'a [Migration],
    applied: &[(u32, String)],
) -> Result<&'a [Migration], Mismatch> {
    for (at, (number, checksum)) in applied.iter().enumerate() {
        match all.get(at) {
            None => return Err(Mismatch::Newer { number: *number }),
            Some(known) if known.number != *number || known.checksum() != *checksum => {
                return Err(Mismatch::Changed { number: *number });
            }
            Some(_) => {}
        }
    }
    Ok(&all[applied.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Migration = Migration { number: 1, name: "one", sql: "CREATE TABLE a (b);" };
    const TWO: [Migration; 2] = [STEP, Migration { number: 2, name: "two", sql: "DROP TABLE a;" }];

    #[test]
    fn numbers_have_no_gaps() {
        for (at, step) in SQLITE.iter().enumerate().chain(MYSQL.iter().enumerate()) {
            assert_eq!(step.number as usize, at + 1, "{}", step.name);
        }
    }

    #[test]
    fn steps_of_mysql_can_be_repeated_statement_by_statement() {
        for step in MYSQL {
            let statements = step.statements();
            assert!(!statements.is_empty(), "{}", step.name);
            for statement in statements {
                let repeats = statement.starts_with("CREATE TABLE IF NOT EXISTS");
                assert!(repeats, "{}: {statement}", step.name);
                assert!(!statement.contains("--"), "{}: {statement}", step.name);
            }
        }
    }

    #[test]
    fn comments_and_blanks_are_no_statements() {
        let sql = "-- one; two\nCREATE a (\n  -- three\n  b int\n);\n\n-- four\nDROP b;\n\n";
        assert_eq!(Migration { sql, ..STEP }.statements(), ["CREATE a (\n  b int\n)", "DROP b"]);
    }

    #[test]
    fn what_is_missing_is_what_comes_after() {
        let applied = TWO.map(|step| (step.number, step.checksum()));
        assert_eq!(missing(&TWO, &[]), Ok(&TWO[..]));
        assert_eq!(missing(&TWO, &applied[..1]), Ok(&TWO[1..]));
        assert_eq!(missing(&TWO, &applied), Ok(&[][..]));
    }

    #[test]
    fn another_history_is_refused() {
        let changed = [(1, "0".repeat(16))];
        assert_eq!(missing(&TWO, &changed), Err(Mismatch::Changed { number: 1 }));
        let applied = TWO.map(|step| (step.number, step.checksum()));
        assert_eq!(missing(&TWO[..1], &applied), Err(Mismatch::Newer { number: 2 }));
    }
}
