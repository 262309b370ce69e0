//! What is in the shared caches and in the outcomes of flights, as bytes. Pure. A value that this build does not
//! understand is none.

use bytes::Bytes;

use crate::error::Fault;
use crate::error::What;
use crate::expectation::ports::Body;
use crate::expectation::ports::Gear;
use crate::expectation::ports::Payload;
use crate::expectation::shared::SharedName;

/// Length of the plain body (8 bytes), its hash (16), then the gzip. Numbers are big endian.
pub(super) fn pack_body(body: &Body) -> Vec<u8> {
    let mut packed = Vec::with_capacity(24 + body.gzip.len());
    packed.extend(body.plain_bytes.to_be_bytes());
    packed.extend(body.hash.to_be_bytes());
    packed.extend(&body.gzip);
    packed
}

pub(super) fn unpack_body(packed: &Bytes) -> Option<Body> {
    let (plain_bytes, rest) = packed.split_first_chunk()?;
    let (hash, _) = rest.split_first_chunk()?;
    Some(Body {
        gzip: packed.slice(24..),
        plain_bytes: u64::from_be_bytes(*plain_bytes),
        hash: u128::from_be_bytes(*hash),
    })
}

/// When it was received (unix ms, 8 bytes), whether it is gzip (1), then the document.
pub(super) fn pack_gear(gear: &Gear) -> Vec<u8> {
    let mut packed = Vec::with_capacity(9 + gear.payload.body.len());
    packed.extend(gear.received_ms.to_be_bytes());
    packed.push(u8::from(gear.payload.gzip));
    packed.extend(&gear.payload.body);
    packed
}

pub(super) fn unpack_gear(packed: &Bytes) -> Option<Gear> {
    let (received_ms, rest) = packed.split_first_chunk()?;
    let gzip = match rest.first()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let payload = Payload { body: packed.slice(9..), gzip };
    Some(Gear { payload, received_ms: u64::from_be_bytes(*received_ms) })
}

/// The id; empty when nobody has the name. When the game said so is the value's birth.
pub(super) fn pack_name(name: &SharedName) -> Vec<u8> {
    name.ocid.as_deref().unwrap_or_default().as_bytes().to_vec()
}

pub(super) fn unpack_name(packed: &[u8], confirmed_ms: u64) -> Option<SharedName> {
    let ocid = std::str::from_utf8(packed).ok()?;
    let ocid = Some(ocid).filter(|ocid| !ocid.is_empty()).map(str::to_owned);
    Some(SharedName { ocid, confirmed_ms })
}

/// A letter for what it was, then the detail. What only the process that met it can mean goes as a defect of ours.
pub(super) fn pack_fault(fault: &Fault) -> Vec<u8> {
    let (kind, detail) = match &fault.what {
        What::UpstreamFailed { detail } => (b'f', detail.as_str()),
        What::UpstreamTimeout { detail } => (b't', detail.as_str()),
        What::OutdatedId => (b'o', ""),
        What::Deadline => (b'd', ""),
        What::Overloaded { queue } => (b'q', *queue),
        What::NoSuchCharacter { name } => (b'n', name.as_str()),
        What::Internal { detail } => (b'i', detail.as_str()),
        What::BadInput { .. } | What::CoolDown { .. } => (b'i', "a fault of one request only"),
    };
    [&[kind], detail.as_bytes()].concat()
}

pub(super) fn unpack_fault(packed: &[u8]) -> Fault {
    let Some((kind, detail)) = packed.split_first() else { return strange() };
    let detail = String::from_utf8_lossy(detail);
    match kind {
        b'f' => Fault::upstream_failed(detail),
        b't' => Fault::upstream_timeout(detail),
        b'o' => Fault::outdated_id(),
        b'd' => Fault::deadline(),
        // Queues are known by static names, and this one is not here.
        b'q' => Fault::overloaded("of another process"),
        b'n' => Fault::no_such_character(&detail),
        b'i' => Fault::internal(format!("another process: {detail}")),
        _ => strange(),
    }
}

fn strange() -> Fault {
    Fault::internal("another process failed in a way that this build does not know")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(bytes: Vec<u8>, a: u64, b: u128, gzip: bool) {
            let body = Body { gzip: bytes.clone().into(), plain_bytes: a, hash: b };
            prop_assert_eq!(unpack_body(&pack_body(&body).into()), Some(body));
            let gear = Gear { payload: Payload { body: bytes.into(), gzip }, received_ms: a };
            prop_assert_eq!(unpack_gear(&pack_gear(&gear).into()), Some(gear));
        }

        #[test]
        fn names_too(ocid in prop::option::of("[0-9a-f]{1,40}"), confirmed_ms: u64) {
            let name = SharedName { ocid, confirmed_ms };
            prop_assert_eq!(unpack_name(&pack_name(&name), confirmed_ms), Some(name));
        }

        #[test]
        fn other_bytes_are_no_value_and_no_panic(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            prop_assert_eq!(unpack_body(&bytes).is_some(), bytes.len() >= 24);
            prop_assert_eq!(unpack_gear(&bytes).is_some(), bytes.len() >= 9 && bytes[8] < 2);
            let _ = (unpack_name(&bytes, 0), unpack_fault(&bytes));
        }
    }

    #[test]
    fn faults_keep_who_and_when_again() {
        for fault in [
            Fault::upstream_failed("500"),
            Fault::upstream_timeout("connect"),
            Fault::outdated_id(),
            Fault::deadline(),
            Fault::overloaded("of another process"),
            Fault::no_such_character("가"),
        ] {
            assert_eq!(unpack_fault(&pack_fault(&fault)), fault);
        }
        let defect = unpack_fault(&pack_fault(&Fault::internal("x")));
        assert_eq!(defect, Fault::internal("another process: x"));
        assert_eq!(unpack_fault(&[]), unpack_fault(b"?"));
    }
}
