//! The simulated game API and its switches. Counters are of all characters together, so a scenario resets them
//! before it counts. See `src/upstream/sim/` for what each switch does.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;
use crate::process::Process;
use crate::process::Usage;

/// A running simulator.
pub(crate) struct Sim {
    process: Process,
}

/// What it has counted, and its gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Calls that ask for the id of a name.
    pub(crate) id: u64,
    /// Calls that ask for the gear behind an id.
    pub(crate) equipment: u64,
    /// Calls whose caller went away before the answer was complete.
    pub(crate) aborted: u64,
    /// Calls waiting at the closed gate now.
    pub(crate) held: u64,
}

impl Sim {
    pub(crate) async fn start(binary: &Path, folder: &Path) -> Outcome<Self> {
        let mut command = Command::new(binary);
        command.args(["nexon-sim", "--listen", "127.0.0.1:0"]).env_clear();
        Ok(Self { process: Process::start(command, folder, "url=http://").await? })
    }

    /// As an upstream's base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.process.address())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) async fn close_gate(&self) -> Outcome<()> {
        self.set(r#"{"gate":"hold"}"#).await
    }

    pub(crate) async fn open_gate(&self) -> Outcome<()> {
        self.set(r#"{"gate":"open"}"#).await
    }

    /// Changes the named switches.
    pub(crate) async fn set(&self, switches: &str) -> Outcome<()> {
        self.admin("POST", "set", switches).await.map(drop)
    }

    /// From now on a character wears something else; each revision is other gear.
    pub(crate) async fn change_gear(&self, name: &str, revision: u32) -> Outcome<()> {
        let change = serde_json::json!({ "name": name, "revision": revision });
        self.admin("POST", "character", &change.to_string()).await.map(drop)
    }

    /// Switches as at the start, counters to zero.
    pub(crate) async fn reset(&self) -> Outcome<()> {
        self.admin("POST", "reset", "").await.map(drop)
    }

    pub(crate) async fn seen(&self) -> Outcome<Seen> {
        let state = self.admin("GET", "state", "").await?;
        let count = |path: &str| state.pointer(path).and_then(Value::as_u64);
        // An endpoint nobody called has no entry.
        let requests = |endpoint: &str| count(&format!("/counters/requests/{endpoint}"));
        let always = |name: &str| {
            count(&format!("/counters/{name}"))
                .ok_or_else(|| Failure::new(format!("the simulator does not count {name}")))
        };
        Ok(Seen {
            id: requests("id").unwrap_or(0),
            equipment: requests("equipment").unwrap_or(0),
            aborted: always("aborted")?,
            held: always("held")?,
        })
    }

    pub(crate) fn usage(&self) -> Outcome<Usage> {
        self.process.usage()
    }

    async fn admin(&self, method: &str, route: &str, body: &str) -> Outcome<Value> {
        let request = http::request(method, &format!("/_sim/{route}"), body);
        let reply = http::exchange(self.process.address(), &request).await?;
        match reply.status {
            200 => Ok(serde_json::from_slice(&reply.body)?),
            status => Err(Failure::new(format!("/_sim/{route}: {status} {}", reply.text()))),
        }
    }
}
