//! `bench raw`: answers every request head with the same bytes. The least a server on io_uring can do, and so the
//! floor to compare with. Parses nothing, has no timeouts; for measuring only.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use shards::ShardId;
use shards::host;
use shards::listen;
use socket2::SockRef;

use crate::process;
use crate::ring::Event;
use crate::ring::Messages;
use crate::ring::Ring;

/// Requests of a benchmark have a few hundred bytes.
const BUFFER_BYTES: usize = 4 * 1024;
/// Nothing is due at any time: wake up only for events.
const NO_EVENT_MAX: Duration = Duration::from_secs(60);
const HEAD_END: &[u8; 4] = b"\r\n\r\n";

/// Answer every request head with the bytes of a file
#[derive(Debug, Args)]
pub(crate) struct RawArgs {
    /// Address to listen on; port 0 is chosen by the kernel
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Threads, each with a listener of its own and pinned to a core while there are enough
    #[arg(long, value_name = "T", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// The whole answer, head and body
    #[arg(long, value_name = "FILE")]
    answer: PathBuf,
}

/// Serves until killed.
///
/// # Errors
/// When the answer cannot be read, the address not listened on, or a ring fails.
pub(crate) fn run(args: &RawArgs) -> Result<(), String> {
    let answer =
        fs::read(&args.answer).map_err(|error| format!("{}: {error}", args.answer.display()))?;
    let messages: Messages = [answer.into_boxed_slice()].into();
    let text = |error: io::Error| error.to_string();
    host::raise_fd_limit().map_err(text)?;
    let cores = host::allowed_cores().map_err(text)?;
    let listeners = listen::bind_reuseport(args.listen, args.threads).map_err(text)?;
    println!("listening on {}", listeners[0].local_addr().map_err(text)?);
    let (failed, failure) = mpsc::channel();
    for (shard, listener) in ShardId::all(args.threads).zip(listeners) {
        let core = host::core_of(shard, args.threads, &cores);
        let (messages, failed) = (Arc::clone(&messages), failed.clone());
        thread::spawn(move || failed.send(serve(&listener, core, messages)));
    }
    drop(failed);
    match failure.recv() {
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(never)) => match never {},
        Err(_) => Err("every thread panicked".to_owned()),
    }
}

/// A connection: how far into the end of a head it is, and the answers it is owed.
#[derive(Default)]
struct Client {
    matched: usize,
    owed: usize,
    sending: bool,
}

fn serve(
    listener: &TcpListener,
    core: Option<usize>,
    messages: Messages,
) -> io::Result<std::convert::Infallible> {
    if let Some(core) = core {
        process::pin_to(core)?;
    }
    // io_uring waits by itself, but not for a socket that says it never blocks.
    SockRef::from(listener).set_nonblocking(false)?;
    let mut ring = Ring::new(messages, BUFFER_BYTES)?;
    let mut clients: Vec<Client> = Vec::new();
    ring.accept(listener)?;
    loop {
        ring.wait(NO_EVENT_MAX)?;
        while let Some(event) = ring.next() {
            match event {
                Event::Accepted(Ok(slot)) => {
                    if slot.index() == clients.len() {
                        clients.push(Client::default());
                    }
                    clients[slot.index()] = Client::default();
                    ring.receive(slot)?;
                    ring.accept(listener)?;
                }
                Event::Accepted(Err(error)) if is_passing(&error) => ring.accept(listener)?,
                Event::Accepted(Err(error)) => return Err(error),
                Event::Received(slot, Ok(bytes)) if bytes > 0 => {
                    let client = &mut clients[slot.index()];
                    client.owed += heads_ended(&mut client.matched, ring.received(slot, bytes));
                    ring.receive(slot)?;
                    if client.owed > 0 && !client.sending {
                        client.sending = true;
                        ring.send(slot, 0)?;
                    }
                }
                Event::Sent(slot, Ok(())) => {
                    let client = &mut clients[slot.index()];
                    client.owed -= 1;
                    client.sending = client.owed > 0;
                    if client.sending {
                        ring.send(slot, 0)?;
                    }
                }
                Event::Received(slot, _) | Event::Sent(slot, Err(_)) => ring.close(slot)?,
                Event::Connected(..) | Event::Closed(_) => {}
            }
        }
    }
}

/// A connection that was gone before it was accepted is no reason to stop.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// How many heads end in `piece`; `matched` says how much of an end came before it, and is kept up to date.
fn heads_ended(matched: &mut usize, piece: &[u8]) -> usize {
    let mut heads = 0;
    for &byte in piece {
        *matched = match byte {
            byte if byte == HEAD_END[*matched] => *matched + 1,
            b'\r' => 1,
            _ => 0,
        };
        if *matched == HEAD_END.len() {
            *matched = 0;
            heads += 1;
        }
    }
    heads
}

#[cfg(test)]
mod tests {
    use super::heads_ended;

    #[test]
    fn heads_are_counted_wherever_they_are_cut() {
        let bytes = b"GET / HTTP/1.1\r\nA: \r\r\n\r\nGET / HTTP/1.1\r\n\r\r\n\n\r\n\r\n";
        assert_eq!(heads_ended(&mut 0, bytes), 2);
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let mut matched = 0;
                let heads: usize =
                    pieces.iter().map(|piece| heads_ended(&mut matched, piece)).sum();
                assert_eq!(heads, 2, "cut at {first} and {second}");
            }
        }
    }
}
