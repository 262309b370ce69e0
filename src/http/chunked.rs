//! The chunked coding, decoded byte by byte so that packet borders cannot matter. Extensions and trailers are read,
//! bounded and dropped. Strict where leniency lets two readers disagree: CRLF only, no blanks around sizes.

use super::negotiate::is_token;
use super::parse::BODY_TOO_LARGE;
use super::parse::Refusal;
use super::parse::bad;
use super::status::Status;
use crate::limits::BODY_BYTES_MAX;
use crate::limits::CHUNK_EXTRA_BYTES_MAX;
use crate::limits::CHUNK_SIZE_DIGITS_MAX;

/// Where in the coding the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

/// A decoder of one body.
#[derive(Debug)]
pub(super) struct Chunked {
    at: At,
    /// The size being read, then the bytes of data still to come.
    left: usize,
    digits: usize,
    /// Bytes of extensions and trailers so far.
    extra: usize,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { at: At::Size, left: 0, digits: 0, extra: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Takes what it can of `input`, appends data to `body`, and gives the number of bytes taken: all of them, or
    /// those up to the end of the coding.
    pub(super) fn decode(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, Refusal> {
        let mut taken = 0;
        while taken < input.len() && !self.is_done() {
            if self.at == At::Data {
                let n = self.left.min(input.len() - taken);
                body.extend_from_slice(&input[taken..taken + n]);
                (self.left, taken) = (self.left - n, taken + n);
                if self.left == 0 {
                    self.at = At::DataCr;
                }
            } else {
                self.at = self.step(input[taken], body.len())?;
                taken += 1;
            }
        }
        Ok(taken)
    }

    fn step(&mut self, byte: u8, body_bytes: usize) -> Result<At, Refusal> {
        match (self.at, byte) {
            (At::Size, b'\r') if self.digits > 0 => Ok(At::SizeLf),
            (At::Size, b';') if self.digits > 0 => Ok(At::Extension),
            (At::Size, _) => self.size_digit(byte, body_bytes),
            (At::Extension, b'\r') => Ok(At::SizeLf),
            (At::Extension, _) if is_text(byte) => self.extra(At::Extension),
            (At::SizeLf, b'\n') if self.left == 0 => Ok(At::TrailerStart),
            (At::SizeLf, b'\n') => Ok(At::Data),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => {
                self.digits = 0;
                Ok(At::Size)
            }
            (At::TrailerStart, b'\r') => Ok(At::EndLf),
            (At::TrailerStart, _) if is_token(&byte) => self.extra(At::TrailerName),
            (At::TrailerName, b':') => Ok(At::TrailerValue),
            (At::TrailerName, _) if is_token(&byte) => self.extra(At::TrailerName),
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, _) if is_text(byte) => self.extra(At::TrailerValue),
            (At::TrailerLf, b'\n') => Ok(At::TrailerStart),
            (At::EndLf, b'\n') => Ok(At::Done),
            _ => Err(bad("the chunked body is malformed")),
        }
    }

    fn size_digit(&mut self, byte: u8, body_bytes: usize) -> Result<At, Refusal> {
        let Some(digit) = char::from(byte).to_digit(16) else {
            return Err(bad("a chunk size is malformed"));
        };
        self.digits += 1;
        if self.digits > CHUNK_SIZE_DIGITS_MAX {
            return Err(bad("a chunk size has too many digits"));
        }
        self.left = self.left * 16 + digit as usize;
        if self.left > BODY_BYTES_MAX - body_bytes { Err(BODY_TOO_LARGE) } else { Ok(At::Size) }
    }

    fn extra(&mut self, at: At) -> Result<At, Refusal> {
        self.extra += 1;
        if self.extra > CHUNK_EXTRA_BYTES_MAX {
            let (status, rule) =
                (Status::HEADER_FIELDS_TOO_LARGE, "extensions or trailers too long");
            return Err(Refusal { status, rule });
        }
        Ok(at)
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and what follows it, or the status.
    type Outcome = Result<(Vec<u8>, Vec<u8>), u16>;

    /// `None` when the coding is not finished.
    fn decode(input: &[u8], piece: usize) -> Option<Outcome> {
        let (mut decoder, mut body, mut taken) = (Chunked::new(), Vec::new(), 0);
        for piece in input.chunks(piece) {
            match decoder.decode(piece, &mut body) {
                Ok(n) => taken += n,
                Err(refusal) => return Some(Err(refusal.status.code())),
            }
        }
        decoder.is_done().then(|| Ok((body, input[taken..].to_vec())))
    }

    #[test]
    fn codings_are_decoded_or_refused_however_they_are_cut() {
        let long = |n: usize| "x".repeat(n);
        let max = BODY_BYTES_MAX;
        let ok = |body: &str, rest: &str| Some(Ok((body.into(), rest.into())));
        let table = [
            ("0\r\n\r\n".to_owned(), ok("", "")),
            ("5\r\nhello\r\n0\r\n\r\nGET /".to_owned(), ok("hello", "GET /")),
            (
                "A\r\n0123456789\r\n00a\r\nabcdefghij\r\n0\r\n\r\n".to_owned(),
                ok("0123456789abcdefghij", ""),
            ),
            ("1;a=b;c=\"d e\"\r\nx\r\n0;end\r\n\r\n".to_owned(), ok("x", "")),
            ("0\r\nX-Sum: 1\r\nY:\r\n\r\nrest".to_owned(), ok("", "rest")),
            ("5\r\nhel".to_owned(), None),
            ("\r\n".to_owned(), Some(Err(400))),
            ("5\nhello".to_owned(), Some(Err(400))),
            ("5 \r\nhello".to_owned(), Some(Err(400))),
            (" 5\r\nhello".to_owned(), Some(Err(400))),
            ("+5\r\nhello".to_owned(), Some(Err(400))),
            ("-1\r\n".to_owned(), Some(Err(400))),
            ("0x5\r\nhello".to_owned(), Some(Err(400))),
            (";a\r\n".to_owned(), Some(Err(400))),
            ("5\r\nhelloX\r\n".to_owned(), Some(Err(400))),
            ("5\r\nhello\n0\r\n\r\n".to_owned(), Some(Err(400))),
            ("5;a\n\r\nhello\r\n".to_owned(), Some(Err(400))),
            ("0\r\n folded\r\n\r\n".to_owned(), Some(Err(400))),
            ("0\r\nno colon\r\n\r\n".to_owned(), Some(Err(400))),
            ("0\r\n\rX".to_owned(), Some(Err(400))),
            (format!("{}5\r\n", "0".repeat(CHUNK_SIZE_DIGITS_MAX)), Some(Err(400))),
            ("FFFFFFFFFFFFF\r\n".to_owned(), Some(Err(413))),
            (format!("{:x}\r\n", max + 1), Some(Err(413))),
            (format!("{max:x}\r\n{}\r\n1\r\n", long(max)), Some(Err(413))),
            (format!("{max:x}\r\n{}\r\n0\r\n\r\n", long(max)), ok(&long(max), "")),
            (format!("1;{}\r\nx", long(CHUNK_EXTRA_BYTES_MAX + 1)), Some(Err(431))),
            (format!("0\r\nT:{}\r\n\r\n", long(CHUNK_EXTRA_BYTES_MAX)), Some(Err(431))),
        ];
        for (input, wanted) in table {
            for piece in [1, 3, 4096, usize::MAX] {
                let got = decode(input.as_bytes(), piece);
                let shown = &input[..input.len().min(60)];
                assert!(got == wanted, "{shown:?} in pieces of {piece}");
            }
        }
    }
}
