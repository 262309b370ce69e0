//! The composition root: the only room that knows all others. Order matters and is commented; nothing listens
//! before everything that can fail has succeeded.

mod backing;
mod counting;
mod jobs;
mod shared;
mod valuations;

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use shards::ShardId;
use shards::clock::Clock;
use shards::clock::SystemClock;
use shards::host;
use shards::listen;
use shards::mailbox;
use shards::mailbox::Inbox;
use shards::mailbox::Mailboxes;
use shards::runtime;
use shards::runtime::Exit;
use shards::runtime::Setup;
use shards::runtime::Shard;
use shards::runtime::ShardThread;
use valuation::rules::DEFAULT;
use valuation::rules::Ruleset;

use backing::Kept;
use counting::Counting;
use jobs::Counted;
use shared::Way;

use crate::backplane::Backplane;
use crate::build;
use crate::compute::Compute;
use crate::config::Config;
use crate::config::Upstream;
use crate::expectation::directory::Directory;
use crate::expectation::directory::Trust;
use crate::expectation::flight::Patience;
use crate::expectation::flight::Tower;
use crate::expectation::flow;
use crate::expectation::flow::Flow;
use crate::expectation::jobs::Jobs;
use crate::expectation::shared::Backing;
use crate::http::Edge;
use crate::http::Timeouts;
use crate::http::probe::EdgeProbe;
use crate::limits::BREAKER_FAILURES_PERCENT;
use crate::limits::BREAKER_PROBES;
use crate::limits::BREAKER_WINDOW;
use crate::limits::CONNECTIONS_MAX;
use crate::limits::FDS_RESERVED;
use crate::limits::SHUTDOWN_GRACE;
use crate::resilience::breaker;
use crate::resilience::retry::Policy;
use crate::routes::api::About;
use crate::routes::api::Api;
use crate::routes::event;
use crate::routes::event::Event;
use crate::routes::owner::Owner;
use crate::routes::reports::Counters;
use crate::routes::reports::Reports;
use crate::rules_file;
use crate::secret::Secret;
use crate::stores::queue::orders::QueuedJobs;
use crate::stores::redis::shared::SharedRedis;
use crate::upstream::client::ClientConfig;
use crate::upstream::guarded::Guards;
use crate::upstream::sim::Sim;
use crate::upstream::sim::SimConfig;
use crate::upstream::sim::SimHandle;

/// Why the server did not start, or how it came to an unplanned end.
#[derive(Debug)]
pub enum StartError {
    /// What was configured cannot be used.
    Configuration(String),
    /// The machine did not give what is needed.
    Other(String),
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Configuration(message) | Self::Other(message) => f.write_str(message),
        }
    }
}

/// A running server. Dropping it stops its shards without grace.
pub struct Server {
    address: SocketAddr,
    shards: Vec<ShardThread>,
    /// Why something without which the server is none has ended.
    exits: mpsc::Receiver<String>,
    store: Option<backing::End>,
    /// The backplane's thread, and the store's task on it, end with the last handle.
    _backplane: Backplane,
    /// Plays the game's API when none is configured; lives as long as the server.
    _simulator: Option<SimHandle>,
}

