//! The load generator of the crate `bench` as a child process: an open loop on one address, with a core to itself as far
//! as there is one, so that its latencies are not those of the suite's one thread. It repeats nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::stack::Context;

/// A load of GETs at a fixed rate.
pub(crate) struct BenchLoad {
    pub(crate) rate_per_second: u32,
    pub(crate) duration: Duration,
    pub(crate) connections: u32,
}

/// What it counted.
pub(crate) struct Counted {
    /// Answers as expected.
    pub(crate) requests: u64,
    /// Everything else: statuses other than 200, broken and refused connections, timeouts.
    pub(crate) errors: u64,
    /// Errors by kind, with examples.
    pub(crate) told: String,
    /// p50, p99 and more, microseconds.
    pub(crate) latency_us: String,
}

impl BenchLoad {
    /// Asks for these paths in turns until the time is over.
    pub(crate) async fn run(
        &self,
        context: &Context,
        server: SocketAddr,
        paths: &[String],
    ) -> Outcome<Counted> {
        let report = tempfile::NamedTempFile::new_in(context.folder())?.into_temp_path();
        let mut command = Command::new(program()?);
        command.arg("load").args(paths.iter().map(|path| format!("http://{server}{path}")));
        command.args(["--rate", &self.rate_per_second.to_string(), "--threads", "1"]);
        command.args(["--connections", &self.connections.to_string(), "--warmup", "0s"]);
        command.args(["--duration", &format!("{}ms", self.duration.as_millis())]);
        // Servers value for themselves, each at its own time, and say so.
        command.args(["--allow-body-change", "--errors-allowed", "--quiet"]);
        command.arg("--json").arg(&report).stdin(Stdio::null()).stdout(Stdio::null());
        let status = spawn_blocking(|| chaos::child::spawn(command)?.wait()).await??;
        if !status.success() {
            return Err(Failure::new(format!("bench load: {status}")));
        }
        Counted::read(&serde_json::from_slice(&std::fs::read(&report)?)?)
    }
}

impl Counted {
    fn read(report: &Value) -> Outcome<Self> {
        let missing = |field: &str| Failure::new(format!("bench load reports no {field}"));
        let count = |field: &str| report[field].as_u64().ok_or_else(|| missing(field));
        Ok(Self {
            requests: count("requests")?,
            errors: count("errors")?,
            told: format!("{} {}", report["failures"], report["examples"]),
            latency_us: report["latencyUs"].to_string(),
        })
    }
}

/// Built together with the server, beside this program.
fn program() -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("bench");
    match path.is_file() {
        true => Ok(path),
        false => Err(Failure::new("no bench beside this program; cargo build -p bench")),
    }
}
