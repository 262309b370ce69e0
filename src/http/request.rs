//! A request as handlers see it: borrowed from the connection's buffer, parsed once, whole body at hand.
//! Nothing is decoded here: `target` does that for paths and queries. Built only by `connection`.

use std::time::Duration;

use super::correlation::Correlation;
use super::parse::Head;

/// The methods this server knows; any other is refused before a handler sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
    Options,
}

impl Method {
    /// As it is spelled on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Options => "OPTIONS",
        }
    }
}

/// One request.
pub struct Request<'a> {
    pub(super) head: &'a Head,
    pub(super) head_bytes: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) correlation: &'a Correlation,
    pub(super) received: Duration,
    pub(super) received_unix_ms: u64,
}

impl<'a> Request<'a> {
    /// The method. The answer to `Head` is made as for `Get`; its body is left out on the wire.
    #[must_use]
    pub fn method(&self) -> Method {
        self.head.method
    }

    /// The path as sent: still percent-encoded, starts with `/` (or is `*` for OPTIONS), contains no `//`.
    #[must_use]
    pub fn path(&self) -> &'a str {
        // An absolute target may end with its authority (RFC 9112 3.2.2).
        Some(self.text(self.head.path)).filter(|path| !path.is_empty()).unwrap_or("/")
    }

    /// The query as sent, without `?`; empty when there is none.
    #[must_use]
    pub fn query(&self) -> &'a str {
        self.head.query.map_or("", |span| self.text(span))
    }

    /// Minor version of HTTP/1: 0 or 1.
    #[must_use]
    pub fn minor_version(&self) -> u8 {
        self.head.minor_version
    }

    /// The first field called `name`, in any case, without surrounding blanks.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers(name).next()
    }

    /// As [`Request::header`], when the value is UTF-8.
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.header(name)?).ok()
    }

    /// Every field called `name`, in the order sent.
    pub fn headers<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let (fields, bytes) = (&self.head.fields, self.head_bytes);
        let named =
            fields.iter().filter(move |f| f.name.of(bytes).eq_ignore_ascii_case(name.as_bytes()));
        named.map(move |field| field.value.of(bytes))
    }

    /// The body, decoded from chunks; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The id that ties answer and log together; echoed in every answer by the edge.
    #[must_use]
    pub fn correlation(&self) -> &'a Correlation {
        self.correlation
    }

    /// The shard's coarse monotonic clock when the request was complete; deadlines count from here.
    #[must_use]
    pub fn received(&self) -> Duration {
        self.received
    }

    /// The shard's coarse wall clock when the request was complete.
    #[must_use]
    pub fn received_unix_ms(&self) -> u64 {
        self.received_unix_ms
    }

    fn text(&self, span: super::parse::Span) -> &'a str {
        std::str::from_utf8(span.of(self.head_bytes)).expect("the target was checked to be UTF-8")
    }
}
