//! The client behind everything that protects the game's API from us and us from it. On the backplane.
//! Order, outermost first: retries within their budget, breaker, bulkhead, rate, the call. What is decided is
//! decided in `resilience`; this file waits and calls. A call that is dropped says nothing about the other side.

use std::cell::Cell;
use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use shards::clock::Clock as _;
use shards::clock::SystemClock;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::error::Fault;
use crate::error::What;
use crate::limits::UPSTREAM_BULKHEAD_WAIT;
use crate::limits::UPSTREAM_QUOTA_PAUSE;
use crate::limits::UPSTREAM_QUOTA_PAUSE_MAX;
use crate::limits::UPSTREAM_RATE_WAIT_MAX;
use crate::resilience::breaker::Breaker;
use crate::resilience::breaker::Permit;
use crate::resilience::breaker::Phase;
use crate::resilience::breaker::Settings;
use crate::resilience::breaker::Verdict;
use crate::resilience::rate::Rate;
use crate::resilience::retry::Policy;
use crate::resilience::retry_budget::RetryBudget;
use crate::upstream::answer::Basic;
use crate::upstream::answer::Endpoint;
use crate::upstream::client::Client;
use crate::upstream::client::Document;
use crate::upstream::failure::Failure;
use crate::upstream::failure::Sign;
use crate::upstream::probe::UpstreamProbe;
use crate::upstream::probe::UpstreamSnapshot;

/// How calls are guarded.
#[derive(Debug, Clone, Copy)]
pub struct Guards {
    /// Repeats of a failed call.
    pub retry: Policy,
    /// Repeats in any minute, all calls together.
    pub retries_per_minute: u32,
    /// When calls stop for a while.
    pub breaker: Settings,
    /// Calls on the way at once.
    pub concurrency: usize,
    /// Calls started a second; 0 for no limit.
    pub calls_per_second: u32,
}

/// One per process.
pub struct Guarded {
    client: Client,
    retry: Policy,
    budget: RefCell<RetryBudget>,
    breaker: RefCell<Breaker>,
    bulkhead: Semaphore,
    rate: RefCell<Rate>,
    clock: SystemClock,
    dice: Cell<u64>,
    probe: UpstreamProbe,
}

impl Guarded {
    /// Guards `client`. `seed` makes the jitter of this process its own.
    #[must_use]
    pub fn new(client: Client, guards: Guards, seed: u64) -> Self {
        // The real API allows 500 a second: the rate and a quarter of it at once stay below.
        let rate = Rate::new(guards.calls_per_second, guards.calls_per_second / 4);
        Self {
            client,
            retry: guards.retry,
            budget: RefCell::new(RetryBudget::new(guards.retries_per_minute)),
            breaker: RefCell::new(Breaker::new(guards.breaker)),
            bulkhead: Semaphore::new(guards.concurrency),
            rate: RefCell::new(rate),
            clock: SystemClock::new(),
            dice: Cell::new(seed),
            probe: UpstreamProbe::default(),
        }
    }

    /// The OCID of a nickname.
    ///
    /// # Errors
    /// `no_such_character`, `upstream_failed`, `upstream_timeout`, `overloaded`.
    pub async fn ocid(&self, name: &str) -> Result<String, Fault> {
        self.call(Endpoint::Id, || self.client.ocid(name)).await
    }

    /// The basic facts behind an OCID.
    ///
    /// # Errors
    /// `outdated_id`, `upstream_failed`, `upstream_timeout`, `overloaded`.
    pub async fn basic(&self, ocid: &str) -> Result<Basic, Fault> {
        self.call(Endpoint::Basic, || self.client.basic(ocid)).await
    }

