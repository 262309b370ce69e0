//! Work that is done once among all processes: one leads under a lease, the others look every few milliseconds what
//! became of it. An outcome reaches those who waited for that very flight and nobody later. A leader that dies is
//! followed by another when its lease ends; Redis away, everybody leads for himself. Never an error.
//!
//! Polled, not announced: in a process at most one waits for a key, and a wait is as long as a call to the game.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use redis::Script;
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::stores::redis::LEASE_RENEW;
use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::millis;

/// Pause before a landing that nobody heard of is tried again, once: as long as the breaker leaves Redis alone.
const LAND_PAUSE: Duration = Duration::from_millis(500);
/// Longest wait for a connection to try it again on; beyond that the lease ends by itself.
const LAND_WAIT: Duration = Duration::from_secs(30);
/// Leads looked after of which it is not known whether they were granted; while Redis is stalled each may wait for it.
const DOUBTFUL_MAX: usize = 1_024;

/// How shared work ended, for those who waited for another process. Small: what was made is in the shared cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landed {
    /// Made; the leader says how.
    Done(Bytes),
    /// Failed; the leader says why.
    Failed(Bytes),
}

/// How long things last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// A lead that is not renewed ends after this.
    pub lease: Duration,
    /// Between two renewals.
    pub renew: Duration,
    /// Between two looks of one who waits.
    pub poll: Duration,
    /// How long an outcome can be seen; longer than `poll` and a hiccup of the network.
    pub outcome: Duration,
}

impl Times {
    /// Those by default.
    pub const SETTLED: Self = Self {
        lease: Duration::from_secs(6),
        renew: Duration::from_secs(2),
        poll: Duration::from_millis(25),
        outcome: Duration::from_secs(5),
    };
}

/// The flights of this process among those of all. Its futures belong on a `LocalSet`.
#[derive(Clone)]
pub struct Flights(Rc<Inner>);

struct Inner {
    client: Client,
    times: Times,
    instance_id: Box<str>,
    taken: Cell<u64>,
    doubtful: Cell<usize>,
    turn: Script,
    land: Script,
    renew: Script,
}

/// What a look, or a wait, came to.
#[derive(Debug)]
pub enum Turn {
    /// It is ours to do.
    Lead(Lease),
    /// Another process has done it.
    Followed(Landed),
}

/// A lead. Dropped without [`land`](Self::land) it is given up, and whoever waits takes over.
#[derive(Debug)]
pub struct Lease {
    /// To the task that renews it; none when no other process can have heard of it.
    landing: Option<oneshot::Sender<Landed>>,
}

impl Lease {
    /// A lead that no other process knows of.
    pub(super) fn alone() -> Self {
        Self { landing: None }
    }

    /// Tells those who wait how it ended.
    pub fn land(self, landed: Landed) {
        if let Some(landing) = self.landing {
            // Fails when the backplane has ended; then nobody can be told.
            let _ = landing.send(landed);
        }
    }
}

enum Seen {
    Landed(Landed),
    Lead,
    Held { leader: String },
}

impl Flights {
    /// Over this client. `instance_id` is different in every process that runs now.
    #[must_use]
    pub fn new(client: Client, times: Times, instance_id: &str) -> Self {
        Self(Rc::new(Inner {
            client,
            times,
            instance_id: instance_id.into(),
            taken: Cell::new(0),
            doubtful: Cell::new(0),
            turn: Script::new(include_str!("scripts/flight_turn.lua")),
            land: Script::new(include_str!("scripts/flight_land.lua")),
            renew: Script::new(LEASE_RENEW),
        }))
    }

    /// Waits for the turn, or for another process's outcome. Ends by itself only in those two ways; dropping it is
    /// safe at any time but while a lead is being granted, which then ends by its lease.
    pub async fn turn(&self, key: &str) -> Turn {
        let inner = &self.0;
        let probe = inner.client.probe();
        let token = inner.token();
        let mut leader: Option<String> = None;
        loop {
            let was_connected = inner.client.is_connected();
            match inner.look(key, &token, leader.as_deref()).await {
                Err(_) => {
                    probe.flights_alone.add(1);
                    return Turn::Lead(match was_connected {
                        true => inner.doubtful(key, token),
                        false => Lease::alone(),
                    });
                }
                Ok(Seen::Landed(landed)) => {
                    probe.flights_followed.add(1);
                    return Turn::Followed(landed);
                }
                Ok(Seen::Lead) => {
                    probe.flights_led.add(1);
                    probe.flights_taken_over.add(u64::from(leader.is_some()));
                    let (landing, landed) = oneshot::channel();
                    spawn_local(Rc::clone(inner).attend(key.to_owned(), token, landed));
                    return Turn::Lead(Lease { landing: Some(landing) });
                }
                // A second leader after the first was lost is waited for like the first.
                Ok(Seen::Held { leader: now }) => leader = Some(now),
            }
            sleep(inner.times.poll).await;
        }
    }
}

