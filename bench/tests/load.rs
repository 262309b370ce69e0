//! The built `bench` against a small server whose every answer the test decides: are counts right, are wrong
//! answers errors, does an open loop show a stall to everyone it delayed?

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// What the server does with a request.
enum Reply {
    Answer(&'static str, String),
    /// Answers after a while, and everyone on this connection waits.
    Late(Duration),
    /// Announces more than it sends, and closes.
    Cut,
    Close,
    Silence,
}

fn ok(body: &str) -> Reply {
    Reply::Answer("200 OK", body.to_owned())
}

/// A server on a free port. `reply` is given the number of the request, from 0, and its first line.
struct Server {
    addr: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Server {
    fn start(reply: impl Fn(u64, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (addr, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let (counter, reply) = (Arc::clone(&requests), Arc::new(reply));
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (counter, reply) = (Arc::clone(&counter), Arc::clone(&reply));
                // What the client does to its connections is not the server's to judge.
                thread::spawn(move || serve(&stream.unwrap(), &counter, &*reply).ok());
            }
        });
        Self { addr, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(
    stream: &TcpStream,
    requests: &AtomicU64,
    reply: &dyn Fn(u64, &str) -> Reply,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut lines, mut out) = (BufReader::new(stream).lines(), stream);
    while let Some(first) = lines.next() {
        let first = first?;
        while !lines.next().ok_or(io::ErrorKind::UnexpectedEof)??.is_empty() {}
        let (status, body) = match reply(requests.fetch_add(1, Ordering::SeqCst), &first) {
            Reply::Answer(status, body) => (status, body),
            Reply::Late(time) => {
                pause(time);
                ("200 OK", "late".to_owned())
            }
            Reply::Cut => return out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"),
            Reply::Close => return Ok(()),
            Reply::Silence => continue,
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        out.write_all(answer.as_bytes())?;
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a stalling server is what is tested")]
fn pause(time: Duration) {
    thread::sleep(time);
}

/// Runs `bench load` on four connections, without warm-up, for a short time unless told otherwise: its report, and
/// whether it exited with 0.
fn load(args: &[&str]) -> (Value, bool) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let defaults = [
        ("--json", file.path().to_str().unwrap()),
        ("--duration", "300ms"),
        ("--warmup", "0s"),
        ("--connections", "4"),
        ("--threads", "2"),
    ];
    let mut all = vec!["load", "--quiet"];
    for (name, value) in defaults {
        if !args.contains(&name) {
            all.extend([name, value]);
        }
    }
    all.extend(args);
    let output = bench(&all);
    let json = std::fs::read_to_string(file.path()).unwrap();
    let report = serde_json::from_str(&json);
    let stderr = String::from_utf8_lossy(&output.stderr);
    (report.unwrap_or_else(|error| panic!("{error}: {stderr}")), output.status.success())
}

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(args).output().unwrap()
}

fn number(report: &Value, path: &str) -> u64 {
    report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} in {report:#}"))
}

fn latency_us(report: &Value, quantile: &str) -> f64 {
    report["latencyUs"][quantile].as_f64().unwrap()
}

#[test]
fn every_request_is_counted_once() {
    let server = Server::start(|_, line| ok(line));
    let pid = std::process::id().to_string();
    let (report, good) = load(&[&server.url("/a"), &server.url("/강?b"), "--server-pid", &pid]);
    assert!(good, "{report:#}");
    // Each URL was fetched once before the run.
    let requests = number(&report, "/requests");
    assert_eq!(requests + 2, server.requests());
    assert_eq!((number(&report, "/statuses/200"), number(&report, "/errors")), (requests, 0));
    let pairs = report["histogramUs"].as_array().unwrap();
    let counted: u64 = pairs.iter().map(|pair| pair[1].as_u64().unwrap()).sum();
    assert_eq!(counted, requests);
    for who in ["server", "client"] {
        assert!(report[format!("{who}CpuUsPerRequest")].is_number(), "{report:#}");
    }
}

#[test]
fn the_warm_up_is_checked_but_not_measured() {
    let server = Server::start(|n, _| if n == 20 { ok("other") } else { ok("same") });
    let times = ["--rate", "200", "--warmup", "500ms", "--duration", "500ms"];
    let (report, good) = load(&[&times[..], &[&server.url("/")]].concat());
    assert!(!good);
    assert_eq!((number(&report, "/requests"), number(&report, "/statuses/200")), (100, 200));
    assert_eq!(number(&report, "/failures/bodyMismatch"), 1);
}

#[test]
fn each_kind_of_wrong_answer_is_an_error_of_its_own() {
    type Fault = (&'static str, fn() -> Reply);
    let faults: [Fault; 5] = [
        ("bodyMismatch", || ok("sane")),
        ("status", || Reply::Answer("500 Internal Server Error", String::new())),
        ("brokenAnswer", || Reply::Cut),
        ("closedBeforeAnswer", || Reply::Close),
        ("timeout", || Reply::Silence),
    ];
    for (name, fault) in faults {
        let server = Server::start(move |n, _| if n == 30 { fault() } else { ok("same") });
        let (report, good) = load(&["--timeout", "100ms", &server.url("/path")]);
        assert!(!good, "{name}");
        let named = number(&report, &format!("/failures/{name}"));
        assert_eq!((number(&report, "/errors"), named), (1, 1), "{report:#}");
        let example = report["examples"][0].as_str().unwrap();
        assert!(example.starts_with(name) && example.contains("/path"), "{example}");
        // The wrong answer is no throughput, and the load goes on after it.
        assert_eq!(number(&report, "/requests") + 2, server.requests(), "{name}");
        assert!(server.requests() > 32, "{name}");
    }
}

#[test]
fn what_is_allowed_is_counted_and_no_error() {
    let server = Server::start(|n, _| if n % 10 == 9 { ok("another") } else { ok("same") });
    let url = server.url("/");
    let (report, good) = load(&["--allow-body-change", &url]);
    assert!(good && number(&report, "/bodyChanged") > 0, "{report:#}");
    let (report, good) = load(&["--errors-allowed", &url]);
    assert!(good && number(&report, "/errors") > 0, "{report:#}");
    let (report, good) = load(&["--check", "length", &url]);
    assert!(!good && number(&report, "/failures/bodyMismatch") > 0, "{report:#}");
    let (report, good) = load(&["--check", "none", &url]);
    assert!(good, "{report:#}");

    let server = Server::start(|n, _| match n % 10 {
        9 => Reply::Answer("304 Not Modified", String::new()),
        _ => ok("same"),
    });
    let (report, good) = load(&["--expect-status", "200,304", &server.url("/")]);
    assert!(good && number(&report, "/statuses/304") > 0, "{report:#}");
}

#[test]
fn lists_are_mixed_by_weight_and_every_request_is_as_asked_for() {
    let server = Server::start(|_, line| match line {
        "POST /often HTTP/1.1" => Reply::Answer("202 Accepted", String::new()),
        "POST /seldom HTTP/1.1" => Reply::Answer("201 Created", String::new()),
        _ => Reply::Close,
    });
    let lists = ["/often", "/seldom"].map(|path| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), server.url(path)).unwrap();
        file
    });
    let path = |n: usize| lists[n].path().display();
    let (often, seldom) = (format!("9={}", path(0)), format!("1={}", path(1)));
    let mix = ["--mix", &often, "--mix", &seldom, "--method", "POST"];
    let all = ["--expect-status", "201,202", "--rate", "2000", "--duration", "500ms"];
    let (report, good) = load(&[&mix[..], &all].concat());
    assert!(good, "{report:#}");
    // A tenth of 1,000: five standard deviations are 48.
    assert!(number(&report, "/statuses/201").abs_diff(100) < 48, "{report:#}");
}

#[test]
fn a_request_closed_upon_is_retried_when_asked_for() {
    let server = Server::start(|n, _| if n % 10 == 9 { Reply::Close } else { ok("same") });
    let url = server.url("/");
    let (report, good) = load(&["--connections", "1", "--threads", "1", "--retry-closed", &url]);
    assert!(good && number(&report, "/retried") > 0, "{report:#}");
    // The first fetch is no request of the run; each request closed upon reached the server twice.
    let sent = number(&report, "/requests") + number(&report, "/retried");
    assert_eq!(sent + 1, server.requests());
}

#[test]
fn nobody_listening_is_an_error() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{addr}/");
    let (report, good) = load(&["--check", "none", &url]);
    assert!(!good && number(&report, "/failures/connect") > 4, "{report:#}");
    let (report, _) = load(&["--check", "none", "--rate", "100", "--timeout", "100ms", &url]);
    assert_eq!(number(&report, "/failures/unsent"), 30, "{report:#}");
    let output = bench(&["load", &url]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("refused"));
}

#[test]
fn an_open_loop_shows_a_stall_to_all_it_delayed() {
    let stall = Duration::from_millis(200);
    let start =
        || Server::start(move |n, _| if n == 100 { Reply::Late(stall) } else { ok("late") });
    let one = ["--connections", "1", "--threads", "1", "--duration", "1s"];

    let (report, good) = load(&[&one[..], &["--rate", "200", &start().url("/")]].concat());
    assert!(good && number(&report, "/requests") == 200, "{report:#}");
    // 200 ms hold up 40 of 200 requests: the worst percent waited for almost all of it, a tenth for half of it.
    assert!(latency_us(&report, "p99") > 180_000.0, "{report:#}");
    assert!(latency_us(&report, "p90") > 80_000.0, "{report:#}");

    // A closed loop sends nothing meanwhile, and so counts the stall once.
    let (report, good) = load(&[&one[..], &[&start().url("/")]].concat());
    assert!(good && number(&report, "/requests") > 400, "{report:#}");
    assert!(latency_us(&report, "max") > 200_000.0, "{report:#}");
    assert!(latency_us(&report, "p99") < 100_000.0, "{report:#}");
}

#[test]
fn the_raw_responder_answers_each_head_once() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), answer).unwrap();
    let raw = Raw::start(file.path().to_str().unwrap());
    let mut stream = TcpStream::connect(&raw.addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let head = "GET / HTTP/1.1\r\n\r\n";
    for piece in [head, head, &head[..9], &head[9..17], &head[17..]] {
        stream.write_all(piece.as_bytes()).unwrap();
    }
    let mut answers = vec![0; 3 * answer.len()];
    stream.read_exact(&mut answers).unwrap();
    assert_eq!(String::from_utf8(answers).unwrap(), answer.repeat(3));
    drop(stream);
    let (report, good) = load(&[&format!("http://{}/", raw.addr)]);
    assert!(good && number(&report, "/requests") > 100, "{report:#}");
}

/// A running `bench raw`, killed when dropped.
struct Raw {
    child: Child,
    addr: String,
}

impl Raw {
    fn start(answer: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bench"))
            .args(["raw", "--listen", "127.0.0.1:0", "--threads", "1", "--answer", answer])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, addr }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn idle_connections_are_held_and_asked_again() {
    let server = Server::start(|_, line| ok(line));
    let (url, pid) = (server.url("/"), std::process::id().to_string());
    let output =
        bench(&["idle", &url, "--connections", "40", "--hold", "100ms", "--server-pid", &pid]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("open 40\nanswered 40\nrss_bytes before "), "{text}");
    assert!(text.contains("\nbytes_per_connection "), "{text}");
    assert_eq!(server.requests(), 80);

    let server = Server::start(|n, _| if n == 60 { Reply::Close } else { ok("same") });
    let output = bench(&["idle", &server.url("/"), "--connections", "40", "--hold", "0s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("was closed"));
}
