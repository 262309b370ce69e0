//! A minimal HTTP client for tests of the simulator: one connection per exchange, nothing hidden.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

pub(crate) struct Response {
    pub(crate) status: u16,
    /// Lower-case, with the line ends.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Sends one request and reads until the server closes.
pub(crate) fn exchange(
    addr: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Response {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    let end = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(received[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head, body: received[end + 4..].to_vec() }
}

/// A GET with a key, as the API wants it.
pub(crate) fn get(addr: SocketAddr, target: &str) -> Response {
    exchange(addr, "GET", target, "x-nxopen-api-key: test_key\r\n", "")
}

/// Sets switches; panics when they are refused.
pub(crate) fn set(addr: SocketAddr, switches: &Value) {
    let response = exchange(addr, "POST", "/_sim/set", "", &switches.to_string());
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
}

/// Switches and counters.
pub(crate) fn state(addr: SocketAddr) -> Value {
    serde_json::from_slice(&exchange(addr, "GET", "/_sim/state", "", "").body).unwrap()
}
