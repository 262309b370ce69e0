//! A shard's own connection to Redis, for the question on the way of most answers: a finished body. Asked over the shard's
//! own ring it saves two changes of thread. Of masters, passwords and outages this knows nothing: `lines` dials the
//! connection, hands it over and takes it back. Without one, or when it breaks, the question goes by the backplane.
//! What takes longer than a command may is a miss.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use shards::clock::Clock;
use shards::runtime;
use shards::runtime::Cutter;
use shards::runtime::DriverKind;
use shards::runtime::WireReader;
use shards::runtime::WireWriter;
use shards::spawn;
use tokio::sync::watch;

use crate::expectation::ports::Body;
use crate::expectation::shared::Dated;
use crate::stores::redis::lines::End;
use crate::stores::redis::lines::Handed;
use crate::stores::redis::lines::Lines;
use crate::stores::redis::resp;
use crate::stores::redis::resp::Answer;
use crate::stores::redis::values;

shards::counters! {
    /// What a shard asks Redis by itself.
    DirectProbe => DirectSnapshot {
        /// Bodies found.
        found,
        /// Bodies that are not there.
        absent,
        /// Bodies that this build cannot read.
        unreadable,
        /// Questions that Redis refused.
        refused,
        /// Questions without an answer in time.
        timed_out,
        /// Questions whose connection broke; asked again by the backplane.
        broken,
        /// Questions left to the backplane: there was no connection, or too much waited on it.
        elsewhere,
    }
}

/// Questions that may wait for their answers on one connection.
pub const WAITING_MAX: usize = 1_024;
/// How often it is looked who waits too long; they wait about as much longer.
const LATE_LOOK: Duration = Duration::from_millis(50);
/// Room to read into, at least.
const READ_SPARE_MIN: usize = 32 << 10;

/// The question is to go another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elsewhere;

/// The connection of one shard, as often as there is one.
pub struct Direct {
    line: RefCell<Option<Rc<Line>>>,
    driver: DriverKind,
    clock: Rc<dyn Clock>,
    timeout: Duration,
    probe: DirectProbe,
}

/// One connection, shared by the tasks that write to it, read from it and watch the time.
struct Line {
    number: u64,
    out: RefCell<Vec<u8>>,
    waiting: RefCell<VecDeque<Waiting>>,
    /// When something came.
    heard: Cell<Duration>,
    /// The task that writes, while it has nothing to write.
    writer: Cell<Option<Waker>>,
    /// Gone when the connection has ended.
    cutter: RefCell<Option<Cutter>>,
}

struct Waiting {
    since: Duration,
    /// Dropped untold when the connection breaks. None when it was told that it is late: its answer may still come, and
    /// must not be taken for that of the next one.
    reply: Option<oneshot::Sender<Said>>,
}

enum Said {
    Fields([Option<Bytes>; 2]),
    Refused,
    Late,
}

impl Direct {
    /// No connection yet; takes those that come over `lines`. Only on a shard's thread.
    #[must_use]
    pub fn open(
        driver: DriverKind,
        clock: Rc<dyn Clock>,
        timeout: Duration,
        lines: Lines,
    ) -> Rc<Self> {
        let line = RefCell::default();
        let direct = Rc::new(Self { line, driver, clock, timeout, probe: DirectProbe::default() });
        spawn::spawn(Rc::clone(&direct).serve(lines));
        direct
    }

    /// What it counts.
    #[must_use]
    pub fn probe(&self) -> &DirectProbe {
        &self.probe
    }

    /// A body and its birth. What takes too long is as if it were not there.
    ///
    /// # Errors
    /// [`Elsewhere`] when there is no connection, or not any more.
    pub async fn body(&self, key: &str, field: &str) -> Result<Option<Dated<Body>>, Elsewhere> {
        let Some(asked) = self.ask(key, ["born", field]) else {
            self.probe.elsewhere.add(1);
            return Err(Elsewhere);
        };
        let Ok(said) = asked.await else {
            self.probe.broken.add(1);
            return Err(Elsewhere);
        };
        let found = match said {
            Said::Fields([Some(born), Some(packed)]) => {
                read(&born, &packed).ok_or(&self.probe.unreadable)
            }
            Said::Fields(_) => Err(&self.probe.absent),
            Said::Refused => Err(&self.probe.refused),
            Said::Late => Err(&self.probe.timed_out),
        };
        match found {
            Ok(_) => self.probe.found.add(1),
            Err(why_not) => why_not.add(1),
        }
        Ok(found.ok())
    }

    fn ask(&self, key: &str, fields: [&str; 2]) -> Option<oneshot::Receiver<Said>> {
        let line = self.line.borrow();
        let line = line.as_ref().filter(|line| !line.has_ended())?;
        let mut waiting = line.waiting.borrow_mut();
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        let (since, (reply, said)) = (self.clock.monotonic(), oneshot::channel());
        waiting.push_back(Waiting { since, reply: Some(reply) });
        resp::ask(&mut line.out.borrow_mut(), key, fields);
        line.wake_writer();
        Some(said)
    }

    async fn serve(self: Rc<Self>, mut lines: Lines) {
        while let Some(handed) = lines.next().await {
            if let Some(line) = self.line.take() {
                line.end();
            }
            let Handed::Line(dialled, number) = handed else { continue };
            let ended = lines.ended();
            match runtime::adopt(self.driver, dialled) {
                Ok((reader, writer, cutter)) => {
                    let line = Rc::new(Line::new(number, self.clock.monotonic(), cutter));
                    self.line.replace(Some(Rc::clone(&line)));
                    spawn::spawn(write(Rc::clone(&line), writer));
                    spawn::spawn(Rc::clone(&self).read(Rc::clone(&line), reader, ended.clone()));
                    spawn::spawn(Rc::clone(&self).watch(line, ended));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to Redis cannot be taken over");
                    tell(&ended, number, End::Broken);
                }
            }
        }
    }

