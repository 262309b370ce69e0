//! The shared cache in Redis. A value is opaque and carries a header, so that an older fill never replaces a newer one
//! and what is never stretched ends by its own account, too: format (1 byte, now 1), end (unix ms) and birth, 8 bytes
//! big endian each.

use std::rc::Rc;

use bytes::Bytes;
use redis::Script;

use crate::stores::redis::caches::Cache;
use crate::stores::redis::caches::Held;
use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;

/// The shared cache.
#[derive(Clone)]
pub struct SharedCache {
    client: Client,
    put_newer: Rc<Script>,
}

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 17;

impl SharedCache {
    /// Over this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let put_newer = Script::new(include_str!("scripts/put_newer.lua"));
        Self { client, put_newer: put_newer.into() }
    }

    /// A value that is not past its time; what may be stretched is there for as long as Redis has it. `None` covers
    /// every trouble too; it is counted.
    pub async fn get(&self, cache: Cache, key: &str) -> Option<Held> {
        let probe = self.client.probe();
        let mut get = redis::cmd("GET");
        get.arg(cache.key(key));
        let asked = self.client.command::<Option<Vec<u8>>>(Again::Safe, &get).await;
        let Ok(found) = asked else {
            probe.get_failures.add(1);
            return None;
        };
        let Some(found) = found else {
            probe.misses.add(1);
            return None;
        };
        match unpack(found.into()) {
            None => probe.unreadable.add(1),
            Some(held)
                if !cache.is_stretched() && held.expires_ms <= self.client.clock().unix_ms() =>
            {
                probe.misses.add(1);
            }
            Some(held) => {
                probe.hits.add(1);
                return Some(held);
            }
        }
        None
    }

    /// Puts a value unless a younger one is there, then false. One that is past its time already is not put.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn put(&self, cache: Cache, key: &str, held: &Held) -> Result<bool, Trouble> {
        let probe = self.client.probe();
        let ttl_ms = held.expires_ms.saturating_sub(self.client.clock().unix_ms());
        if ttl_ms == 0 {
            return Ok(false);
        }
        let mut put = self.put_newer.key(cache.key(key));
        put.arg(pack(held)).arg(held.born).arg(ttl_ms);
        let put = self.client.script::<bool>(Again::Safe, &put).await;
        match put {
            Ok(true) => probe.puts.add(1),
            Ok(false) => probe.puts_older.add(1),
            Err(_) => probe.put_failures.add(1),
        }
        put
    }

    /// Removes a value. True when there was one.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn remove(&self, cache: Cache, key: &str) -> Result<bool, Trouble> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(cache.key(key));
        let removed = self.client.command::<bool>(Again::Safe, &unlink).await;
        if removed.is_err() {
            self.client.probe().put_failures.add(1);
        }
        removed
    }
}

pub(super) fn pack(held: &Held) -> Vec<u8> {
    let mut packed = Vec::with_capacity(HEADER_BYTES + held.value.len());
    packed.push(FORMAT);
    packed.extend(held.expires_ms.to_be_bytes());
    packed.extend(held.born.to_be_bytes());
    packed.extend(&held.value);
    packed
}

fn unpack(packed: Bytes) -> Option<Held> {
    let (format, rest) = packed.split_first()?;
    let (expires, rest) = rest.split_first_chunk()?;
    let (born, _) = rest.split_first_chunk()?;
    (*format == FORMAT).then(|| Held {
        value: packed.slice(HEADER_BYTES..),
        born: u64::from_be_bytes(*born),
        expires_ms: u64::from_be_bytes(*expires),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(value: Vec<u8>, born: u64, expires_ms: u64) {
            let held = Held { value: value.into(), born, expires_ms };
            prop_assert_eq!(unpack(pack(&held).into()), Some(held));
        }

        #[test]
        fn nothing_else_is_read_as_a_value(packed: Vec<u8>) {
            let found = unpack(packed.clone().into());
            prop_assert_eq!(found.is_some(), packed.len() >= HEADER_BYTES && packed[0] == FORMAT);
        }
    }
}
