//! Characters that survive a restart: the server over its SQLite file, as clients and operators see it.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod api_support;

use std::path::Path;
use std::time::Duration;

use api_support::Stack;
use api_support::v4;
use maple_expectation::assemble::Server;
use maple_expectation::config::Config;
use maple_expectation::config::Layers;

/// A stack whose characters are kept in `folder`.
fn stack(folder: &Path, keys: &[(&str, &str)]) -> Stack {
    let data = folder.to_str().unwrap();
    Stack::start(&[&[("store.kind", "sqlite"), ("server.data", data)], keys].concat())
}

/// The stack with another server over the same simulator and folder.
fn restarted(stack: Stack, folder: &Path, keys: &[(&str, &str)]) -> Stack {
    let Stack { server, sim } = stack;
    server.stop(Duration::from_secs(5));
    let mut layers = Layers::defaults();
    let (url, data) = (sim.base_url(), folder.to_str().unwrap());
    let base = [
        ("server.listen", "127.0.0.1:0"),
        ("server.shards", "2"),
        ("server.data", data),
        ("upstream.url", &url),
    ];
    for (key, value) in base.iter().chain(keys) {
        layers.flag(key, "--test", Some((*value).to_owned()));
    }
    Stack { server: Server::start(&Config::check(&layers).unwrap()).unwrap(), sim }
}

#[test]
fn a_restart_keeps_names_and_fresh_gear() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack(folder.path(), &[]);
    let before = stack.get(&v4("강은호"));
    assert_eq!(before.header("x-cache"), Some("MISS"));
    let stack = restarted(stack, folder.path(), &[]);
    let after = stack.get(&v4("강은호"));
    assert_eq!(after.header("x-cache"), Some("STORE"));
    let comparable = |reply: &api_support::Reply| {
        let mut document = reply.json();
        document.as_object_mut().unwrap().remove("calculatedAt");
        document
    };
    assert_eq!(comparable(&after), comparable(&before), "the same gear, received at the same time");
    assert_eq!(
        (stack.sim_count("id"), stack.sim_count("equipment")),
        (1, 1),
        "nothing asked again"
    );
    assert_eq!(stack.get(&v4("강은호")).header("x-cache"), Some("HIT-L1"));
    assert_eq!(stack.metric(r#"maple_store_reads_total{result="found"}"#), 2.0);
}

#[test]
fn a_view_is_shown_after_a_restart_without_asking_the_game() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack(folder.path(), &[]);
    stack.get(&v4("강은호"));
    let stack = restarted(stack, folder.path(), &[]);
    stack.sim_set(r#"{"status":500}"#);
    let v5 = v4("강은호").replace("/v4/", "/v5/");
    let view = stack.get(&v5);
    assert_eq!((view.status, view.header("x-cache")), (200, Some("STORE")));
    assert_eq!(stack.get(&v5).header("x-cache"), Some("HIT-L1"));
    assert_eq!((stack.sim_count("id"), stack.sim_count("equipment")), (1, 1));
}

#[test]
fn old_gear_is_fetched_again_and_serves_when_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let short =
        [("cache.fresh", "100ms"), ("cache.stale", "200ms"), ("upstream.retry_attempts", "1")];
    let first = stack(folder.path(), &short);
    first.get(&v4("강은호"));
    let second = restarted(first, folder.path(), &short);
    second.sim_set(r#"{"status":500}"#);
    wait(Duration::from_millis(150));
    let reply = second.get(&v4("강은호"));
    assert_eq!((reply.status, reply.header("x-cache")), (200, Some("STALE")));
    assert_eq!(reply.json()["stale"], true);
    second.sim_reset();
    let reply = second.get(&(v4("강은호") + "?force=true"));
    assert_eq!((reply.status, reply.header("x-cache")), (200, Some("MISS")));
}

#[test]
fn a_file_of_another_build_refuses_the_start_and_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let Stack { server, sim } = stack(folder.path(), &[]);
    server.stop(Duration::from_secs(5));
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, b"something else, and long enough to be looked at").unwrap();
    let mut layers = Layers::defaults();
    let (url, data) = (sim.base_url(), folder.path().to_str().unwrap());
    let keys =
        [("server.listen", "127.0.0.1:0"), ("server.data", data), ("upstream.url", url.as_str())];
    for (key, value) in keys {
        layers.flag(key, "--test", Some(value.to_owned()));
    }
    let refused = Server::start(&Config::check(&layers).unwrap()).map(|_| ()).unwrap_err();
    let said = refused.to_string();
    assert!(said.starts_with("server.data: ") && said.contains("characters-"), "{said}");
}

/// Lets time pass for a server in this process.
fn wait(span: Duration) {
    let (_tell, told) = std::sync::mpsc::channel::<()>();
    let _ = told.recv_timeout(span);
}
