//! Where gear comes from: what is kept while that is fresh, else the game, asked by one process at a time; what is
//! kept, however old, when the game cannot be asked.

use std::time::Duration;

use super::Flow;
use super::Source;
use super::caches::Fetched;
use super::epoch_us;
use super::micros;
use crate::error::Fault;
use crate::expectation::character::Ocid;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Gear;
use crate::expectation::ports::Payload;
use crate::expectation::ports::Record;
use crate::expectation::ports::Workshop;
use crate::expectation::shared::Dated;
use crate::expectation::shared::Turn;

/// How often what another process has found is gone again before it can be taken; then each asks for itself.
const TURNS_MAX: usize = 3;
/// Births of another process may be this far in the future and keep their order: more is not believed, or one clock that
/// is ahead would have the last word for as long.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_millis(100);
/// A wall clock that has moved by less against the shard's is not followed: it reads whole milliseconds, and is steered.
const CLOCK_STEP_MIN: Duration = Duration::from_millis(50);

/// What a fetch is for.
#[derive(Debug, Clone, Copy)]
enum Need {
    /// A plain question that took off at this birth.
    Fresh {
        /// Of the fetch.
        born: Duration,
    },
    /// A forced question. Those of all processes are made one after the other: of two at once nobody could say which
    /// one saw the later gear.
    Forced {
        /// Wall time of the question, unix milliseconds.
        asked_ms: u64,
    },
}

impl Need {
    fn work(self, ocid: &Ocid) -> String {
        let kind = match self {
            Self::Fresh { .. } => "equipment",
            Self::Forced { .. } => "equipment-forced",
        };
        format!("{kind}:{}", ocid.as_str())
    }
}

impl<G: GameApi + 'static, W: Workshop + 'static> Flow<G, W> {
    /// Gear of an id, for a question of this birth; a forced one always brings what the game says after it was asked.
    pub(super) async fn gear(
        &self,
        ocid: &Ocid,
        forced: bool,
        born: Duration,
    ) -> Result<Fetched, Fault> {
        if forced {
            return self.in_turn(ocid, Need::Forced { asked_ms: self.clock.unix_ms() }).await;
        }
        let kept = match self.shared_gear(ocid).await {
            Some(kept) if self.may_answer(&kept) => return Ok(kept),
            kept => kept.or(self.kept_gear(ocid, born).await),
        };
        match kept {
            Some(kept) if self.may_answer(&kept) => Ok(kept),
            kept => match self.in_turn(ocid, Need::Fresh { born }).await {
                Err(fault) if fault.may_pass() => kept.ok_or(fault),
                found => found,
            },
        }
    }

    /// One process asks the game, the others wait and take what it has found.
    async fn in_turn(&self, ocid: &Ocid, need: Need) -> Result<Fetched, Fault> {
        for _ in 0..TURNS_MAX {
            match self.backing.turn(|| need.work(ocid)).await {
                Turn::Lead(lead) => {
                    // Somebody may have found it since it was looked for.
                    let found = match need {
                        Need::Fresh { .. } => self.found_by_another(ocid, need).await,
                        Need::Forced { .. } => None,
                    };
                    let found = match found {
                        Some(found) => Ok(found),
                        None => self.ask_game(ocid, need).await,
                    };
                    lead.settle(found.as_ref().map(|_| ()).map_err(Clone::clone));
                    return found;
                }
                Turn::Ended(Ok(())) => {
                    if let Some(found) = self.found_by_another(ocid, need).await {
                        return Ok(found);
                    }
                }
                Turn::Ended(Err(fault)) => return Err(fault),
            }
        }
        self.ask_game(ocid, need).await
    }

    async fn found_by_another(&self, ocid: &Ocid, need: Need) -> Option<Fetched> {
        let found = self.shared_gear(ocid).await?;
        let will_do = match need {
            Need::Fresh { .. } => self.may_answer(&found),
            Need::Forced { asked_ms } => found.as_of_ms >= asked_ms,
        };
        will_do.then_some(found)
    }