    /// Hands out answers until the connection ends.
    async fn read(
        self: Rc<Self>,
        line: Rc<Line>,
        reader: WireReader,
        ended: watch::Sender<(u64, End)>,
    ) {
        let why = line.read(reader, &*self.clock).await;
        if !line.has_ended() {
            tracing::debug!(why, "a connection of a shard to Redis has ended");
        }
        line.end();
        tell(&ended, line.number, End::Broken);
    }

    /// Tells those who wait too long that they are late. Gives the connection up when nothing at all comes over it: a server
    /// that is silent to these will be to the next ones.
    async fn watch(self: Rc<Self>, line: Rc<Line>, ended: watch::Sender<(u64, End)>) {
        let mut looked = self.clock.monotonic();
        while !line.has_ended() {
            spawn::sleep(LATE_LOOK).await;
            let now = self.clock.monotonic();
            // The shard itself stood still: what has come meanwhile has not been read yet.
            let stalled = now.saturating_sub(mem::replace(&mut looked, now)) > LATE_LOOK * 2;
            let Some(begun_by) = now.checked_sub(self.timeout).filter(|_| !stalled) else {
                continue;
            };
            if line.is_silent_since(begun_by) {
                line.tell_late(now);
                line.end();
                tell(&ended, line.number, End::Silent);
            } else {
                line.tell_late(begun_by);
            }
        }
        self.line.borrow_mut().take_if(|current| Rc::ptr_eq(current, &line));
    }
}

/// What was told first of a connection counts.
fn tell(ended: &watch::Sender<(u64, End)>, number: u64, how: End) {
    ended.send_if_modified(|told| {
        let news = told.0 < number;
        if news {
            *told = (number, how);
        }
        news
    });
}

impl Line {
    fn new(number: u64, now: Duration, cutter: Cutter) -> Self {
        Self {
            number,
            out: RefCell::default(),
            waiting: RefCell::default(),
            heard: Cell::new(now),
            writer: Cell::default(),
            cutter: RefCell::new(Some(cutter)),
        }
    }

    fn has_ended(&self) -> bool {
        self.cutter.borrow().is_none()
    }

    /// Ends the connection and its tasks. Whoever waits is to ask elsewhere.
    fn end(&self) {
        self.cutter.take();
        self.waiting.borrow_mut().clear();
        self.wake_writer();
    }

    fn wake_writer(&self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// Whether somebody has waited since `begun_by` and nothing has come in all that time.
    fn is_silent_since(&self, begun_by: Duration) -> bool {
        let oldest = self.waiting.borrow().front().map(|waiting| waiting.since);
        oldest.is_some_and(|oldest| oldest.max(self.heard.get()) <= begun_by)
    }

    /// Tells those who have waited since `begun_by` or longer.
    fn tell_late(&self, begun_by: Duration) {
        let mut waiting = self.waiting.borrow_mut();
        let late = waiting.partition_point(|waiting| waiting.since <= begun_by);
        for reply in waiting.iter_mut().take(late).filter_map(|waiting| waiting.reply.take()) {
            // Nobody waits any more: just as well.
            let _ = reply.send(Said::Late);
        }
    }

    /// Hands answers to those who wait, in order, until the connection ends; says why it did.
    async fn read(&self, mut reader: WireReader, clock: &dyn Clock) -> &'static str {
        let mut bytes = Vec::with_capacity(2 * READ_SPARE_MIN);
        loop {
            let (read, filled) = reader.read(bytes).await;
            bytes = filled;
            match read {
                Ok(0) => return "closed",
                Ok(_) => {}
                Err(_) => return "broken",
            }
            self.heard.set(clock.monotonic());
            let mut taken = 0;
            while let Some((answer, length)) = match resp::answer(&bytes[taken..]) {
                Ok(answer) => answer,
                Err(resp::Garbled) => return "not understood",
            } {
                let Some(Waiting { reply, .. }) = self.waiting.borrow_mut().pop_front() else {
                    return "answered unasked";
                };
                if let Some(reply) = reply {
                    // Nobody waits any more: just as well.
                    let _ = reply.send(said(answer, &bytes[taken..]));
                }
                taken += length;
            }
            bytes.drain(..taken);
            if bytes.capacity() - bytes.len() < READ_SPARE_MIN {
                bytes.reserve(2 * READ_SPARE_MIN);
            }
        }
    }
}

fn said(answer: Answer, bytes: &[u8]) -> Said {
    match answer {
        Answer::Fields(fields) => {
            Said::Fields(fields.map(|field| field.map(|at| Bytes::copy_from_slice(&bytes[at]))))
        }
        Answer::Refused(why) => {
            tracing::debug!(why = %bytes[why].escape_ascii(), "Redis refused a shard");
            Said::Refused
        }
    }
}

fn read(born: &[u8], packed: &Bytes) -> Option<Dated<Body>> {
    Some(Dated { value: values::unpack_body(packed)?, born_us: resp::number(born)? })
}

/// Sends what is asked, as much at once as has come together.
async fn write(line: Rc<Line>, mut writer: WireWriter) {
    let mut spare = Vec::new();
    loop {
        let something = poll_fn(|cx| {
            if line.has_ended() {
                return Poll::Ready(false);
            }
            if line.out.borrow().is_empty() {
                line.writer.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            Poll::Ready(true)
        });
        if !something.await {
            return;
        }
        let asked = mem::replace(&mut *line.out.borrow_mut(), mem::take(&mut spare));
        let (written, buffer) = writer.write_all(asked).await;
        if written.is_err() {
            return line.end();
        }
        spare = buffer;
        spare.clear();
    }
}
