//! Every statement of the second tier; a test asks the planner about each. For MySQL 8 and MariaDB 10.6 alike, as in
//! `stores::mysql::statements`. Assignments of an upsert happen from left to right.

/// The server's wall time, unix milliseconds: of the moment the statement began, before any wait for a row. Not
/// `UNIX_TIMESTAMP`, which depends on the session's time zone and, in MariaDB, ends in 2038.
macro_rules! now_ms {
    () => {
        "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)"
    };
}

/// Whether somebody else has a lock. Token, name.
pub const IS_BUSY: &str =
    concat!("SELECT token <> ? AND expires_ms > ", now_ms!(), " FROM lock_lease WHERE name = ?");

/// Grants a lock unless somebody else has it. The row's fence is the time at first, and grows by at least one with each
/// holder. Name, token, lease (ms).
pub const TAKE: &str = concat!(
    "INSERT INTO lock_lease (name, token, fence, expires_ms) VALUES (?, ?, ",
    now_ms!(),
    ", ",
    now_ms!(),
    " + ?)
    ON DUPLICATE KEY UPDATE
    fence = IF(token <> VALUES(token) AND expires_ms <= VALUES(fence), GREATEST(fence + 1, VALUES(fence)), fence),
    token = IF(expires_ms <= VALUES(fence), VALUES(token), token),
    expires_ms = IF(token = VALUES(token), VALUES(expires_ms), expires_ms)"
);

/// The fence of a lock that this token has. Name, token.
pub const FENCE: &str = "SELECT fence FROM lock_lease WHERE name = ? AND token = ?";

/// Begins a lease anew. Lease (ms), name, token.
pub const RENEW: &str = concat!(
    "UPDATE lock_lease SET expires_ms = ",
    now_ms!(),
    " + ? WHERE name = ? AND token = ? AND expires_ms > ",
    now_ms!()
);

/// Ends a lease. Name, token.
pub const RELEASE: &str =
    "UPDATE lock_lease SET token = '', expires_ms = 0 WHERE name = ? AND token = ?";

/// Has the book for this transaction alone. An upsert, so that it excludes others also while there is no row.
pub const ENTER: &str = "INSERT INTO lock_meeting (id, meetings) VALUES (1, 1)
    ON DUPLICATE KEY UPDATE meetings = meetings + 1";

/// The time of the book, to be asked for after [`ENTER`] has been waited for.
pub const NOW: &str = concat!("SELECT ", now_ms!());

/// The processes seen since a time.
pub const BOOK: &str =
    "SELECT node, meeting, seen_ms, left_first_ms, uses_second FROM lock_book WHERE seen_ms >= ?";

/// Writes a process into the book. Node, meeting, seen, left the first tier, uses the second.
pub const WRITE: &str =
    "INSERT INTO lock_book (node, meeting, seen_ms, left_first_ms, uses_second) VALUES (?, ?, ?, ?, ?)
    ON DUPLICATE KEY UPDATE meeting = VALUES(meeting), seen_ms = VALUES(seen_ms),
    left_first_ms = VALUES(left_first_ms), uses_second = VALUES(uses_second)";

/// Takes processes out of the book that were seen last before a time.
pub const FORGET: &str = "DELETE FROM lock_book WHERE seen_ms < ?";

/// All of them.
pub const ALL: [&str; 10] = [IS_BUSY, TAKE, FENCE, RENEW, RELEASE, ENTER, NOW, BOOK, WRITE, FORGET];
