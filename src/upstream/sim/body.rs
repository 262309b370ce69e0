//! Bodies that misbehave: slow ones, ones that end early, ones far too large.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::stream;
use http_body_util::Either;
use http_body_util::Full;
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::time::sleep;

use super::server::InFlight;

type Frames = Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>>>>;
/// What a response carries.
pub(super) type Body = Either<Full<Bytes>, StreamBody<Frames>>;

/// How a body is to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Spread over this time.
    pub(super) slow: Duration,
    /// Give up after half.
    pub(super) truncate: bool,
}

/// Pieces a slow body is sent in.
const PIECES: usize = 20;
/// Size of the pieces of a made-up body.
const FILLER: &[u8] = &[b' '; 64 * 1024];

/// A body in one piece.
pub(super) fn whole(bytes: Bytes) -> Body {
    Either::Left(Full::new(bytes))
}

/// A body in pieces; the request counts as in flight until the last one is due.
pub(super) fn paced(bytes: Bytes, pace: Pace, mut in_flight: InFlight) -> Body {
    let end = if pace.truncate { bytes.len() / 2 } else { bytes.len() };
    let step = bytes.len().div_ceil(PIECES).max(1);
    let starts = (0..end).step_by(step);
    let mut pieces: Vec<_> =
        starts.map(|start| Ok(bytes.slice(start..end.min(start + step)))).collect();
    if pace.truncate {
        pieces.push(Err(io::Error::other("cut off on purpose")));
    }
    let (count, pause) = (pieces.len(), pace.slow / PIECES as u32);
    let frames = stream::iter(pieces).enumerate().then(move |(index, piece)| {
        if index + 1 == count {
            in_flight.complete();
        }
        async move {
            sleep(pause).await;
            piece.map(Frame::data)
        }
    });
    Either::Right(StreamBody::new(Box::pin(frames)))
}

/// So many spaces.
pub(super) fn filler(bytes: u64) -> Body {
    let (full, rest) = (bytes / FILLER.len() as u64, bytes % FILLER.len() as u64);
    let pieces = (0..full).map(|_| FILLER).chain([&FILLER[..rest as usize]]);
    let frames = pieces.map(|piece| Ok(Frame::data(Bytes::from_static(piece))));
    Either::Right(StreamBody::new(Box::pin(stream::iter(frames))))
}