impl Server {
    /// Starts everything; returns when every shard serves.
    ///
    /// # Errors
    /// [`StartError`]; nothing is listening then.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        // What can be wrong in files first: cheap, and said before any thread runs.
        let rules = Arc::new(ruleset(config)?);
        let count = shard_count(config)?;
        let connections_max = connections_per_shard(count)?;
        // The upstream before the backplane, which needs its address.
        let (simulator, base_url) = upstream(config)?;
        let kind = if simulator.is_some() { "simulator" } else { "http" };
        tracing::info!(upstream = kind, url = %base_url, ruleset = %rules.id, "valuing");
        if simulator.is_some() {
            tracing::warn!(
                "no NEXON_API_KEY and no --upstream: characters come from the built-in simulator"
            );
        }
        let store = backing::open(config, &game_name(kind, &base_url))?;
        let (mailboxes, inboxes) = mailbox::lanes(count);
        let (instance, edition) = (shared::instance(config), edition(config, &rules)?);
        let (counted, jobs) = jobs::open(config, &instance)?;
        let mut memory =
            shared::open(config, instance, edition, &mailboxes, (jobs, store.kept.server()))?;
        let client = client_config(config, &base_url);
        let guests = store.guest.into_iter().chain([memory.guest]).collect();
        let (exit, exits) = mpsc::channel();
        let end = ends(&exit);
        let on_panic = move |why| end(format!("the backplane ended: {why}"));
        let backplane = Backplane::start(client, guards(config), guests, on_panic)
            .map_err(|error| StartError::Configuration(error.to_string()))?;
        store.schema.as_ref().map_or(Ok(()), backing::await_schema)?;
        let compute = Compute::start(Arc::clone(&rules))?;
        let about = Arc::new(about(config, count, &rules, (kind, base_url)));
        // The listeners last: a client that connects is answered.
        let listeners = listeners(config.listen, count).map_err(|error| {
            StartError::Configuration(format!("server.listen: {}: {error}", config.listen))
        })?;
        let address = listeners[0].local_addr()?;
        let allowed = host::allowed_cores()?;
        let mut shards = Vec::with_capacity(listeners.len());
        for ((id, listener), inbox) in ShardId::all(count).zip(listeners).zip(inboxes) {
            let setup = Setup {
                id,
                shards: count,
                core: host::core_of(id, count, &allowed),
                driver: config.driver,
                connections_max,
            };
            let parts = Parts {
                config: config.clone(),
                backplane: backplane.clone(),
                compute: compute.clone(),
                kept: store.kept.clone(),
                shared: memory.shared.clone(),
                way: memory.ways.pop(),
                jobs: counted.clone(),
                valuations: memory.valuations.clone(),
                about: Arc::clone(&about),
                mailboxes: mailboxes.clone(),
                inbox,
            };
            let end = ends(&exit);
            let on_exit = move |id, how: &Exit| end(format!("shard {id} ended: {how:?}"));
            let thread =
                runtime::start(setup, listener, |shard| Ok(parts.into_edge(shard)), on_exit)
                    .map_err(|error| StartError::Other(format!("shard {id}: {error}")))?;
            tracing::info!(shard = %id, driver = %thread.driver, "serving");
            shards.push(thread);
        }
        Ok(Self {
            address,
            shards,
            exits,
            store: Some(store.end),
            _backplane: backplane,
            _simulator: simulator,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests in flight finish within `grace`, and ends the shards.
    pub fn stop(mut self, grace: Duration) {
        for shard in &mut self.shards {
            shard.stop(grace);
        }
        // Not one after the other: a connection of one may wait for the work of another.
        self.shards.iter().for_each(ShardThread::await_drained);
        for shard in self.shards.drain(..) {
            let (id, exit) = (shard.id, shard.join());
            tracing::info!(shard = %id, ?exit, "ended");
        }
        // After the last shard, which may still have had something to keep.
        self.end_store();
    }

    /// An end nobody asked for: what waits to be written is not lost with it.
    fn abandon(mut self) {
        self.end_store();
    }

    fn end_store(&mut self) {
        if let Some(store) = self.store.take() {
            store.end();
        }
    }
}

/// Starts the server and runs it until SIGTERM or SIGINT; a second signal ends it at once.
///
/// # Errors
/// It did not start, or a shard ended by itself.
pub fn serve(config: Config) -> Result<(), StartError> {
    // Before there are threads and much memory. The server runs without it as well.
    if let Err(cause) = host::refuse_huge_pages() {
        tracing::warn!(%cause, "huge pages stay on: the process will occupy more memory");
    }
    let signals = signals()?;
    let server = Server::start(&config)?;
    if !build::is_fast() {
        tracing::warn!(
            features = build::TARGET_FEATURES,
            "built without the CPU features the parser wants"
        );
    }
    tracing::info!(address = %server.address(), version = build::VERSION, "listening");
    match supervise(&server.exits, &signals) {
        Ok(signal) => {
            tracing::info!(signal, "stopping");
            server.stop(SHUTDOWN_GRACE);
            Ok(())
        }
        Err(ended) => {
            server.abandon();
            Err(ended)
        }
    }
}

/// Ends the process with a reason.
fn ends(exit: &mpsc::Sender<String>) -> impl FnOnce(String) + Send + 'static {
    let exit = exit.clone();
    move |why| {
        // Fails only when the server is gone already.
        let _ = exit.send(why);
    }
}

/// Waits for a signal; a shard or the backplane that ends before ends the process.
fn supervise(
    exits: &mpsc::Receiver<String>,
    signals: &mpsc::Receiver<i32>,
) -> Result<i32, StartError> {
    loop {
        if let Ok(why) = exits.try_recv() {
            // A shard's state is unknown after a panic and its characters have no other owner.
            return Err(StartError::Other(why));
        }
        match signals.recv_timeout(SUPERVISION_INTERVAL) {
            Ok(signal) => return Ok(signal),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(StartError::Other("the signal thread has ended".to_owned()));
            }
        }
    }
}

/// How soon the end of a shard is noticed.
const SUPERVISION_INTERVAL: Duration = Duration::from_millis(100);

