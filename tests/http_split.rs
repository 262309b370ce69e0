//! The edge decides by the bytes, not by how they were cut: every row of the table, in one piece and in every other
//! way, has the same answers and executes the same requests. Runs without sockets; `http_wire` is the run with them.

#[path = "support/handler.rs"]
mod handler;
#[path = "support/rows.rs"]
mod rows;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use maple_expectation::http::Edge;
use maple_expectation::http::Timeouts;
use proptest::prelude::any;
use proptest::prelude::prop;
use proptest::strategy::Strategy as _;
use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;
use shards::clock::CoarseClock;
use shards::clock::ManualClock;
use shards::io::Script;
use shards::io::ScriptEnd;

use handler::Echo;
use rows::Answer;
use rows::End;
use rows::PROBE;
use rows::Row;

/// What came of one connection.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    statuses: Vec<u16>,
    executed: Vec<String>,
}

fn run(pieces: impl IntoIterator<Item = Vec<u8>>, end: ScriptEnd) -> (Outcome, Vec<Answer>) {
    let executed = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&executed);
    let echo = Echo { executed: move |line: &str| log.borrow_mut().push(line.to_owned()) };
    let clock = CoarseClock::new(Rc::new(ManualClock::at_unix_ms(1_700_000_000_000)));
    let edge = Edge::new(echo, Rc::new(clock), Timeouts::default(), Rc::default());
    let mut script = Script::new(pieces, end);
    edge.serve(&mut script).now_or_never().expect("a script never makes the edge wait");
    let answers = rows::answers(&script.written);
    let statuses = answers.iter().map(|answer| answer.status).collect();
    (Outcome { statuses, executed: executed.take() }, answers)
}

fn in_pieces(bytes: &[u8], size: usize) -> Outcome {
    run(bytes.chunks(size).map(<[u8]>::to_vec), ScriptEnd::Close).0
}

fn wanted(row: &Row) -> Outcome {
    let mut statuses = row.statuses.clone();
    let mut executed: Vec<_> = row.executed.iter().map(|&line| line.to_owned()).collect();
    if row.end == End::Kept {
        statuses.push(200);
        executed.push("Get /probe ".to_owned());
    }
    Outcome { statuses, executed }
}

#[test]
fn every_row_comes_out_the_same_however_it_is_cut() {
    let table = rows::table();
    assert!(table.len() >= 100, "{} rows", table.len());
    for row in table {
        let wanted = wanted(&row);
        let bytes = [&row.input, PROBE].concat();
        assert_eq!(in_pieces(&bytes, usize::MAX), wanted, "{}", row.name);
        assert_eq!(in_pieces(&bytes, 1), wanted, "{}, byte by byte", row.name);
        assert_eq!(in_pieces(&bytes, 1_000), wanted, "{}, in pieces of 1000", row.name);
        if bytes.len() < 1_000 {
            for cut in 1..bytes.len() {
                let (first, second) = bytes.split_at(cut);
                let pieces = [first.to_vec(), second.to_vec()];
                assert_eq!(run(pieces, ScriptEnd::Close).0, wanted, "{}, cut at {cut}", row.name);
            }
        }
    }
}

#[test]
fn damaged_rows_come_out_the_same_in_one_piece_and_in_many() {
    let table: Vec<_> = rows::table().into_iter().filter(|row| row.input.len() < 1_000).collect();
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let rows = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let strategy = (rows, damage, 1_usize..40);
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    let damaged = strategy.prop_map(|((first, second), damage, size)| {
        let mut bytes = first.get(&table).input.clone();
        bytes.extend_from_slice(&second.get(&table).input);
        for (place, byte) in damage {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        (bytes, size)
    });
    TestRunner::new(config)
        .run(&damaged, |(bytes, size)| {
            let whole = in_pieces(&bytes, usize::MAX);
            assert_eq!(in_pieces(&bytes, size), whole, "{}", bytes.escape_ascii());
            assert!(!whole.executed.iter().any(|line| line.contains("panic")));
            Ok(())
        })
        .expect("cuts do not matter");
}

#[test]
fn every_answer_carries_what_the_edge_owes() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Correlation-ID: my.id-1\r\n\r\nnonsense\r\n\r\n";
    let (_, answers) = run([request.to_vec()], ScriptEnd::Close);
    let [served, refused] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(served.field("Date"), Some("Tue, 14 Nov 2023 22:13:20 GMT"));
    assert_eq!(served.field("X-Correlation-ID"), Some("my.id-1"));
    assert_eq!(served.field("Connection"), None);
    assert_eq!(refused.field("Connection"), Some("close"));
    let id = refused.field("X-Correlation-ID").unwrap();
    assert_eq!(id.len(), 32);
    let body: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    let wanted = serde_json::json!({
        "success": false,
        "status": 400,
        "code": "H400",
        "message": body["message"],
        "timestamp": "2023-11-15T07:13:20.000",
        "requestId": id,
        "retryable": false,
    });
    assert_eq!(body, wanted);
}