    /// Asks the game and keeps what it says.
    async fn ask_game(&self, ocid: &Ocid, need: Need) -> Result<Fetched, Fault> {
        let payload = self.api.equipment(ocid.as_str()).await?;
        let as_of_ms = self.clock.unix_ms();
        let born = match need {
            Need::Fresh { born } => born,
            // Whoever asked the game meanwhile may have been told less than this answer tells.
            Need::Forced { .. } => self.birth(),
        };
        let gear = Gear { payload: payload.clone(), received_ms: as_of_ms };
        self.backing.ledger.keep(Record::Gear {
            ocid: ocid.as_str().to_owned(),
            payload: payload.clone(),
            received_ms: as_of_ms,
        });
        if let Some(shared) = &self.backing.shared {
            let gear = Dated { value: gear, born_us: self.born_us(born) };
            shared.put_gear(ocid.as_str(), gear).await;
        }
        Ok(Fetched { payload, born, as_of_ms, source: Source::Miss })
    }

    pub(super) async fn shared_gear(&self, ocid: &Ocid) -> Option<Fetched> {
        let shared = self.backing.shared.as_ref()?;
        let Dated { value: Gear { payload, received_ms }, born_us } =
            shared.gear(ocid.as_str()).await?;
        self.unless_outdated(ocid, payload, (self.born(born_us), received_ms), Source::HitL2)
    }

    pub(super) async fn kept_gear(&self, ocid: &Ocid, born: Duration) -> Option<Fetched> {
        let Gear { payload, received_ms } = self.backing.ledger.gear(ocid.as_str()).await?;
        // When it was asked for is not kept; it was not later than this question.
        let born = self.born(received_ms * 1_000).min(born);
        self.unless_outdated(ocid, payload, (born, received_ms), Source::Store)
    }

    /// What newer gear has come after is as if it were not there: a store may not have heard of that.
    fn unless_outdated(
        &self,
        ocid: &Ocid,
        payload: Payload,
        (born, as_of_ms): (Duration, u64),
        source: Source,
    ) -> Option<Fetched> {
        let current = !self.caches.is_outdated(ocid, born);
        current.then_some(Fetched { payload, born, as_of_ms, source })
    }

    fn may_answer(&self, kept: &Fetched) -> bool {
        self.clock.monotonic().saturating_sub(kept.born) < self.limits.fresh
    }

    /// Now, and never the same twice: births order payloads. By the fine clock: the shard's own moves in steps, and of two
    /// processes the one that asked later must not seem to have asked first. In whole microseconds, as they are told.
    pub(super) fn birth(&self) -> Duration {
        let now = Duration::from_micros(micros(self.fine.monotonic()));
        let birth = now.max(self.last_birth.get() + Duration::from_micros(1));
        self.last_birth.set(birth);
        birth
    }

    pub(super) fn born_us(&self, born: Duration) -> u64 {
        self.epoch_us().saturating_add(micros(born))
    }

    /// A birth that another process told, on this shard's clock; hardly in the future, whatever that one's clock says.
    pub(super) fn born(&self, born_us: u64) -> Duration {
        let born = Duration::from_micros(born_us.saturating_sub(self.epoch_us()));
        born.min(self.fine.monotonic().max(self.last_birth.get()) + CLOCKS_DIFFER_MAX)
    }

    /// Follows a wall clock that was set, in steps: a process that went on with the wall time of its start would be wrong
    /// to all others for as long as it runs. What lies here keeps its order.
    fn epoch_us(&self) -> u64 {
        let (now, held) = (epoch_us(&*self.fine), self.epoch_us.get());
        if now.abs_diff(held) <= micros(CLOCK_STEP_MIN) {
            return held;
        }
        let by_ms = (i128::from(now) - i128::from(held)) / 1_000;
        tracing::warn!(by_ms, "the machine's clock was set");
        self.epoch_us.set(now);
        now
    }
}
