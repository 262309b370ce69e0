//! A record as bytes and back. The form is that of `VERSION` in the journal's room: a change of it is a new version.

use crate::expectation::ports::Costs;
use crate::expectation::ports::Payload;
use crate::expectation::ports::Record;

const NAME: u8 = 1;
const GEAR: u8 = 2;
const SUMMARY: u8 = 3;

/// Appends the record. Numbers are little-endian, texts and bytes have their length before them.
pub(super) fn encode(record: &Record, to: &mut Vec<u8>) {
    match record {
        Record::Name { name, ocid, confirmed_ms } => {
            to.push(NAME);
            put_bytes(name.as_bytes(), to);
            put_bytes(ocid.as_bytes(), to);
            put_number(*confirmed_ms, to);
        }
        Record::Gear { ocid, payload, received_ms } => {
            to.push(GEAR);
            put_bytes(ocid.as_bytes(), to);
            to.push(u8::from(payload.gzip));
            put_bytes(&payload.body, to);
            put_number(*received_ms, to);
        }
        Record::Summary { ocid, preset_no, costs, calculated_ms } => {
            to.push(SUMMARY);
            put_bytes(ocid.as_bytes(), to);
            to.push(*preset_no);
            let Costs { total, black_cube, red_cube, additional_cube, starforce } = *costs;
            for mesos in [total, black_cube, red_cube, additional_cube, starforce] {
                put_number(mesos, to);
            }
            put_number(*calculated_ms, to);
        }
    }
}

/// The record these bytes are, all of them.
pub(super) fn decode(bytes: &[u8]) -> Option<Record> {
    let mut rest = Rest(bytes);
    let record = match rest.byte()? {
        NAME => {
            Record::Name { name: rest.text()?, ocid: rest.text()?, confirmed_ms: rest.number()? }
        }
        GEAR => {
            let ocid = rest.text()?;
            let gzip = rest.byte()? != 0;
            let body = rest.bytes()?.to_vec().into();
            let payload = Payload { body, gzip };
            Record::Gear { ocid, payload, received_ms: rest.number()? }
        }
        SUMMARY => Record::Summary {
            ocid: rest.text()?,
            preset_no: rest.byte()?,
            costs: Costs {
                total: rest.number()?,
                black_cube: rest.number()?,
                red_cube: rest.number()?,
                additional_cube: rest.number()?,
                starforce: rest.number()?,
            },
            calculated_ms: rest.number()?,
        },
        _ => return None,
    };
    rest.0.is_empty().then_some(record)
}

fn put_number(number: u64, to: &mut Vec<u8>) {
    to.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    put_number(bytes.len() as u64, to);
    to.extend_from_slice(bytes);
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
}
