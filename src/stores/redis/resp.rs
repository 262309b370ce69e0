//! The two lines of Redis's protocol (RESP2) that a shard speaks itself: asking for two fields of a hash, and the answer.
//! Pure. Everything else is spoken by the library, on the backplane.

use std::ops::Range;

/// Longest line before a value: a length, or an error's text.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Longest value that is taken; bodies have a hundredth of it. One that is longer ends the connection, and is asked of
/// the backplane.
const VALUE_BYTES_MAX: usize = 4 << 20;

/// An answer to [`ask`]; the ranges are of the bytes it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The two fields, as far as they are there.
    Fields([Option<Range<usize>>; 2]),
    /// Redis said no.
    Refused(Range<usize>),
}

/// What came is no answer to [`ask`]; nothing after it can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbled;

/// Appends the question for two fields of a hash.
pub(super) fn ask(out: &mut Vec<u8>, key: &str, fields: [&str; 2]) {
    out.extend_from_slice(b"*4\r\n");
    for part in ["HMGET", key, fields[0], fields[1]] {
        let mut digits = itoa::Buffer::new();
        out.push(b'$');
        out.extend_from_slice(digits.format(part.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(part.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// The answer at the start of `bytes` and its length; None while it is not all there.
///
/// # Errors
/// [`Garbled`].
pub(super) fn answer(bytes: &[u8]) -> Result<Option<(Answer, usize)>, Garbled> {
    let Some(first) = line(bytes, 0)? else { return Ok(None) };
    let mut at = first.end + 2;
    match &bytes[first.clone()] {
        [b'-', ..] => return Ok(Some((Answer::Refused(1..first.end), at))),
        b"*2" => {}
        _ => return Err(Garbled),
    }
    let mut fields = [None, None];
    for field in &mut fields {
        let Some(length) = line(bytes, at)? else { return Ok(None) };
        at = length.end + 2;
        let length = match &bytes[length] {
            b"$-1" => continue,
            [b'$', digits @ ..] => number(digits).ok_or(Garbled)?,
            _ => return Err(Garbled),
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= VALUE_BYTES_MAX);
        let end = at + length.ok_or(Garbled)?;
        match bytes.get(end..end + 2) {
            None => return Ok(None),
            Some(b"\r\n") => {}
            Some(_) => return Err(Garbled),
        }
        *field = Some(at..end);
        at = end + 2;
    }
    Ok(Some((Answer::Fields(fields), at)))
}

/// Digits, and nothing else.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// The line that begins at `from`, without its end; None while that has not come.
fn line(bytes: &[u8], from: usize) -> Result<Option<Range<usize>>, Garbled> {
    let rest = bytes.get(from..).unwrap_or_default();
    let within = &rest[..rest.len().min(LINE_BYTES_MAX)];
    match within.windows(2).position(|two| two == b"\r\n") {
        Some(length) => Ok(Some(from..from + length)),
        None if within.len() == LINE_BYTES_MAX => Err(Garbled),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
        match answer(bytes) {
            Ok(Some((Answer::Fields(fields), length))) => {
                assert_eq!(length, bytes.len());
                fields.map(|field| field.map(|field| bytes[field].to_vec())).into()
            }
            other => panic!("{other:?}"),
        }
    }

    fn packed(values: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut bytes = b"*2\r\n".to_vec();
        for value in values {
            match value {
                None => bytes.extend(b"$-1\r\n"),
                Some(value) => {
                    bytes.extend(format!("${}\r\n", value.len()).into_bytes());
                    bytes.extend(value);
                    bytes.extend(b"\r\n");
                }
            }
        }
        bytes
    }

    #[test]
    fn the_question_is_what_the_library_would_send() {
        let mut asked = Vec::new();
        ask(&mut asked, "expectationV4::1:나", ["born", "Preset(2):가"]);
        let mut command = redis::cmd("HMGET");
        command.arg("expectationV4::1:나").arg("born").arg("Preset(2):가");
        assert_eq!(asked, command.get_packed_command());
    }

    #[test]
    fn answers_are_told_from_refusals_and_from_noise() {
        assert_eq!(fields(b"*2\r\n$2\r\n12\r\n$-1\r\n"), [Some(b"12".to_vec()), None]);
        assert_eq!(
            fields(b"*2\r\n$0\r\n\r\n$2\r\n\r\n\r\n"),
            [Some(vec![]), Some(b"\r\n".to_vec())]
        );
        let refused = b"-WRONGTYPE no hash\r\n";
        assert_eq!(answer(refused), Ok(Some((Answer::Refused(1..18), 20))));
        for noise in [
            &b"+OK\r\n"[..],
            b"*3\r\n",
            b"*2\r\n:1\r\n",
            b"*2\r\n$x\r\n",
            b"*2\r\n$+1\r\n",
            b"*2\r\n$1\r\nabc",
            b"*2\r\n$99999999999999999999999\r\n",
            b"*2\r\n$4194305\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            &[b'-'; LINE_BYTES_MAX],
        ] {
            assert_eq!(answer(noise), Err(Garbled), "{}", noise.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_redis_sends_is_read_as_the_library_reads_it(
            values in prop::collection::vec(prop::option::of(any::<Vec<u8>>()), 2),
        ) {
            let bytes = packed(&values);
            let library: Vec<Option<Vec<u8>>> =
                redis::from_redis_value(redis::parse_redis_value(&bytes).unwrap()).unwrap();
            prop_assert_eq!(&library, &values);
            prop_assert_eq!(fields(&bytes), values);
        }

        /// However it is cut by the network: nothing before the last byte, and what follows is left.
        #[test]
        fn an_answer_is_found_when_its_last_byte_has_come(
            values in prop::collection::vec(prop::option::of(any::<Vec<u8>>()), 2),
            more in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let bytes = packed(&values);
            for cut in 0..bytes.len() {
                prop_assert_eq!(answer(&bytes[..cut]), Ok(None), "{} of {}", cut, bytes.len());
            }
            let whole = answer(&bytes);
            prop_assert!(matches!(&whole, Ok(Some((_, length))) if *length == bytes.len()));
            prop_assert_eq!(answer(&[bytes, more].concat()), whole);
        }

        #[test]
        fn noise_is_survived(bytes: Vec<u8>) {
            let _ = answer(&bytes);
        }
    }
}
