//! One connection of the generator and the request it is busy with: a state machine fed with what the ring
//! reports. Does no I/O itself; `engine` acts on what comes out.

use std::io;
use std::time::Duration;

use super::response::Answer;
use super::response::Hashing;
use super::response::Reader;
use super::tally::Failure;

/// A request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// Number of its URL.
    pub(crate) target: usize,
    /// When it should have started: where its latency counts from.
    pub(crate) intended: Duration,
    /// It has been sent once before.
    pub(crate) retried: bool,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing yet: receive more.
    Pending,
    Answered(Request, Answer),
    /// The connection is gone; the next one sends the request again.
    Retry,
    /// The connection must be given up.
    Failed(Request, Failure, String),
}

/// Whether a request is sent again when its connection closes before the first byte of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    Once,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No socket; the next attempt not before this.
    Down {
        until: Duration,
    },
    Connecting {
        since: Duration,
    },
    Idle,
    /// Sent at `since`; `begun` once a byte of the answer came.
    Busy {
        since: Duration,
        begun: bool,
    },
    /// Given up; waits for the ring to say that it is closed. Afterwards down until this.
    Closing {
        until: Duration,
    },
}

/// See the module.
pub(crate) struct Connection {
    phase: Phase,
    reader: Reader,
    request: Option<Request>,
    retry: Retry,
}

impl Connection {
    /// Down, to be connected at once.
    pub(crate) fn new(hashing: Hashing, retry: Retry) -> Self {
        let phase = Phase::Down { until: Duration::ZERO };
        Self { phase, reader: Reader::new(hashing), request: None, retry }
    }