#[test]
fn an_unusable_correlation_id_is_replaced() {
    let (_, answers) = run(
        [b"GET / HTTP/1.1\r\nHost: a\r\nX-Correlation-ID: a b\r\n\r\n".to_vec()],
        ScriptEnd::Close,
    );
    assert_eq!(answers[0].field("X-Correlation-ID").unwrap().len(), 32);
}

#[test]
fn half_a_request_is_answered_408_when_its_time_is_up() {
    let table: [(&[u8], &[u16]); 7] = [
        (b"", &[]),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200]),
        (b"G", &[408]),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", &[200, 408]),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", &[408]),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n", &[408]),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", &[200]),
    ];
    for (bytes, wanted) in table {
        let (outcome, _) = run([bytes.to_vec()], ScriptEnd::Silence);
        assert_eq!(outcome.statuses, wanted, "{}", bytes.escape_ascii());
        let (outcome, _) = run([bytes.to_vec()], ScriptEnd::Close);
        let told: Vec<_> = wanted.iter().copied().filter(|&status| status != 408).collect();
        assert_eq!(outcome.statuses, told, "{}: a peer that left", bytes.escape_ascii());
    }
}

#[test]
fn a_kept_connection_says_so_only_to_http_1_0() {
    let request = b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    let (_, answers) = run([request.to_vec()], ScriptEnd::Close);
    assert_eq!(answers[0].field("Connection"), Some("keep-alive"));
}

#[test]
fn head_has_the_length_of_the_body_it_leaves_out() {
    for (path, bytes) in [("/x", "Head /x ".len()), ("/big", handler::BIG_BYTES)] {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (_, answers) = run([request.into_bytes()], ScriptEnd::Close);
        assert_eq!(answers[0].field("Content-Length"), Some(bytes.to_string().as_str()));
    }
    // A refusal has a body, but not for HEAD.
    for (method, refused_with_body) in [("HEAD", false), ("POST", true)] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n");
        let (_, answers) = run([request.into_bytes()], ScriptEnd::Close);
        assert_eq!((answers[0].status, !answers[0].body.is_empty()), (413, refused_with_body));
    }
    let (_, answers) = run([b"GET /304 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()], ScriptEnd::Close);
    assert_eq!(answers[0].field("Content-Length"), None);
}

#[test]
fn an_idle_connection_fits_its_budget() {
    // 8 KiB an idle connection (design budget); a third of it is left to the runtime and the table.
    let echo = Echo { executed: |_: &str| {} };
    let clock = CoarseClock::new(Rc::new(ManualClock::default()));
    let edge = Edge::new(echo, Rc::new(clock), Timeouts::default(), Rc::default());
    let mut script = Script::new([], ScriptEnd::Close);
    let task_bytes = size_of_val(&edge.serve(&mut script));
    let input_bytes = maple_expectation::limits::INPUT_BYTES_KEPT;
    assert!(task_bytes + input_bytes < 5_600, "{task_bytes} + {input_bytes} bytes");
}

#[test]
fn the_default_timeouts_are_the_limits() {
    let Timeouts { head, body, idle, write_stall, linger } = Timeouts::default();
    let seconds = [head, body, idle, write_stall, linger].map(|limit| limit.as_secs());
    assert_eq!(seconds, [10, 10, 75, 10, 2]);
    assert!(shards::connections::SWEEP_INTERVAL < Duration::from_secs(1));
}
