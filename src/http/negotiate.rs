//! What a client can take and what it has already: Accept-Encoding and If-None-Match. Pure. A field that cannot be
//! understood is treated as the one that is always safe: no coding, nothing cached.

/// The codings this server can answer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip.
    Gzip,
}

/// The coding to answer in, given every Accept-Encoding field of a request. gzip when the client takes it and does
/// not like identity better; identity also when nothing is acceptable (RFC 9110 12.5.3 allows that over a 406).
#[must_use]
pub fn encoding<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Encoding {
    let mut weights = Weights::default();
    for field in fields {
        for item in field.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            // Empty items are allowed in lists.
            if !item.is_empty() && weights.note(item).is_none() {
                return Encoding::Identity;
            }
        }
    }
    let gzip = weights.gzip.or(weights.any).unwrap_or(0);
    let identity = weights.identity.unwrap_or(0);
    if gzip > 0 && gzip >= identity { Encoding::Gzip } else { Encoding::Identity }
}

/// Thousandths, as far as mentioned.
#[derive(Default)]
struct Weights {
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    fn note(&mut self, item: &[u8]) -> Option<()> {
        let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let coding = parts.next()?;
        let weight = match parts.next() {
            None => 1_000,
            Some(parameter) => weight(parameter)?,
        };
        let well_formed =
            !coding.is_empty() && coding.iter().all(is_token) && parts.next().is_none();
        if !well_formed {
            return None;
        }
        if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
            self.gzip = Some(weight);
        } else if coding.eq_ignore_ascii_case(b"identity") {
            self.identity = Some(weight);
        } else if coding == b"*" {
            self.any = Some(weight);
        }
        Some(())
    }
}

/// `q=` and a number from 0 to 1 with at most three decimals (RFC 9110 12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, decimals) = match value {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let digits = decimals.iter().chain(b"000").take(3);
    let thousandths = digits.copied().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0'))
    })?;
    match (whole, thousandths) {
        (b'0', n) => Some(n),
        (b'1', 0) => Some(1_000),
        _ => None,
    }
}

pub(super) fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// Whether one of the If-None-Match fields names `etag` (quotes included), by weak comparison: the answer is then
/// 304. `*` names every tag.
#[must_use]
pub fn names_etag<'a>(fields: impl Iterator<Item = &'a [u8]>, etag: &str) -> bool {
    let wanted = opaque(etag.as_bytes());
    fields.into_iter().any(|field| {
        let field = field.trim_ascii();
        field == b"*" || tags(field).any(|tag| tag == wanted)
    })
}

/// The quoted tags of a list up to its first defect, without their weakness marks.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        let quoted = opaque(rest);
        let inside = quoted.strip_prefix(b"\"")?;
        // A comma may stand inside a tag, a quote may not.
        let end = inside.iter().position(|&byte| byte == b'"')? + 2;
        let (tag, after) = quoted.split_at(end);
        if !matches!(after.trim_ascii_start(), [] | [b',', ..]) {
            return None;
        }
        rest = after;
        Some(tag)
    })
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_exactly_to_those_who_take_it() {
        let table: [(&[&str], Encoding); 30] = [
            (&[], Encoding::Identity),
            (&[""], Encoding::Identity),
            (&["gzip"], Encoding::Gzip),
            (&["GZip"], Encoding::Gzip),
            (&["x-gzip"], Encoding::Gzip),
            (&["gzip, deflate, br, zstd"], Encoding::Gzip),
            (&["deflate", "gzip"], Encoding::Gzip),
            (&["deflate , gzip ; q=0.5"], Encoding::Gzip),
            (&["gzip;q=0"], Encoding::Identity),
            (&["gzip;q=0.000"], Encoding::Identity),
            (&["gzip;q=0.001"], Encoding::Gzip),
            (&["gzip;Q=1.000"], Encoding::Gzip),
            (&["gzip;q=1."], Encoding::Gzip),
            (&["*"], Encoding::Gzip),
            (&["*;q=0"], Encoding::Identity),
            (&["gzip;q=0, *"], Encoding::Identity),
            (&["*;q=0, gzip"], Encoding::Gzip),
            (&["identity"], Encoding::Identity),
            (&["identity;q=0"], Encoding::Identity),
            (&["identity;q=0, gzip"], Encoding::Gzip),
            (&["identity, gzip;q=0.5"], Encoding::Identity),
            (&["identity;q=0.5, gzip;q=0.5"], Encoding::Gzip),
            (&["gzip;q=2"], Encoding::Identity),
            (&["gzip;q=1.001"], Encoding::Identity),
            (&["gzip;q=0.5555"], Encoding::Identity),
            (&["gzip;q=-1"], Encoding::Identity),
            (&["gzip;q"], Encoding::Identity),
            (&["gzip;q=0.5;x=1"], Encoding::Identity),
            (&["notgzip, gzipper"], Encoding::Identity),
            (&["gz ip, gzip"], Encoding::Identity),
        ];
        for (fields, wanted) in table {
            let got = encoding(fields.iter().map(|field| field.as_bytes()));
            assert_eq!(got, wanted, "{fields:?}");
        }
    }

    #[test]
    fn tags_are_compared_weakly_and_one_by_one() {
        let table: [(&[&str], bool); 15] = [
            (&[], false),
            (&[""], false),
            (&["*"], true),
            (&[" * "], true),
            (&["\"a,b\""], true),
            (&["W/\"a,b\""], true),
            (&["\"x\", \"a,b\""], true),
            (&["\"x\",W/\"a,b\" , \"y\""], true),
            (&["\"x\"", "\"a,b\""], true),
            (&["\"x\""], false),
            (&["\"a\", \"b\""], false),
            (&["a,b"], false),
            (&["\"a,b"], false),
            (&["w/\"a,b\""], false),
            (&["\"x\"junk, \"a,b\""], false),
        ];
        for (fields, wanted) in table {
            for etag in ["\"a,b\"", "W/\"a,b\""] {
                let got = names_etag(fields.iter().map(|field| field.as_bytes()), etag);
                assert_eq!(got, wanted, "{fields:?} against {etag}");
            }
        }
    }
}
