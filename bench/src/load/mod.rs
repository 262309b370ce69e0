//! `bench load`: an HTTP/1.1 load generator, open loop or closed, that checks every answer.
//!
//! In reading order: `args` what was typed, `target` URLs as bytes, `prime` what they must answer, `popularity` which
//! is asked, `schedule` when, `response` and `connection` one exchange, `engine` one thread, `tally` and `report`
//! what came of it. Only `engine` does I/O during a run, through `crate::ring`.

mod args;
mod connection;
mod engine;
mod popularity;
mod prime;
mod report;
mod response;
mod schedule;
mod tally;
mod target;

pub(crate) use args::LoadArgs;
pub(crate) use args::duration;
pub(crate) use response::Hashing;
pub(crate) use response::Reader;
pub(crate) use target::Url;

use std::convert::Infallible;
use std::fs;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use shards::clock::Clock as _;
use shards::clock::SystemClock;

use self::args::Check;
use self::args::Method;
use self::connection::Retry;
use self::engine::Progress;
use self::engine::Run;
use self::popularity::Popularity;
use self::report::Reading;
use self::report::Report;
use self::tally::Tally;
use self::target::Targets;
use crate::process;

/// Between progress lines.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Runs the load and prints the report. Failure when there was any error, unless errors are allowed.
///
/// # Errors
/// When there is nothing to run, or the generator itself fails.
pub(crate) fn run(args: &LoadArgs) -> Result<ExitCode, String> {
    let run = prepare(args)?;
    let (tally, readings) = drive(args, &run)?;
    let report = Report { args, run: &run, tally: &tally, readings };
    if let Some(file) = &args.json {
        let text = format!("{}\n", report.json());
        fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    print!("{report}");
    let good = tally.failures() == 0 || args.errors_allowed;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn prepare(args: &LoadArgs) -> Result<Run, String> {
    if args.connections < args.threads {
        return Err("more threads than connections".to_owned());
    }
    if args.duration.is_zero() {
        return Err("nothing is measured in no time".to_owned());
    }
    if let Some(pid) = args.server_pid {
        process::cpu(pid).map_err(|error| format!("process {pid}: {error}"))?;
    }
    shards::host::raise_fd_limit().map_err(|error| format!("descriptor limit: {error}"))?;
    let lists = lists(args)?;
    let lengths: Vec<_> = lists.iter().map(|(weight, urls)| (*weight, urls.len())).collect();
    let urls = lists.into_iter().flat_map(|(_, urls)| urls).collect();
    let mut headers = args.header.clone();
    headers.push(format!("Accept-Encoding: {}", args.encoding.name()));
    let targets = Targets::new(urls, args.method.name(), &headers)?;
    let check = args.check.unwrap_or(match args.method {
        Method::Get => Check::Body,
        Method::Post => Check::None,
    });
    let expected = match check {
        Check::None => Vec::new(),
        Check::Length => prime::prime(&targets, Hashing::Off, args.timeout, &args.expect_status)?,
        Check::Body => prime::prime(&targets, Hashing::On, args.timeout, &args.expect_status)?,
    };
    let retry = args.retry_closed && args.method == Method::Get;
    let clock = SystemClock::new();
    let begin = clock.monotonic();
    Ok(Run {
        targets,
        expected,
        popularity: Popularity::new(&lengths, args.zipf),
        check,
        body_change_allowed: args.allow_body_change,
        statuses: args.expect_status.clone(),
        retry: if retry { Retry::Once } else { Retry::Never },
        timeout: args.timeout,
        rate: args.rate,
        connections: args.connections,
        threads: args.threads,
        seed: args.seed,
        clock,
        begin,
        measured_from: begin + args.warmup,
        end: begin + args.warmup + args.duration,
    })
}

/// The lists of URLs, each with its weight.
fn lists(args: &LoadArgs) -> Result<Vec<(f64, Vec<Url>)>, String> {
    if let Some(file) = &args.urls {
        return Ok(vec![(1.0, target::read_urls(file)?)]);
    }
    if !args.url.is_empty() {
        let urls = args.url.iter().map(|url| Url::parse(url));
        return Ok(vec![(1.0, urls.collect::<Result<_, _>>()?)]);
    }
    args.mix.iter().map(|mix| Ok((mix.weight, target::read_urls(&mix.file)?))).collect()
}

/// Starts the threads and watches them: all tallies in one, and the counts at both ends of the measured time.
fn drive(args: &LoadArgs, run: &Run) -> Result<(Tally, [Reading; 2]), String> {
    let progress: Vec<Progress> = (0..run.threads).map(|_| Progress::default()).collect();
    thread::scope(|scope| {
        let (alive, all_ended) = mpsc::channel();
        let start = |(thread, progress)| {
            let alive = alive.clone();
            scope.spawn(move || {
                let _alive = alive;
                engine::work(run, thread, progress)
            })
        };
        let threads: Vec<_> = (0..run.threads).zip(&progress).map(start).collect();
        drop(alive);
        let readings = watch(args, run, &progress, &all_ended);
        let mut sum = Tally::new();
        for thread in threads {
            let tally = thread.join().map_err(|_| "a thread panicked".to_owned())?;
            sum.add(&tally.map_err(|error| format!("io_uring: {error}"))?);
        }
        Ok((sum, readings?))
    })
}

/// Waits for the end of the measured time, with a line of progress now and then.
fn watch(
    args: &LoadArgs,
    run: &Run,
    progress: &[Progress],
    all_ended: &mpsc::Receiver<Infallible>,
) -> Result<[Reading; 2], String> {
    let take = || read(run.clock.monotonic(), args.server_pid, progress).map_err(|e| e.to_string());
    let mut first = None;
    let mut before = take()?;
    loop {
        if first.is_none() && before.at >= run.measured_from {
            first = Some(before);
        }
        if before.at >= run.end {
            let first = first.expect("the measurement starts before it ends");
            return Ok([first, before]);
        }
        let mark = if first.is_none() { run.measured_from } else { run.end };
        let wake = mark.min(before.at + PROGRESS_EVERY);
        let slept = all_ended.recv_timeout(wake.saturating_sub(run.clock.monotonic()));
        let now = take()?;
        if slept == Err(RecvTimeoutError::Disconnected) && now.at < run.end {
            return Err("all threads ended early".to_owned());
        }
        if !args.quiet {
            let rate = (now.answers - before.answers) as f64 / (now.at - before.at).as_secs_f64();
            let (second, failures) = ((now.at - run.begin).as_secs_f64(), now.failures);
            eprintln!("{second:6.1} s {rate:10.0}/s {failures:8} errors");
        }
        before = now;
    }
}

fn read(at: Duration, server: Option<u32>, progress: &[Progress]) -> std::io::Result<Reading> {
    let sum = |of: fn(&Progress) -> &AtomicU64| {
        progress.iter().map(|progress| of(progress).load(Ordering::Relaxed)).sum()
    };
    Ok(Reading {
        at,
        answers: sum(|progress| &progress.answers),
        bytes: sum(|progress| &progress.bytes),
        failures: sum(|progress| &progress.failures),
        client_cpu: process::own_cpu()?,
        // A server may end during a run, as part of an experiment.
        server_cpu: server.and_then(|pid| process::cpu(pid).ok()),
    })
}
