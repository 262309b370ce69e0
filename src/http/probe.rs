//! What the edge counts: requests handed to the handler and requests refused before that. One per shard.
//! What the shard counts about connections is `shards::probe`.

use shards::probe::Count;

use super::Status;

/// The statuses the edge itself refuses with.
pub const REFUSALS: [Status; 8] = [
    Status::BAD_REQUEST,
    Status::REQUEST_TIMEOUT,
    Status::CONTENT_TOO_LARGE,
    Status::URI_TOO_LONG,
    Status::EXPECTATION_FAILED,
    Status::HEADER_FIELDS_TOO_LARGE,
    Status::NOT_IMPLEMENTED,
    Status::VERSION_NOT_SUPPORTED,
];

/// Counters of one edge.
#[derive(Debug, Default)]
pub struct EdgeProbe {
    /// Requests handed to the handler.
    pub requests: Count,
    /// Requests whose client hung up while they were in work.
    pub cancelled: Count,
    refused: [Count; REFUSALS.len()],
}

/// The counters at one moment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct EdgeSnapshot {
    /// See [`EdgeProbe::requests`].
    pub requests: u64,
    /// See [`EdgeProbe::cancelled`].
    pub cancelled: u64,
    /// Requests refused, in the order of [`REFUSALS`].
    pub refused: [u64; REFUSALS.len()],
}

impl EdgeProbe {
    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> EdgeSnapshot {
        let mut refused = [0; REFUSALS.len()];
        for (to, from) in refused.iter_mut().zip(&self.refused) {
            *to = from.get();
        }
        EdgeSnapshot { requests: self.requests.get(), cancelled: self.cancelled.get(), refused }
    }

    pub(super) fn refused(&self, status: Status) {
        let place = REFUSALS.iter().position(|&known| known == status);
        self.refused[place.expect("the edge refuses only with the statuses of its list")].add(1);
    }
}
