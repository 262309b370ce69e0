//! A response and how it becomes bytes. The edge adds what belongs to the connection: Date, Content-Length,
//! X-Correlation-ID, Connection. Handlers add everything else, as finished lines or field by field.

use std::borrow::Cow;

use bytes::Bytes;

use super::Status;
use super::correlation::Correlation;

/// One response.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status.
    pub status: Status,
    /// Finished field lines shared by many answers (a cached entry's), each ended by CRLF.
    pub shared_fields: Bytes,
    /// Finished field lines of this answer, each ended by CRLF. See [`Response::field`].
    pub fields: Cow<'static, str>,
    /// The body. Left out, but counted in Content-Length, when the request was HEAD.
    pub body: Bytes,
    /// Whether the connection ends with this answer.
    pub close: bool,
}

impl Response {
    /// An answer without fields and body.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self {
            status,
            shared_fields: Bytes::new(),
            fields: Cow::Borrowed(""),
            body: Bytes::new(),
            close: false,
        }
    }

    /// With this body.
    #[must_use]
    pub fn body(self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }.field("Content-Type", content_type)
    }

    /// With one more field. A value with a control character, which could forge a line, is dropped with its field.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: &str) -> Self {
        let forges = value.bytes().any(|byte| byte.is_ascii_control());
        if !forges {
            let fields = self.fields.to_mut();
            for part in [name, ": ", value, "\r\n"] {
                fields.push_str(part);
            }
        }
        self
    }
}

/// What the connection decides about an answer.
pub(super) struct Framing<'a> {
    pub(super) date: &'a [u8],
    pub(super) correlation: &'a Correlation,
    pub(super) persistence: Persistence,
}

/// What the answer says about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// Stays open, as HTTP/1.1 does when nothing is said.
    Keep,
    /// Stays open and must say so, to a client of HTTP/1.0.
    KeepAloud,
    /// Ends with this answer.
    Close,
}

/// Appends the head of `response`, with the empty line that ends it.
pub(super) fn encode_head(out: &mut Vec<u8>, response: &Response, framing: &Framing<'_>) {
    let mut digits = itoa::Buffer::new();
    let status = response.status;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(digits.format(status.code()).as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.reason().as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(framing.date);
    if !status.is_bodiless() {
        out.extend_from_slice(b"\r\nContent-Length: ");
        out.extend_from_slice(digits.format(response.body.len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&response.shared_fields);
    out.extend_from_slice(response.fields.as_bytes());
    out.extend_from_slice(b"X-Correlation-ID: ");
    out.extend_from_slice(framing.correlation.as_str().as_bytes());
    out.extend_from_slice(match framing.persistence {
        Persistence::Keep => b"\r\n\r\n",
        Persistence::KeepAloud => b"\r\nConnection: keep-alive\r\n\r\n",
        Persistence::Close => b"\r\nConnection: close\r\n\r\n",
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(response: &Response, persistence: Persistence) -> String {
        let correlation = Correlation::from_client(b"id-1").unwrap();
        let framing = Framing { date: b"D", correlation: &correlation, persistence };
        let mut out = Vec::new();
        encode_head(&mut out, response, &framing);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_head_has_the_edges_fields_around_the_handlers() {
        let mut response =
            Response::new(Status::OK).body("text/plain", "hello").field("X-Cache", "MISS");
        response.shared_fields = Bytes::from_static(b"ETag: \"x\"\r\n");
        assert_eq!(
            head(&response, Persistence::Keep),
            "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Length: 5\r\nETag: \"x\"\r\nContent-Type: text/plain\r\n\
             X-Cache: MISS\r\nX-Correlation-ID: id-1\r\n\r\n"
        );
        let unchanged = Response::new(Status::NOT_MODIFIED);
        assert_eq!(
            head(&unchanged, Persistence::Close),
            "HTTP/1.1 304 Not Modified\r\nDate: D\r\nX-Correlation-ID: id-1\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn a_value_cannot_forge_a_line() {
        let response = Response::new(Status::OK).field("Location", "/a\r\nSet-Cookie: x");
        assert_eq!(response.fields, "");
    }
}
