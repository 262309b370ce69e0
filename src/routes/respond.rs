//! Answers of the domain as HTTP responses: negotiation, validators, caching fields.

use std::borrow::Cow;

use bytes::Bytes;

use crate::error::Fault;
use crate::expectation::flow::Source;
use crate::expectation::ports::Body;
use crate::http::Request;
use crate::http::Response;
use crate::http::Status;
use crate::http::negotiate;
use crate::http::negotiate::Encoding;
use crate::http::status::Problem;
use crate::routes::near::Finished;

/// When to ask again for what is being made, seconds.
const PENDING_SECS: &str = "1";

/// Everything about a document that is the same for every request of one coding.
pub(super) fn finish(body: &Body, encoding: Encoding) -> Result<Finished, Fault> {
    // The two codings are two representations: a strong validator must tell them apart.
    let (suffix, coding, body_bytes) = match encoding {
        Encoding::Gzip => ("-gzip", "Content-Encoding: gzip\r\n", body.gzip.clone()),
        Encoding::Identity => ("", "", body.plain()?),
    };
    let etag = format!("\"{:032x}{suffix}\"", body.hash);
    // no-cache: stored by anyone, used only after asking, for an answer may change at any time.
    let fields = format!(
        "Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n{coding}\
         ETag: {etag}\r\nVary: Accept-Encoding\r\nCache-Control: no-cache\r\n"
    );
    Ok(Finished { fields: fields.into(), etag: etag.into(), body: body_bytes })
}

/// A finished document, or 304 when the client has it already.
pub(super) fn finished(request: &Request<'_>, finished: &Finished, source: Source) -> Response {
    let unchanged = negotiate::names_etag(request.headers("if-none-match"), &finished.etag);
    let status = if unchanged { Status::NOT_MODIFIED } else { Status::OK };
    let mut response = Response::new(status);
    response.shared_fields = finished.fields.clone();
    response.fields = Cow::Borrowed(match source {
        Source::HitL1 => "X-Cache: HIT-L1\r\n",
        Source::HitL2 => "X-Cache: HIT-L2\r\n",
        Source::Store => "X-Cache: STORE\r\n",
        Source::Miss => "X-Cache: MISS\r\n",
        Source::Stale => "X-Cache: STALE\r\n",
    });
    if !unchanged {
        response.body = finished.body.clone();
    }
    response
}

/// Not there yet: to be asked for again at `path`, soon.
pub(super) fn pending(path: &str) -> Response {
    let location: String = path.bytes().map(in_location).collect();
    Response::new(Status::ACCEPTED).field("Location", &location).field("Retry-After", PENDING_SECS)
}

/// A byte of a raw path; a path may come unencoded, a field is ASCII.
fn in_location(byte: u8) -> String {
    if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// A JSON document of this moment.
pub(super) fn json(body: impl Into<Bytes>) -> Response {
    Response::new(Status::OK)
        .body("application/json", body)
        .field("X-Content-Type-Options", "nosniff")
}

/// Metrics in the Prometheus text format.
pub(super) fn exposition(text: String) -> Response {
    Response::new(Status::OK).body("text/plain; version=0.0.4; charset=utf-8", text)
}

/// A fault, told and logged here and nowhere else.
pub(super) fn fault(request: &Request<'_>, fault: &Fault) -> Response {
    use crate::error::Who;
    let request_id = request.correlation().as_str();
    match fault.who {
        Who::Client => tracing::debug!(request_id, %fault, "refused"),
        Who::Us => tracing::error!(request_id, %fault, "failed"),
        Who::Upstream => tracing::warn!(request_id, %fault, "failed"),
    }
    Problem::of_fault(fault, request.correlation()).respond(request)
}
