//! Connections and requests of the simulator. Everything runs on one thread, so the state is plain
//! cells; no borrow of it is held across an await. Faults come before answers: a request passes the
//! gate, waits, and only then is looked at.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::Request;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::ACCEPT_ENCODING;
use hyper::header::CONTENT_ENCODING;
use hyper::header::CONTENT_LENGTH;
use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderValue;
use hyper::header::RETRY_AFTER;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::limits::NAME_CHARS_MAX;

use super::admin;
use super::body;
use super::body::Body;
use super::body::Pace;
use super::counters::Counters;
use super::counters::KEY_HEADER;
use super::dice::Dice;
use super::document;
use super::faults;
use super::faults::ApiError;
use super::faults::Endpoint;
use super::faults::Gate;
use super::faults::Quota;
use super::faults::Switches;
use super::identity::Ocid;
use super::payloads::Payloads;
use super::payloads::pack;
use super::payloads::unpack;

/// Everything a simulator knows. Lives on its thread.
pub(super) struct State {
    pub(super) payloads: RefCell<Payloads>,
    pub(super) switches: RefCell<Switches>,
    pub(super) counters: RefCell<Counters>,
    /// Told whenever the gate may have opened.
    pub(super) gate: Notify,
    /// What a reset goes back to.
    pub(super) initial: Switches,
    started: Instant,
    quota: RefCell<Quota>,
    jitter: RefCell<Dice>,
}

/// Counts a request while it is being answered, and whether its client left before the end.
pub(super) struct InFlight {
    state: Rc<State>,
    complete: bool,
}

/// Counts an open connection.
struct Connected(Rc<State>);

/// Counts a request at the gate.
struct Held(Rc<State>);

/// An answer before any fault touches it.
struct Reply {
    status: u16,
    body: Bytes,
    gzip: bool,
}

/// Connections at the same time; more are closed at once.
const CONNECTIONS_MAX: u64 = 8192;
/// Requests waiting at the gate; more are refused.
const HELD_MAX: u64 = 8192;
/// Smaller answers are sent plain, as packing would not shorten them.
const PACK_BYTES_MIN: usize = 256;
/// Names with this prefix do not exist.
const NOBODY: &str = "없는";

impl State {
    pub(super) fn new(payloads: Payloads, switches: Switches) -> Rc<Self> {
        Rc::new(Self {
            payloads: RefCell::new(payloads),
            switches: RefCell::new(switches.clone()),
            counters: RefCell::default(),
            gate: Notify::new(),
            initial: switches,
            started: Instant::now(),
            quota: RefCell::default(),
            jitter: RefCell::new(Dice::new(0)),
        })
    }
}

