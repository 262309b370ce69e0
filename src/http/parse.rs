//! Bytes to a request head, in two steps: find its end without ever looking at a byte twice, then read it whole.
//! What is decided depends only on the bytes, never on how they were cut into packets. Everything two
//! implementations could read differently is refused (RFC 9112 leaves most of these to the server's taste).

use memchr::memchr;

use super::Method;
use super::Status;
use super::negotiate::is_token;
use crate::limits::BODY_BYTES_MAX;
use crate::limits::HEAD_BYTES_MAX;
use crate::limits::HEADERS_MAX;
use crate::limits::REQUEST_LINE_BYTES_MAX;
use crate::limits::TARGET_BYTES_MAX;

/// Why a request is not handed to a handler. The connection ends with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Status,
    /// The rule broken, for the reader.
    pub(super) rule: &'static str,
}

pub(super) const fn bad(rule: &'static str) -> Refusal {
    Refusal { status: Status::BAD_REQUEST, rule }
}

const fn refuse(status: Status, rule: &'static str) -> Refusal {
    Refusal { status, rule }
}

/// Part of a head; offsets fit because heads are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

const _: () = assert!(HEAD_BYTES_MAX <= u16::MAX as usize);

impl Span {
    fn within(whole: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        let narrow = |offset| u16::try_from(offset).expect("heads are below 64 KiB");
        Self { start: narrow(start), end: narrow(start + part.len()) }
    }

    pub(super) fn of(self, whole: &[u8]) -> &[u8] {
        &whole[usize::from(self.start)..usize::from(self.end)]
    }
}

/// One field line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Span,
    pub(super) value: Span,
}

/// How the body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// By its length, which may be zero and is within the limit.
    Length(usize),
    /// By chunks.
    Chunked,
}

/// A request head, as places in the bytes it was read from. Kept and refilled for each request of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) path: Span,
    pub(super) query: Option<Span>,
    pub(super) minor_version: u8,
    pub(super) fields: Vec<Field>,
    pub(super) framing: BodyFraming,
    pub(super) expects_continue: bool,
    pub(super) keep_alive: bool,
    pub(super) correlation: Option<Span>,
}

/// The search for the end of a head, resumed as bytes arrive.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    begin: usize,
    line_start: usize,
    lines: usize,
    seen: usize,
}

impl HeadScan {
    /// Looks at what has arrived of a head, from its first byte. Gives the place of the head once it is whole.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
    ) -> Result<Option<std::ops::Range<usize>>, Refusal> {
        let window = &input[..input.len().min(HEAD_BYTES_MAX)];
        if self.seen == 0 && !self.begin_at(window)? {
            return Ok(None);
        }
        while let Some(found) = memchr(b'\n', &window[self.seen..]) {
            let lf = self.seen + found;
            self.limit_request_line(lf)?;
            if lf == self.line_start || window[lf - 1] != b'\r' {
                return Err(bad("a line must end with CRLF"));
            }
            if lf - 1 == self.line_start {
                return Ok(Some(self.begin..lf + 1));
            }
            self.lines += 1;
            if self.lines > 1 + HEADERS_MAX {
                return Err(refuse(Status::HEADER_FIELDS_TOO_LARGE, "too many header fields"));
            }
            (self.line_start, self.seen) = (lf + 1, lf + 1);
        }
        self.seen = window.len();
        self.limit_request_line(self.seen)?;
        if window.len() == HEAD_BYTES_MAX {
            return Err(refuse(Status::HEADER_FIELDS_TOO_LARGE, "the request head is too long"));
        }
        Ok(None)
    }

    /// Skips one empty line, which RFC 9112 2.2 asks for, and checks the first byte, so that other protocols are
    /// refused at once. `false`: not enough bytes to tell.
    fn begin_at(&mut self, window: &[u8]) -> Result<bool, Refusal> {
        let begin = if window.starts_with(b"\r\n") { 2 } else { 0 };
        match window.get(begin) {
            None => return Ok(false),
            Some(b'\r') if window.len() == 1 => return Ok(false),
            Some(first) if !is_token(first) => {
                return Err(bad("a request must start with a method"));
            }
            Some(_) => {}
        }
        (self.begin, self.line_start, self.seen) = (begin, begin, begin);
        Ok(true)
    }

    /// `end`: the request line reaches at least to here.
    fn limit_request_line(&self, end: usize) -> Result<(), Refusal> {
        if self.lines == 0 && end - self.begin > REQUEST_LINE_BYTES_MAX {
            return Err(refuse(Status::URI_TOO_LONG, "the request line is too long"));
        }
        Ok(())
    }
}

