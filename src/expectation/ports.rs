//! What the flow needs from others, as traits: each has a real implementation and a fake.

use std::future::Future;
use std::pin::Pin;

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
        /// The id whose gear it is.
        ocid: String,
        /// From what.
        payload: Payload,
        /// When the payload was received, unix milliseconds.
        as_of_ms: u64,
    },
    /// The same document, marked stale.
    MarkStale(Body),
}

/// What each preset would cost, by its number.
pub type PresetCosts = Vec<(u8, Costs)>;

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The document.
    pub body: Body,
    /// Of a document about all presets, what each costs.
    pub costs: PresetCosts,
}

impl From<Body> for Made {
    fn from(body: Body) -> Self {
        Self { body, costs: Vec::new() }
    }
}

/// Where such work is done.
pub trait Workshop {
    /// Does one job.
    fn make(&self, job: Job) -> impl Future<Output = Result<Made, Fault>>;
}

/// Gear as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gear {
    /// The document.
    pub payload: Payload,
    /// When the game gave it, unix milliseconds.
    pub received_ms: u64,
}

/// A name as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The id it stands for.
    pub ocid: String,
    /// When the game last said so, unix milliseconds.
    pub confirmed_ms: u64,
}

/// Something to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// What a name stands for.
    Name {
        /// Normalised.
        name: String,
        /// The id.
        ocid: String,
        /// When the game said so, unix milliseconds.
        confirmed_ms: u64,
    },
    /// A character's gear.
    Gear {
        /// Whose.
        ocid: String,
        /// The document.
        payload: Payload,
        /// When it was received, unix milliseconds.
        received_ms: u64,
    },
    /// What a preset of a character's gear would cost.
    Summary {
        /// Whose.
        ocid: String,
        /// The preset, from 1.
        preset_no: u8,
        /// The costs.
        costs: Costs,
        /// When they were calculated, unix milliseconds.
        calculated_ms: u64,
    },
}

/// The costs of one preset, whole mesos. A ledger keeps at most [`Costs::MESOS_MAX`] of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Costs {
    /// Everything.
    pub total: u64,
    /// Cubes of the main potential by black cubes.
    pub black_cube: u64,
    /// Cubes of the main potential by red cubes.
    pub red_cube: u64,
    /// Cubes of the additional potential.
    pub additional_cube: u64,
    /// Starforce.
    pub starforce: u64,
}

impl Costs {
    /// The most a column of a ledger holds: 18 digits. More is kept as this.
    pub const MESOS_MAX: u64 = 999_999_999_999_999_999;

    /// As columns: total, black, red, additional cubes, starforce.
    #[must_use]
    pub fn columns(&self) -> [u64; 5] {
        [self.total, self.black_cube, self.red_cube, self.additional_cube, self.starforce]
            .map(|mesos| mesos.min(Self::MESOS_MAX))
    }
}

/// What a ledger will say.
pub type Kept<T> = Pin<Box<dyn Future<Output = Option<T>>>>;

/// Where characters survive a restart. It never fails a question: what it cannot say is as if it were not there, and
/// the ledger counts it. Behind a pointer, because a hit never comes here.
pub trait Ledger {
    /// What a name stands for, however old.
    fn name(&self, name: &str) -> Kept<Named>;
    /// The gear of an id, however old.
    fn gear(&self, ocid: &str) -> Kept<Gear>;
    /// When the gear of an id was received, unix milliseconds; does not read the gear.
    fn received(&self, ocid: &str) -> Kept<u64>;
    /// Keeps a record, soon; never waits. An older record never replaces a newer one.
    fn keep(&self, record: Record);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLedger;

impl Ledger for NoLedger {
    fn name(&self, _: &str) -> Kept<Named> {
        Box::pin(std::future::ready(None))
    }

    fn gear(&self, _: &str) -> Kept<Gear> {
        Box::pin(std::future::ready(None))
    }

    fn received(&self, _: &str) -> Kept<u64> {
        Box::pin(std::future::ready(None))
    }

    fn keep(&self, _: Record) {}
}