    /// Whether it is time to connect.
    pub(crate) fn wants_to_connect(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Down { until } if until <= now)
    }

    pub(crate) fn connecting(&mut self, now: Duration) {
        self.reader.restart();
        self.phase = Phase::Connecting { since: now };
    }

    /// Connected. A request left over from the connection before is to be sent now: its URL.
    pub(crate) fn connected(&mut self, now: Duration) -> Option<usize> {
        self.phase = Phase::Idle;
        let request = self.request?;
        self.begin(request, now);
        Some(request.target)
    }

    /// A request is being sent.
    pub(crate) fn begin(&mut self, request: Request, now: Duration) {
        debug_assert_eq!(self.phase, Phase::Idle);
        self.request = Some(request);
        self.phase = Phase::Busy { since: now, begun: false };
    }

    /// Bytes came; none when the peer closed.
    pub(crate) fn received(&mut self, piece: &[u8]) -> Outcome {
        let (Some(request), Phase::Busy { since, begun }) = (self.request, self.phase) else {
            return Outcome::Pending;
        };
        if piece.is_empty() {
            return self.lost(request, begun, "closed by the server".to_owned());
        }
        self.phase = Phase::Busy { since, begun: true };
        match self.reader.feed(piece) {
            Ok(None) => Outcome::Pending,
            Ok(Some(answer)) => {
                self.request = None;
                self.phase = Phase::Idle;
                Outcome::Answered(request, answer)
            }
            Err(error) => self.fail(request, Failure::Broken, error.to_string()),
        }
    }

    /// Receiving failed.
    pub(crate) fn receive_failed(&mut self, error: &io::Error) -> Outcome {
        match (self.request, self.phase) {
            (Some(request), Phase::Busy { begun, .. }) => {
                self.lost(request, begun, error.to_string())
            }
            _ => Outcome::Pending,
        }
    }

    /// Too late, if what it is doing has taken `timeout`: a request fails, an attempt to connect must be counted.
    pub(crate) fn is_overdue(&self, now: Duration, timeout: Duration) -> bool {
        match self.phase {
            Phase::Connecting { since } | Phase::Busy { since, .. } => since + timeout <= now,
            Phase::Down { .. } | Phase::Idle | Phase::Closing { .. } => false,
        }
    }

    /// Whether it is still being connected.
    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting { .. })
    }

    /// Gives the connection up; the next attempt not before `until`. A request it had is the caller's.
    pub(crate) fn close(&mut self, until: Duration) -> Option<Request> {
        self.phase = Phase::Closing { until };
        self.request.take()
    }

    /// Gives the connection up, but not the request.
    pub(crate) fn close_for_retry(&mut self, until: Duration) {
        self.phase = Phase::Closing { until };
    }

    /// The ring has closed it.
    pub(crate) fn closed(&mut self) {
        if let Phase::Closing { until } = self.phase {
            self.phase = Phase::Down { until };
        }
    }

    fn lost(&mut self, request: Request, begun: bool, why: String) -> Outcome {
        if begun {
            return self.fail(request, Failure::Broken, why);
        }
        if self.retry == Retry::Never || request.retried {
            return self.fail(request, Failure::Closed, why);
        }
        self.request = Some(Request { retried: true, ..request });
        Outcome::Retry
    }

    fn fail(&mut self, request: Request, failure: Failure, why: String) -> Outcome {
        self.request = None;
        Outcome::Failed(request, failure, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const REQUEST: Request = Request { target: 3, intended: Duration::ZERO, retried: false };
    const SECOND: Duration = Duration::from_secs(1);

    fn busy(retry: Retry) -> Connection {
        let mut connection = Connection::new(Hashing::Off, retry);
        assert!(connection.wants_to_connect(Duration::ZERO));
        connection.connecting(Duration::ZERO);
        assert_eq!(connection.connected(Duration::ZERO), None);
        connection.begin(REQUEST, SECOND);
        connection
    }

    #[test]
    fn an_answer_frees_the_connection_for_the_next_request() {
        let mut connection = busy(Retry::Never);
        assert_eq!(connection.received(&ANSWER[..20]), Outcome::Pending);
        assert_eq!(connection.request, Some(REQUEST));
        let outcome = connection.received(&ANSWER[20..]);
        assert!(matches!(outcome, Outcome::Answered(REQUEST, Answer { status: 200, .. })));
        assert_eq!(connection.request, None);
        connection.begin(REQUEST, SECOND);
        assert!(matches!(connection.received(ANSWER), Outcome::Answered(..)));
    }

    #[test]
    fn closed_before_the_first_byte_is_another_failure_than_after_it() {
        let failure = |outcome| match outcome {
            Outcome::Failed(REQUEST, failure, _) => failure,
            other => panic!("{other:?}"),
        };
        assert_eq!(failure(busy(Retry::Never).received(b"")), Failure::Closed);
        let mut connection = busy(Retry::Once);
        assert_eq!(connection.received(&ANSWER[..1]), Outcome::Pending);
        assert_eq!(failure(connection.received(b"")), Failure::Broken);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(failure(busy(Retry::Never).receive_failed(&reset)), Failure::Closed);
        assert_eq!(failure(busy(Retry::Once).received(b"not HTTP")), Failure::Broken);
    }

    #[test]
    fn a_request_is_sent_again_once() {
        let mut connection = busy(Retry::Once);
        assert_eq!(connection.received(b""), Outcome::Retry);
        connection.close_for_retry(SECOND);
        connection.closed();
        assert!(
            !connection.wants_to_connect(Duration::ZERO) && connection.wants_to_connect(SECOND)
        );
        connection.connecting(SECOND);
        assert_eq!(connection.connected(SECOND), Some(3));
        let outcome = connection.received(b"");
        let retried = Request { retried: true, ..REQUEST };
        assert!(
            matches!(outcome, Outcome::Failed(request, Failure::Closed, _) if request == retried)
        );
    }

    #[test]
    fn time_counts_from_sending() {
        let mut connection = busy(Retry::Never);
        assert!(!connection.is_overdue(SECOND * 2, SECOND * 2));
        assert!(connection.is_overdue(SECOND * 3, SECOND * 2));
        assert_eq!(connection.close(SECOND * 4), Some(REQUEST));
        assert!(!connection.is_overdue(SECOND * 9, SECOND));
        connection.closed();
        connection.connecting(SECOND * 9);
        assert!(connection.is_connecting() && connection.is_overdue(SECOND * 10, SECOND));
    }
}
