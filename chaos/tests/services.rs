//! The private servers: they serve, end, freeze, come back, fail over, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use chaos::loopback;
use chaos::services::MariaDb;
use chaos::services::Nginx;
use chaos::services::Options;
use chaos::services::Policy;
use chaos::services::Redis;
use chaos::services::Replicated;
use chaos::services::Reply;

/// Bytes MariaDB says before it is asked anything, or the error within `timeout`.
fn greeting(port: u16, timeout: Duration) -> io::Result<[u8; 5]> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(timeout))?;
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn mariadb_serves_freezes_crashes_and_comes_back_on_its_port() {
    let mut db = MariaDb::start().unwrap();
    let (port, url) = (db.port(), db.url());
    assert!(url.ends_with(&format!("@127.0.0.1:{port}/maple")), "{url}");
    let served = |timeout_ms| greeting(port, Duration::from_millis(timeout_ms));
    assert_eq!(served(5_000).unwrap()[4], 10);

    db.pause().unwrap();
    assert_eq!(served(100).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    db.resume().unwrap();
    assert!(served(5_000).is_ok());

    db.kill().unwrap();
    assert_eq!(served(100).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    db.restart().unwrap();
    assert!(served(5_000).is_ok());
    assert_eq!((db.port(), db.url()), (port, url));

    let pid = db.pid().unwrap();
    db.stop().unwrap();
    assert!(!runs(pid) && db.pid().is_none());
}

#[test]
fn redis_keeps_what_it_is_told_to_keep() {
    let write = ["SET", "name", "강은호"];
    for append_only in [true, false] {
        let mut redis = Redis::start(&Options { append_only, ..Options::default() }).unwrap();
        redis.command(&write).unwrap();
        redis.stop().unwrap();
        assert!(redis.command(&["PING"]).is_err());
        redis.restart().unwrap();
        let kept = if append_only { Reply::Text("강은호".to_owned()) } else { Reply::Nil };
        assert_eq!(redis.command(&["GET", "name"]).unwrap(), kept);
        redis.pause().unwrap();
        assert!(redis.command(&["PING"]).is_err());
        // A frozen server ends too.
        redis.stop().unwrap();
    }
}

#[test]
fn redis_has_the_limits_it_is_given() {
    const MEMORY_BYTES_MAX: u64 = 8 << 20;
    let fill = |policy| {
        let memory_max = Some((MEMORY_BYTES_MAX, policy));
        let redis = Redis::start(&Options { memory_max, ..Options::default() }).unwrap();
        let value = "x".repeat(1 << 20);
        let keys = (0..MEMORY_BYTES_MAX >> 20).map(|key| key.to_string());
        let written: io::Result<Vec<Reply>> =
            keys.map(|key| redis.command(&["SET", &key, &value])).collect();
        written
    };
    let full = fill(Policy::NoEviction).unwrap_err();
    assert!(full.to_string().starts_with("OOM"), "{full}");
    assert!(fill(Policy::AllKeysLru).is_ok());

    let alone = Redis::start(&Options { replicas_to_write_min: 1, ..Options::default() }).unwrap();
    let refused = alone.command(&["SET", "name", "value"]).unwrap_err();
    assert!(refused.to_string().starts_with("NOREPLICAS"), "{refused}");
}

#[test]
fn the_replica_becomes_master_and_the_old_master_its_replica() {
    let mut redis = Replicated::start().unwrap();
    assert_eq!(redis.master(), Some(0));
    assert_eq!(redis.url().matches("127.0.0.1:").count(), 3);
    redis.nodes[0].command(&["SET", "name", "value"]).unwrap();
    assert_eq!(redis.nodes[0].command(&["WAIT", "1", "900"]).unwrap(), Reply::Integer(1));

    redis.nodes[0].kill().unwrap();
    redis.await_master(1).unwrap();
    let value = redis.nodes[1].command(&["GET", "name"]).unwrap();
    assert_eq!(value, Reply::Text("value".to_owned()));

    redis.nodes[0].restart().unwrap();
    redis.await_replica(0).unwrap();
    let refused = redis.nodes[0].command(&["SET", "name", "other"]).unwrap_err();
    assert!(refused.to_string().starts_with("READONLY"), "{refused}");
}

#[test]
fn nginx_goes_to_the_next_server_when_one_is_away_or_refuses() {
    let serve = |answer: &'static str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // The head fits into one segment.
                let _ = stream.read(&mut [0; 4096]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    };
    let refusing = serve("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let good = serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    let away = loopback::address(loopback::free_port().unwrap());
    let nginx = Nginx::start(&[away, refusing, good]).unwrap();
    for _ in 0..6 {
        let mut stream = TcpStream::connect(nginx.address()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"), "{answer}");
    }
}
