//! The client of the game API against the simulator, over real loopback HTTP.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod upstream_http;

use std::io::Read;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::time::Duration;

use flate2::read::GzDecoder;
use maple_expectation::error::Fault;
use maple_expectation::error::What;
use maple_expectation::error::Who;
use maple_expectation::limits::UPSTREAM_BODY_BYTES_MAX;
use maple_expectation::limits::UPSTREAM_CALLS_MAX;
use maple_expectation::secret::Secret;
use maple_expectation::upstream::client::Client;
use maple_expectation::upstream::client::ClientConfig;
use maple_expectation::upstream::failure::Failure;
use maple_expectation::upstream::failure::Sign;
use maple_expectation::upstream::sim::Sim;
use maple_expectation::upstream::sim::SimConfig;
use maple_expectation::upstream::sim::SimHandle;
use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use upstream_http::set;
use upstream_http::state;

const KEY: &str = "live_0123456789";
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(150);

fn config(base_url: String) -> ClientConfig {
    ClientConfig {
        base_url,
        api_key: Secret::new(KEY),
        connect_timeout: Duration::from_millis(150),
        response_timeout: RESPONSE_TIMEOUT,
        user_agent: "maple-expectation/test".to_owned(),
    }
}

fn start() -> (SimHandle, Client) {
    let sim = Sim::start(SimConfig::default()).unwrap();
    let client = Client::new(&config(sim.base_url())).unwrap();
    (sim, client)
}

/// The same with time enough for a debug build to make a document.
fn start_patient() -> (SimHandle, Client) {
    let sim = Sim::start(SimConfig::default()).unwrap();
    let patient =
        ClientConfig { response_timeout: Duration::from_secs(10), ..config(sim.base_url()) };
    let client = Client::new(&patient).unwrap();
    (sim, client)
}

