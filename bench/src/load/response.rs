//! Reads one answer at a time from pieces of any size. Keeps no body: it is hashed as it passes. Refuses what a
//! measurement could misread, such as an answer whose end only the closed connection would tell.

use std::mem;

use httparse::Status;
use xxhash_rust::xxh3::Xxh3;
use xxhash_rust::xxh3::xxh3_64;

/// A longer head is refused. Matches the limit servers put on requests.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;

/// A whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: u64,
    /// xxh3 of the body; 0 unless asked for.
    pub(crate) hash: u64,
    /// Bytes of the whole answer.
    pub(crate) bytes: u64,
    /// The server closes the connection after it.
    pub(crate) close: bool,
}

/// Why an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    Head(httparse::Error),
    HeadTooLong,
    /// Not exactly one length: none, several, or not a number.
    Length,
    TransferEncoding,
    /// More bytes came than the head announced.
    Surplus,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Head(error) => write!(f, "not an HTTP answer: {error}"),
            Self::HeadTooLong => write!(f, "a head above {HEAD_BYTES_MAX} bytes"),
            Self::Length => f.write_str("no single Content-Length"),
            Self::TransferEncoding => f.write_str("Transfer-Encoding is not read here"),
            Self::Surplus => f.write_str("more bytes than the answer announced"),
        }
    }
}

/// Whether bodies are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hashing {
    On,
    Off,
}

/// The answers of one connection. After an error only [`Reader::restart`] helps.
pub(crate) struct Reader {
    hashing: Hashing,
    /// The start of a head that came in pieces.
    head: Vec<u8>,
    body: Option<Body>,
    hasher: Xxh3,
}

/// A body that has not ended.
#[derive(Clone, Copy)]
struct Body {
    /// As it will be, but for the hash.
    answer: Answer,
    left: u64,
}

impl Reader {
    pub(crate) fn new(hashing: Hashing) -> Self {
        Self { hashing, head: Vec::new(), body: None, hasher: Xxh3::new() }
    }

    /// Forgets what was begun: for a new connection.
    pub(crate) fn restart(&mut self) {
        self.head.clear();
        self.body = None;
    }

    /// Takes the next bytes of the connection; gives the answer when they end it.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Result<Option<Answer>, Malformed> {
        if let Some(body) = self.body {
            return self.go_on(body, piece);
        }
        if self.head.is_empty() {
            return match parse_head(piece)? {
                Some((answer, head_bytes)) => self.begin(answer, &piece[head_bytes..]),
                None => self.keep(piece),
            };
        }
        let mut joined = mem::take(&mut self.head);
        joined.extend_from_slice(piece);
        let result = match parse_head(&joined)? {
            Some((answer, head_bytes)) => self.begin(answer, &joined[head_bytes..]),
            None => return self.keep(&joined),
        };
        // The next head in pieces finds the room again, unless `begin` just kept one there.
        if self.head.is_empty() {
            joined.clear();
            self.head = joined;
        }
        result
    }

    fn keep(&mut self, head: &[u8]) -> Result<Option<Answer>, Malformed> {
        if head.len() > HEAD_BYTES_MAX {
            return Err(Malformed::HeadTooLong);
        }
        self.head.extend_from_slice(head);
        Ok(None)
    }

    fn begin(&mut self, answer: Answer, rest: &[u8]) -> Result<Option<Answer>, Malformed> {
        if answer.status < 200 {
            // An interim answer: the real one follows.
            return if rest.is_empty() { Ok(None) } else { self.feed(rest) };
        }
        if rest.len() as u64 == answer.length {
            // The common case, a whole answer in one piece, needs no state.
            let hash = if self.hashing == Hashing::On { xxh3_64(rest) } else { 0 };
            return Ok(Some(Answer { hash, ..answer }));
        }
        self.hasher.reset();
        self.go_on(Body { answer, left: answer.length }, rest)
    }

    fn go_on(&mut self, mut body: Body, piece: &[u8]) -> Result<Option<Answer>, Malformed> {
        body.left = body.left.checked_sub(piece.len() as u64).ok_or(Malformed::Surplus)?;
        if self.hashing == Hashing::On {
            self.hasher.update(piece);
        }
        if body.left > 0 {
            self.body = Some(body);
            return Ok(None);
        }
        self.body = None;
        let hash = if self.hashing == Hashing::On { self.hasher.digest() } else { 0 };
        Ok(Some(Answer { hash, ..body.answer }))
    }
}

/// The answer a head announces and the head's length; none when it is not whole yet.
fn parse_head(bytes: &[u8]) -> Result<Option<(Answer, usize)>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head_bytes = match response.parse(bytes).map_err(Malformed::Head)? {
        Status::Complete(head_bytes) => head_bytes,
        Status::Partial => return Ok(None),
    };
    let status = response.code.expect("a complete head has a status");
    let mut close = response.version == Some(0);
    let mut length = None;
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let value = std::str::from_utf8(header.value).ok().and_then(digits);
            if value.is_none() || length.replace(value).is_some() {
                return Err(Malformed::Length);
            }
        } else if header.name.eq_ignore_ascii_case("connection") {
            close = header.value.eq_ignore_ascii_case(b"close")
                || (close && !header.value.eq_ignore_ascii_case(b"keep-alive"));
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Malformed::TransferEncoding);
        }
    }
    let length = match (status, length.flatten()) {
        (100..200 | 204 | 304, _) => 0,
        (_, length) => length.ok_or(Malformed::Length)?,
    };
    let bytes = head_bytes as u64 + length;
    Ok(Some((Answer { status, length, hash: 0, bytes, close }, head_bytes)))
}

