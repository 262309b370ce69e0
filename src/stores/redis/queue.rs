//! The queue of many processes: each step one script, so that a process that is killed between two steps loses nothing.
//! Times are the server's. What Redis itself loses is lost: it must be durable for this (`appendonly`, `noeviction`).
//!
//! Keys, for a queue named `v5`: `{v5}:high` and `{v5}:low` (lists), `{v5}:payload` and `{v5}:tries` (hashes),
//! `{v5}:inflight` and `{v5}:retry` (sorted by time), `{v5}:dlq` (list).

use bytes::Bytes;
use redis::Script;

use crate::stores::queue::Depths;
use crate::stores::queue::Job;
use crate::stores::queue::Priority;
use crate::stores::queue::Published;
use crate::stores::queue::Queue;
use crate::stores::queue::Rules;
use crate::stores::queue::Tended;
use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::millis;

/// Most jobs of each kind that one round of tending moves.
const TEND_MAX: usize = 100;

/// A queue in Redis.
pub struct RedisQueue {
    client: Client,
    rules: Rules,
    keys: Keys,
    publish: Script,
    consume: Script,
    end: Script,
    tend: Script,
}

struct Keys {
    high: String,
    low: String,
    payload: String,
    tries: String,
    in_work: String,
    pausing: String,
    aside: String,
}

impl Keys {
    /// The braces keep all of them on one server of a cluster.
    fn of(queue: &str) -> Self {
        let key = |part: &str| format!("{{{queue}}}:{part}");
        Self {
            high: key("high"),
            low: key("low"),
            payload: key("payload"),
            tries: key("tries"),
            in_work: key("inflight"),
            pausing: key("retry"),
            aside: key("dlq"),
        }
    }

    fn queued(&self, priority: Priority) -> &str {
        match priority {
            Priority::High => &self.high,
            Priority::Low => &self.low,
        }
    }
}

/// What follows a try.
enum Then {
    Done,
    Pause { ms: u64 },
    Aside,
}

impl RedisQueue {
    /// The queue of this name.
    #[must_use]
    pub fn new(client: Client, queue: &str, rules: Rules) -> Self {
        Self {
            client,
            rules,
            keys: Keys::of(queue),
            publish: Script::new(include_str!("scripts/queue_publish.lua")),
            consume: Script::new(include_str!("scripts/queue_consume.lua")),
            end: Script::new(include_str!("scripts/queue_end.lua")),
            tend: Script::new(include_str!("scripts/queue_tend.lua")),
        }
    }

    async fn end(&self, job: &Job, then: Then) -> Result<bool, Trouble> {
        let (then, pause_ms) = match then {
            Then::Done => ("done", 0),
            Then::Pause { ms } => ("pause", ms),
            Then::Aside => ("aside", 0),
        };
        let keys = &self.keys;
        let mut end = self.end.key(&keys.payload);
        end.key(&keys.tries).key(&keys.in_work).key(&keys.pausing).key(&keys.aside);
        end.arg(&job.id).arg(job.tried).arg(then).arg(pause_ms).arg(self.rules.aside_max);
        // Sent twice, the second says "not in work": as if somebody else had ended it.
        self.client.script(Again::Safe, &end).await
    }
}

impl Queue for RedisQueue {
    async fn publish(
        &self,
        priority: Priority,
        id: &str,
        payload: &[u8],
    ) -> Result<Published, Trouble> {
        let letter = match priority {
            Priority::High => b"H",
            Priority::Low => b"L",
        };
        let mut publish = self.publish.key(&self.keys.payload);
        publish.key(self.keys.queued(priority)).key(&self.keys.low);
        publish.arg(id).arg([letter, payload].concat()).arg(self.rules.queued_max(priority));
        // Sent twice, the second says "known", and so it is.
        let said: String = self.client.script(Again::Safe, &publish).await?;
        match said.as_str() {
            "taken" => Ok(Published::Taken),
            "known" => Ok(Published::Known),
            "full" => Ok(Published::Full),
            _ => Err(Trouble::Refused(format!("a job was answered {said:?}"))),
        }
    }

    async fn payload(&self, id: &str) -> Result<Option<Bytes>, Trouble> {
        let mut ask = redis::cmd("HGET");
        ask.arg(&self.keys.payload).arg(id);
        let found: Option<Vec<u8>> = self.client.command(Again::Safe, &ask).await?;
        // Behind the letter of its priority.
        Ok(found.map(|payload| Bytes::from(payload).slice(1..)))
    }

    async fn consume(&self) -> Result<Option<Job>, Trouble> {
        let keys = &self.keys;
        let mut consume = self.consume.key(&keys.payload);
        consume.key(&keys.tries).key(&keys.in_work).key(&keys.high).key(&keys.low);
        // Never twice: what the first handed out would have to be redriven.
        let handed: Option<(String, Vec<u8>, u32)> =
            self.client.script(Again::Never, &consume).await?;
        Ok(handed.map(|(id, payload, tried)| Job { id, payload: payload.into(), tried }))
    }

    async fn ack(&self, job: &Job) -> Result<bool, Trouble> {
        self.end(job, Then::Done).await
    }

    async fn nack(&self, job: &Job) -> Result<bool, Trouble> {
        let pause = self.rules.pause(job.tried);
        self.end(job, pause.map_or(Then::Aside, |pause| Then::Pause { ms: millis(pause) })).await
    }

    async fn tend(&self) -> Result<Tended, Trouble> {
        let keys = &self.keys;
        let mut tend = self.tend.key(&keys.payload);
        tend.key(&keys.tries).key(&keys.in_work).key(&keys.pausing).key(&keys.aside);
        tend.key(&keys.high).key(&keys.low);
        tend.arg(millis(self.rules.in_work_max)).arg(self.rules.tries_max);
        tend.arg(self.rules.aside_max).arg(TEND_MAX);
        let (retried, redriven, put_aside) = self.client.script(Again::Safe, &tend).await?;
        Ok(Tended { retried, redriven, put_aside })
    }

    async fn depths(&self) -> Result<Depths, Trouble> {
        let keys = &self.keys;
        let mut ask = redis::pipe();
        ask.cmd("LLEN").arg(&keys.high).cmd("LLEN").arg(&keys.low);
        ask.cmd("ZCARD").arg(&keys.in_work).cmd("ZCARD").arg(&keys.pausing);
        ask.cmd("LLEN").arg(&keys.aside);
        let (high, low, in_work, pausing, aside) = self.client.pipeline(Again::Safe, &ask).await?;
        Ok(Depths { high, low, in_work, pausing, aside })
    }
}