/// The first signal is reported; from then on the same signal has its default effect, so a second one ends the
/// process at once.
fn signals() -> Result<mpsc::Receiver<i32>, StartError> {
    use signal_hook::consts::SIGINT;
    use signal_hook::consts::SIGTERM;
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let (report, reported) = mpsc::channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if report.send(signal).is_err()
                || REPORTED.swap(true, std::sync::atomic::Ordering::Relaxed)
            {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    })?;
    Ok(reported)
}

static REPORTED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// What a shard's thread is given to build itself from.
struct Parts {
    config: Config,
    backplane: Backplane,
    compute: Compute,
    kept: Kept,
    shared: Option<SharedRedis>,
    /// The shard's own to the same memory.
    way: Option<Way>,
    jobs: Counted,
    valuations: QueuedJobs,
    about: Arc<About>,
    mailboxes: Mailboxes<Event>,
    inbox: Inbox<Event>,
}

impl Parts {
    /// Builds the shard's service, on its thread.
    fn into_edge(self, shard: &Shard) -> Edge<Api<Backplane, Compute>> {
        let config = &self.config;
        // A quarter for finished answers, which share the gzip bodies with their owner's cache; the rest for the owner.
        let bytes_max = config.l1_bytes_max / u64::from(self.about.shards);
        let near_bytes_max = bytes_max / 4;
        let limits = flow::Limits {
            fresh: config.fresh,
            stale: config.stale,
            force_cool_down: config.force_cool_down,
            l1_bytes_max: bytes_max - near_bytes_max,
        };
        let trust = Trust { known: config.identity, unknown: config.negative };
        let patience =
            Patience { leader: config.leader_deadline, follower: config.follower_deadline };
        let tower = Tower { patience, probe: Rc::default() };
        let clock = || Rc::clone(&shard.clock) as Rc<dyn Clock>;
        let (game, compute) = (self.backplane.clone(), self.compute.clone());
        let (shared, direct) = self.way.map(|way| way.open(shard)).unzip();
        let backing = Backing { ledger: self.kept.ledger(), shared };
        let directory =
            Directory::new(game.clone(), backing.clone(), clock(), trust, tower.clone());
        let flow =
            Flow::new(game, compute, backing, (clock(), shard.clock.fine()), (limits, tower));
        let mailboxes = self.mailboxes.clone();
        let jobs = Rc::new(self.valuations.clone()) as Rc<dyn Jobs>;
        let lanes = (shard.id, self.mailboxes);
        let owner = Owner::new(lanes, directory, flow, jobs, near_bytes_max);
        let edge_probe = Rc::<EdgeProbe>::default();
        let counters = Counters::new(counting::report(shard, &edge_probe, &owner, direct));
        let (working, counting) = (Rc::clone(&owner), Rc::clone(&counters));
        let work = move |event| event::work(event, Rc::clone(&working), Rc::clone(&counting));
        shards::spawn::spawn(self.inbox.pump(Rc::clone(&shard.probe), work));
        if let Some(shared) = self.shared.clone() {
            shards::spawn::spawn(report_visits(Rc::clone(&owner), shared));
        }
        let counted = Counting {
            backplane: self.backplane,
            compute: self.compute,
            kept: self.kept,
            shared: self.shared,
            jobs: self.jobs,
            valuations: self.valuations,
        };
        let fine = Rc::new(SystemClock::new());
        let reports =
            Reports::new(shard.id, mailboxes, counters, fine, counting::renderer(counted));
        let timeouts = Timeouts {
            head: config.head_timeout,
            body: config.head_timeout,
            idle: config.idle_timeout,
            write_stall: config.write_timeout,
            ..Timeouts::default()
        };
        let api = Api::new(owner, reports, self.about);
        Edge::new(api, Rc::clone(&shard.clock), timeouts, edge_probe)
    }
}

