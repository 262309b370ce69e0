//! An HTTP/1.1 client that does only what it is told: no pool, no retry, no redirect, one socket per [`Connection`].
//! It understands answers with a `Content-Length`, which is all that the server and the simulator send here.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// One socket. Dropping it closes it.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Received and not yet taken.
    input: Vec<u8>,
}

/// One answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

/// Longest answer accepted, bytes: a metrics page and the largest document have room.
const REPLY_BYTES_MAX: usize = 4 << 20;
const READ_BYTES: usize = 16 << 10;

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::new() })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next answer.
    pub(crate) async fn receive(&mut self) -> io::Result<Reply> {
        let end = loop {
            if let Some(at) = self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8(self.input[..end].to_vec()).map_err(|_| bad("head"))?;
        let status = head.get(9..12).and_then(|digits| digits.parse().ok());
        let mut reply =
            Reply { status: status.ok_or_else(|| bad("status"))?, head, body: Vec::new() };
        let length = match (reply.status, reply.header("content-length")) {
            (204 | 304, _) => 0,
            (_, Some(text)) => text.parse().map_err(|_| bad("Content-Length"))?,
            (_, None) => return Err(bad("framing")),
        };
        while self.input.len() < end + length {
            self.fill().await?;
        }
        reply.body = self.input[end..end + length].to_vec();
        self.input.drain(..end + length);
        Ok(reply)
    }

    /// Whether something has come that is no whole answer yet.
    pub(crate) fn has_begun(&self) -> bool {
        !self.input.is_empty()
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Reply> {
        self.send(request).await?;
        self.receive().await
    }

    /// Reads once into the input. The end of the stream is an error here: an answer was expected.
    async fn fill(&mut self) -> io::Result<()> {
        if self.input.len() > REPLY_BYTES_MAX {
            return Err(bad("size"));
        }
        let mut buffer = [0; READ_BYTES];
        match self.stream.read(&mut buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.input.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }
}

impl Reply {
    /// The first field of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One exchange on a connection of its own.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<Reply> {
    Connection::open(address).await?.exchange(request).await
}

/// The bytes of a request. A body is announced as JSON.
pub(crate) fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let content = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: chaos\r\n{content}\r\n{body}").into_bytes()
}

/// The request for a character's expectation, as a browser sends it.
pub(crate) fn expectation(name: &str, query: &str) -> Vec<u8> {
    let path = format!("/api/v4/characters/{}/expectation{query}", encoded(name));
    format!("GET {path} HTTP/1.1\r\nHost: chaos\r\nAccept-Encoding: gzip\r\n\r\n").into_bytes()
}

/// A name as a segment of a path.
pub(crate) fn encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn bad(part: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an answer with an unusable {part}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// The answers to the bytes a server sends in two pieces, cut at `cut`.
    async fn received(bytes: &'static [u8], cut: usize) -> (Reply, io::Result<Reply>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(&bytes[..cut]).await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(&bytes[cut..]).await.unwrap();
        });
        let mut connection = Connection::open(address).await.unwrap();
        (connection.receive().await.unwrap(), connection.receive().await)
    }

    #[tokio::test]
    async fn answers_are_told_apart_wherever_they_are_cut() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 503 No\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n";
        for cut in 1..bytes.len() {
            let (first, second) = received(bytes, cut).await;
            assert_eq!((first.status, first.body.as_slice()), (200, b"ab".as_slice()), "{cut}");
            let second = second.unwrap();
            assert_eq!((second.status, second.header("Retry-After")), (503, Some("60")), "{cut}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_ends_early_is_an_error() {
        let bytes = b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na";
        let (_, second) = received(bytes, 1).await;
        let error = second.err().expect("half a body");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn names_are_encoded() {
        let bytes = expectation("가", "?force=true");
        let start = b"GET /api/v4/characters/%EA%B0%80/expectation?force=true HTTP/1.1\r\n";
        assert!(bytes.starts_with(start));
    }
}
