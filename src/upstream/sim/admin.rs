//! The routes under `/_sim/`: look at the simulator, set its switches, change a character.
//! What is refused is answered with 400 and a sentence naming the key at fault.

use std::rc::Rc;

use http_body_util::BodyExt;
use http_body_util::Limited;
use hyper::Method;
use hyper::Request;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use super::identity::Ocid;
use super::payloads::Source;
use super::server::State;

/// The JSON of `/_sim/character`: a name and exactly one of the others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: String,
    /// The name of a registered fixture.
    fixture: Option<String>,
    /// Other gear for the same character; 0 is the gear it began with.
    revision: Option<u64>,
}

const BODY_BYTES_MAX: usize = 64 * 1024;

/// Status and body.
pub(super) async fn handle(state: &Rc<State>, request: Request<Incoming>) -> (u16, String) {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return (400, json!({ "error": "unreadable or too large" }).to_string());
    };
    let done = match (&head.method, head.uri.path()) {
        (&Method::GET, "/_sim/state") => Ok(()),
        (&Method::POST, "/_sim/set") => set(state, &body.to_bytes()),
        (&Method::POST, "/_sim/reset") => {
            reset(state);
            Ok(())
        }
        (&Method::POST, "/_sim/character") => character(state, &body.to_bytes()),
        _ => return (404, json!({ "error": "no such route" }).to_string()),
    };
    match done {
        Ok(()) => (200, describe(state)),
        Err(error) => (400, json!({ "error": error }).to_string()),
    }
}

fn set(state: &State, body: &[u8]) -> Result<(), String> {
    let change: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let changed = state.switches.borrow().changed(change)?;
    *state.switches.borrow_mut() = changed;
    state.gate.notify_waiters();
    Ok(())
}

/// Switches as at the start, counters to zero, characters unchanged; documents made so far stay.
fn reset(state: &State) {
    *state.switches.borrow_mut() = state.initial.clone();
    state.counters.borrow_mut().reset();
    state.payloads.borrow_mut().reset();
    state.gate.notify_waiters();
}

fn character(state: &State, body: &[u8]) -> Result<(), String> {
    let change: Change = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut payloads = state.payloads.borrow_mut();
    let source = match (change.fixture, change.revision) {
        (Some(name), None) => {
            let fixture = Ocid::of(&name);
            if !payloads.has_fixture(fixture) {
                return Err(format!("fixture: none is registered as {name}"));
            }
            Source::Fixture(fixture)
        }
        (None, Some(revision)) => Source::Revision(revision),
        _ => return Err("give either fixture or revision".to_owned()),
    };
    payloads.change(Ocid::of(&change.name), source)
}

fn describe(state: &State) -> String {
    let (count, bytes) = state.payloads.borrow().kept();
    let state = json!({
        "switches": *state.switches.borrow(),
        "counters": *state.counters.borrow(),
        "documents": { "kept": count, "bytes": bytes },
    });
    state.to_string()
}
