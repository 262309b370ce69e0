//! Processes under test: started on free ports, watched through /proc, killed by their own id when dropped and by
//! the kernel when this process ends before that. What they log goes to a file in the scenario's folder.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::failure::Outcome;

/// A child that listens.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

/// What a process has used since it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// Resident now.
    pub(crate) rss_bytes: u64,
}

/// Longest wait for a child to say where it listens.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for a child that was asked to end; the server lets requests in work finish.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(10);

impl Process {
    /// Starts `command` and waits until its log names an address after `marker`.
    pub(crate) async fn start(mut command: Command, folder: &Path, marker: &str) -> Outcome<Self> {
        let log = tempfile::Builder::new().prefix("log-").tempfile_in(folder)?;
        let (file, path) = log.keep()?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut child = chaos::child::spawn(command)?;
        let address = match listening(&mut child, &path, marker).await {
            Ok(address) => address,
            Err(failure) => {
                end(&mut child);
                return Err(failure);
            }
        };
        Ok(Self { child, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM) and waits. Whether it ended by itself, with exit code 0.
    pub(crate) async fn stop(mut self) -> Outcome<bool> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let patience = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < patience {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            sleep(POLL).await;
        }
        Ok(false)
    }

    pub(crate) fn usage(&self) -> Outcome<Usage> {
        usage(&self.child.id().to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// What this process, the client, has used.
pub(crate) fn own_usage() -> Outcome<Usage> {
    usage("self")
}

/// As many file descriptors as the system gives: every connection of a herd is one.
pub(crate) fn raise_fd_limit() -> Outcome<()> {
    use rustix::process::Resource;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    Ok(rustix::process::setrlimit(Resource::Nofile, raised)?)
}

async fn listening(child: &mut Child, log: &Path, marker: &str) -> Outcome<SocketAddr> {
    let patience = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(address) = address_after(marker, &fs::read_to_string(log)?) {
            return Ok(address);
        }
        if let Some(status) = child.try_wait()? {
            return Err(Failure::new(format!("did not start: {status}")));
        }
        if Instant::now() > patience {
            return Err(Failure::new(format!("no {marker:?} in the log in {START_TIMEOUT:?}")));
        }
        sleep(POLL).await;
    }
}

/// The address after the marker, once the line is complete.
fn address_after(marker: &str, log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once(marker)?;
    let end = rest.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

fn end(child: &mut Child) {
    // Fails only when it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn usage(pid: &str) -> Outcome<Usage> {
    let folder = PathBuf::from("/proc").join(pid);
    let stat = fs::read_to_string(folder.join("stat"))?;
    let statm = fs::read_to_string(folder.join("statm"))?;
    parse_usage(&stat, &statm).ok_or_else(|| Failure::new(format!("unreadable /proc/{pid}/stat")))
}

/// proc(5): the name in `stat` is in parentheses and may hold anything; utime and stime are the 12th and 13th
/// fields after it. The second field of `statm` is the resident pages.
fn parse_usage(stat: &str, statm: &str) -> Option<Usage> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>().ok()?.iter().sum();
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let hz = rustix::param::clock_ticks_per_second();
    let cpu = Duration::from_millis(ticks * 1_000 / hz);
    Some(Usage { cpu, rss_bytes: pages * rustix::param::page_size() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_from_a_complete_line_only() {
        let log = "INFO listening address=127.0.0.1:40123 version=1\n";
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 40123)));
        assert_eq!(address_after("address=", log), address);
        assert_eq!(address_after("address=", "address=127.0.0.1:40"), None);
        assert_eq!(address_after("url=", log), None);
    }

    #[test]
    fn usage_is_read_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 1";
        let usage = parse_usage(stat, "900 3 1 1 0 1 0").unwrap();
        let hz = rustix::param::clock_ticks_per_second();
        assert_eq!(usage.cpu, Duration::from_millis(200 * 1_000 / hz));
        assert_eq!(usage.rss_bytes, 3 * rustix::param::page_size() as u64);
        assert!(own_usage().is_ok_and(|own| own.rss_bytes > 0));
    }
}
