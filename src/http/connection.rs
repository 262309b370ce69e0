//! One connection from its first byte to its end: receive a request, have it answered, again. Answers leave in the
//! order of the requests; those that are ready together leave in one write. It holds one request at a time and
//! never reads further while one is being answered, so what a peer can make it hold is bounded by `limits`.

use std::future::Future as _;
use std::future::poll_fn;
use std::mem;
use std::ops::Range;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future;
use futures_util::future::Either;
use shards::clock::Clock as _;
use shards::io::Phase;
use shards::io::Transport;

use super::Handler;
use super::Method;
use super::Request;
use super::Response;
use super::Status;
use super::chunked::Chunked;
use super::correlation::Correlation;
use super::edge::Edge;
use super::parse::BodyFraming;
use super::parse::Head;
use super::parse::HeadScan;
use super::parse::Refusal;
use super::response::Framing;
use super::response::Persistence;
use super::response::encode_head;
use super::status::Problem;
use crate::limits::BODY_COPY_BYTES_MAX;
use crate::limits::INPUT_BYTES_KEPT;
use crate::limits::LINGER_BYTES_MAX;
use crate::limits::OUTPUT_BYTES_MAX;

const HEAD_LATE: Refusal =
    Refusal { status: Status::REQUEST_TIMEOUT, rule: "the request head took too long" };
const BODY_LATE: Refusal =
    Refusal { status: Status::REQUEST_TIMEOUT, rule: "the request body took too long" };

/// Serves `io` to its end.
pub(super) async fn serve<T: Transport, H: Handler>(edge: &Edge<H>, io: &mut T) {
    let mut connection = Connection {
        edge,
        io,
        input: Vec::with_capacity(INPUT_BYTES_KEPT),
        start: 0,
        output: Vec::new(),
        head: Head::default(),
        chunks: Vec::new(),
        correlation: None,
    };
    let mut patience = edge.timeouts.head;
    let end = loop {
        if let Err(end) = connection.exchange(patience).await {
            break end;
        }
        patience = edge.timeouts.idle;
    };
    connection.end(end).await;
}

/// Why a connection ends.
enum End {
    /// The peer is gone, or idle for too long: there is nobody to tell.
    Gone,
    /// The last answer said so, and the peer expects it.
    Agreed,
    /// The last answer said so, and the peer may be sending more.
    Announced,
    /// The request is not served; the peer is yet to be told.
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A request that has arrived whole; places count from the first unused byte of the input.
struct Received {
    head: Range<usize>,
    end: usize,
}

struct Connection<'a, T, H> {
    edge: &'a Edge<H>,
    io: &'a mut T,
    input: Vec<u8>,
    /// Where the current request starts in `input`.
    start: usize,
    output: Vec<u8>,
    head: Head,
    /// The current body, if it came in chunks.
    chunks: Vec<u8>,
    /// Of the current request, once its head is read.
    correlation: Option<Correlation>,
}