fn about(
    config: &Config,
    shards: u16,
    rules: &Ruleset,
    (upstream_kind, upstream_url): (&'static str, String),
) -> About {
    About {
        shards,
        ruleset: rules.id.clone(),
        upstream_kind,
        upstream_url,
        deadline: config.deadline,
        in_flight_max: config.in_flight_max,
    }
}

/// Tells the shared memory every second who was asked for.
async fn report_visits(owner: Rc<Owner<Backplane, Compute>>, shared: SharedRedis) {
    loop {
        shards::spawn::sleep(VISITS_INTERVAL).await;
        let visits = owner.take_visits();
        if !visits.is_empty() {
            shared.visited(visits);
        }
    }
}

/// How often.
const VISITS_INTERVAL: Duration = Duration::from_secs(1);

fn guards(config: &Config) -> Guards {
    Guards {
        retry: Policy { attempts_max: config.retry_attempts, base: config.retry_base },
        retries_per_minute: config.retries_per_minute,
        breaker: breaker::Settings {
            window: BREAKER_WINDOW,
            failures_percent: BREAKER_FAILURES_PERCENT,
            open_for: config.breaker_open,
            probes: BREAKER_PROBES,
        },
        concurrency: config.upstream_concurrency,
        calls_per_second: config.calls_per_second,
    }
}

/// One listener per shard. The kernel would let a second process of the same user share the port and take half of
/// its connections; a plain socket is refused then, so one is tried first.
fn listeners(address: SocketAddr, count: u16) -> io::Result<Vec<TcpListener>> {
    if address.port() != 0 {
        drop(TcpListener::bind(address)?);
    }
    listen::bind_reuseport(address, count)
}

fn ruleset(config: &Config) -> Result<Ruleset, StartError> {
    let Some(path) = &config.rules_file else {
        return Ok(Ruleset::built_in(DEFAULT).expect("the default ruleset is built in"));
    };
    rules_file::load(path).map_err(StartError::Configuration)
}

fn shard_count(config: &Config) -> Result<u16, StartError> {
    let cores = host::allowed_cores()?.len();
    Ok(config.shards.unwrap_or_else(|| u16::try_from(cores).unwrap_or(u16::MAX).max(1)))
}

/// Every connection is a file descriptor: the limit of the process bounds them.
fn connections_per_shard(shards: u16) -> Result<usize, StartError> {
    let fds = usize::try_from(host::raise_fd_limit()?).unwrap_or(usize::MAX);
    let allowed = fds.saturating_sub(FDS_RESERVED).max(usize::from(shards));
    if allowed < CONNECTIONS_MAX {
        tracing::warn!(
            allowed,
            wanted = CONNECTIONS_MAX,
            "connections bounded by the open files limit"
        );
    }
    Ok(allowed.min(CONNECTIONS_MAX) / usize::from(shards))
}

fn upstream(config: &Config) -> Result<(Option<SimHandle>, String), StartError> {
    match &config.upstream {
        Upstream::At(url) => Ok((None, url.clone())),
        Upstream::BuiltInSimulator => {
            let simulator = Sim::start(SimConfig {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                fixtures: Vec::new(),
                latency_ms: 0,
                jitter_ms: 0,
                quota_per_second: None,
            })?;
            let url = simulator.base_url();
            Ok((Some(simulator), url))
        }
    }
}

/// Eight hexadecimal digits for what this build makes of gear under this ruleset: what another one made is not ours to
/// serve.
fn edition(config: &Config, rules: &Ruleset) -> Result<String, StartError> {
    let file = config.rules_file.as_ref().map(std::fs::read).transpose()?.unwrap_or_default();
    let parts = [rules.id.as_bytes(), build::VERSION.as_bytes(), build::COMMIT.as_bytes(), &file];
    let hash = xxhash_rust::xxh3::xxh3_64(&parts.join(&0));
    Ok(format!("{:08x}", hash >> 32))
}

/// Tells one game API from another. The built-in simulator listens on another port at each start.
fn game_name(kind: &str, base_url: &str) -> String {
    let host = base_url.split("://").last().unwrap_or_default();
    match kind {
        "simulator" => kind.to_owned(),
        _ => host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect(),
    }
}

fn client_config(config: &Config, base_url: &str) -> ClientConfig {
    // A simulator takes any key, but like the real API it wants one.
    let key = if config.api_key.is_empty() { "none" } else { config.api_key.reveal() };
    ClientConfig {
        base_url: base_url.to_owned(),
        api_key: Secret::new(key),
        connect_timeout: config.upstream_connect_timeout,
        response_timeout: config.upstream_response_timeout,
        user_agent: format!("maple-expectation/{}", build::VERSION),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a panicked shard is tested in `shards`, of the backplane there; here, what the process makes of
    /// their reports.
    #[test]
    fn what_ends_unasked_ends_the_process_with_its_reason() {
        let (exit, exits) = mpsc::channel();
        let (_signal, signals) = mpsc::channel();
        ends(&exit)("shard 1 ended: broken invariant".to_owned());
        let end = supervise(&exits, &signals).unwrap_err().to_string();
        assert_eq!(end, "shard 1 ended: broken invariant");
    }

    #[test]
    fn a_signal_ends_the_wait() {
        let (_exit, exits) = mpsc::channel();
        let (signal, signals) = mpsc::channel();
        signal.send(15).unwrap();
        assert_eq!(supervise(&exits, &signals).unwrap(), 15);
    }
}
