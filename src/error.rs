//! What can go wrong, as data: who is at fault, whether to try again, what it was. No HTTP in here:
//! status codes and wire texts are chosen in one place, `http::status`.

use std::borrow::Cow;
use std::fmt;

/// Who has to act for this to go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The request is wrong; sending it again changes nothing.
    Client,
    /// This process.
    Us,
    /// Something we call.
    Upstream,
}

/// Whether the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Never.
    No,
    /// After this many seconds.
    AfterSecs(u32),
}

/// One failure, ready to be mapped to a status by whoever speaks a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Who.
    pub who: Who,
    /// Again?
    pub retry: Retry,
    /// What.
    pub what: What,
}

/// The closed list of failures of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The game has no character of this name.
    NoSuchCharacter {
        /// The name asked for.
        name: String,
    },
    /// A value of the request breaks a rule.
    BadInput {
        /// Field or parameter.
        field: &'static str,
        /// The rule it breaks, for the reader.
        rule: Cow<'static, str>,
    },
    /// The per-character cool-down of forced recalculation is running.
    CoolDown {
        /// Seconds left, at least 1.
        seconds: u32,
    },
    /// The game no longer knows an id that we had for a name.
    OutdatedId,
    /// The upstream answered with an error, or with something unreadable.
    UpstreamFailed {
        /// For the log and the message: never contains secrets.
        detail: String,
    },
    /// The upstream did not answer in time.
    UpstreamTimeout {
        /// Which call.
        detail: String,
    },
    /// Our own deadline for the request ran out.
    Deadline,
    /// A bounded queue is full.
    Overloaded {
        /// Which one.
        queue: &'static str,
    },
    /// A defect of this process.
    Internal {
        /// For the log.
        detail: String,
    },
}

/// Seconds a client should wait after an upstream failure.
pub const RETRY_UPSTREAM_SECS: u32 = 30;
/// Seconds a client should wait after being refused for load.
pub const RETRY_OVERLOAD_SECS: u32 = 60;

impl Fault {
    /// The game has no such character.
    #[must_use]
    pub fn no_such_character(name: &str) -> Self {
        Self::new(Who::Client, Retry::No, What::NoSuchCharacter { name: name.to_owned() })
    }

    /// A value of the request breaks a rule.
    #[must_use]
    pub fn bad_input(field: &'static str, rule: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Who::Client, Retry::No, What::BadInput { field, rule: rule.into() })
    }

    /// A forced recalculation came too soon.
    #[must_use]
    pub fn cool_down(seconds: u32) -> Self {
        Self::new(Who::Client, Retry::AfterSecs(seconds), What::CoolDown { seconds })
    }

    /// The game no longer knows the id.
    #[must_use]
    pub fn outdated_id() -> Self {
        Self::new(Who::Upstream, Retry::AfterSecs(RETRY_UPSTREAM_SECS), What::OutdatedId)
    }

    /// The upstream failed.
    #[must_use]
    pub fn upstream_failed(detail: impl Into<String>) -> Self {
        let retry = Retry::AfterSecs(RETRY_UPSTREAM_SECS);
        Self::new(Who::Upstream, retry, What::UpstreamFailed { detail: detail.into() })
    }

    /// The upstream was too slow.
    #[must_use]
    pub fn upstream_timeout(detail: impl Into<String>) -> Self {
        let retry = Retry::AfterSecs(RETRY_UPSTREAM_SECS);
        Self::new(Who::Upstream, retry, What::UpstreamTimeout { detail: detail.into() })
    }

    /// Our deadline ran out.
    #[must_use]
    pub fn deadline() -> Self {
        Self::new(Who::Us, Retry::AfterSecs(RETRY_UPSTREAM_SECS), What::Deadline)
    }

    /// A bounded queue is full.
    #[must_use]
    pub fn overloaded(queue: &'static str) -> Self {
        Self::new(Who::Us, Retry::AfterSecs(RETRY_OVERLOAD_SECS), What::Overloaded { queue })
    }

    /// A defect of ours.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(Who::Us, Retry::No, What::Internal { detail: detail.into() })
    }

    /// Whether what was asked for may well be had later: the game failed, or it took too long, or there was no room to
    /// ask it. Then something old is better than nothing. Not so an id that has become none: what is old is
    /// somebody else's.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.who != Who::Client && self.retry != Retry::No && self.what != What::OutdatedId
    }

    fn new(who: Who, retry: Retry, what: What) -> Self {
        Self { who, retry, what }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::NoSuchCharacter { .. } => f.write_str("no such character"),
            What::BadInput { field, rule } => write!(f, "{field}: {rule}"),
            What::CoolDown { seconds } => write!(f, "cool-down: {seconds} s left"),
            What::OutdatedId => f.write_str("the game does not know the id any more"),
            What::UpstreamFailed { detail } => write!(f, "upstream failed: {detail}"),
            What::UpstreamTimeout { detail } => write!(f, "upstream timed out: {detail}"),
            What::Deadline => f.write_str("deadline passed"),
            What::Overloaded { queue } => write!(f, "queue full: {queue}"),
            What::Internal { detail } => write!(f, "internal error: {detail}"),
        }
    }
}

impl std::error::Error for Fault {}
