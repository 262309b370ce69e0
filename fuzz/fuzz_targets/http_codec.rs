//! Arbitrary bytes through the whole connection loop, in one piece and in pieces: no panic, only well-formed answers,
//! and the same answers and executed requests both ways.
//!
//! `cargo fuzz run -s none http_codec` (on a stable toolchain with `RUSTC_BOOTSTRAP=1`).

#![no_main]

#[allow(dead_code, reason = "only the reader of answers is used here, not the table")]
#[path = "../../tests/support/rows.rs"]
mod rows;

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::FutureExt as _;
use libfuzzer_sys::fuzz_target;
use maple_expectation::http::Edge;
use maple_expectation::http::Handler;
use maple_expectation::http::Request;
use maple_expectation::http::Response;
use maple_expectation::http::Status;
use maple_expectation::http::Timeouts;
use maple_expectation::http::negotiate;
use maple_expectation::http::target;
use shards::clock::CoarseClock;
use shards::clock::ManualClock;
use shards::io::Script;
use shards::io::ScriptEnd;

/// Remembers what it was asked, and looks at every part of a request.
struct Recorder {
    seen: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Handler for Recorder {
    async fn handle(&self, request: &Request<'_>) -> Response {
        let method = format!("{:?}", request.method());
        let coding = negotiate::encoding(request.headers("Accept-Encoding"));
        let unchanged = negotiate::names_etag(request.headers("If-None-Match"), "\"tag\"");
        let segments: Vec<_> = target::segments(request.path()).map(target::decode_segment).collect();
        let force = target::query_value(request.query(), "force");
        let line = format!("{method} {} {segments:?} {force:?} {coding:?} {unchanged} ", request.path());
        let seen = [line.as_bytes(), request.body()].concat();
        self.seen.borrow_mut().push(seen.clone());
        let status = if unchanged { Status::NOT_MODIFIED } else { Status::OK };
        Response::new(status).field("X-Method", &method).body("text/plain", seen)
    }
}

/// Statuses answered and requests executed.
fn run(pieces: impl IntoIterator<Item = Vec<u8>>, end: ScriptEnd) -> (Vec<u16>, Vec<Vec<u8>>) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let clock = Rc::new(CoarseClock::new(Rc::new(ManualClock::at_unix_ms(1_700_000_000_000))));
    let edge =
        Edge::new(Recorder { seen: Rc::clone(&seen) }, clock, Timeouts::default(), Rc::default());
    let mut script = Script::new(pieces, end);
    edge.serve(&mut script).now_or_never().expect("a script never makes the edge wait");
    let answers = rows::answers(&script.written);
    let requests = edge.probe().snapshot().requests;
    assert_eq!(requests, seen.borrow().len() as u64);
    let refused: u64 = edge.probe().snapshot().refused.iter().sum();
    assert_eq!(answers.len() as u64, requests + refused, "one answer each");
    assert!(refused <= 1, "nothing follows a refusal");
    (answers.iter().map(|answer| answer.status).collect(), seen.take())
}

fuzz_target!(|input: &[u8]| {
    let [cut, silent, bytes @ ..] = input else { return };
    let end = if silent % 2 == 0 { ScriptEnd::Close } else { ScriptEnd::Silence };
    let whole = run([bytes.to_vec()], end);
    let size = usize::from(*cut) + 1;
    assert_eq!(run(bytes.chunks(size).map(<[u8]>::to_vec), end), whole);
});
