//! One character, step by step. Every step's result is hashed into the report, so that two runs that did different
//! work cannot be mistaken for two speeds.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use maple_expectation::answer::v4;
use maple_expectation::answer::valued;
use maple_expectation::answer::valued::Selection;
use maple_expectation::build;
use maple_expectation::gzip;
use maple_expectation::payload::Document;
use shards::clock::Clock as _;
use shards::clock::SystemClock;
use valuation::character::Valuer;
use valuation::rules::DEFAULT;
use valuation::rules::Ruleset;
use xxhash_rust::xxh3::xxh3_64;

use crate::payload::Payload;

/// Each step runs until this much time is spent, at least [`RUNS_MIN`] times.
const TIME_PER_STEP: Duration = Duration::from_millis(1_500);
const RUNS_MIN: usize = 30;
const RUNS_SMOKE: usize = 2;

/// Times of one step, sorted.
struct Times(Vec<Duration>);

impl Times {
    fn of<T>(smoke: bool, mut step: impl FnMut() -> T) -> Self {
        let clock = SystemClock::new();
        let mut times = Vec::new();
        let start = clock.monotonic();
        loop {
            let before = clock.monotonic();
            black_box(step());
            times.push(clock.monotonic() - before);
            let enough = if smoke {
                times.len() >= RUNS_SMOKE
            } else {
                times.len() >= RUNS_MIN && clock.monotonic() - start > TIME_PER_STEP
            };
            if enough {
                times.sort_unstable();
                return Self(times);
            }
        }
    }

    fn quantile(&self, q: f64) -> Duration {
        self.0[((self.0.len() - 1) as f64 * q) as usize]
    }

    fn median(&self) -> Duration {
        self.quantile(0.5)
    }
}

/// Measures every step and writes the report.
pub(crate) fn run(payload: &Payload, smoke: bool) -> String {
    let rules = Arc::new(Ruleset::built_in(DEFAULT).expect("built in"));
    let document = Document::parse(&payload.json).expect("a readable payload");
    let mut warm = Valuer::new(Arc::clone(&rules));
    let character = valued::value(&mut warm, &document, Selection::Presets);
    let meta =
        v4::Meta { name: "bench", ruleset: &rules.id, calculated_at_ms: 0, data_as_of_ms: 0 };
    let json = v4::write(&meta, &character);
    let packed = gzip::compress(&json);

    let parse = Times::of(smoke, || Document::parse(&payload.json).expect("readable"));
    let empty = Times::of(smoke, || {
        let mut valuer = Valuer::new(Arc::clone(&rules));
        valued::value(&mut valuer, &document, Selection::Presets).presets.len()
    });
    let warm =
        Times::of(smoke, || valued::value(&mut warm, &document, Selection::Presets).presets.len());
    let encode = Times::of(smoke, || v4::write(&meta, &character));
    let pack = Times::of(smoke, || gzip::compress(&json));
    let unpack = Times::of(smoke, || gzip::decompress(&packed, json.len()).expect("gzip"));
    let load = Times::of(smoke, || Ruleset::built_in(DEFAULT).expect("built in"));

    let mut report = String::new();
    let _ = writeln!(report, "payload: {}, {} bytes", payload.origin, payload.json.len());
    let _ = writeln!(
        report,
        "answer: V4, {} bytes, gzip {} bytes, hash {:016x}",
        json.len(),
        packed.len(),
        xxh3_64(&json)
    );
    let _ = writeln!(
        report,
        "build: {} {} {}\n",
        build::COMMIT,
        build::PROFILE,
        build::TARGET_FEATURES
    );
    let _ = writeln!(
        report,
        "{:<34}{:>10}{:>10}{:>10}{:>8}{:>10}",
        "step (us)", "p10", "median", "p90", "runs", "budget"
    );
    let both = encode.median() + pack.median();
    let cold = parse.median() + warm.median() + both;
    row(&mut report, "parse", &parse, Some(300));
    row(&mut report, "value 3 presets, memo empty", &empty, Some(10_000));
    row(&mut report, "value 3 presets, memo warm", &warm, Some(300));
    row(&mut report, "encode V4", &encode, None);
    row(&mut report, "gzip V4, level 6", &pack, None);
    sum(&mut report, "encode + gzip", both, 1_000);
    sum(&mut report, "parse + value warm + encode + gzip", cold, 2_500);
    row(&mut report, "gunzip V4", &unpack, None);
    row(&mut report, "load ruleset and tables", &load, None);
    report
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn row(report: &mut String, step: &str, times: &Times, budget: Option<u64>) {
    let [low, middle, high] = [0.1, 0.5, 0.9].map(|q| micros(times.quantile(q)));
    let runs = times.0.len();
    let _ = write!(report, "{step:<34}{low:>10.1}{middle:>10.1}{high:>10.1}{runs:>8}");
    end(report, middle, budget);
}

fn sum(report: &mut String, step: &str, time: Duration, budget: u64) {
    let total = micros(time);
    let _ = write!(report, "{step:<34}{:>10}{total:>10.1}{:>10}{:>8}", "", "", "");
    end(report, total, Some(budget));
}

fn end(report: &mut String, median: f64, budget: Option<u64>) {
    let _ = match budget {
        Some(budget) if median <= budget as f64 => writeln!(report, "{budget:>10} ok"),
        Some(budget) => writeln!(report, "{budget:>10} OVER"),
        None => writeln!(report),
    };
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn every_step_runs_and_is_reported() {
        let payload = crate::payload::load(None).expect("the simulator makes one");
        let report = run(&payload, true);
        for step in ["parse", "memo empty", "memo warm", "encode + gzip", "gunzip", "load ruleset"]
        {
            assert!(report.contains(step), "{step}:\n{report}");
        }
        // The same payload under the same rules is the same answer, byte for byte.
        let hash = |report: &str| report.split("hash ").nth(1).map(|rest| rest[..16].to_owned());
        assert_eq!(hash(&report), hash(&run(&payload, true)));
    }
}
