//! A private nginx that spreads requests over servers: one process, connections to the servers kept open, and a GET
//! that one of them fails, or answers with 503, goes to the next. It never holds a server for dead: it asks each time.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::loopback;

use super::daemon;
use super::daemon::Daemon;
use super::daemon::Plan;

/// A running nginx. Dropping it kills it.
pub struct Nginx {
    daemon: Daemon,
    _folder: TempDir,
}

const PACKAGE: &str = "nginx";

impl Nginx {
    /// Starts one in front of these servers.
    ///
    /// # Errors
    /// `NotFound` names the Debian package when there is no nginx; otherwise what it logged.
    pub fn start(servers: &[SocketAddr]) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("chaos-nginx-").tempdir()?;
        let port = loopback::free_port()?;
        let configuration = folder.path().join("nginx.conf");
        fs::write(&configuration, configuration_text(folder.path(), port, servers))?;
        let mut arguments = vec![OsString::from("-c"), configuration.into()];
        arguments.extend([OsString::from("-p"), folder.path().into()]);
        // Before it has read where its log is.
        arguments.extend(["-e", "stderr"].map(OsString::from));
        let program = daemon::program("nginx", PACKAGE)?;
        let log = folder.path().join("log");
        let daemon = Daemon::start(Plan { program, arguments, port, log, ready: |_| Ok(()) })?;
        Ok(Self { daemon, _folder: folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        loopback::address(self.daemon.port())
    }
}

fn configuration_text(folder: &Path, port: u16, servers: &[SocketAddr]) -> String {
    let folder = folder.display();
    let servers: String =
        servers.iter().map(|server| format!("    server {server} max_fails=0;\n")).collect();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\n\
         master_process off;\n\
         pid {folder}/pid;\n\
         error_log stderr;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
           access_log off;\n\
         {temporary}\
           upstream servers {{\n\
         {servers}\
             keepalive 64;\n\
           }}\n\
           server {{\n\
             listen 127.0.0.1:{port};\n\
             location / {{\n\
               proxy_pass http://servers;\n\
               proxy_http_version 1.1;\n\
               proxy_set_header Connection \"\";\n\
               proxy_next_upstream error timeout http_503;\n\
             }}\n\
           }}\n\
         }}\n"
    )
}