impl<T: Transport, H: Handler> Connection<'_, T, H> {
    /// One request and its answer.
    async fn exchange(&mut self, patience: Duration) -> Result<(), End> {
        self.correlation = None;
        self.head.method = Method::Get;
        let head = self.receive_head(patience).await?;
        self.head.read(&self.input[self.start..][head.clone()])?;
        let sent =
            self.head.correlation.map(|span| span.of(&self.input[self.start..][head.clone()]));
        let correlation = sent.and_then(Correlation::from_client);
        self.correlation = Some(correlation.unwrap_or_else(|| self.edge.correlations.next()));
        let end = self.receive_body(head.end).await?;
        let response = self.handle(&Received { head, end }).await?;
        self.consume(end);
        self.answer(response).await
    }

    async fn receive_head(&mut self, patience: Duration) -> Result<Range<usize>, End> {
        let mut scan = HeadScan::default();
        let mut begun = false;
        loop {
            let unused = &self.input[self.start..];
            if let Some(head) = scan.advance(unused)? {
                return Ok(head);
            }
            let empty = unused.is_empty();
            self.flush().await?;
            if empty {
                self.io.arm(Phase::Idle, patience);
            } else if !mem::replace(&mut begun, true) {
                self.io.arm(Phase::Receiving, self.edge.timeouts.head);
            }
            self.fill((!empty).then_some(HEAD_LATE)).await?;
        }
    }

    /// Gives the end of the request; a body in chunks is then in `chunks`.
    async fn receive_body(&mut self, head_end: usize) -> Result<usize, End> {
        let mut decoder = Chunked::new();
        let mut invited = false;
        loop {
            let arrived = &self.input[self.start..][head_end..];
            match self.head.framing {
                BodyFraming::Length(length) if arrived.len() >= length => {
                    return Ok(head_end + length);
                }
                BodyFraming::Length(_) => {}
                BodyFraming::Chunked => {
                    let taken = decoder.decode(arrived, &mut self.chunks)?;
                    if decoder.is_done() {
                        return Ok(head_end + taken);
                    }
                    self.input.truncate(self.start + head_end);
                }
            }
            if !mem::replace(&mut invited, true) {
                self.invite(head_end).await?;
            }
            self.fill(Some(BODY_LATE)).await?;
        }
    }

    /// Before waiting for a body: the peer may be waiting for our word, or for earlier answers.
    async fn invite(&mut self, head_end: usize) -> Result<(), End> {
        let nothing_yet = self.input.len() == self.start + head_end && self.chunks.is_empty();
        if self.head.expects_continue && nothing_yet {
            self.output_buffer().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.flush().await?;
        self.io.arm(Phase::Receiving, self.edge.timeouts.body);
        Ok(())
    }

    async fn handle(&mut self, received: &Received) -> Result<Response, End> {
        let edge = self.edge;
        let bytes = &self.input[self.start..];
        let request = Request {
            head: &self.head,
            head_bytes: &bytes[received.head.clone()],
            body: match self.head.framing {
                BodyFraming::Length(_) => &bytes[received.head.end..received.end],
                BodyFraming::Chunked => &self.chunks,
            },
            correlation: self.correlation.as_ref().expect("set when the head was read"),
            received: edge.clock.monotonic(),
            received_unix_ms: edge.clock.unix_ms(),
        };
        edge.probe.requests.add(1);
        let mut handling = pin!(edge.handler.handle(&request));
        if let Poll::Ready(response) = poll_fn(|cx| Poll::Ready(handling.as_mut().poll(cx))).await {
            return Ok(response);
        }
        // Answers already made need not wait for this one.
        flush(edge, self.io, &mut self.output).await?;
        self.io.arm(Phase::Working, Duration::MAX);
        match future::select(handling, pin!(self.io.hung_up())).await {
            Either::Left((response, _)) => Ok(response),
            // Dropping the work stops it, unless others wait for it too.
            Either::Right(_) => {
                edge.probe.cancelled.add(1);
                Err(End::Gone)
            }
        }
    }

    fn consume(&mut self, end: usize) {
        self.start += end;
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
        }
        self.chunks = Vec::new();
    }

    async fn answer(&mut self, response: Response) -> Result<(), End> {
        let asked_to_close = !self.head.keep_alive;
        let close = asked_to_close || response.close || self.io.draining();
        self.emit(&response, close);
        if self.has_own_write(&response) {
            let head = mem::take(&mut self.output);
            self.io.arm(Phase::Sending, self.edge.timeouts.write_stall);
            let (written, buffer) = self.io.write_both(head, response.body).await;
            self.edge.give_buffer(buffer);
            written.map_err(|_| End::Gone)?;
        } else if close || self.output.len() > OUTPUT_BYTES_MAX {
            self.flush().await?;
        }
        match close {
            false => Ok(()),
            true if asked_to_close && self.input.is_empty() => Err(End::Agreed),
            true => Err(End::Announced),
        }
    }

    /// Appends the answer to the output, except a body that is sent from where it lies.
    fn emit(&mut self, response: &Response, close: bool) {
        let edge = self.edge;
        let date = edge.date.at(edge.clock.unix_ms());
        let correlation = self.correlation.unwrap_or_else(|| edge.correlations.next());
        let persistence = match (close, self.head.minor_version) {
            (true, _) => Persistence::Close,
            (false, 0) => Persistence::KeepAloud,
            (false, _) => Persistence::Keep,
        };
        let copied = self.has_body(response) && !self.has_own_write(response);
        let output = self.output_buffer();
        let framing = Framing { date: &date, correlation: &correlation, persistence };
        encode_head(output, response, &framing);
        if copied {
            output.extend_from_slice(&response.body);
        }
    }

    fn has_body(&self, response: &Response) -> bool {
        self.head.method != Method::Head && !response.status.is_bodiless()
    }

    fn has_own_write(&self, response: &Response) -> bool {
        self.has_body(response) && response.body.len() > BODY_COPY_BYTES_MAX
    }

    async fn end(&mut self, end: End) {
        match end {
            End::Gone | End::Agreed => {}
            End::Announced => self.linger().await,
            End::Refused(refusal) => {
                self.refuse(refusal);
                if self.flush().await.is_ok() {
                    self.linger().await;
                }
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.edge.probe.refused(refusal.status);
        let correlation = self.correlation.unwrap_or_else(|| self.edge.correlations.next());
        self.correlation = Some(correlation);
        let mut problem = Problem::transport(refusal.status);
        problem.message = format!("{} ({})", problem.message, refusal.rule).into();
        let response = problem.response(&correlation, self.edge.clock.unix_ms());
        self.emit(&response, true);
    }

    /// Reads on for a while: closing with unread bytes resets the connection, and a reset can overtake the answer.
    async fn linger(&mut self) {
        if self.io.finish().await.is_err() {
            return;
        }
        self.io.arm(Phase::Receiving, self.edge.timeouts.linger);
        let mut read = 0;
        while read < LINGER_BYTES_MAX && !self.io.expired() {
            (self.start, read) = (0, read + self.input.len());
            self.input.clear();
            if self.fill(None).await.is_err() {
                return;
            }
        }
    }

    /// Reads once. `late`: what the peer is told if the deadline passes.
    async fn fill(&mut self, late: Option<Refusal>) -> Result<(), End> {
        self.make_room();
        let (read, input) = self.io.read(mem::take(&mut self.input)).await;
        self.input = input;
        match read {
            Ok(0) if self.io.expired() => Err(late.map_or(End::Gone, End::Refused)),
            Ok(0) | Err(_) => Err(End::Gone),
            Ok(_) => Ok(()),
        }
    }

    fn make_room(&mut self) {
        self.input.drain(..self.start);
        self.start = 0;
        if self.input.is_empty() && self.input.capacity() > 2 * INPUT_BYTES_KEPT {
            self.input = Vec::with_capacity(INPUT_BYTES_KEPT);
        }
        if self.input.len() == self.input.capacity() {
            self.input.reserve(INPUT_BYTES_KEPT);
        }
    }

    fn output_buffer(&mut self) -> &mut Vec<u8> {
        if self.output.capacity() == 0 {
            self.output = self.edge.take_buffer();
        }
        &mut self.output
    }

    async fn flush(&mut self) -> Result<(), End> {
        flush(self.edge, self.io, &mut self.output).await
    }
}

/// A function of its parts, because a request borrows the rest of the connection while earlier answers leave.
async fn flush<T: Transport, H: Handler>(
    edge: &Edge<H>,
    io: &mut T,
    output: &mut Vec<u8>,
) -> Result<(), End> {
    if output.is_empty() {
        return Ok(());
    }
    io.arm(Phase::Sending, edge.timeouts.write_stall);
    let (written, buffer) = io.write_all(mem::take(output)).await;
    edge.give_buffer(buffer);
    written.map_err(|_| End::Gone)
}
