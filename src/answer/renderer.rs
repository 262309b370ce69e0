//! A job to a compressed body. One per compute thread: it owns the memo tables.

use std::sync::Arc;

use bytes::Bytes;
use shards::clock::Clock;
use shards::clock::SystemClock;
use valuation::character::Valuer;
use valuation::rules::Ruleset;

use crate::answer::totals;
use crate::answer::v4;
use crate::answer::v5;
use crate::answer::valued;
use crate::answer::valued::Selection;
use crate::error::Fault;
use crate::expectation::ports::Body;
use crate::expectation::ports::Job;
use crate::expectation::ports::Made;
use crate::expectation::ports::Payload;
use crate::expectation::ports::PresetCosts;
use crate::expectation::view::View;
use crate::gzip;
use crate::limits::PAYLOAD_PLAIN_BYTES_MAX;
use crate::payload::Document;

/// Makes bodies under one ruleset.
pub struct Renderer {
    valuer: Valuer,
    clock: SystemClock,
}

impl Renderer {
    /// With empty memo tables.
    #[must_use]
    pub fn new(rules: Arc<Ruleset>) -> Self {
        Self { valuer: Valuer::new(rules), clock: SystemClock::new() }
    }

    /// The ruleset it values by.
    #[must_use]
    pub fn rules(&self) -> Arc<Ruleset> {
        self.valuer.rules()
    }

    /// Does one job.
    ///
    /// # Errors
    /// `UpstreamFailed` when the payload is unreadable, naming the position; `Internal` for a defect of ours.
    pub fn make(&mut self, job: Job) -> Result<Made, Fault> {
        match job {
            Job::Render { view: View::Equipment, payload, .. } => {
                equipment(&payload).map(Made::from)
            }
            Job::Render { view, name, ocid, payload, as_of_ms } => {
                let plain = plain_payload(&payload)?;
                let (json, costs) = self.document(view, (&name, &ocid), &plain, as_of_ms)?;
                Ok(Made { body: body(&json, None), costs })
            }
            Job::MarkStale(fresh) => mark_stale(&fresh).map(Made::from),
        }
    }

    /// Values the plain payload of a character, told by name and id, and writes a view of it; of the views of all presets
    /// also what each costs.
    ///
    /// # Errors
    /// `UpstreamFailed` when the payload is unreadable, naming the position.
    pub fn document(
        &mut self,
        view: View,
        (name, ocid): (&str, &str),
        payload: &[u8],
        as_of_ms: u64,
    ) -> Result<(Vec<u8>, PresetCosts), Fault> {
        let document = Document::parse(payload).map_err(|unreadable| {
            Fault::upstream_failed(format!("item-equipment: {unreadable}"))
        })?;
        let selection = match view {
            View::Preset(number) => Selection::Preset(number),
            View::Totals => Selection::Worn,
            View::Expectation | View::Valuation | View::Equipment => Selection::Presets,
        };
        let character = valued::value(&mut self.valuer, &document, selection);
        if view == View::Totals {
            return Ok((totals::write(name, &character), Vec::new()));
        }
        let rules = self.valuer.rules();
        let calculated_at_ms = self.clock.unix_ms();
        if view == View::Valuation {
            let class = document.character_class.as_deref();
            let meta = v5::Meta { name, ocid, class, calculated_at_ms, data_as_of_ms: as_of_ms };
            return Ok((v5::write(&meta, &character), v4::costs(&character)));
        }
        let meta = v4::Meta { name, ruleset: &rules.id, calculated_at_ms, data_as_of_ms: as_of_ms };
        let all = view == View::Expectation;
        let costs = if all { v4::costs(&character) } else { Vec::new() };
        Ok((v4::write(&meta, &character), costs))
    }
}

fn plain_payload(payload: &Payload) -> Result<Bytes, Fault> {
    if !payload.gzip {
        return Ok(payload.body.clone());
    }
    gzip::decompress(&payload.body, PAYLOAD_PLAIN_BYTES_MAX)
        .map_err(|cause| Fault::upstream_failed(format!("item-equipment: gzip: {cause}")))
}

/// The payload as it was received; a plain one is compressed once. It must still be a document.
fn equipment(payload: &Payload) -> Result<Body, Fault> {
    let plain = plain_payload(payload)?;
    Document::parse(&plain)
        .map_err(|unreadable| Fault::upstream_failed(format!("item-equipment: {unreadable}")))?;
    Ok(body(&plain, payload.gzip.then(|| payload.body.clone())))
}

fn mark_stale(fresh: &Body) -> Result<Body, Fault> {
    let plain = fresh.plain()?;
    let at = memchr::memmem::rfind(&plain, v4::FRESH_MARK)
        .ok_or_else(|| Fault::internal("a V4 document without its stale field"))?;
    let (head, tail) = (&plain[..at], &plain[at + v4::FRESH_MARK.len()..]);
    Ok(body(&[head, v4::STALE_MARK, tail].concat(), None))
}

fn body(plain: &[u8], compressed: Option<Bytes>) -> Body {
    Body {
        gzip: compressed.unwrap_or_else(|| gzip::compress(plain)),
        plain_bytes: plain.len() as u64,
        hash: xxhash_rust::xxh3::xxh3_128(plain),
    }
}
