//! As much of Redis' protocol (RESP2) as it takes to ask a server how it is: one command, one answer.
//! No pipelining, no subscriptions, no limits on size: it talks to servers of its own.

use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A simple or a bulk string.
    Text(String),
    /// A number.
    Integer(i64),
    /// Nothing there.
    Nil,
    /// Answers in their order.
    List(Vec<Reply>),
}

impl Reply {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Sends a command and waits for its answer.
///
/// # Errors
/// The connection's; what the server refused (`-ERR ...`); `InvalidData` for what is no RESP2.
pub(super) fn ask(mut stream: TcpStream, command: &[&str]) -> io::Result<Reply> {
    let mut request = format!("*{}\r\n", command.len());
    for word in command {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(request.as_bytes())?;
    reply(&mut BufReader::new(stream))
}

fn reply(input: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let number = || line[1..].parse::<i64>().map_err(|_| unknown(line));
    match line.as_bytes().first() {
        Some(b'+') => Ok(Reply::Text(line[1..].to_owned())),
        Some(b'-') => Err(io::Error::other(line[1..].to_owned())),
        Some(b':') => Ok(Reply::Integer(number()?)),
        Some(b'$' | b'*') if number()? < 0 => Ok(Reply::Nil),
        Some(b'$') => {
            let length = usize::try_from(number()?).map_err(|_| unknown(line))?;
            let mut bytes = vec![0; length + 2];
            input.read_exact(&mut bytes)?;
            bytes.truncate(length);
            Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Some(b'*') => {
            Ok(Reply::List((0..number()?).map(|_| reply(input)).collect::<Result<_, _>>()?))
        }
        _ => Err(unknown(line)),
    }
}

fn unknown(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no RESP2: {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answered(bytes: &[u8]) -> io::Result<Reply> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(bytes).unwrap();
        server.shutdown(std::net::Shutdown::Write).unwrap();
        ask(stream, &["PING"])
    }

    #[test]
    fn every_kind_of_answer_is_told_apart() {
        let text = |text: &str| Reply::Text(text.to_owned());
        assert_eq!(answered(b"+PONG\r\n").unwrap(), text("PONG"));
        assert_eq!(answered(b":-7\r\n").unwrap(), Reply::Integer(-7));
        assert_eq!(answered(b"$4\r\na\r\nb\r\n").unwrap(), text("a\r\nb"));
        assert_eq!(answered(b"$-1\r\n").unwrap(), Reply::Nil);
        let nested = Reply::List(vec![text("a"), Reply::List(vec![Reply::Integer(1)])]);
        assert_eq!(answered(b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n").unwrap(), nested);
    }

    #[test]
    fn refusals_and_nonsense_are_errors() {
        assert_eq!(answered(b"-ERR no\r\n").unwrap_err().to_string(), "ERR no");
        assert_eq!(answered(b"HTTP/1.1 200\r\n").unwrap_err().kind(), io::ErrorKind::InvalidData);
        for cut in [&b""[..], b"+PON", b"$4\r\nab"] {
            assert_eq!(answered(cut).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{cut:?}");
        }
    }
}
