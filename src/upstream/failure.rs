//! A call that did not bring its answer: what to tell the asker, and what it says about the other side.

use std::time::Duration;

use crate::error::Fault;

/// One failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For the asker.
    pub fault: Fault,
    /// For whoever decides about further calls.
    pub sign: Sign,
}

/// What a failed call says about the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It works: it said that the character does not exist.
    Well,
    /// It is ill: timeout, no connection, 5xx, or an answer cut off or unreadable. Another call may do better.
    Ill,
    /// It has had enough of us: 429. Another call may do better, after this time if it said one.
    TooMany {
        /// `Retry-After`.
        after: Option<Duration>,
    },
    /// Nothing, and the same call will end the same: another 4xx, a redirect, an answer beyond our bounds.
    Refused,
    /// Nothing: the call was not made.
    NotMade,
}

impl Failure {
    pub(super) fn new(sign: Sign, fault: Fault) -> Self {
        Self { fault, sign }
    }

    pub(super) fn ill(fault: Fault) -> Self {
        Self::new(Sign::Ill, fault)
    }

    pub(super) fn refused(fault: Fault) -> Self {
        Self::new(Sign::Refused, fault)
    }

    /// Whether another call may do better.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self.sign, Sign::Ill | Sign::TooMany { .. })
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        failure.fault
    }
}
