//! A private MariaDB on TCP with one user, who may do everything, and one empty database.
//! Installing its system tables takes about 0.6 s and starting it 0.1 s on the development machine, so that no
//! template is kept.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::io::Read as _;
use std::net::TcpStream;

use tempfile::TempDir;

use crate::loopback;

use super::daemon;
use super::daemon::Daemon;
use super::daemon::Plan;

/// A running MariaDB. Dropping it kills the server and deletes its data.
pub struct MariaDb {
    daemon: Daemon,
    password: String,
    _folder: TempDir,
}

/// What a commit waits for: `innodb_flush_log_at_trx_commit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlushLog {
    /// The log is on disk (1): a commit survives a crash of the machine. The server's default.
    #[default]
    Commit,
    /// The kernel has the log (2): a commit survives a crash of the server, not of the machine.
    Second,
}

const USER: &str = "maple";
const DATABASE: &str = "maple";
const PACKAGE: &str = "mariadb-server";

impl MariaDb {
    /// Installs and starts one, with the server's own durability.
    ///
    /// # Errors
    /// `NotFound` names the Debian package when there is no MariaDB; otherwise what the server logged.
    pub fn start() -> io::Result<Self> {
        Self::start_with(FlushLog::default())
    }

    /// As [`start`](Self::start), with a choice of durability.
    ///
    /// # Errors
    /// As those of [`start`](Self::start).
    pub fn start_with(flush_log: FlushLog) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-mariadb-").tempdir()?;
        let [data, log, init] = ["data", "log", "init.sql"].map(|name| folder.path().join(name));
        let mut shared = vec![option("--no-defaults", ""), option("--datadir=", &data)];
        // Servers that share one delete each other's temporary tables when they start.
        shared.push(option("--tmpdir=", folder.path()));
        if rustix::process::geteuid().is_root() {
            // It refuses to run as root unless told so; the folder is root's alone.
            shared.push(option("--user=root", ""));
        }
        let mut install = shared.clone();
        install.extend(INSTALL.map(OsString::from));
        daemon::run(&daemon::program("mariadb-install-db", PACKAGE)?, &install, &log)?;

        let password = format!("{:016x}", loopback::random());
        fs::write(&init, init_sql(&password))?;
        let port = loopback::free_port()?;
        let mut arguments = shared;
        arguments.extend(SERVE.map(OsString::from));
        arguments.push(option("--init-file=", &init));
        arguments.push(option("--port=", port.to_string()));
        let flush_log = match flush_log {
            FlushLog::Commit => "1",
            FlushLog::Second => "2",
        };
        arguments.push(option("--innodb-flush-log-at-trx-commit=", flush_log));
        let program = daemon::program("mariadbd", PACKAGE)?;
        let daemon = Daemon::start(Plan { program, arguments, port, log, ready: greets })?;
        Ok(Self { daemon, password, _folder: folder })
    }

    /// `mysql://user:password@127.0.0.1:port/database`
    pub fn url(&self) -> String {
        format!("mysql://{USER}:{}@127.0.0.1:{}/{DATABASE}", self.password, self.port())
    }

    /// Its port on 127.0.0.1, the same for its whole life.
    pub fn port(&self) -> u16 {
        self.daemon.port()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// An orderly end (SIGTERM); the data stays for [`restart`](Self::restart).
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self) -> io::Result<()> {
        self.daemon.stop()
    }

    /// A crash (SIGKILL).
    ///
    /// # Errors
    /// The operating system's.
    pub fn kill(&mut self) -> io::Result<()> {
        self.daemon.kill()
    }

    /// Freezes it (SIGSTOP): its connections stay open and silent.
    ///
    /// # Errors
    /// The operating system's.
    pub fn pause(&self) -> io::Result<()> {
        self.daemon.pause()
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// The operating system's.
    pub fn resume(&self) -> io::Result<()> {
        self.daemon.resume()
    }

    /// Starts it again on the same port and data; stops it before when it runs.
    ///
    /// # Errors
    /// As those of [`start`](Self::start).
    pub fn restart(&mut self) -> io::Result<()> {
        self.daemon.restart()
    }
}

const INSTALL: [&str; 5] = [
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
    "--skip-name-resolve",
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=8M",
];

/// Small buffers and no statistics: tests run several beside a build.
const SERVE: [&str; 8] = [
    "--bind-address=127.0.0.1",
    // Relative to the data folder: the path of a socket may have 107 bytes, and nobody uses it.
    "--socket=socket",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--performance-schema=OFF",
    "--innodb-log-file-size=8M",
    "--innodb-buffer-pool-size=32M",
    "--key-buffer-size=64K",
];

/// Executed at every start, before the first connection is greeted.
fn init_sql(password: &str) -> String {
    let user = format!("'{USER}'@'127.0.0.1'");
    // A statement to a line: that is how the server reads the file.
    format!(
        "CREATE DATABASE IF NOT EXISTS {DATABASE};\n\
         CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{password}';\n\
         GRANT ALL ON *.* TO {user};\n"
    )
}

/// The server speaks first: a length, a sequence number, then version 10 of its protocol, or 0xff and an error.
fn greets(mut stream: TcpStream) -> io::Result<()> {
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting)?;
    match greeting[4] {
        10 => Ok(()),
        _ => Err(io::Error::other("greeted with an error")),
    }
}

fn option(name: &str, value: impl Into<OsString>) -> OsString {
    let mut option = OsString::from(name);
    option.push(value.into());
    option
}
