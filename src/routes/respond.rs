//! Answers of the domain as HTTP responses: negotiation, validators, caching fields.

use bytes::Bytes;

use crate::error::Fault;
use crate::expectation::flow::Answer;
use crate::expectation::flow::Source;
use crate::http::Request;
use crate::http::Response;
use crate::http::Status;
use crate::http::negotiate;
use crate::http::negotiate::Encoding;
use crate::http::status::Problem;

/// A cached document, gzip or plain as the client takes it, or 304 when it has it already.
pub(super) fn document(request: &Request<'_>, answer: &Answer) -> Result<Response, Fault> {
    let encoding = negotiate::encoding(request.headers("accept-encoding"));
    // The two codings are two representations: a strong validator must tell them apart.
    let etag = match encoding {
        Encoding::Gzip => format!("\"{:032x}-gzip\"", answer.body.hash),
        Encoding::Identity => format!("\"{:032x}\"", answer.body.hash),
    };
    let source = match answer.source {
        Source::HitL1 => "HIT-L1",
        Source::Miss => "MISS",
        Source::Stale => "STALE",
    };
    let with_fields = |response: Response| {
        response
            .field("ETag", &etag)
            .field("Vary", "Accept-Encoding")
            // Stored by anyone, used only after asking: an answer may change at any time.
            .field("Cache-Control", "no-cache")
            .field("X-Cache", source)
    };
    if negotiate::names_etag(request.headers("if-none-match"), &etag) {
        return Ok(with_fields(Response::new(Status::NOT_MODIFIED)));
    }
    Ok(match encoding {
        Encoding::Gzip => {
            with_fields(json(answer.body.gzip.clone())).field("Content-Encoding", "gzip")
        }
        Encoding::Identity => with_fields(json(answer.body.plain()?)),
    })
}

/// A JSON document of this moment.
pub(super) fn json(body: impl Into<Bytes>) -> Response {
    Response::new(Status::OK)
        .body("application/json", body)
        .field("X-Content-Type-Options", "nosniff")
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
