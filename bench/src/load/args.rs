//! The options of `bench load`, as typed, and the values with a form of their own.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::ValueEnum;

/// Send requests over HTTP/1.1, check every answer, report latencies.
///
/// A closed loop (default) keeps every connection busy: it finds the most a server answers. With --rate the loop is
/// open: requests have intended start times, whatever the server does, and latency counts from those.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// What to ask for: http://host:port/path, all of one host
    #[arg(value_name = "URL", required_unless_present_any = ["urls", "mix"])]
    pub(crate) url: Vec<String>,
    /// File with one URL a line
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) urls: Option<PathBuf>,
    /// List of URLs and its share of the requests; repeatable
    #[arg(long, value_name = "WEIGHT=FILE", conflicts_with_all = ["url", "urls"])]
    pub(crate) mix: Vec<Mix>,
    /// Exponent of the zipf distribution over each list, the first URL the most frequent; 0 is uniform
    #[arg(long, value_name = "S", default_value_t = 0.0, value_parser = exponent)]
    pub(crate) zipf: f64,
    /// Open loop: requests per second in all
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Connections in all
    #[arg(long, value_name = "C", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) connections: u32,
    /// Threads; each has a ring and its share of the connections
    #[arg(long, value_name = "T", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,
    /// How long to measure: 500ms, 10s, 2m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How long to load before measuring; answers are checked then, too
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// Accept-Encoding of the requests
    #[arg(long, value_enum, default_value_t = Encoding::Gzip)]
    pub(crate) encoding: Encoding,
    /// Method of the requests; POST sends an empty body
    #[arg(long, value_enum, ignore_case = true, default_value_t = Method::Get)]
    pub(crate) method: Method,
    /// A header to send; repeatable
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<String>,
    /// Where the choice of URLs starts; the same seed chooses the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// When a connection attempt or a sent request is given up
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Statuses that are no errors
    #[arg(long, value_name = "STATUS", value_delimiter = ',', default_value = "200")]
    #[arg(value_parser = clap::value_parser!(u16).range(200..=599))]
    pub(crate) expect_status: Vec<u16>,
    /// What to compare with an answer fetched before the run [default: body; none for POST]
    #[arg(long, value_enum)]
    pub(crate) check: Option<Check>,
    /// Count answers that differ, but as no errors
    #[arg(long)]
    pub(crate) allow_body_change: bool,
    /// Send a GET once more when its connection closes before the first byte of an answer
    #[arg(long)]
    pub(crate) retry_closed: bool,
    /// Exit with 0 whatever was counted
    #[arg(long)]
    pub(crate) errors_allowed: bool,
    /// Write the report with its histogram here
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Report the CPU time of this process and its children
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// No progress
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// The coding asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    Gzip,
    Identity,
}

impl Encoding {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }
}

/// The methods that make sense without a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    Get,
    Post,
}

impl Method {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// How an answer is compared with the one fetched before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// By the xxh3 hash of the body
    Body,
    /// By the length of the body
    Length,
    /// Not at all
    None,
}

/// A list of URLs with its share of the requests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mix {
    pub(crate) weight: f64,
    pub(crate) file: PathBuf,
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (weight, file) = text.split_once('=').ok_or("expected WEIGHT=FILE")?;
        Ok(Self { weight: positive(weight)?, file: file.into() })
    }
}

/// `500ms`, `10s`, `2m`; whole numbers.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err("expected a duration with its unit: 500ms, 10s, 2m".to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| format!("not a whole number of {unit}"))?;
    Ok(Duration::from_millis(u64::from(number) * unit_ms))
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("must be above 0".to_owned()) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = positive(text)?;
    if (0.01..=1e8).contains(&rate) { Ok(rate) } else { Err("from 0.01 to 100000000".to_owned()) }
}

fn exponent(text: &str) -> Result<f64, String> {
    let exponent: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=10.0).contains(&exponent) { Ok(exponent) } else { Err("from 0 to 10".to_owned()) }
}

fn header(text: &str) -> Result<String, String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err("not the name of a header".to_owned());
    }
    if !value.bytes().all(|b| b == b'\t' || b == b' ' || b.is_ascii_graphic()) {
        return Err("only visible ASCII in a value".to_owned());
    }
    Ok(format!("{name}: {}", value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units_and_ranges() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in ["10", "s", "1.5s", "-1s", "99999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!("2.5=a=b".parse(), Ok(Mix { weight: 2.5, file: "a=b".into() }));
        for wrong in ["a", "0=a", "-1=a", "nan=a", "inf=a"] {
            assert!(wrong.parse::<Mix>().is_err(), "{wrong}");
        }
        assert!(rate("0").is_err() && rate("inf").is_err() && rate("0.5").is_ok());
        assert!(exponent("-0.1").is_err() && exponent("NaN").is_err() && exponent("0.99").is_ok());
    }

    #[test]
    fn headers_cannot_smuggle_a_line() {
        assert_eq!(header("If-None-Match:  \"a\""), Ok("If-None-Match: \"a\"".to_owned()));
        for wrong in ["no colon", ": empty", "a b: c", "a: b\r\nc: d", "a: \u{e9}"] {
            assert!(header(wrong).is_err(), "{wrong}");
        }
    }
}
