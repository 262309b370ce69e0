//! The edge over real sockets and real shards, on both drivers: the whole table, then what only a socket shows:
//! deadlines, panics, lingering, draining, the connection limit. `http_split` runs the same table in every cut.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

#[path = "support/handler.rs"]
mod handler;
#[path = "support/rows.rs"]
mod rows;
#[path = "support/server.rs"]
mod server;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use maple_expectation::http::Timeouts;
use shards::runtime::DriverChoice;
use shards::runtime::DriverKind;
use shards::runtime::Exit;

use rows::End;
use rows::PROBE;
use rows::answers;
use server::Options;
use server::Server;

/// Long enough never to decide a test, short enough to end one that hangs.
const GRACE: Duration = Duration::from_secs(5);

fn quick() -> Options {
    let ms = Duration::from_millis;
    let timeouts = Timeouts {
        head: ms(200),
        body: ms(200),
        idle: ms(400),
        write_stall: ms(300),
        linger: ms(300),
    };
    Options { timeouts, ..Options::shards(1) }
}

fn statuses(bytes: &[u8]) -> Vec<u16> {
    answers(bytes).iter().map(|answer| answer.status).collect()
}

#[test]
fn every_row_over_sockets_and_both_shards_live_on() {
    for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
        let server = Server::start(Options { driver, ..Options::shards(2) });
        for row in rows::table() {
            let mut client = server.connect();
            // The server may rightly stop reading before the end of what it refuses.
            let _ = client.stream.write_all(&[&row.input, PROBE].concat());
            let (mut statuses, mut executed) = (row.statuses, row.executed);
            if row.end == End::Kept {
                client.done_sending();
                statuses.push(200);
                executed.push("Get /probe ");
            }
            assert_eq!(self::statuses(&client.read_to_end()), statuses, "{}", row.name);
            assert_eq!(server.executed(), executed, "{}", row.name);
        }
        assert_eq!(shards_seen(&server), 2);
        assert!(server.stop(GRACE).iter().all(|exit| *exit == Exit::Stopped { cut: 0 }));
    }
}

/// Connects until every shard has answered, which the kernel's spreading makes likely within a few tries.
fn shards_seen(server: &Server) -> usize {
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let mut client = server.connect();
        client.send(PROBE);
        client.done_sending();
        let answer = answers(&client.read_to_end()).remove(0);
        seen.insert(answer.field("X-Shard").unwrap().to_owned());
        if seen.len() == 2 {
            break;
        }
    }
    seen.len()
}

#[test]
fn the_driver_that_runs_is_the_one_asked_for() {
    let server = Server::start(Options { driver: DriverChoice::Epoll, ..Options::shards(1) });
    assert_eq!(server.threads[0].driver, DriverKind::Epoll);
    assert_eq!(server.threads[0].driver.to_string(), "epoll");
}

