//! One multiplexed connection to Redis, kept up by a task, and commands over it that cost nothing while Redis is away:
//! without a connection, or with the breaker open, a command is refused at once.
//!
//! The keeper finds the master again whenever a connection breaks, goes silent or turns out to lead to a replica. A
//! command that may be sent twice and whose connection broke is sent once more when the new one comes within its time.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use redis::Cmd;
use redis::FromRedisValue;
use redis::Pipeline;
use redis::RedisResult;
use redis::ScriptInvocation;
use redis::aio::MultiplexedConnection;
use shards::clock::Clock;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::resilience::breaker::Breaker;
use crate::resilience::breaker::Permit;
use crate::resilience::breaker::Phase;
use crate::resilience::breaker::Settings;
use crate::resilience::breaker::Verdict;
use crate::stores::redis::address::Address;
use crate::stores::redis::link;
use crate::stores::redis::link::Link;
use crate::stores::redis::probe::RedisProbe;
use crate::stores::redis::refusals::Refusals;

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Redis is.
    pub address: Address,
    /// For one server to take a connection and answer on it.
    pub connect_timeout: Duration,
    /// For one command, its repetition included.
    pub command_timeout: Duration,
    /// Between two looks at a connection that says nothing. A frozen server is noticed after this and one command.
    pub heartbeat: Duration,
    /// When to leave a Redis alone that is there and does not answer.
    pub breaker: Settings,
}

impl Config {
    /// The times by default, and a breaker that looks at 20 commands and tries again after half a second.
    #[must_use]
    pub fn at(address: Address) -> Self {
        Self {
            address,
            connect_timeout: Duration::from_millis(500),
            command_timeout: Duration::from_millis(250),
            heartbeat: Duration::from_secs(1),
            breaker: Settings {
                window: 20,
                failures_percent: 50,
                open_for: Duration::from_millis(500),
                probes: 3,
            },
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Redis cannot be had now: nothing is known about what the command did, if it was sent.
    Away,
    /// Redis said no.
    Refused(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away => f.write_str("Redis is away"),
            Self::Refused(said) => write!(f, "Redis refused: {said}"),
        }
    }
}

/// Whether a command may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Twice is as good as once.
    Safe,
    /// Whoever asked has to find out what the first one did.
    Never,
}

/// The way to Redis. Cheap to clone; of one thread.
#[derive(Clone)]
pub struct Client(Rc<Inner>);

struct Inner {
    config: Config,
    clock: Rc<dyn Clock>,
    breaker: RefCell<Breaker>,
    link: watch::Sender<Option<Link>>,
    lost: Notify,
    refusals: Refusals,
    probe: Rc<RedisProbe>,
}

/// What keeps a client connected.
pub struct Keeper(Rc<Inner>);

/// First pause after a failed connection; doubles up to [`DIAL_PAUSE_MAX`].
const DIAL_PAUSE: Duration = Duration::from_millis(50);
/// Longest such pause: a Redis that is back is used again this much later.
const DIAL_PAUSE_MAX: Duration = Duration::from_millis(500);

impl Client {
    /// A client without a connection, and what makes and keeps one: to be run on the same thread.
    #[must_use]
    pub fn new(config: Config, clock: Rc<dyn Clock>) -> (Self, Keeper) {
        Self::counting(config, clock, Rc::default())
    }

    /// The same, counted together with others.
    #[must_use]
    pub fn counting(config: Config, clock: Rc<dyn Clock>, probe: Rc<RedisProbe>) -> (Self, Keeper) {
        let inner = Rc::new(Inner {
            breaker: RefCell::new(Breaker::new(config.breaker)),
            config,
            clock,
            link: watch::Sender::new(None),
            lost: Notify::new(),
            refusals: Refusals::default(),
            probe,
        });
        (Self(Rc::clone(&inner)), Keeper(inner))
    }

    /// Waits until there is a connection.
    pub async fn connected(&self) {
        // Fails only when the sender is gone, and this is the sender.
        let _ = self.0.link.subscribe().wait_for(Option::is_some).await;
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.link.borrow().is_some()
    }

    /// What it has counted.
    #[must_use]
    pub fn probe(&self) -> &RedisProbe {
        &self.0.probe
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// `closed`, `open` or `half_open`.
    #[must_use]
    pub fn breaker(&self) -> &'static str {
        match self.0.breaker.borrow().phase(self.0.clock.monotonic()) {
            Phase::Closed => "closed",
            Phase::Open => "open",
            Phase::HalfOpen => "half_open",
        }
    }