fn digits(text: &str) -> Option<u64> {
    // `parse` alone would accept a sign.
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 11\r\n\r\nhello world";

    fn read(pieces: &[&[u8]]) -> Result<Option<Answer>, Malformed> {
        let mut reader = Reader::new(Hashing::On);
        let mut answer = None;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            assert_eq!(answer, None, "the answer ended before its last piece");
            answer = reader.feed(piece)?;
        }
        Ok(answer)
    }

    fn expected() -> Answer {
        let (length, bytes) = (11, ANSWER.len() as u64);
        Answer { status: 200, length, hash: xxh3_64(b"hello world"), bytes, close: false }
    }

    #[test]
    fn an_answer_is_the_same_wherever_it_is_cut() {
        assert_eq!(read(&[ANSWER]), Ok(Some(expected())));
        for first in 0..=ANSWER.len() {
            let (a, rest) = ANSWER.split_at(first);
            assert_eq!(read(&[a, rest]), Ok(Some(expected())), "cut at {first}");
            for second in 0..=rest.len() {
                let (b, c) = rest.split_at(second);
                assert_eq!(read(&[a, b, c]), Ok(Some(expected())), "cut at {first} and {second}");
            }
        }
        let bytes: Vec<&[u8]> = ANSWER.chunks(1).collect();
        assert_eq!(read(&bytes), Ok(Some(expected())));
    }

    #[test]
    fn a_reader_reads_one_answer_after_another() {
        let mut reader = Reader::new(Hashing::On);
        for cut in [5, 40, ANSWER.len() - 3, 70] {
            assert_eq!(reader.feed(&ANSWER[..cut]), Ok(None));
            assert_eq!(reader.feed(&ANSWER[cut..]), Ok(Some(expected())));
            assert_eq!(reader.feed(ANSWER), Ok(Some(expected())));
        }
        assert_eq!(reader.feed(&ANSWER[..ANSWER.len() - 1]), Ok(None));
        reader.restart();
        assert_eq!(reader.feed(ANSWER), Ok(Some(expected())));
    }

    #[test]
    fn a_body_is_not_hashed_unless_asked_for() {
        let mut reader = Reader::new(Hashing::Off);
        assert_eq!(reader.feed(ANSWER), Ok(Some(Answer { hash: 0, ..expected() })));
        assert_eq!(reader.feed(&ANSWER[..ANSWER.len() - 2]), Ok(None));
        let end = reader.feed(&ANSWER[ANSWER.len() - 2..]);
        assert_eq!(end, Ok(Some(Answer { hash: 0, ..expected() })));
    }

    #[test]
    fn interim_answers_are_passed_over_and_empty_bodies_end_at_once() {
        let interim = [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", ANSWER].concat();
        for cut in 1..interim.len() {
            let (a, b) = interim.split_at(cut);
            assert_eq!(read(&[a, b]), Ok(Some(expected())), "cut at {cut}");
        }
        let not_modified = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 11\r\n\r\n";
        let answer = read(&[not_modified]).unwrap().unwrap();
        assert_eq!((answer.status, answer.length), (304, 0));
    }

    #[test]
    fn who_keeps_the_connection_open() {
        for (version, header, close) in [
            ("1.1", "", false),
            ("1.1", "Connection: Close\r\n", true),
            ("1.1", "connection: keep-alive\r\n", false),
            ("1.0", "", true),
            ("1.0", "Connection: keep-alive\r\n", false),
        ] {
            let answer = format!("HTTP/{version} 200 OK\r\n{header}Content-Length: 0\r\n\r\n");
            let answer = read(&[answer.as_bytes()]).unwrap().unwrap();
            assert_eq!(answer.close, close, "{version} {header}");
        }
    }

    #[test]
    fn what_cannot_be_read_safely_is_refused() {
        let with = |headers: &str| {
            let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
            read(&[head.as_bytes()])
        };
        assert_eq!(with(""), Err(Malformed::Length));
        assert_eq!(with("Content-Length: +1\r\n"), Err(Malformed::Length));
        assert_eq!(with("Content-Length: \r\n"), Err(Malformed::Length));
        assert_eq!(with("Content-Length: 1\r\nContent-Length: 1\r\n"), Err(Malformed::Length));
        assert_eq!(with("Transfer-Encoding: chunked\r\n"), Err(Malformed::TransferEncoding));
        let (cut, surplus) = ANSWER.split_at(ANSWER.len() - 1);
        let surplus = [surplus, b"x"].concat();
        assert_eq!(read(&[cut, &surplus]), Err(Malformed::Surplus));
        assert_eq!(read(&[&[cut, &surplus].concat()]), Err(Malformed::Surplus));
        assert!(matches!(read(&[b"SSH-2.0-x\r\n"]), Err(Malformed::Head(_))));
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(read(&[long.as_bytes()]), Err(Malformed::HeadTooLong));
    }
}