impl Inner {
    fn token(&self) -> String {
        let taken = self.taken.get();
        self.taken.set(taken + 1);
        format!("{}.{taken}", self.instance_id)
    }

    async fn look(&self, key: &str, token: &str, leader: Option<&str>) -> Result<Seen, Trouble> {
        let mut turn = self.turn.key(lease_key(key));
        turn.key(outcome_key(key, leader.unwrap_or_default()));
        turn.arg(token).arg(millis(self.times.lease));
        // Sent twice, the first may have granted the lead: then the second finds it held by our own token.
        let seen: Vec<Vec<u8>> = self.client.script(Again::Safe, &turn).await?;
        let garbled = || Trouble::Refused("a flight was answered strangely".to_owned());
        let mut seen = seen.into_iter();
        match (seen.next().as_deref(), seen.next()) {
            (Some(b"lead"), None) => Ok(Seen::Lead),
            (Some(b"held"), Some(leader)) if leader == token.as_bytes() => Ok(Seen::Lead),
            (Some(b"held"), Some(leader)) => {
                let leader = String::from_utf8(leader).map_err(|_| garbled())?;
                Ok(Seen::Held { leader })
            }
            (Some(b"landed"), Some(outcome)) => {
                unpack(outcome.into()).map(Seen::Landed).ok_or_else(garbled)
            }
            _ => Err(garbled()),
        }
    }

    /// A lead that a stalled Redis may grant when nobody asks any more. Whoever finds it then waits for this token: it
    /// is looked after like any other, so that he hears how it ended, or that it was given up.
    fn doubtful(self: &Rc<Self>, key: &str, token: String) -> Lease {
        if self.doubtful.get() >= DOUBTFUL_MAX {
            return Lease::alone();
        }
        self.doubtful.set(self.doubtful.get() + 1);
        let (landing, landed) = oneshot::channel();
        let (inner, key) = (Rc::clone(self), key.to_owned());
        spawn_local(async move {
            Rc::clone(&inner).attend(key, token, landed).await;
            inner.doubtful.set(inner.doubtful.get() - 1);
        });
        Lease { landing: Some(landing) }
    }

    /// Renews a lead until it lands or is given up.
    async fn attend(self: Rc<Self>, key: String, token: String, landed: oneshot::Receiver<Landed>) {
        let mut landed = landed;
        let mut renew = self.renew.key(lease_key(&key));
        renew.arg(&token).arg(millis(self.times.lease));
        let landed = loop {
            tokio::select! {
                landed = &mut landed => break landed.ok(),
                // A lease that was lost costs doubled work: those who wait for this token still hear of it.
                () = sleep(self.times.renew) => {
                    let _: Result<bool, Trouble> = self.client.script(Again::Safe, &renew).await;
                }
            }
        };
        let mut land = self.land.key(lease_key(&key));
        land.key(outcome_key(&key, &token)).arg(&token).arg(millis(self.times.outcome));
        if let Some(landed) = landed {
            land.arg(pack(&landed));
        }
        let told: Result<u64, Trouble> = self.client.script(Again::Safe, &land).await;
        if told.is_ok() {
            return;
        }
        sleep(LAND_PAUSE).await;
        if timeout(LAND_WAIT, self.client.connected()).await.is_ok() {
            // In vain once more: those who wait lead when the lease ends.
            let _: Result<u64, Trouble> = self.client.script(Again::Safe, &land).await;
        }
    }
}

/// The braces keep both keys of a flight on one server of a cluster.
fn lease_key(key: &str) -> String {
    format!("cache:sf:{{{key}}}")
}

fn outcome_key(key: &str, token: &str) -> String {
    format!("cache:sf:{{{key}}}:{token}")
}

fn pack(landed: &Landed) -> Vec<u8> {
    let (kind, said) = match landed {
        Landed::Done(said) => (b'D', said),
        Landed::Failed(said) => (b'F', said),
    };
    [&[kind], &said[..]].concat()
}

fn unpack(packed: Bytes) -> Option<Landed> {
    match packed.first()? {
        b'D' => Some(Landed::Done(packed.slice(1..))),
        b'F' => Some(Landed::Failed(packed.slice(1..))),
        _ => None,
    }
}
