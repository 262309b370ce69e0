//! Equipment documents ready to send: fixtures, generated ones, and what an admin changed.
//! Generated ones are kept packed, so that a benchmark of the server does not measure us.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;

use super::Fixture;
use super::document;
use super::identity::Ocid;

/// Where the equipment of a character comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// Generated; 0 is the character as it is.
    Revision(u64),
    /// The fixture registered under this character's OCID.
    Fixture(Ocid),
}

/// All documents. One per simulator.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    fixtures: HashMap<Ocid, Packed>,
    changed: HashMap<Ocid, Source>,
    generated: HashMap<(Ocid, u64), Bytes>,
    /// Keys of `generated`, oldest first.
    order: VecDeque<(Ocid, u64)>,
    generated_bytes: usize,
}

/// A fixture: its bytes packed, and the job it names.
#[derive(Debug)]
struct Packed {
    gzip: Bytes,
    class: Option<String>,
}

/// Generated documents kept; one is about 17 KB packed.
const GENERATED_MAX: usize = 20_000;
const GENERATED_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Characters that can be changed at the same time.
const CHANGED_MAX: usize = 10_000;

impl Payloads {
    pub(super) fn with_fixtures(fixtures: &[Fixture]) -> io::Result<Self> {
        let mut payloads = Self::default();
        for Fixture { name, file } in fixtures {
            let plain = fs::read(file)
                .map_err(|error| io::Error::new(error.kind(), format!("{file:?}: {error}")))?;
            let packed = Packed { class: class(&plain), gzip: pack(&plain) };
            payloads.fixtures.insert(Ocid::of(name), packed);
        }
        Ok(payloads)
    }

    /// The equipment of a character, packed.
    pub(super) fn equipment(&mut self, ocid: Ocid) -> Bytes {
        match self.source(ocid) {
            Source::Fixture(of) => {
                self.fixtures.get(&of).map(|packed| packed.gzip.clone()).unwrap_or_default()
            }
            Source::Revision(revision) => self.generated(ocid, revision),
        }
    }

    /// The basic facts; a fixture says itself what job it is.
    pub(super) fn basic(&self, ocid: Ocid) -> Vec<u8> {
        let class = match self.source(ocid) {
            Source::Fixture(of) => {
                self.fixtures.get(&of).and_then(|packed| packed.class.as_deref())
            }
            Source::Revision(_) => None,
        };
        document::basic(ocid, class)
    }

    pub(super) fn has_fixture(&self, ocid: Ocid) -> bool {
        self.fixtures.contains_key(&ocid)
    }

    /// Gives a character another payload.
    pub(super) fn change(&mut self, ocid: Ocid, source: Source) -> Result<(), String> {
        if self.changed.len() >= CHANGED_MAX && !self.changed.contains_key(&ocid) {
            return Err(format!("at most {CHANGED_MAX} changed characters"));
        }
        self.changed.insert(ocid, source);
        Ok(())
    }

    /// Takes all changes back.
    pub(super) fn reset(&mut self) {
        self.changed.clear();
    }

    /// Generated documents kept, and their bytes.
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.generated.len(), self.generated_bytes)
    }

    fn source(&self, ocid: Ocid) -> Source {
        match self.changed.get(&ocid) {
            Some(source) => source.clone(),
            None if self.has_fixture(ocid) => Source::Fixture(ocid),
            None => Source::Revision(0),
        }
    }

    fn generated(&mut self, ocid: Ocid, revision: u64) -> Bytes {
        let key = (ocid, revision);
        if let Some(packed) = self.generated.get(&key) {
            return packed.clone();
        }
        let packed = pack(&document::equipment(ocid, revision));
        self.generated_bytes += packed.len();
        self.generated.insert(key, packed.clone());
        self.order.push_back(key);
        while self.order.len() > GENERATED_MAX || self.generated_bytes > GENERATED_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            let freed = self.generated.remove(&oldest).map_or(0, |packed| packed.len());
            self.generated_bytes -= freed;
        }
        packed
    }
}

/// gzip, level 6: what the real API sends.
pub(super) fn pack(plain: &[u8]) -> Bytes {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    gzip.write_all(plain).and_then(|()| gzip.finish()).map(Bytes::from).expect("writes to memory")
}

/// The inverse of `pack`.
pub(super) fn unpack(packed: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain).expect("`pack` made it");
    Bytes::from(plain)
}

fn class(plain: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Class {
        character_class: Option<String>,
    }
    serde_json::from_slice::<Class>(plain).ok()?.character_class
}
