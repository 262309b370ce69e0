//! Before a run: asks for each URL once and keeps what its answer must be. Warms the server's caches on the way.

use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::response::Answer;
use super::response::Hashing;
use super::response::Reader;
use super::target::Targets;

/// Connections that ask at the same time: the answers may have to be made first.
const CONNECTIONS: usize = 8;

/// The answer of each URL, under the same number.
///
/// # Errors
/// Names the first URL without an answer of one of these statuses.
pub(crate) fn prime(
    targets: &Targets,
    hashing: Hashing,
    timeout: Duration,
    statuses: &[u16],
) -> Result<Vec<Answer>, String> {
    let urls = targets.urls.len();
    let share = urls.div_ceil(CONNECTIONS);
    let answers: Result<Vec<Vec<Answer>>, String> = thread::scope(|scope| {
        let ask = |from: usize| {
            let numbers = from..urls.min(from + share);
            scope.spawn(move || {
                let mut client = Client::new(targets.peer, hashing, timeout);
                numbers.map(|number| client.ask_as_expected(targets, number, statuses)).collect()
            })
        };
        let threads: Vec<_> = (0..urls).step_by(share).map(ask).collect();
        threads.into_iter().map(|thread| thread.join().expect("asking does not panic")).collect()
    });
    Ok(answers?.concat())
}

/// One blocking connection, made again when the server closes it.
struct Client {
    peer: SocketAddr,
    timeout: Duration,
    reader: Reader,
    stream: Option<TcpStream>,
}

impl Client {
    fn new(peer: SocketAddr, hashing: Hashing, timeout: Duration) -> Self {
        Self { peer, timeout, reader: Reader::new(hashing), stream: None }
    }

    fn ask_as_expected(
        &mut self,
        targets: &Targets,
        number: usize,
        statuses: &[u16],
    ) -> Result<Answer, String> {
        let url = &targets.urls[number].target;
        let answer = self.ask(&targets.requests[number]).map_err(|why| format!("{url}: {why}"))?;
        if !statuses.contains(&answer.status) {
            return Err(format!("{url}: answered {}", answer.status));
        }
        Ok(answer)
    }

    fn ask(&mut self, request: &[u8]) -> Result<Answer, String> {
        let text = |error: std::io::Error| error.to_string();
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect_timeout(&self.peer, self.timeout).map_err(text)?;
                stream.set_read_timeout(Some(self.timeout)).map_err(text)?;
                stream.set_nodelay(true).map_err(text)?;
                stream
            }
        };
        stream.write_all(request).map_err(text)?;
        let mut buffer = [0; 16 * 1024];
        loop {
            let bytes = match stream.read(&mut buffer).map_err(text)? {
                0 => return Err("closed before the answer ended".to_owned()),
                bytes => bytes,
            };
            if let Some(answer) = self.reader.feed(&buffer[..bytes]).map_err(|e| e.to_string())? {
                self.stream = (!answer.close).then_some(stream);
                return Ok(answer);
            }
        }
    }
}
