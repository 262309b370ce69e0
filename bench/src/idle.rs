//! `bench idle`: what an open, unused connection costs a server, and whether it still answers afterwards.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use shards::clock::Clock as _;
use shards::clock::SystemClock;
use socket2::SockAddr;

use crate::load::Hashing;
use crate::load::Reader;
use crate::load::Url;
use crate::load::duration;
use crate::process;
use crate::ring::Event;
use crate::ring::Ring;
use crate::ring::Slot;

/// Connections that open or ask at the same time: below what a listener's backlog holds.
const AT_ONCE: usize = 256;
/// An answer is read in pieces, so that ten thousand connections fit here, too.
const BUFFER_BYTES: usize = 2 * 1024;
/// All connections together may take this long to be opened, or to be answered.
const ROUND_MAX: Duration = Duration::from_secs(60);

/// Open connections, ask once on each, hold them idle, ask once more
#[derive(Debug, Args)]
pub(crate) struct IdleArgs {
    /// What to ask for: http://host:port/path
    #[arg(value_name = "URL")]
    url: String,
    /// How many connections
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// How long to hold them
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    hold: Duration,
    /// Report the resident memory of this process
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
}

/// Opens, holds and asks again; prints each step when it is done.
///
/// # Errors
/// When a connection was refused, closed or answered anything but 200.
pub(crate) fn run(args: &IdleArgs) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let url = Url::parse(&args.url)?;
    let peer = Arc::new(SockAddr::from(url.resolve()?));
    let limit = shards::host::raise_fd_limit().map_err(text)?;
    if limit <= u64::from(args.connections) {
        return Err(format!("only {limit} descriptors are allowed"));
    }
    let mut ring = Ring::new([url.request("GET", &[])].into(), BUFFER_BYTES).map_err(text)?;
    let slots: Vec<Slot> = (0..args.connections).map(|_| ring.add()).collect();
    let clock = SystemClock::new();
    let memory = || args.server_pid.map(process::resident_bytes).transpose().map_err(text);

    let before = memory()?;
    round(&mut ring, &clock, &slots, Some(&peer))?;
    println!("open {}", slots.len());
    let opened = memory()?;
    let end = clock.monotonic() + args.hold;
    while clock.monotonic() < end {
        ring.wait(end.saturating_sub(clock.monotonic())).map_err(text)?;
    }
    let held = memory()?;
    round(&mut ring, &clock, &slots, None)?;
    println!("answered {}", slots.len());
    if let (Some(before), Some(opened), Some(held)) = (before, opened, held) {
        let per_connection = held.saturating_sub(before) / u64::from(args.connections);
        println!("rss_bytes before {before} open {opened} held {held}");
        println!("bytes_per_connection {per_connection}");
    }
    Ok(())
}

/// One request on every connection, each connected first when there is a `peer`.
fn round(
    ring: &mut Ring,
    clock: &SystemClock,
    slots: &[Slot],
    peer: Option<&Arc<SockAddr>>,
) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut readers: Vec<Reader> = Vec::new();
    readers.resize_with(slots.len(), || Reader::new(Hashing::Off));
    let deadline = clock.monotonic() + ROUND_MAX;
    let (mut started, mut answered) = (0, 0);
    while answered < slots.len() {
        while started < slots.len() && started - answered < AT_ONCE {
            let slot = slots[started];
            started += 1;
            match peer {
                Some(peer) => ring.connect(slot, peer).map_err(text)?,
                None => ask(ring, slot).map_err(text)?,
            }
        }
        let left = deadline.saturating_sub(clock.monotonic());
        if left.is_zero() {
            return Err(format!("{answered} of {} answered within {ROUND_MAX:?}", slots.len()));
        }
        ring.wait(left).map_err(text)?;
        while let Some(event) = ring.next() {
            match event {
                Event::Connected(slot, Ok(())) => ask(ring, slot).map_err(text)?,
                Event::Connected(slot, Err(error)) => {
                    return Err(format!("connection {}: {error}", slot.index()));
                }
                Event::Received(slot, result) => {
                    if is_answered(ring, slot, result, &mut readers[slot.index()])? {
                        answered += 1;
                    } else {
                        ring.receive(slot).map_err(text)?;
                    }
                }
                Event::Sent(..) | Event::Closed(_) | Event::Accepted(_) => {}
            }
        }
    }
    Ok(())
}

fn ask(ring: &mut Ring, slot: Slot) -> io::Result<()> {
    ring.send(slot, 0)?;
    ring.receive(slot)
}

fn is_answered(
    ring: &Ring,
    slot: Slot,
    result: io::Result<usize>,
    reader: &mut Reader,
) -> Result<bool, String> {
    let n = slot.index();
    let bytes = match result {
        Ok(0) => return Err(format!("connection {n} was closed")),
        Ok(bytes) => bytes,
        Err(error) => return Err(format!("connection {n}: {error}")),
    };
    let answer =
        reader.feed(ring.received(slot, bytes)).map_err(|e| format!("connection {n}: {e}"))?;
    match answer {
        None => Ok(false),
        Some(answer) if answer.status != 200 => {
            Err(format!("connection {n}: answered {}", answer.status))
        }
        Some(answer) if answer.close => Err(format!("connection {n}: closes after its answer")),
        Some(_) => Ok(true),
    }
}
