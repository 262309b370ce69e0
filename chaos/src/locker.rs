//! Processes of the example `lock_counter`, which counts in SQL under a lock: started, heard, frozen, waited for. What
//! they say, a JSON document to a line, goes to a file in the scenario's folder.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;

/// One process. Dropping it kills it.
pub(crate) struct Locker {
    child: Child,
    said: PathBuf,
}

/// Longest wait for a process to say something; it waits for a lock itself for at most 60 s.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(10);

impl Locker {
    /// Starts one. The program lies where cargo puts examples, beside the server's binary.
    pub(crate) fn start(server: &Path, folder: &Path, arguments: &[&str]) -> Outcome<Self> {
        let beside = server.parent().ok_or_else(|| Failure::new("the server lies nowhere"))?;
        let program = beside.join("examples/lock_counter");
        if !program.is_file() {
            return Err(Failure::new(format!("no {}", program.display())));
        }
        let (file, said) =
            tempfile::Builder::new().prefix("locker-").tempfile_in(folder)?.keep()?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.stdout(file.try_clone()?).stderr(file);
        Ok(Self { child: chaos::child::spawn(command)?, said })
    }

    /// Waits until it has said something about `what`, and gives it.
    pub(crate) async fn says(&mut self, what: &str) -> Outcome<Value> {
        let patience = Instant::now() + PATIENCE;
        loop {
            // Before it is read: what a process that has ended had to say is there.
            let ended = self.child.try_wait()?;
            let text = fs::read_to_string(&self.said)?;
            if let Some(document) = said_about(what, &text) {
                return Ok(document);
            }
            if let Some(status) = ended {
                return Err(Failure::new(format!("{status} before {what:?}: {}", text.trim())));
            }
            if Instant::now() > patience {
                return Err(Failure::new(format!("said nothing about {what:?} in {PATIENCE:?}")));
            }
            sleep(POLL).await;
        }
    }

    /// Waits for its end.
    pub(crate) async fn ends(mut self) -> Outcome<()> {
        let patience = Instant::now() + PATIENCE;
        while Instant::now() < patience {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let text = fs::read_to_string(&self.said)?;
                    return Err(Failure::new(format!("{status}: {}", text.trim())));
                }
                None => sleep(POLL).await,
            }
        }
        Err(Failure::new(format!("still runs after {PATIENCE:?}")))
    }

    /// Freezes it (SIGSTOP).
    pub(crate) fn pause(&self) -> Outcome<()> {
        Ok(rustix::process::kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    pub(crate) fn resume(&self) -> Outcome<()> {
        Ok(rustix::process::kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }
}

impl Drop for Locker {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last complete line that is a document with this member.
fn said_about(what: &str, text: &str) -> Option<Value> {
    let complete = &text[..=text.rfind('\n')?];
    let mut documents =
        complete.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    documents.rfind(|document| document.get(what).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_lines_are_heard() {
        let text = "a warning\n{\"held\":1}\n{\"held\":2}\n{\"written\":tr";
        assert_eq!(said_about("held", text), Some(serde_json::json!({ "held": 2 })));
        assert_eq!(said_about("written", text), None);
        assert_eq!(said_about("held", "{\"held\":1}"), None);
    }
}
