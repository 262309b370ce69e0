//! Ports on 127.0.0.1 that stay with a server while it is down.

use std::hash::BuildHasher as _;
use std::hash::RandomState;
use std::io;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::ops::Range;
use std::time::Duration;

/// Below Linux' range for outgoing connections and for port 0, so that nobody takes the port of a server that is
/// down just now.
const PORTS: Range<u16> = 20_000..32_000;
const DRAWS_MAX: usize = 1_000;
/// Somebody who does not even accept listens all the same.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// This port of this machine.
#[must_use]
pub fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A port nobody listens on, drawn at random: other test runs draw from the same range.
///
/// # Errors
/// Every port drawn was taken.
pub fn free_port() -> io::Result<u16> {
    let span = u64::from(PORTS.end - PORTS.start);
    let mut draws = (0..DRAWS_MAX).map(|_| {
        let offset = u16::try_from(random() % span).expect("below a span of u16");
        PORTS.start + offset
    });
    let port = draws.find(|&port| is_free(port));
    port.ok_or_else(|| io::Error::other(format!("no free port in {PORTS:?}")))
}

/// Different at each call. Not for secrets that anybody would want.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// Asked by connecting: a socket bound to the port, to see whether that works, would be inherited by a child that
/// another thread forks just then, and keep the port from the server it was drawn for.
fn is_free(port: u16) -> bool {
    let refused = TcpStream::connect_timeout(&address(port), CONNECT_TIMEOUT).err();
    refused.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_somebody_listens_on_is_not_free() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_free(taken.local_addr().unwrap().port()));
        assert!(PORTS.contains(&free_port().unwrap()));
    }
}
