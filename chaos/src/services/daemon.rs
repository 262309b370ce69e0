//! A server as a child process: found, started, waited for, stopped, frozen and killed by its own id.
//! It never signals what it did not start.

use std::env;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;

use crate::child;
use crate::loopback;

/// How a server is started; the same each time, so that a restart finds its port and its data.
pub(super) struct Plan {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) port: u16,
    /// Where what it prints goes; appended to by every start.
    pub(super) log: PathBuf,
    /// Whether it serves, asked over a new connection until it is `Ok`.
    pub(super) ready: fn(TcpStream) -> io::Result<()>,
}

/// A server that runs, or ran. Dropping it kills it.
pub(super) struct Daemon {
    plan: Plan,
    child: Option<Child>,
}

/// Longest wait for a server to serve, to end, or to reach the state a caller waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
/// Longest wait for one connection or one answer while waiting for a server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Lines of a server's log in an error.
const LOG_LINES_MAX: usize = 20;

impl Daemon {
    /// Starts it and waits until it serves.
    pub(super) fn start(plan: Plan) -> io::Result<Self> {
        let mut daemon = Self { plan, child: None };
        daemon.restart()?;
        Ok(daemon)
    }

    pub(super) fn port(&self) -> u16 {
        self.plan.port
    }

    /// While it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Asks it to end (SIGTERM) and waits. One that does not is killed, and that is an error.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        // A frozen process would not see the request.
        self.resume()?;
        self.signal(Signal::TERM)?;
        let Some(child) = &mut self.child else { return Ok(()) };
        if until(|| Ok(child.try_wait()?.map(drop)))?.is_some() {
            self.child = None;
            return Ok(());
        }
        self.kill()?;
        Err(self.failure(&format!("did not end in {PATIENCE:?}")))
    }

    /// Ends it at once (SIGKILL), frozen or not.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait().map(drop)
    }

    /// Freezes it (SIGSTOP): its connections stay open and silent. The signal takes a moment to reach each thread, and
    /// one that runs meanwhile still answers: returns when all of them stand.
    pub(super) fn pause(&self) -> io::Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        self.signal(Signal::STOP)?;
        match until(|| child::stopped(child))? {
            Some(()) => Ok(()),
            None => Err(self.failure(&format!("does not stand still after {PATIENCE:?}"))),
        }
    }

    pub(super) fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Starts it again, after a [`stop`](Self::stop) when it runs.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.stop()?;
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.plan.log)?;
        let mut command = Command::new(&self.plan.program);
        command.args(&self.plan.arguments).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        self.child = Some(child::spawn(command)?);
        self.serving()
    }

    fn serving(&mut self) -> io::Result<()> {
        let address = loopback::address(self.plan.port);
        let mut last = None;
        let served = until(|| {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                self.child = None;
                last = Some(io::Error::other(status.to_string()));
                return Ok(Some(false));
            }
            match connect(address).and_then(self.plan.ready) {
                Ok(()) => Ok(Some(true)),
                Err(error) => {
                    last = Some(error);
                    Ok(None)
                }
            }
        })?;
        match (served, last) {
            (Some(true), _) => Ok(()),
            (_, Some(error)) => Err(self.failure(&format!("does not serve: {error}"))),
            (_, None) => Err(self.failure("does not serve")),
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        Ok(rustix::process::kill_process(Pid::from_child(child), signal)?)
    }

    /// An error that shows what the server said last.
    pub(super) fn failure(&self, what: &str) -> io::Error {
        failure(&self.plan.program, what, &self.plan.log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended already when this fails.
        let _ = self.kill();
    }
}

/// The path of a program, on PATH or where Debian keeps servers.
///
/// # Errors
/// Names the Debian package that has the program.
pub(super) fn program(name: &str, package: &str) -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        let missing = format!("no {name}; it is in the Debian package {package}");
        io::Error::new(io::ErrorKind::NotFound, missing)
    })
}

/// Runs a program to its end.
pub(super) fn run(program: &Path, arguments: &[OsString], log: &Path) -> io::Result<()> {
    let file = fs::File::create(log)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    match child::spawn(command)?.wait()? {
        status if status.success() => Ok(()),
        status => Err(failure(program, &status.to_string(), log)),
    }
}

/// Asks again and again until there is something. `None`: not within [`PATIENCE`].
#[allow(clippy::disallowed_methods, reason = "the thread of a test waits for a process; no shard")]
pub(super) fn until<T>(mut ask: impl FnMut() -> io::Result<Option<T>>) -> io::Result<Option<T>> {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if std::time::Instant::now() > end {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// A connection that neither opens nor reads for longer than one answer may take.
pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn failure(program: &Path, what: &str, log: &Path) -> io::Error {
    let name = program.file_name().unwrap_or(OsStr::new("server")).display();
    let log = fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    let tail = lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n");
    io::Error::other(format!("{name}: {what}\n{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        let error = program("no-such-server", "some-package").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("some-package"), "{error}");
        assert!(program("sh", "dash").is_ok());
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan {
            program: PathBuf::from("/bin/sh"),
            arguments: ["-c", "echo no such option; exit 3"].map(OsString::from).to_vec(),
            port: loopback::free_port().unwrap(),
            log: folder.path().join("log"),
            ready: |_| Ok(()),
        };
        let error = Daemon::start(plan).err().unwrap().to_string();
        assert!(error.contains("no such option") && error.contains("exit status: 3"), "{error}");
    }
}