    /// The equipment behind an OCID.
    ///
    /// # Errors
    /// As [`Guarded::basic`].
    pub async fn equipment(&self, ocid: &str) -> Result<Document, Fault> {
        self.call(Endpoint::Equipment, || self.client.equipment(ocid)).await
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> UpstreamSnapshot {
        self.probe.snapshot(match self.breaker.borrow().phase(self.now()) {
            Phase::Closed => "closed",
            Phase::Open => "open",
            Phase::HalfOpen => "half_open",
        })
    }

    async fn call<T, C>(&self, endpoint: Endpoint, make: impl Fn() -> C) -> Result<T, Fault>
    where
        C: Future<Output = Result<T, Failure>>,
    {
        let mut made = 0;
        loop {
            made += 1;
            let failure = match self.attempt(endpoint, make()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = if failure.may_pass() { self.retry.pause(made, self.roll()) } else { None };
            let Some(pause) = pause else { return Err(failure.fault) };
            // An open breaker would refuse the retry: it must not cost the budget of one that could be made. A half-open
            // one wants to know about several calls, not one several times; and who has a stale answer waits for less.
            if self.breaker.borrow().phase(self.now()) != Phase::Closed {
                return Err(failure.fault);
            }
            if !self.budget.borrow_mut().try_spend(self.now()) {
                self.probe.retries_refused.add(1);
                return Err(failure.fault);
            }
            self.probe.retries.add(1);
            tracing::debug!(%endpoint, made, fault = %failure.fault, ?pause, "calling again");
            sleep(pause).await;
        }
    }

    async fn attempt<T>(
        &self,
        endpoint: Endpoint,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let not_made = |fault| Failure::new(Sign::NotMade, fault);
        let Some(permit) = self.breaker.borrow_mut().admit(self.now()) else {
            self.probe.breaker_refused.add(1);
            let detail = format!("{endpoint}: not called, its last calls failed");
            return Err(not_made(Fault::upstream_failed(detail)));
        };
        let mut pending = Pending { guarded: self, permit: Some(permit) };
        let Ok(room) = timeout(UPSTREAM_BULKHEAD_WAIT, self.bulkhead.acquire()).await else {
            self.probe.bulkhead_refused.add(1);
            return Err(not_made(Fault::overloaded("upstream bulkhead")));
        };
        let _room = room.map_err(|_| not_made(Fault::internal("the bulkhead was closed")))?;
        let turn = self.rate.borrow_mut().reserve(self.now(), UPSTREAM_RATE_WAIT_MAX);
        match turn {
            Some(Duration::ZERO) => {}
            Some(wait) => sleep(wait).await,
            None => {
                self.probe.rate_refused.add(1);
                return Err(not_made(Fault::overloaded("upstream rate")));
            }
        }
        let counted = Counted::start(self, endpoint);
        let ended = call.await;
        counted.end(&ended);
        pending.judge(verdict(&ended));
        if let Err(Failure { sign: Sign::TooMany { after }, .. }) = &ended {
            let pause = after.unwrap_or(UPSTREAM_QUOTA_PAUSE).min(UPSTREAM_QUOTA_PAUSE_MAX);
            tracing::warn!(%endpoint, ?pause, "the game's API wants fewer calls");
            self.rate.borrow_mut().pause(self.now() + pause);
        }
        ended
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Uniform bits (SplitMix64); they only spread retries.
    fn roll(&self) -> u64 {
        let state = self.dice.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.dice.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn verdict<T>(ended: &Result<T, Failure>) -> Verdict {
    match ended.as_ref().map_err(|failure| failure.sign) {
        Ok(_) | Err(Sign::Well) => Verdict::Success,
        Err(Sign::Ill | Sign::TooMany { .. }) => Verdict::Failure,
        Err(Sign::Refused | Sign::NotMade) => Verdict::Unknown,
    }
}

/// The breaker's permit on its way; given back as "unknown" when the call is dropped.
struct Pending<'a> {
    guarded: &'a Guarded,
    permit: Option<Permit>,
}

impl Pending<'_> {
    fn judge(&mut self, verdict: Verdict) {
        let Some(permit) = self.permit.take() else { return };
        let now = self.guarded.now();
        let mut breaker = self.guarded.breaker.borrow_mut();
        let before = breaker.phase(now);
        breaker.record(permit, verdict, now);
        let after = breaker.phase(now);
        if after != before {
            tracing::warn!(?before, ?after, "breaker of the game's API");
            if after == Phase::Open {
                self.guarded.probe.breaker_opened.add(1);
            }
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.judge(Verdict::Unknown);
    }
}

/// A call on the way, counted as cancelled unless it ends.
struct Counted<'a> {
    guarded: &'a Guarded,
    endpoint: Endpoint,
    since: Duration,
    ended: bool,
}

impl<'a> Counted<'a> {
    fn start(guarded: &'a Guarded, endpoint: Endpoint) -> Self {
        guarded.probe.in_flight.add(1);
        Self { guarded, endpoint, since: guarded.now(), ended: false }
    }

    fn end<T>(mut self, ended: &Result<T, Failure>) {
        self.ended = true;
        let calls = self.guarded.probe.calls(self.endpoint);
        let spent = self.guarded.now().saturating_sub(self.since);
        calls.spent_us.add(u64::try_from(spent.as_micros()).unwrap_or(u64::MAX));
        let outcome = match ended {
            Ok(_) => &calls.answered,
            Err(Failure { fault: Fault { what: What::UpstreamTimeout { .. }, .. }, .. }) => {
                &calls.timed_out
            }
            Err(failure) => match failure.sign {
                Sign::Well => &calls.unknown,
                Sign::Ill => &calls.failed,
                Sign::TooMany { .. } => &calls.too_many,
                Sign::Refused | Sign::NotMade => &calls.refused,
            },
        };
        outcome.add(1);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.guarded.probe.in_flight.sub(1);
        if !self.ended {
            self.guarded.probe.calls(self.endpoint).cancelled.add(1);
        }
    }
}
