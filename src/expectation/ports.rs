//! What the flow needs from others, as traits: each has a real implementation and a fake.

use std::future::Future;

use bytes::Bytes;

use crate::error::Fault;
use crate::expectation::view::View;
use crate::gzip;

/// An equipment document as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The bytes.
    pub body: Bytes,
    /// Whether they are gzip.
    pub gzip: bool,
}

/// What the game tells about a character besides its gear. Anything may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basic {
    /// World.
    pub world_name: Option<String>,
    /// Job.
    pub character_class: Option<String>,
    /// Image URL.
    pub character_image: Option<String>,
}

/// The game's API.
pub trait GameApi {
    /// The id behind a nickname.
    fn ocid(&self, name: &str) -> impl Future<Output = Result<String, Fault>>;
    /// Basic facts.
    fn basic(&self, ocid: &str) -> impl Future<Output = Result<Basic, Fault>>;
    /// The equipment document.
    fn equipment(&self, ocid: &str) -> impl Future<Output = Result<Payload, Fault>>;
}

/// One document ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The document, gzip.
    pub gzip: Bytes,
    /// Length before compression, bytes.
    pub plain_bytes: u64,
    /// Hash of the plain bytes, for the ETag.
    pub hash: u128,
}

impl Body {
    /// The document before compression.
    ///
    /// # Errors
    /// `Internal` when the body is not gzip of the stated length: a defect of ours.
    pub fn plain(&self) -> Result<Bytes, Fault> {
        let length = usize::try_from(self.plain_bytes).unwrap_or(usize::MAX);
        gzip::decompress(&self.gzip, length)
            .map_err(|cause| Fault::internal(format!("cached body: {cause}")))
    }
}

impl shards::l1::Bytesize for Body {
    fn bytesize(&self) -> u64 {
        self.gzip.len() as u64
    }
}

/// Work too long for a shard: 0.3 to 3 ms of CPU.
#[derive(Debug, Clone)]
pub enum Job {
    /// Parse, value and write a view.
    Render {
        /// Which document.
        view: View,
        /// The name as it will be shown.
        name: String,
        /// From what.
        payload: Payload,
        /// When the payload was received, unix milliseconds.
        as_of_ms: u64,
    },
    /// The same document, marked stale.
    MarkStale(Body),
}

/// Where such work is done.
pub trait Workshop {
    /// Does one job.
    fn make(&self, job: Job) -> impl Future<Output = Result<Body, Fault>>;
}