#[test]
fn a_panic_closes_its_connection_only() {
    let server = Server::start(Options::shards(1));
    let mut bystander = server.connect();
    bystander.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    bystander.read_until("Get /1 ");
    let mut client = server.connect();
    client.send(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read_to_end(), b"");
    bystander.send(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    bystander.read_until("Get /2 ");
    assert_eq!((server.stat("panics"), server.stat("open")), (1, 2));
}

#[test]
fn slow_and_silent_peers_are_told_or_dropped_in_time() {
    let table: [(&str, &[u8], &[u16]); 6] = [
        ("says nothing", b"", &[]),
        ("half a head", b"GET / HTT", &[408]),
        ("half a body", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", &[408]),
        (
            "half a chunk",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx",
            &[408],
        ),
        ("idle after a request", PROBE, &[200]),
        ("slow after a request", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", &[200, 408]),
    ];
    for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
        let server = Server::start(Options { driver, ..quick() });
        // All at once: they take as long as the slowest.
        let clients = table.map(|(_, bytes, _)| {
            let mut client = server.connect();
            client.send(bytes);
            client
        });
        for ((name, _, wanted), mut client) in table.into_iter().zip(clients) {
            assert_eq!(statuses(&client.read_to_end()), wanted, "{name}");
        }
        wait_for(&server, "open", 1);
        assert_eq!(server.stat("expired"), 6);
    }
}

#[test]
fn a_head_that_drips_does_not_buy_time() {
    let server = Server::start(quick());
    let mut client = server.connect();
    client.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut got = Vec::new();
    for drip in 0..100 {
        // Fails once the server has given up on us.
        let _ = client.stream.write_all(b"X");
        let mut piece = [0; 1024];
        match client.stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => got.extend_from_slice(&piece[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(drip < 40, "still open after two seconds");
    }
    assert_eq!(statuses(&got), [408]);
}

#[test]
fn an_answer_nobody_reads_is_given_up() {
    for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
        let server = Server::start(Options { driver, ..quick() });
        let mut client = server.connect();
        // Far beyond what socket buffers hold.
        client.send(&b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100));
        wait_for(&server, "expired", 1);
        wait_for(&server, "open", 1);
    }
}

fn wait_for(server: &Server, name: &str, wanted: u64) {
    for _ in 0..50 {
        if server.stat(name) == wanted {
            return;
        }
        pause(Duration::from_millis(50));
    }
    panic!("{name} did not become {wanted}: {}", server.stat(name));
}

/// Waits without a timer of the shard: a read that nothing answers.
fn pause(time: Duration) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut silent = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    silent.set_read_timeout(Some(time)).unwrap();
    silent.read(&mut [0]).unwrap_err();
}

#[test]
fn big_bodies_arrive_whole_between_small_ones() {
    let server = Server::start(Options::shards(1));
    let mut client = server.connect();
    let request = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /big HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(&request.repeat(30));
    client.done_sending();
    let answers = answers(&client.read_to_end());
    assert_eq!(answers.len(), 60);
    for pair in answers.chunks(2) {
        assert_eq!(pair[0].body, b"Get /1 ");
        assert!(pair[1].body == vec![b'b'; handler::BIG_BYTES]);
    }
}

#[test]
fn an_answer_that_is_ready_does_not_wait_for_a_slow_one() {
    let server = Server::start(Options::shards(1));
    let mut client = server.connect();
    client.send(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\n\
          GET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    client.stream.set_read_timeout(Some(handler::SLOW / 2)).unwrap();
    client.read_until("Get /1 ");
    let early = client.stream.read(&mut [0]).unwrap_err();
    assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    client.stream.set_read_timeout(Some(GRACE)).unwrap();
    let rest = client.read_until("Get /3 ");
    assert!(rest.find("Get /slow ").unwrap() < rest.find("Get /3 ").unwrap());
}

#[test]
fn a_body_is_invited_once_and_only_if_it_will_be_read() {
    let server = Server::start(Options::shards(1));
    let head = "POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n";
    for (framing, body) in
        [("Content-Length: 2", "ok"), ("Transfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\n")]
    {
        let mut client = server.connect();
        client.send(format!("{head}{framing}\r\n\r\n").as_bytes());
        assert_eq!(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        client.send(body.as_bytes());
        assert!(client.read_until("Post /p ok").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let mut client = server.connect();
    client.send(format!("{head}Content-Length: 999999\r\n\r\n").as_bytes());
    assert_eq!(statuses(&client.read_to_end()), [413]);
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start(Options::shards(1));
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n");
        client.send(&[b'x'; 600_000]);
        assert_eq!(statuses(&client.read_to_end()), [413]);
    }
}

#[test]
fn a_client_that_never_stops_sending_after_a_refusal_is_cut() {
    let server = Server::start(quick());
    let mut client = server.connect();
    client.send(b"nonsense\r\n\r\n");
    let cut = (0..2_000).any(|_| client.stream.write_all(&[b'x'; 4_096]).is_err());
    assert!(cut, "eight megabytes went through");
    wait_for(&server, "open", 1);
}

#[test]
fn a_connection_beyond_the_limit_is_turned_away_with_an_answer() {
    let server = Server::start(Options { connections_max: 2, ..Options::shards(1) });
    let mut held = [server.connect(), server.connect()];
    for client in &mut held {
        client.send(PROBE);
        client.read_until("Get /probe ");
    }
    let turned_away = answers(&server.connect().read_to_end()).remove(0);
    assert_eq!(turned_away.status, 503);
    assert_eq!(turned_away.field("Retry-After"), Some("60"));
    let [first, _second] = held;
    first.done_sending();
    drop(first);
    wait_for(&server, "turned_away", 1);
}

#[test]
fn draining_lets_the_busy_finish_and_the_idle_go() {
    for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
        let mut server = Server::start(Options { driver, ..Options::shards(1) });
        let addr = server.addr;
        let mut idle = server.connect();
        idle.send(PROBE);
        idle.read_until("Get /probe ");
        let mut busy = server.connect();
        busy.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        while server.executed().last().is_none_or(|line| line != "Get /slow ") {}
        server.threads[0].stop(GRACE);
        assert_eq!(idle.read_to_end(), b"");
        let answer = answers(&busy.read_to_end()).remove(0);
        assert_eq!((answer.status, answer.field("Connection")), (200, Some("close")));
        drop((idle, busy));
        assert_eq!(server.stop(GRACE), [Exit::Stopped { cut: 0 }]);
        assert_eq!(TcpStream::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn draining_cuts_what_is_not_done_in_time() {
    let server = Server::start(Options::shards(1));
    let mut client = server.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    assert_eq!(server.stat("open"), 2);
    assert_eq!(server.stop(Duration::from_millis(50)), [Exit::Stopped { cut: 1 }]);
    assert_eq!(client.read_to_end(), b"");
}