    /// One command.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn command<T: FromRedisValue>(
        &self,
        again: Again,
        command: &Cmd,
    ) -> Result<T, Trouble> {
        self.call(again, async |mut wire| command.query_async(&mut wire).await).await
    }

    /// One script; it is loaded when the server does not know it.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn script<T: FromRedisValue>(
        &self,
        again: Again,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Trouble> {
        self.call(again, async |mut wire| script.invoke_async(&mut wire).await).await
    }

    /// Several commands at once.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn pipeline<T: FromRedisValue>(
        &self,
        again: Again,
        pipeline: &Pipeline,
    ) -> Result<T, Trouble> {
        self.call(again, async |mut wire| pipeline.query_async(&mut wire).await).await
    }

    async fn call<T>(
        &self,
        again: Again,
        ask: impl AsyncFn(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Trouble> {
        let (inner, probe) = (&*self.0, &self.0.probe);
        let Some(link) = inner.link.borrow().clone() else {
            probe.away.add(1);
            return Err(Trouble::Away);
        };
        let began = inner.clock.monotonic();
        let Some(permit) = inner.breaker.borrow_mut().admit(began) else {
            probe.breaker_refused.add(1);
            return Err(Trouble::Away);
        };
        let mut pending = Pending { inner, permit: Some(permit) };
        let number = link.number;
        let ended = timeout(inner.config.command_timeout, inner.ask(again, link, &ask)).await;
        let spent = inner.clock.monotonic().saturating_sub(began);
        probe.spent_us.add(u64::try_from(spent.as_micros()).unwrap_or(u64::MAX));
        let (counter, verdict, result) = match ended {
            Ok(Ok(answer)) => (&probe.answered, Verdict::Success, Ok(answer)),
            Ok(Err(error)) if link::lost(&error) => {
                (&probe.broken, Verdict::Failure, Err(Trouble::Away))
            }
            Ok(Err(error)) => {
                match inner.refusals.begins(inner.clock.monotonic()) {
                    true => tracing::warn!(%error, "Redis refuses commands"),
                    false => tracing::debug!(%error, "Redis refused a command"),
                }
                (&probe.refused, Verdict::Success, Err(Trouble::Refused(error.to_string())))
            }
            Err(_) => (&probe.timed_out, Verdict::Failure, Err(Trouble::Away)),
        };
        counter.add(1);
        if pending.judge(verdict) == Phase::Open {
            inner.lose(number);
        }
        result
    }

    /// Somebody else has waited in vain for the server of this connection: it is given up, and made anew when the server
    /// answers.
    pub(super) fn suspect(&self, number: u64) {
        self.0.lose(number);
    }

    /// Connections as they come and go.
    pub(super) fn links(&self) -> watch::Receiver<Option<Link>> {
        self.0.link.subscribe()
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }
}

impl Inner {
    async fn ask<T>(
        &self,
        again: Again,
        link: Link,
        ask: &impl AsyncFn(MultiplexedConnection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let number = link.number;
        let error = match ask(link.connection).await {
            Err(error) if link::lost(&error) => error,
            answered => return answered,
        };
        self.lose(number);
        if again == Again::Never {
            return Err(error);
        }
        let mut links = self.link.subscribe();
        let newer = links.wait_for(|link| link.as_ref().is_some_and(|link| link.number > number));
        let Ok(Some(link)) = newer.await.map(|link| link.clone()) else { return Err(error) };
        self.probe.repeated.add(1);
        ask(link.connection).await
    }

    /// Gives up a connection, unless it is not the present one any more.
    fn lose(&self, number: u64) {
        let gone =
            self.link.send_if_modified(|link| link.take_if(|link| link.number == number).is_some());
        if gone {
            self.lost.notify_one();
        }
    }
}

impl Keeper {
    /// Connects, looks after the connection, connects again. Never ends.
    pub async fn run(self) {
        let inner = &*self.0;
        let (mut pause, mut number) = (DIAL_PAUSE, 0);
        loop {
            match link::dial(&inner.config.address, inner.config.connect_timeout).await {
                Ok((node, connection)) => {
                    number += 1;
                    pause = DIAL_PAUSE;
                    inner.probe.connected.add(1);
                    tracing::info!(%node, "connected to Redis");
                    inner.link.send_replace(Some(Link { connection, node, number }));
                    self.attend(number).await;
                }
                Err(error) => {
                    inner.probe.connect_failures.add(1);
                    // Once per outage, then only when somebody looks closer.
                    match pause {
                        DIAL_PAUSE => tracing::warn!(%error, "no connection to Redis"),
                        _ => tracing::debug!(%error, "no connection to Redis"),
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(DIAL_PAUSE_MAX);
                }
            }
        }
    }

    /// Returns when the connection of this number is lost.
    async fn attend(&self, number: u64) {
        let inner = &*self.0;
        inner.probe.up.add(1);
        let mut links = inner.link.subscribe();
        loop {
            let Some(link) = links.borrow_and_update().clone() else { break };
            let heartbeat = async {
                sleep(inner.config.heartbeat).await;
                let limit = inner.config.command_timeout;
                link::check(link.connection, limit).await
            };
            tokio::select! {
                () = inner.lost.notified() => {}
                found = heartbeat => if let Err(error) = found {
                    tracing::warn!(%error, "the connection to Redis does not do any more");
                    inner.lose(number);
                }
            }
        }
        inner.probe.up.sub(1);
    }
}

/// A call on its way: dropped half-way it says nothing about Redis.
struct Pending<'a> {
    inner: &'a Inner,
    permit: Option<Permit>,
}

impl Pending<'_> {
    /// Gives where the breaker stands now.
    fn judge(&mut self, verdict: Verdict) -> Phase {
        let now = self.inner.clock.monotonic();
        let mut breaker = self.inner.breaker.borrow_mut();
        let Some(permit) = self.permit.take() else { return breaker.phase(now) };
        let before = breaker.phase(now);
        breaker.record(permit, verdict, now);
        let after = breaker.phase(now);
        if before != Phase::Open && after == Phase::Open {
            self.inner.probe.breaker_opened.add(1);
            tracing::warn!("Redis is left alone for a while: its last commands failed");
        }
        after
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.judge(Verdict::Unknown);
    }
}
