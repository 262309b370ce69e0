//! Which tier a process may use: the rule, as a function of the book. Pure. Why it is safe: docs/adr/0007.
//!
//! The book has a row for each process and one clock, the database's. A process that uses the first tier says so by a
//! row without `left_first_ms`, written before it does; nobody uses the second while there is such a row, or one of a
//! process that stopped using the first less than a lease ago. A process that uses the second says so too, and nobody
//! begins with the first while there is such a row. Rows of the dead do not count; a process that could not write for
//! long holds itself for dead earlier than the others do ([`crate::locks::gate`]).

use std::time::Duration;

/// Times that the safety of the rule rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Of a lock, on a tier's clock.
    pub lease: Duration,
    /// Between two renewals.
    pub renew: Duration,
    /// Between two meetings.
    pub meet: Duration,
    /// After a meeting, what it granted may be used this long.
    pub alive: Duration,
    /// How far clocks may drift apart within a lease and `alive`, and how long a command may be under way.
    pub margin: Duration,
}

impl Times {
    /// Those by default: 30 s, renewed every 10 s.
    pub const SETTLED: Self = Self {
        lease: Duration::from_secs(30),
        renew: Duration::from_secs(10),
        meet: Duration::from_secs(2),
        alive: Duration::from_secs(10),
        margin: Duration::from_secs(3),
    };

    /// How long after leaving the first tier nothing of it can be held any more.
    #[must_use]
    pub fn drained(&self) -> Duration {
        self.lease + self.margin
    }

    /// How long after its last meeting a process holds nothing.
    #[must_use]
    pub fn dead(&self) -> Duration {
        self.alive + self.lease + self.margin
    }
}

/// A process in the book. Times are the database's, unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which; a process that starts again is another.
    pub node: String,
    /// The number of its last meeting.
    pub meeting: u64,
    /// When that was.
    pub seen_ms: u64,
    /// Since when it does not use the first tier; none while it may. 0 when it never did.
    pub left_first_ms: Option<u64>,
    /// Whether it may use the second, or still holds something there.
    pub second: bool,
}

/// What a process says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Grows with every meeting of the process, from 1: one that comes late changes nothing.
    pub meeting: u64,
    /// It reaches the first tier. If not, it has stopped using it before it says so.
    pub first_reachable: bool,
    /// It holds something of the second tier, or has asked for something and does not know yet.
    pub holds_second: bool,
}

/// Which tier a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The first.
    First,
    /// The second.
    Second,
    /// None, for now. What is held runs out.
    Neither,
}

/// A meeting: what `node` may use from now on, and its row, to be written in the same transaction that read `rows`.
#[must_use]
pub fn meet(
    times: &Times,
    rows: &[Row],
    now_ms: u64,
    node: &str,
    report: Report,
) -> (Row, Standing) {
    let since = |then_ms: u64| Duration::from_millis(now_ms.saturating_sub(then_ms));
    let mine = rows.iter().find(|row| row.node == node);
    if let Some(mine) = mine
        && mine.meeting >= report.meeting
    {
        return (mine.clone(), Standing::Neither);
    }
    let mut others =
        rows.iter().filter(|row| row.node != node && since(row.seen_ms) <= times.dead());
    let left_first_ms = match (report.first_reachable, mine) {
        (true, _) => None,
        (false, None) => Some(0),
        (false, Some(mine)) => Some(mine.left_first_ms.unwrap_or(now_ms)),
    };
    let drained = |left_ms: Option<u64>| left_ms.is_some_and(|ms| since(ms) > times.drained());
    let standing = if report.first_reachable {
        let in_second = report.holds_second || others.any(|row| row.second);
        if in_second { Standing::Neither } else { Standing::First }
    } else if drained(left_first_ms) && others.all(|row| drained(row.left_first_ms)) {
        Standing::Second
    } else {
        Standing::Neither
    };
    let second = standing == Standing::Second || report.holds_second;
    let (node, meeting) = (node.to_owned(), report.meeting);
    (Row { node, meeting, seen_ms: now_ms, left_first_ms, second }, standing)
}

#[cfg(test)]
mod tests;