/// Serves until `stopped` resolves or its sender is gone. Must run in a `LocalSet`.
pub(super) async fn serve(
    listener: TcpListener,
    state: Rc<State>,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => return Ok(()),
        };
        match accepted {
            Ok((stream, _)) if state.counters.borrow().open_connections < CONNECTIONS_MAX => {
                tokio::task::spawn_local(connection(stream, Rc::clone(&state)));
            }
            Ok(_) => {}
            // Out of descriptors: accept would fail again at once.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection(stream: TcpStream, state: Rc<State>) {
    let _connected = Connected::new(&state);
    // Without it, two small writes wait for each other's acknowledgement (40 ms).
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| {
        let state = Rc::clone(&state);
        async move { Ok::<_, Infallible>(answer(&state, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // A client that went away or a body cut on purpose: both are counted elsewhere.
    let _ = served.await;
}

async fn answer(state: &Rc<State>, request: Request<Incoming>) -> Response<Body> {
    if request.uri().path().starts_with("/_sim/") {
        let (status, body) = admin::handle(state, request).await;
        return respond(&Reply { status, body: Bytes::from(body), gzip: false }, None);
    }
    let endpoint = endpoint(&request);
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    state.counters.borrow_mut().request(endpoint, target, request.headers());
    let arrived = state.started.elapsed();
    state.counters.borrow_mut().arrival(arrived);
    let mut in_flight = InFlight::new(state);
    let passed = pass_gate(state).await;
    let faults = state.switches.borrow_mut().strike(endpoint);
    let wait = faults.latency_ms + state.jitter.borrow_mut().next() % (faults.jitter_ms + 1);
    if wait > 0 {
        sleep(Duration::from_millis(wait)).await;
    }
    if faults.hang {
        std::future::pending::<()>().await;
    }
    let reply = if passed {
        decide(state, endpoint, &request, &faults)
    } else {
        Reply::error(503, faults::INTERNAL.name, "too many requests at the gate")
    };
    state.counters.borrow_mut().answer(endpoint, reply.status);
    let slow = Duration::from_millis(faults.slow_body_ms);
    if let Some(bytes) = faults.body_bytes {
        in_flight.complete();
        return respond(&Reply { gzip: false, ..reply }, Some(body::filler(bytes)));
    }
    if faults.truncate || !slow.is_zero() {
        let pace = Pace { slow, truncate: faults.truncate };
        let paced = body::paced(reply.body.clone(), pace, in_flight);
        let mut response = respond(&reply, Some(paced));
        let length = HeaderValue::from(reply.body.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        return response;
    }
    in_flight.complete();
    let mut response = respond(&reply, None);
    if reply.status >= 400
        && let Some(seconds) = faults.retry_after_secs
    {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Waits while the gate is closed; false when too many wait already.
async fn pass_gate(state: &Rc<State>) -> bool {
    if state.switches.borrow().gate == Gate::Open {
        return true;
    }
    if state.counters.borrow().held >= HELD_MAX {
        return false;
    }
    let _held = Held::new(state);
    while state.switches.borrow().gate == Gate::Hold {
        state.gate.notified().await;
    }
    true
}

/// The answer to a request that got past the gate.
fn decide(
    state: &State,
    endpoint: Endpoint,
    request: &Request<Incoming>,
    faults: &Switches,
) -> Reply {
    if let Some((status, name, message)) = faults.error() {
        return Reply::error(status, name, message);
    }
    if faults.garbage {
        let body = Bytes::from_static(b"<html>definitely not JSON</html>");
        return Reply { status: 200, body, gzip: false };
    }
    let headers = request.headers();
    if headers.get(KEY_HEADER).is_none_or(|key| key.as_bytes().trim_ascii().is_empty()) {
        return Reply::of(&faults::BAD_KEY);
    }
    let per_second = state.switches.borrow().quota_per_second;
    if !state.quota.borrow_mut().admit(per_second, Instant::now()) {
        return Reply::of(&faults::QUOTA);
    }
    let packed_welcome = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .any(|value| String::from_utf8_lossy(value.as_bytes()).contains("gzip"));
    match content(state, endpoint, request.uri().query().unwrap_or_default()) {
        Err(error) => Reply::of(&error),
        Ok(Content::Packed(body)) if packed_welcome => Reply { status: 200, body, gzip: true },
        Ok(Content::Packed(body)) => Reply { status: 200, body: unpack(&body), gzip: false },
        Ok(Content::Plain(body)) => {
            let gzip = packed_welcome && body.len() >= PACK_BYTES_MIN;
            let body = if gzip { pack(&body) } else { Bytes::from(body) };
            Reply { status: 200, body, gzip }
        }
    }
}

enum Content {
    Plain(Vec<u8>),
    Packed(Bytes),
}

fn content(state: &State, endpoint: Endpoint, query: &str) -> Result<Content, ApiError> {
    let ocid = || {
        let text = parameter(query, "ocid").ok_or(faults::BAD_PARAMETER)?;
        Ocid::parse(&text).ok_or(faults::BAD_IDENTIFIER)
    };
    match endpoint {
        Endpoint::Id => {
            let name = parameter(query, "character_name").ok_or(faults::BAD_PARAMETER)?;
            if name.starts_with(NOBODY) || name.chars().count() > NAME_CHARS_MAX {
                return Err(faults::BAD_PARAMETER);
            }
            Ok(Content::Plain(document::id(Ocid::of(&name))))
        }
        Endpoint::Basic => Ok(Content::Plain(state.payloads.borrow().basic(ocid()?))),
        Endpoint::Equipment => Ok(Content::Packed(state.payloads.borrow_mut().equipment(ocid()?))),
        Endpoint::Other => Err(faults::BAD_PATH),
    }
}

fn endpoint(request: &Request<Incoming>) -> Endpoint {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/maplestory/v1/id") => Endpoint::Id,
        (&Method::GET, "/maplestory/v1/character/basic") => Endpoint::Basic,
        (&Method::GET, "/maplestory/v1/character/item-equipment") => Endpoint::Equipment,
        _ => Endpoint::Other,
    }
}

/// The decoded value of a parameter; `None` when it is missing, empty or not UTF-8.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    let value = value.replace('+', " ");
    let value = percent_decode_str(&value).decode_utf8().ok()?;
    (!value.trim().is_empty()).then(|| value.into_owned())
}

fn respond(reply: &Reply, body: Option<Body>) -> Response<Body> {
    let body = body.unwrap_or_else(|| body::whole(reply.body.clone()));
    let mut response = Response::new(body);
    *response.status_mut() =
        hyper::StatusCode::from_u16(reply.status).expect("switches are limited to real statuses");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    if reply.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

impl Reply {
    fn of(error: &ApiError) -> Self {
        Self::error(error.status, error.name, error.message)
    }

    fn error(status: u16, name: &str, message: &str) -> Self {
        let body = json!({ "error": { "name": name, "message": message } });
        Self { status, body: Bytes::from(body.to_string()), gzip: false }
    }
}

impl InFlight {
    fn new(state: &Rc<State>) -> Self {
        state.counters.borrow_mut().in_flight += 1;
        Self { state: Rc::clone(state), complete: false }
    }

    pub(super) fn complete(&mut self) {
        self.complete = true;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut counters = self.state.counters.borrow_mut();
        counters.in_flight -= 1;
        counters.aborted += u64::from(!self.complete);
    }
}

impl Connected {
    fn new(state: &Rc<State>) -> Self {
        state.counters.borrow_mut().open_connections += 1;
        Self(Rc::clone(state))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.counters.borrow_mut().open_connections -= 1;
    }
}

impl Held {
    fn new(state: &Rc<State>) -> Self {
        state.counters.borrow_mut().held += 1;
        Self(Rc::clone(state))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.counters.borrow_mut().held -= 1;
    }
}
