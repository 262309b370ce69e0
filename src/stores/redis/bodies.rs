//! Finished bodies of the V4 family in Redis: one hash per id, a field per body, and the birth they share. They live and
//! die together, with the gear they were made of.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use redis::Script;

use crate::stores::redis::cache;
use crate::stores::redis::caches::Cache;
use crate::stores::redis::caches::Held;
use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::millis;

/// The hashes, and the gear beside them.
#[derive(Clone)]
pub struct Bodies {
    client: Client,
    put_gear: Rc<Script>,
    put_body: Rc<Script>,
    /// Which build and ruleset made the bodies: those of another are not ours to serve.
    edition: Rc<str>,
}

impl Bodies {
    /// Over this client. `edition` tells apart what different builds and rulesets make of the same gear.
    #[must_use]
    pub fn new(client: Client, edition: &str) -> Self {
        let put_gear = Script::new(include_str!("scripts/put_gear.lua"));
        let put_body = Script::new(include_str!("scripts/put_body.lua"));
        Self {
            client,
            put_gear: put_gear.into(),
            put_body: put_body.into(),
            edition: edition.into(),
        }
    }

    /// A body and its birth, unix microseconds.
    pub async fn get(&self, ocid: &str, field: &str) -> Option<(Bytes, u64)> {
        let probe = self.client.probe();
        let mut get = redis::cmd("HMGET");
        get.arg(self.key(ocid)).arg("born").arg(field);
        let asked = self.client.command::<(Option<u64>, Option<Vec<u8>>)>(Again::Safe, &get).await;
        match asked {
            Ok((Some(born_us), Some(body))) => {
                probe.hits.add(1);
                Some((body.into(), born_us))
            }
            Ok(_) => {
                probe.misses.add(1);
                None
            }
            Err(_) => {
                probe.get_failures.add(1);
                None
            }
        }
    }

    /// Puts a body, unless something younger of the id is there. Gives the one that is there already, when another process
    /// made it of the same gear before.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn put(
        &self,
        ocid: &str,
        (field, body): (&str, &[u8]),
        born_us: u64,
        ttl: Duration,
    ) -> Result<Option<Bytes>, Trouble> {
        let mut put = self.put_body.key(self.key(ocid));
        put.key(Cache::Equipment.key(ocid));
        put.arg(field).arg(body).arg(born_us).arg(millis(ttl));
        // Sent twice, the second finds the first.
        let put = self.client.script::<(u8, Option<Vec<u8>>)>(Again::Safe, &put).await;
        self.counted(put.as_ref().map(|(done, _)| *done > 0).map_err(Clone::clone))?;
        put.map(|(_, first)| first.map(Bytes::from))
    }

    /// Puts gear, unless younger gear is there; bodies of older gear go.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn put_gear(&self, ocid: &str, gear: &Held, ttl: Duration) -> Result<bool, Trouble> {
        let mut put = self.put_gear.key(Cache::Equipment.key(ocid));
        put.key(self.key(ocid));
        put.arg(cache::pack(gear)).arg(gear.born).arg(millis(ttl));
        self.counted(self.client.script(Again::Safe, &put).await)
    }

    fn counted(&self, put: Result<bool, Trouble>) -> Result<bool, Trouble> {
        let probe = self.client.probe();
        match &put {
            Ok(true) => probe.puts.add(1),
            Ok(false) => probe.puts_older.add(1),
            Err(_) => probe.put_failures.add(1),
        }
        put
    }

    fn key(&self, ocid: &str) -> String {
        key(ocid, &self.edition)
    }
}

/// The key of the hash of an id.
pub(super) fn key(ocid: &str, edition: &str) -> String {
    Cache::V4.key(&format!("{ocid}:{edition}"))
}
