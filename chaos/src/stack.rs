//! What every scenario begins with: a server of two shards in front of an upstream, both new, both its own.
//! The scale decides how long and how many; a scenario never looks at it otherwise. Several servers over stores
//! they share: `tier`.

use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use chaos::loopback;
use clap::ValueEnum;
use serde_json::Value;
use tempfile::TempDir;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::locker::Locker;
use crate::metrics::Metrics;
use crate::process::Process;
use crate::process::Usage;
use crate::report::Report;
use crate::sim::Sim;

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// Seconds: does the mechanism work? For the test run, with debug builds beside other tests.
    Small,
    /// Minutes: do the claims hold? For results with a commit.
    Full,
}

/// What a scenario is given.
pub(crate) struct Context {
    scale: Scale,
    binary: PathBuf,
    /// Logs and data of everything started.
    folder: TempDir,
}

/// A server and its upstream. Dropping it kills both.
pub(crate) struct Stack {
    pub(crate) server: Server,
    pub(crate) sim: Sim,
}

/// A running server.
pub(crate) struct Server {
    process: Process,
    plan: Plan,
}

/// How a server is started; the same each time, so that a restart finds its port and its data.
struct Plan {
    binary: PathBuf,
    /// For logs.
    folder: PathBuf,
    data: PathBuf,
    listen: SocketAddr,
    upstream: String,
    environment: Vec<(String, String)>,
}

/// Shards of every server here: two, so that hops and near caches take part.
pub(crate) const SHARDS: usize = 2;
/// At the small scale limits on time are this many times wider: a debug build on a machine that does other things.
const SMALL_SCALE_SLACK: u32 = 20;

impl Context {
    pub(crate) fn new(scale: Scale, binary: &Path) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        Ok(Self { scale, binary: binary.to_owned(), folder })
    }

    /// One of two, by scale.
    pub(crate) fn pick<T>(&self, small: T, full: T) -> T {
        match self.scale {
            Scale::Small => small,
            Scale::Full => full,
        }
    }

    /// A limit on time as claimed, or wider at the small scale.
    pub(crate) fn limit(&self, claimed: Duration) -> Duration {
        self.pick(claimed * SMALL_SCALE_SLACK, claimed)
    }

    /// A server with these configuration keys changed, over a simulator.
    pub(crate) async fn stack(&self, keys: &[(&str, &str)]) -> Outcome<Stack> {
        let sim = Sim::start(&self.binary, self.folder.path()).await?;
        Ok(Stack { server: self.server(&sim.url(), keys).await?, sim })
    }

    /// A server over an upstream of one's own.
    pub(crate) async fn server(&self, upstream: &str, keys: &[(&str, &str)]) -> Outcome<Server> {
        Server::start(&self.binary, self.folder.path(), upstream, &environment(keys)).await
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A process that counts under locks, with these arguments.
    pub(crate) fn locker(&self, arguments: &[&str]) -> Outcome<Locker> {
        Locker::start(&self.binary, self.folder.path(), arguments)
    }

    /// The logs of everything started, for a person who wants to know why it failed.
    pub(crate) fn logs(&self) -> Outcome<String> {
        let mut logs = String::new();
        for entry in std::fs::read_dir(self.folder.path())? {
            let path = entry?.path();
            if path.is_file() {
                logs.push_str(&format!("-- {}\n", path.display()));
                logs.push_str(&tail(&String::from_utf8_lossy(&std::fs::read(&path)?)));
            }
        }
        Ok(logs)
    }
}

impl Server {
    /// A server over an upstream, with its data and its log in `folder` and nothing but this environment.
    pub(crate) async fn start(
        binary: &Path,
        folder: &Path,
        upstream: &str,
        environment: &[(String, String)],
    ) -> Outcome<Self> {
        Self::start_at(loopback::address(0), binary, folder, upstream, environment).await
    }

    /// As [`start`](Self::start), on this port.
    pub(crate) async fn start_at(
        listen: SocketAddr,
        binary: &Path,
        folder: &Path,
        upstream: &str,
        environment: &[(String, String)],
    ) -> Outcome<Self> {
        let plan = Plan {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            data: tempfile::tempdir_in(folder)?.keep(),
            listen,
            upstream: upstream.to_owned(),
            environment: environment.to_vec(),
        };
        Ok(Self { process: plan.start().await?, plan })
    }

    /// Ends it in order and starts it again on its port and its data.
    pub(crate) async fn restart(self) -> Outcome<Self> {
        let Self { process, plan } = self;
        if !process.stop().await? {
            return Err(Failure::new("a server did not end in order"));
        }
        Ok(Self { process: plan.start().await?, plan })
    }

    /// Asks it to end and waits. Whether it ended in order.
    pub(crate) async fn stop(self) -> Outcome<bool> {
        self.process.stop().await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address()
    }

    pub(crate) async fn metrics(&self) -> Outcome<Metrics> {
        Metrics::scrape(self.address()).await
    }

    /// Reports what it is and what it has used.
    pub(crate) async fn account(&self, report: &mut Report) -> Outcome<()> {
        let info =
            http::exchange(self.address(), &http::request("GET", "/actuator/info", "")).await?;
        let info: Value = serde_json::from_slice(&info.body)?;
        let Usage { cpu, rss_bytes } = self.process.usage()?;
        let [commit, profile, driver] = ["/app/commit", "/app/profile", "/runtime/driver"]
            .map(|path| info.pointer(path).and_then(Value::as_str).unwrap_or("unknown"));
        report.measured("server", format!("commit {commit}, {profile} build, driver {driver}"));
        report.measured("server CPU", format!("{cpu:.2?}"));
        report.measured("server resident", format!("{} KiB", rss_bytes / 1024));
        Ok(())
    }
}

impl Plan {
    async fn start(&self) -> Outcome<Process> {
        let mut command = Command::new(&self.binary);
        command.args(["--listen", &self.listen.to_string(), "--upstream", &self.upstream]);
        command.args(["--shards", &SHARDS.to_string()]).arg("--data").arg(&self.data);
        // Nothing from the shell that started this program may configure the server.
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        Process::start(command, &self.folder, "address=").await
    }
}

impl Stack {
    /// Reports what the server is and what both processes have used.
    pub(crate) async fn account(&self, report: &mut Report) -> Outcome<()> {
        self.server.account(report).await?;
        report.measured("simulator CPU", format!("{:.2?}", self.sim.usage()?.cpu));
        Ok(())
    }
}

/// Configuration keys as the environment that sets them.
pub(crate) fn environment(keys: &[(&str, &str)]) -> Vec<(String, String)> {
    let variable = |key: &str| format!("MAPLE_{}", key.replace('.', "_").to_uppercase());
    keys.iter().map(|(key, value)| (variable(key), (*value).to_owned())).collect()
}

fn tail(log: &str) -> String {
    const LINES_MAX: usize = 30;
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].iter().map(|line| format!("{line}\n")).collect()
}