impl Default for Head {
    fn default() -> Self {
        Self {
            method: Method::Get,
            path: Span::default(),
            query: None,
            minor_version: 1,
            fields: Vec::new(),
            framing: BodyFraming::Length(0),
            expects_continue: false,
            keep_alive: false,
            correlation: None,
        }
    }
}

impl Head {
    /// Reads a head that [`HeadScan`] found whole.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
        let line_end = memchr(b'\n', bytes).expect("a whole head has lines");
        let (line, rest) = (&bytes[..line_end - 1], &bytes[line_end + 1..]);
        self.read_request_line(bytes, line)?;
        self.read_fields(bytes, rest)
    }

    fn read_request_line(&mut self, bytes: &[u8], line: &[u8]) -> Result<(), Refusal> {
        let mut parts = line.split(|&byte| byte == b' ');
        let (method, target) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(method), Some(target), Some(version), None) => {
                self.minor_version = minor_version(version)?;
                (method, target)
            }
            (Some(_), Some([b'/', ..]), None, None) => {
                return Err(refuse(Status::VERSION_NOT_SUPPORTED, "HTTP/0.9"));
            }
            _ => return Err(bad("the request line must be method, target, version")),
        };
        self.method = known_method(method)?;
        self.read_target(bytes, target)
    }

    fn read_target(&mut self, bytes: &[u8], target: &[u8]) -> Result<(), Refusal> {
        if target.len() > TARGET_BYTES_MAX {
            return Err(refuse(Status::URI_TOO_LONG, "the target is too long"));
        }
        let printable = |&byte: &u8| byte > b' ' && byte != 0x7f && byte != b'#';
        if !target.iter().all(printable) || std::str::from_utf8(target).is_err() {
            return Err(bad("the target has a forbidden character"));
        }
        let local = match target {
            [b'/', ..] => target,
            b"*" if self.method == Method::Options => target,
            _ => absolute_path(target)?,
        };
        let query_at = memchr(b'?', local);
        let path = &local[..query_at.unwrap_or(local.len())];
        if path.windows(2).any(|pair| pair == b"//") {
            return Err(bad("the path must not contain //"));
        }
        self.path = Span::within(bytes, path);
        self.query = query_at.map(|at| Span::within(bytes, &local[at + 1..]));
        Ok(())
    }

    fn read_fields(&mut self, bytes: &[u8], lines: &[u8]) -> Result<(), Refusal> {
        // Enough for nearly every client; the bound proper would cost 3 KB of zeroes on each request.
        let mut few = [httparse::EMPTY_HEADER; 24];
        let mut all;
        let parsed = match httparse::parse_headers(lines, &mut few) {
            Err(httparse::Error::TooManyHeaders) => {
                all = [httparse::EMPTY_HEADER; HEADERS_MAX];
                httparse::parse_headers(lines, &mut all)
            }
            parsed => parsed,
        };
        let fields = match parsed {
            Ok(httparse::Status::Complete((_, fields))) => fields,
            Err(httparse::Error::HeaderValue) => return Err(bad("a header value is malformed")),
            Ok(httparse::Status::Partial) | Err(_) => {
                return Err(bad("a header line is malformed"));
            }
        };
        let mut noted = Noted::default();
        for field in fields {
            let (name, value) = (field.name.as_bytes(), field.value);
            let value_span = Span::within(bytes, value);
            self.fields.push(Field { name: Span::within(bytes, name), value: value_span });
            if name.eq_ignore_ascii_case(b"x-correlation-id") {
                self.correlation = Some(value_span);
            } else {
                noted.note(name, value);
            }
        }
        self.conclude(&noted)
    }

    fn conclude(&mut self, noted: &Noted<'_>) -> Result<(), Refusal> {
        match noted.host {
            Times::Never if self.minor_version == 0 => {}
            Times::Once(host) if is_authority(host) => {}
            Times::Once(_) => return Err(bad("the Host header is malformed")),
            Times::Never => return Err(bad("the Host header is missing")),
            Times::Often => return Err(bad("there is more than one Host header")),
        }
        self.framing = body_framing(noted, self.minor_version)?;
        self.expects_continue = match noted.expect {
            Times::Never => false,
            _ if self.minor_version == 0 => false,
            Times::Once(value) if value.eq_ignore_ascii_case(b"100-continue") => true,
            _ => return Err(refuse(Status::EXPECTATION_FAILED, "only 100-continue is known")),
        };
        self.keep_alive = !noted.close && (self.minor_version == 1 || noted.keep_alive);
        Ok(())
    }
}

/// A field that may be given once.
#[derive(Default, Clone, Copy)]
enum Times<'a> {
    #[default]
    Never,
    Once(&'a [u8]),
    Often,
}

