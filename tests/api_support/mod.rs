//! A real server and a real simulator on free ports, and an HTTP client small enough to trust.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use maple_expectation::assemble::Server;
use maple_expectation::config::Config;
use maple_expectation::config::Layers;
use maple_expectation::upstream::sim::Sim;
use maple_expectation::upstream::sim::SimConfig;
use maple_expectation::upstream::sim::SimHandle;
use serde_json::Value;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of two shards in front of its own simulator.
pub(crate) struct Stack {
    pub(crate) server: Server,
    pub(crate) sim: Arc<SimHandle>,
}

impl Stack {
    /// With these configuration keys changed.
    pub(crate) fn start(keys: &[(&str, &str)]) -> Self {
        Self::over(SimConfig::default(), keys)
    }

    /// Over a simulator of one's own.
    pub(crate) fn over(sim: SimConfig, keys: &[(&str, &str)]) -> Self {
        Self::before(Arc::new(Sim::start(sim).unwrap()), keys)
    }

    /// In front of a simulator that others use, too.
    pub(crate) fn before(sim: Arc<SimHandle>, keys: &[(&str, &str)]) -> Self {
        let mut layers = Layers::defaults();
        let base =
            [("server.listen", "127.0.0.1:0"), ("server.shards", "2"), ("store.kind", "none")];
        let url = sim.base_url();
        for (key, value) in base.iter().chain(&[("upstream.url", url.as_str())]).chain(keys) {
            layers.flag(key, "--test", Some((*value).to_owned()));
        }
        let server = Server::start(&Config::check(&layers).unwrap()).unwrap();
        Self { server, sim }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[])
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        exchange(self.server.address(), method, path, headers, b"")
    }

    /// Sets the simulator's switches.
    pub(crate) fn sim_set(&self, switches: &str) {
        let json = [("Content-Type", "application/json")];
        let reply = exchange(self.sim.addr(), "POST", "/_sim/set", &json, switches.as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// Puts every switch back.
    pub(crate) fn sim_reset(&self) {
        assert_eq!(exchange(self.sim.addr(), "POST", "/_sim/reset", &[], b"").status, 200);
    }

    /// Gives a character new gear.
    pub(crate) fn sim_revise(&self, name: &str, revision: u64) {
        let body = format!(r#"{{"name":"{name}","revision":{revision}}}"#);
        let reply = exchange(self.sim.addr(), "POST", "/_sim/character", &[], body.as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// The sample of this very series.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.get("/actuator/prometheus").text();
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    /// All samples whose series begin so, added up.
    pub(crate) fn metric_sum(&self, beginning: &str) -> f64 {
        let text = self.get("/actuator/prometheus").text();
        let samples = text.lines().filter(|line| line.starts_with(beginning));
        samples.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// A gauge of the simulator.
    pub(crate) fn sim_gauge(&self, name: &str) -> u64 {
        let state = exchange(self.sim.addr(), "GET", "/_sim/state", &[], b"").json();
        state["counters"][name].as_u64().unwrap()
    }

    /// Requests the simulator has seen at an endpoint.
    pub(crate) fn sim_count(&self, endpoint: &str) -> u64 {
        let state = exchange(self.sim.addr(), "GET", "/_sim/state", &[], b"").json();
        state["counters"]["requests"][endpoint].as_u64().unwrap_or(0)
    }
}

/// One answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn gunzipped(&self) -> Vec<u8> {
        assert_eq!(self.header("content-encoding"), Some("gzip"));
        maple_expectation::gzip::decompress(&self.body, 1 << 24).unwrap().to_vec()
    }

    /// Status, code, and whether the client is told when to come again.
    pub(crate) fn problem(&self) -> (u16, String, Option<u32>) {
        let body = self.json();
        assert_eq!(body["status"], self.status, "{body}");
        assert_eq!(body["success"], false);
        assert_eq!(Some(body["requestId"].as_str().unwrap()), self.header("x-correlation-id"));
        let retry = self.header("retry-after").map(|seconds| seconds.parse().unwrap());
        (self.status, body["code"].as_str().unwrap().to_owned(), retry)
    }
}

/// One request on a connection of its own.
pub(crate) fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut body = bytes.split_off(end + 4);
    let reply = Reply { status, headers, body: Vec::new() };
    if reply.header("transfer-encoding") == Some("chunked") {
        body = unchunk(&body);
    }
    Reply { body, ..reply }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..][..size]);
        rest = &rest[line + 2 + size + 2..];
    }
}

/// A path segment, percent-encoded.
pub(crate) fn encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The V4 path of a character.
pub(crate) fn v4(name: &str) -> String {
    format!("/api/v4/characters/{}/expectation", encoded(name))
}
