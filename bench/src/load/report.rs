//! What a run found, as text and as JSON. Computes nothing but rates and shares.

use std::fmt;
use std::time::Duration;

use maple_expectation::build;
use serde_json::Value;
use serde_json::json;

use super::args::LoadArgs;
use super::engine::Run;
use super::tally::Failure;
use super::tally::Tally;

/// All threads' counts and the CPU times at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) at: Duration,
    pub(crate) answers: u64,
    pub(crate) bytes: u64,
    pub(crate) failures: u64,
    pub(crate) client_cpu: Duration,
    pub(crate) server_cpu: Option<Duration>,
}

/// The result of a run.
pub(crate) struct Report<'a> {
    pub(crate) args: &'a LoadArgs,
    pub(crate) run: &'a Run,
    pub(crate) tally: &'a Tally,
    /// At the start and at the end of the measured time.
    pub(crate) readings: [Reading; 2],
}

impl Report<'_> {
    fn seconds(&self) -> f64 {
        let [first, last] = &self.readings;
        (last.at - first.at).as_secs_f64()
    }

    /// Answers as expected that came within the measured time.
    fn answers(&self) -> u64 {
        self.readings[1].answers - self.readings[0].answers
    }

    fn per_second(&self, of: impl Fn(&Reading) -> u64) -> f64 {
        (of(&self.readings[1]) - of(&self.readings[0])) as f64 / self.seconds()
    }

    /// Microseconds of CPU time per answer; none without answers.
    fn cpu_us(&self, of: impl Fn(&Reading) -> Option<Duration>) -> Option<f64> {
        let used = of(&self.readings[1])?.saturating_sub(of(&self.readings[0])?);
        (self.answers() > 0).then(|| used.as_secs_f64() * 1e6 / self.answers() as f64)
    }

    fn client_cpu_us(&self) -> Option<f64> {
        self.cpu_us(|reading| Some(reading.client_cpu))
    }

    fn server_cpu_us(&self) -> Option<f64> {
        self.cpu_us(|reading| reading.server_cpu)
    }

    /// Microseconds, by name.
    fn latencies_us(&self) -> [(&'static str, f64); 6] {
        let latency = &self.tally.latency;
        let quantile = |q| us(latency.value_at_quantile(q));
        [
            ("p50", quantile(0.5)),
            ("p75", quantile(0.75)),
            ("p90", quantile(0.9)),
            ("p99", quantile(0.99)),
            ("p99.9", quantile(0.999)),
            ("max", us(latency.max())),
        ]
    }

    /// The machine-readable form: durations in milliseconds, latencies in microseconds.
    pub(crate) fn json(&self) -> Value {
        let (args, tally) = (self.args, self.tally);
        // A JSON object is collected from pairs of a name and anything that becomes a value.
        let latencies: Value = self.latencies_us().into_iter().collect();
        let failures = Failure::ALL.map(|failure| (failure.name(), tally.count(failure)));
        let statuses = tally.statuses().map(|(status, count)| (status.to_string(), count));
        let histogram = tally.latency.iter_recorded();
        let histogram =
            histogram.map(|step| json!([us(step.value_iterated_to()), step.count_at_value()]));
        json!({
            "config": {
                "server": self.run.targets.peer.to_string(),
                "urls": self.run.targets.urls.len(),
                "firstUrl": self.run.targets.urls[0].target,
                "loop": if args.rate.is_some() { "open" } else { "closed" },
                "rate": args.rate,
                "connections": args.connections,
                "threads": args.threads,
                "durationMs": millis(args.duration),
                "warmupMs": millis(args.warmup),
                "timeoutMs": millis(args.timeout),
                "method": args.method.name(),
                "encoding": args.encoding.name(),
                "zipf": args.zipf,
                "seed": args.seed,
                "check": format!("{:?}", self.run.check).to_lowercase(),
                "retryClosed": args.retry_closed,
            },
            "build": { "commit": build::COMMIT, "profile": build::PROFILE },
            "measuredSeconds": self.seconds(),
            "requests": tally.latency.len(),
            "requestsPerSecond": self.per_second(|reading| reading.answers),
            "bytesPerSecond": self.per_second(|reading| reading.bytes),
            "latencyUs": latencies,
            "statuses": statuses.collect::<Value>(),
            "errors": tally.failures(),
            "failures": failures.into_iter().collect::<Value>(),
            "examples": tally.examples,
            "bodyChanged": tally.changed,
            "retried": tally.retried,
            "clientCpuUsPerRequest": self.client_cpu_us(),
            "serverCpuUsPerRequest": self.server_cpu_us(),
            "histogramUs": histogram.collect::<Value>(),
        })
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (args, tally) = (self.args, self.tally);
        let kind = if args.rate.is_some() { "open" } else { "closed" };
        writeln!(
            f,
            "{kind} loop, {} connections, {} threads, {:?} after {:?}, seed {}, zipf {}, check {:?}",
            args.connections,
            args.threads,
            args.duration,
            args.warmup,
            args.seed,
            args.zipf,
            self.run.check
        )?;
        let urls = &self.run.targets.urls;
        let (method, coding) = (args.method.name(), args.encoding.name());
        let more =
            if urls.len() > 1 { format!(" and {} more", urls.len() - 1) } else { String::new() };
        writeln!(f, "{method} http://{}{}{more}, {coding}", urls[0].authority, urls[0].target)?;
        writeln!(f, "build       {} {}", build::COMMIT, build::PROFILE)?;
        writeln!(f, "requests    {}", tally.latency.len())?;
        write!(f, "rate        {:.1}/s", self.per_second(|reading| reading.answers))?;
        match args.rate {
            Some(wanted) => writeln!(f, " of {wanted}/s wanted")?,
            None => writeln!(f)?,
        }
        writeln!(f, "bytes       {:.2} MB/s", self.per_second(|reading| reading.bytes) / 1e6)?;
        write!(f, "latency us ")?;
        for (name, value) in self.latencies_us() {
            write!(f, " {name} {value:.1}")?;
        }
        writeln!(f)?;
        write!(f, "statuses   ")?;
        for (status, count) in tally.statuses() {
            write!(f, " {status}: {count}")?;
        }
        write!(f, "\nerrors      {}", tally.failures())?;
        for failure in Failure::ALL.into_iter().filter(|&failure| tally.count(failure) > 0) {
            write!(f, " {}: {}", failure.name(), tally.count(failure))?;
        }
        writeln!(f, "\nretried     {}, bodies changed {}", tally.retried, tally.changed)?;
        write!(f, "cpu us/req ")?;
        for (who, used) in [("client", self.client_cpu_us()), ("server", self.server_cpu_us())] {
            if let Some(used) = used {
                write!(f, " {who} {used:.2}")?;
            }
        }
        writeln!(f)?;
        for example in &tally.examples {
            writeln!(f, "error: {example}")?;
        }
        Ok(())
    }
}

fn us(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