impl<'a> Times<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Never => Self::Once(value),
            _ => Self::Often,
        };
    }
}

/// The fields that decide about the message itself.
#[derive(Default)]
struct Noted<'a> {
    host: Times<'a>,
    length: Times<'a>,
    coding: Times<'a>,
    expect: Times<'a>,
    close: bool,
    keep_alive: bool,
}

impl<'a> Noted<'a> {
    fn note(&mut self, name: &[u8], value: &'a [u8]) {
        if name.eq_ignore_ascii_case(b"host") {
            self.host.add(value);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.length.add(value);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.coding.add(value);
        } else if name.eq_ignore_ascii_case(b"expect") {
            self.expect.add(value);
        } else if name.eq_ignore_ascii_case(b"connection") {
            for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
    }
}

fn body_framing(noted: &Noted<'_>, minor_version: u8) -> Result<BodyFraming, Refusal> {
    match (noted.length, noted.coding) {
        (Times::Never, Times::Never) => Ok(BodyFraming::Length(0)),
        (Times::Once(length), Times::Never) => content_length(length).map(BodyFraming::Length),
        (Times::Often, _) => Err(bad("there is more than one Content-Length")),
        (_, Times::Often) => Err(bad("there is more than one Transfer-Encoding")),
        (Times::Once(_), Times::Once(_)) => {
            Err(bad("Content-Length and Transfer-Encoding exclude each other"))
        }
        (Times::Never, Times::Once(_)) if minor_version == 0 => {
            Err(bad("HTTP/1.0 has no Transfer-Encoding"))
        }
        (Times::Never, Times::Once(coding)) => transfer_coding(coding),
    }
}

fn content_length(value: &[u8]) -> Result<usize, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(bad("Content-Length is not a number"));
    }
    let length = value.iter().fold(0_usize, |sum, digit| {
        sum.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
    });
    if length > BODY_BYTES_MAX { Err(BODY_TOO_LARGE) } else { Ok(length) }
}

pub(super) const BODY_TOO_LARGE: Refusal =
    refuse(Status::CONTENT_TOO_LARGE, "the body is too long");

fn transfer_coding(value: &[u8]) -> Result<BodyFraming, Refusal> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(BodyFraming::Chunked);
    }
    let mut codings = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).rev();
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_some_and(chunked) || codings.any(chunked) {
        return Err(bad("Transfer-Encoding must end with chunked, once"));
    }
    Err(refuse(Status::NOT_IMPLEMENTED, "the only transfer coding is chunked"))
}

fn minor_version(version: &[u8]) -> Result<u8, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(1),
        b"HTTP/1.0" => Ok(0),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(refuse(Status::VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1 are known"))
        }
        _ => Err(bad("the version is malformed")),
    }
}

fn known_method(method: &[u8]) -> Result<Method, Refusal> {
    match method {
        b"GET" => Ok(Method::Get),
        b"HEAD" => Ok(Method::Head),
        b"POST" => Ok(Method::Post),
        b"PUT" => Ok(Method::Put),
        b"DELETE" => Ok(Method::Delete),
        b"PATCH" => Ok(Method::Patch),
        b"OPTIONS" => Ok(Method::Options),
        [_, ..] if method.iter().all(is_token) => {
            Err(refuse(Status::NOT_IMPLEMENTED, "the method is not known"))
        }
        _ => Err(bad("the method is malformed")),
    }
}

/// Path and query of an absolute target; possibly empty, which means `/`.
fn absolute_path(target: &[u8]) -> Result<&[u8], Refusal> {
    const MALFORMED: Refusal = bad("the target must be a path");
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
        target.len() >= scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme)
    });
    let rest = &target[scheme.ok_or(MALFORMED)?.len()..];
    let end = rest.iter().position(|&byte| byte == b'/' || byte == b'?').unwrap_or(rest.len());
    let (authority, local) = rest.split_at(end);
    if is_authority(authority) { Ok(local) } else { Err(MALFORMED) }
}

/// Host and optional port (RFC 3986 3.2.2, 3.2.3), without user information.
fn is_authority(host: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    let (name, port) = match host {
        [b'[', rest @ ..] => match memchr(b']', rest) {
            Some(end) if rest[..end].iter().all(|b| allowed(b) || *b == b':') && end > 0 => {
                (&b"literal"[..], &rest[end + 1..])
            }
            _ => return false,
        },
        _ => host.split_at(memchr(b':', host).unwrap_or(host.len())),
    };
    let port_is_good = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !name.is_empty() && name.iter().all(allowed) && port_is_good
}