async fn wait_until(addr: SocketAddr, what: &str, seen: impl Fn(&Value) -> bool) {
    for _ in 0..400 {
        if seen(&state(addr)["counters"]) {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}; {}", state(addr));
}

fn failed(failure: Failure) -> String {
    match failure.fault {
        Fault { who: Who::Upstream, what: What::UpstreamFailed { detail }, .. } => detail,
        other => panic!("{other:?}"),
    }
}

fn timed_out(failure: Failure) -> String {
    match failure.fault {
        Fault { who: Who::Upstream, what: What::UpstreamTimeout { detail }, .. } => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_three_calls_answer_and_ask_as_the_api_wants() {
    let (sim, client) = start_patient();
    let ocid = client.ocid("강은호").await.unwrap();
    let basic = client.basic(&ocid).await.unwrap();
    assert_eq!(basic.character_name.as_deref(), Some("강은호"));
    assert_eq!(basic.character_class.as_deref(), Some("비숍"));
    assert!(basic.character_level.is_some_and(|level| level >= 270));
    let document = client.equipment(&ocid).await.unwrap();
    assert!(document.gzip);
    let mut plain = String::new();
    GzDecoder::new(&document.body[..]).read_to_string(&mut plain).unwrap();
    let parsed: Value = serde_json::from_str(&plain).unwrap();
    assert_eq!(parsed["character_class"], "비숍");

    let counters = &state(sim.addr())["counters"];
    assert_eq!(
        counters["last"]["id"]["target"],
        "/maplestory/v1/id?character_name=%EA%B0%95%EC%9D%80%ED%98%B8"
    );
    for endpoint in ["id", "basic", "equipment"] {
        let headers = &counters["last"][endpoint]["headers"];
        assert_eq!(headers["accept"], "application/json");
        assert_eq!(headers["accept-encoding"], "gzip");
        assert_eq!(headers["user-agent"], "maple-expectation/test");
        assert_eq!(headers["x-nxopen-api-key"], "live***");
        assert_eq!(counters["requests"][endpoint], 1);
    }
}

#[tokio::test]
async fn reserved_characters_of_a_name_stay_in_the_name() {
    let (sim, client) = start();
    let odd = "a&b=c +/?#%";
    let ocid = client.ocid(odd).await.unwrap();
    assert_eq!(client.basic(&ocid).await.unwrap().character_name.as_deref(), Some(odd));
    assert_eq!(
        state(sim.addr())["counters"]["last"]["id"]["target"],
        "/maplestory/v1/id?character_name=a%26b%3Dc%20%2B%2F%3F%23%25"
    );
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_the_clients_fault() {
    let (_sim, client) = start();
    let failure = client.ocid("없는캐릭터").await.unwrap_err();
    assert_eq!(failure.fault, Fault::no_such_character("없는캐릭터"));
    assert_eq!(failure.sign, Sign::Well);
}

#[tokio::test]
async fn every_refusal_of_the_api_is_upstream_failed_and_named() {
    let (sim, client) = start();
    let codes = [
        ("OPENAPI00001", 500, Sign::Ill),
        ("OPENAPI00002", 403, Sign::Refused),
        ("OPENAPI00005", 400, Sign::Refused),
        ("OPENAPI00006", 400, Sign::Refused),
        ("OPENAPI00007", 429, Sign::TooMany { after: None }),
        ("OPENAPI00009", 400, Sign::Refused),
        ("OPENAPI00010", 400, Sign::Refused),
        ("OPENAPI00011", 503, Sign::Ill),
    ];
    for (name, status, sign) in codes {
        set(sim.addr(), &json!({ "errorName": name }));
        let failure = client.ocid("강은호").await.unwrap_err();
        assert_eq!(failure.sign, sign, "{name}");
        assert_eq!(failed(failure), format!("id: HTTP {status} {name}"));
        let detail = failed(client.equipment("00").await.unwrap_err());
        assert_eq!(detail, format!("item-equipment: HTTP {status} {name}"));
    }
    set(sim.addr(), &json!({ "errorName": "OPENAPI00003" }));
    let detail = failed(client.ocid("강은호").await.unwrap_err());
    assert_eq!(detail, "id: HTTP 400 OPENAPI00003");
    for unknown_id in ["OPENAPI00003", "OPENAPI00004"] {
        set(sim.addr(), &json!({ "errorName": unknown_id }));
        for failure in
            [client.basic("00").await.unwrap_err(), client.equipment("00").await.unwrap_err()]
        {
            assert_eq!((failure.fault, failure.sign), (Fault::outdated_id(), Sign::Refused));
        }
    }
    set(sim.addr(), &json!({ "errorName": "OPENAPI00007", "retryAfterSecs": 7 }));
    let failure = client.ocid("강은호").await.unwrap_err();
    assert_eq!(failure.sign, Sign::TooMany { after: Some(Duration::from_secs(7)) });
}

#[tokio::test]
async fn no_message_carries_the_key() {
    let (sim, client) = start();
    for fault in [json!({ "status": 500 }), json!({ "hang": true })] {
        set(sim.addr(), &fault);
        let shown = format!("{:?}", client.ocid("강은호").await.unwrap_err());
        assert!(!shown.contains("live_"), "{shown}");
    }
    assert!(!format!("{client:?} {:?}", config(sim.base_url())).contains("live_"));
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_upstream_failed() {
    let (sim, client) = start_patient();
    let ocid = client.ocid("강은호").await.unwrap();
    set(sim.addr(), &json!({ "garbage": true }));
    assert_eq!(failed(client.ocid("a").await.unwrap_err()), "id: HTTP 200 without a usable ocid");
    assert!(failed(client.basic(&ocid).await.unwrap_err()).contains("unreadable"));
    assert!(failed(client.equipment(&ocid).await.unwrap_err()).contains("unreadable"));

    set(sim.addr(), &json!({ "garbage": false, "truncate": true }));
    assert!(failed(client.ocid("a").await.unwrap_err()).contains("cut off"));
    assert!(failed(client.equipment(&ocid).await.unwrap_err()).contains("cut off"));

    let too_large = UPSTREAM_BODY_BYTES_MAX + 1;
    set(sim.addr(), &json!({ "truncate": false, "bodyBytes": too_large }));
    assert!(failed(client.equipment(&ocid).await.unwrap_err()).contains("too large"));
}

#[tokio::test]
async fn a_silent_or_slow_upstream_is_given_up() {
    let (sim, client) = start();
    set(sim.addr(), &json!({ "hang": true }));
    let begun = tokio::time::Instant::now();
    assert_eq!(timed_out(client.ocid("강은호").await.unwrap_err()), "id: response");
    let waited = begun.elapsed();
    assert!((RESPONSE_TIMEOUT..RESPONSE_TIMEOUT * 5).contains(&waited), "{waited:?}");

    // The head comes at once: the deadline covers the body too.
    set(sim.addr(), &json!({ "hang": false, "slowBodyMs": 5000 }));
    assert_eq!(timed_out(client.basic("00").await.unwrap_err()), "basic: response");
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection_and_the_next_one_gets_its_own_answer() {
    let (sim, client) = start_patient();
    let ocid = client.ocid("강은호").await.unwrap();
    wait_until(sim.addr(), "the connection is pooled", |seen| seen["inFlight"] == 0).await;
    set(sim.addr(), &json!({ "hang": true, "endpoint": "basic" }));
    let dropped = timeout(Duration::from_millis(50), client.basic(&ocid)).await;
    assert!(dropped.is_err(), "it hangs");
    wait_until(sim.addr(), "the abort is seen", |seen| seen["aborted"] == 1).await;
    let other = client.ocid("다른이름").await.unwrap();
    assert_ne!(other, ocid);
}

#[tokio::test]
async fn connections_are_reused_and_calls_bounded() {
    let (sim, client) = start_patient();
    for _ in 0..20 {
        client.ocid("강은호").await.unwrap();
    }
    // One of ours, one of the question itself.
    wait_until(sim.addr(), "one pooled connection", |seen| seen["openConnections"] == 2).await;

    set(sim.addr(), &json!({ "gate": "hold" }));
    let calls = (0..=UPSTREAM_CALLS_MAX).map(|_| client.ocid("강은호"));
    let release = async {
        let all = UPSTREAM_CALLS_MAX as u64;
        wait_until(sim.addr(), "all wait at the gate", |seen| seen["held"] == all).await;
        set(sim.addr(), &json!({ "gate": "open" }));
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), release);
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    let not_made = Failure { fault: Fault::overloaded("upstream calls"), sign: Sign::NotMade };
    assert_eq!(refused, [not_made]);
}

#[tokio::test]
async fn nobody_listening_is_upstream_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&config(base_url)).unwrap();
    assert_eq!(failed(client.ocid("강은호").await.unwrap_err()), "id: connect failed");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_a_connect_timeout() {
    // The kernel accepts the connection; nobody answers the TLS hello.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&config(format!("https://{}", listener.local_addr().unwrap())));
    assert_eq!(timed_out(client.unwrap().ocid("강은호").await.unwrap_err()), "id: connect");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).unwrap();
        let answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let client = Client::new(&config(format!("http://{addr}"))).unwrap();
    let detail = failed(client.ocid("강은호").await.unwrap_err());
    assert_eq!(detail, "id: HTTP 302 without an error name");
    server.join().unwrap();
}
