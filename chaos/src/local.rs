//! `cargo chaos stack up`: servers over a simulator on this machine, with shared stores or without, until a signal.
//! Whoever holds the lock on the state file is the running stack, so that `down` never signals a stranger.
//! It does not watch what it started: a server that dies stays dead. The same with containers: docker-compose.yml.

use std::fs::File;
use std::fs::TryLockError;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use chaos::services::MariaDb;
use chaos::services::Replicated;
use clap::Args;
use clap::Subcommand;
use rustix::process::Pid;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::sim::Sim;
use crate::stack::Server;

/// What to do with the local stack.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Start it; run until Ctrl-C, SIGTERM or `stack down`
    Up(Up),
    /// End the one that runs
    Down(StateFile),
}

/// What the stack consists of.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Servers, each on a port of its own
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=16))]
    servers: u8,
    /// MariaDB and Redis (a replica, three sentinels) that the servers share; otherwise each has its own data
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true")]
    shared: bool,
    /// The server's binary [default: built now, in the profile of this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: Option<PathBuf>,
    #[command(flatten)]
    state: StateFile,
}

/// Where the running stack is written down.
#[derive(Debug, Args)]
pub(crate) struct StateFile {
    /// File that names the running stack [default: maple-stack.json in the temporary folder]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// What servers share.
struct Stores {
    db: MariaDb,
    redis: Replicated,
}

/// Role, URL and process id of something that runs.
type Member = (&'static str, String, u32);

/// Longest wait of `down`: the servers may take half a minute each for requests in work.
const DOWN_TIMEOUT: Duration = Duration::from_secs(90);
const DOWN_POLL: Duration = Duration::from_millis(20);

/// Starts a stack and runs it to its end.
pub(crate) fn up(options: &Up, binary: &Path) -> Outcome<()> {
    let path = options.state.path();
    let mut state =
        File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
    match state.try_lock() {
        Err(TryLockError::WouldBlock) => {
            return Err(Failure::new(format!("a stack runs already: {}", path.display())));
        }
        locked => locked?,
    }
    // What a stack that was killed has left.
    state.set_len(0)?;
    // From here on a signal waits until everything has started.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::Builder::new().prefix("chaos-stack-").tempdir()?;
    let stores = if options.shared { Some(Stores::start()?) } else { None };
    let environment = stores.as_ref().map(Stores::environment).unwrap_or_default();
    let (sim, servers) = runtime.block_on(async {
        let sim = Sim::start(binary, folder.path()).await?;
        let mut servers = Vec::new();
        for _ in 0..options.servers {
            servers.push(Server::start(binary, folder.path(), &sim.url(), &environment).await?);
        }
        Ok::<_, Failure>((sim, servers))
    })?;

    println!("logs      {}", folder.path().display());
    println!("state     {}", path.display());
    announce(&members(&servers, &sim, stores.as_ref()), &mut state)?;

    signals.forever().next();
    println!("stopping");
    for server in servers {
        if !runtime.block_on(server.stop())? {
            eprintln!("chaos: a server did not end in order");
        }
    }
    // While the lock is held: another stack would write a file that is gone.
    Ok(std::fs::remove_file(path)?)
}

/// Ends the stack that runs and waits for its end.
pub(crate) fn down(state: &StateFile) -> Outcome<()> {
    let path = state.path();
    let none = || Failure::new(format!("no stack runs: {}", path.display()));
    let mut state = File::open(&path).map_err(|_| none())?;
    if state.try_lock_shared().is_ok() {
        return Err(none());
    }
    let mut text = String::new();
    state.read_to_string(&mut text)?;
    let pid = serde_json::from_str::<Value>(&text).ok();
    let pid =
        pid.and_then(|state| state.get("pid")?.as_i64()?.try_into().ok()).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::new(format!("not up yet: {}", path.display())))?;
    rustix::process::kill_process(pid, Signal::TERM)?;
    let ended = async {
        let patience = Instant::now() + DOWN_TIMEOUT;
        while Instant::now() < patience {
            if state.try_lock_shared().is_ok() {
                return Ok(());
            }
            sleep(DOWN_POLL).await;
        }
        Err(Failure::new(format!("process {pid:?} still runs after {DOWN_TIMEOUT:?}")))
    };
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(ended)
}

impl StateFile {
    fn path(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| std::env::temp_dir().join("maple-stack.json"))
    }
}

impl Stores {
    fn start() -> Outcome<Self> {
        Ok(Self { db: MariaDb::start()?, redis: Replicated::start()? })
    }

    fn environment(&self) -> Vec<(String, String)> {
        vec![("DATABASE_URL".to_owned(), self.db.url()), ("REDIS_URL".to_owned(), self.redis.url())]
    }
}

/// Tells a person, and whoever reads the state file, what runs.
fn announce(members: &[Member], state: &mut File) -> Outcome<()> {
    for (role, url, pid) in members {
        println!("{role:<9} pid {pid:<8} {url}");
    }
    let members: Vec<Value> = members
        .iter()
        .map(|(role, url, pid)| json!({ "role": role, "url": url, "pid": pid }))
        .collect();
    writeln!(state, "{:#}", json!({ "pid": std::process::id(), "members": members }))?;
    println!("ready");
    Ok(())
}

/// Role, URL and process id of everything that runs.
fn members(servers: &[Server], sim: &Sim, stores: Option<&Stores>) -> Vec<Member> {
    let mut members = Vec::new();
    for server in servers {
        members.push(("server", format!("http://{}", server.address()), server.pid()));
    }
    members.push(("upstream", sim.url(), sim.pid()));
    let Some(Stores { db, redis }) = stores else { return members };
    members.extend(db.pid().map(|pid| ("mariadb", db.url(), pid)));
    for node in &redis.nodes {
        members.extend(node.pid().map(|pid| ("redis", node.url(), pid)));
    }
    for sentinel in &redis.sentinels {
        members.extend(sentinel.pid().map(|pid| ("sentinel", redis.url(), pid)));
    }
    members
}
