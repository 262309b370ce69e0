//! What the edge must do with each sequence of bytes, as one table for two runners: over real sockets
//! (`http_wire`) and cut at every place (`http_split`). Each row is followed by a probe request; whether that one is
//! answered tells whether the connection was kept, and `executed` tells whether anything was smuggled.

/// Sent after the bytes of every row.
pub(crate) const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n";

/// One row.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) input: Vec<u8>,
    /// Statuses of the answers, in order, the probe's not included.
    pub(crate) statuses: Vec<u16>,
    /// What the handler saw: method, target and body.
    pub(crate) executed: Vec<&'static str>,
    pub(crate) end: End,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Kept,
    Closed,
}

/// An answer as a client reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// Reads all answers in `bytes`, without interim ones. Panics on anything that is not a whole, well-formed answer.
/// Answers to HEAD say so themselves, by a field of the test handler.
pub(crate) fn answers(bytes: &[u8]) -> Vec<Answer> {
    let mut rest = bytes;
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let head_end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&rest[..head_end]).expect("heads are text").to_owned();
        rest = &rest[head_end + 4..];
        let code = head.strip_prefix("HTTP/1.1 ").expect("a status line").get(..3);
        let status = code.expect("a status").parse().expect("a number");
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.field("Content-Length").map(|text| text.parse().expect("a number"));
        // A refusal of a HEAD cannot say what it answers; nothing may follow it, though.
        let refused_head = rest.is_empty() && answer.field("Connection") == Some("close");
        let bodiless = matches!(status, 100 | 204 | 304)
            || answer.field("X-Method") == Some("Head")
            || refused_head;
        if !bodiless {
            let (body, after) =
                rest.split_at(length.expect("a length on every answer with a body"));
            answer.body = body.to_vec();
            rest = after;
        }
        if status != 100 {
            answers.push(answer);
        }
    }
    answers
}

/// The table.
pub(crate) fn table() -> Vec<Row> {
    let mut rows = served();
    rows.extend(bodies_served());
    rows.extend(closed_by_agreement());
    rows.extend(framing_refused());
    rows.extend(heads_refused());
    rows.extend(too_much());
    rows
}

fn row(
    name: &'static str,
    input: impl Into<Vec<u8>>,
    statuses: &[u16],
    executed: &[&'static str],
    end: End,
) -> Row {
    let (statuses, executed) = (statuses.to_vec(), executed.to_vec());
    Row { name, input: input.into(), statuses, executed, end }
}

fn kept(name: &'static str, input: impl Into<Vec<u8>>, executed: &[&'static str]) -> Row {
    row(name, input, &vec![200; executed.len()], executed, End::Kept)
}

fn refused(name: &'static str, input: impl Into<Vec<u8>>, status: u16) -> Row {
    row(name, input, &[status], &[], End::Closed)
}

/// A GET with one more header line.
fn get(line: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n")
}

/// A POST whose header lines and body are given whole.
fn post(rest: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: a\r\n{rest}")
}

fn served() -> Vec<Row> {
    let large_head = get(&format!("X-Large: {}", "x".repeat(12_000)));
    let hundred: String = (1..100).map(|n| format!("X-{n}: v\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{hundred}\r\n");
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(99));
    let on = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    vec![
        kept("plain get", on("/a?b=c"), &["Get /a?b=c "]),
        kept("empty line first", format!("\r\n{}", on("/")), &["Get / "]),
        kept(
            "pipelined",
            [on("/1"), on("/2?x=y"), on("/3")].concat(),
            &["Get /1 ", "Get /2?x=y ", "Get /3 "],
        ),
        kept("absolute target", on("http://a:80/x?y"), &["Get /x?y "]),
        kept("absolute without path", on("HTTP://a"), &["Get / "]),
        kept("options for all", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &["Options * "]),
        kept("raw utf-8 target", on("/아델"), &["Get /아델 "]),
        kept("slashes in the query", on("/?u=http://x"), &["Get /?u=http://x "]),
        kept("long target", long_target, &[LONG_TARGET]),
        kept("ipv6 host", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", &["Get / "]),
        kept("blanks around a value", "GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", &["Get / "]),
        kept(
            "latin-1 in a value",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n".to_vec(),
            &["Get / "],
        ),
        kept("keep-alive on 1.0", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &["Get / "]),
        kept("large head", large_head, &["Get / "]),
        kept("a hundred fields", many, &["Get / "]),
        kept("head method", "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n", &["Head /h "]),
        kept("head of a big body", "HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n", &["Head /big "]),
        kept("big body", on("/big"), &["Get /big "]),
        row("not modified", on("/304"), &[304], &["Get /304 "], End::Kept),
    ]
}

fn bodies_served() -> Vec<Row> {
    let on_get = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\nGET / HTTP/1.1";
    let chunked = |chunks: &str| post(&format!("Transfer-Encoding: chunked\r\n\r\n{chunks}"));
    let expected = "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nok";
    let two = [chunked("1\r\nx\r\n0\r\n\r\n"), post("Content-Length: 1\r\n\r\ny")].concat();
    vec![
        kept("body by length", post("Content-Length: 5\r\n\r\nhello"), &["Post /p hello"]),
        kept("length with zeroes", post("Content-Length: 005\r\n\r\nhello"), &["Post /p hello"]),
        kept("empty body", post("Content-Length: 0\r\n\r\n"), &["Post /p "]),
        kept("no length", post("\r\n"), &["Post /p "]),
        kept("body on get is read", on_get, &["Get / GET / HTTP/1.1"]),
        kept("chunks", chunked("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), &["Post /p abc"]),
        kept(
            "chunked in capitals",
            post("TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n"),
            &["Post /p "],
        ),
        kept("chunk extensions", chunked("3;a=b;c=\"d\"\r\nabc\r\n0;z\r\n\r\n"), &["Post /p abc"]),
        kept("trailers", chunked("3\r\nabc\r\n0\r\nX-Sum: 9\r\nY:\r\n\r\n"), &["Post /p abc"]),
        kept("pipelined bodies", two, &["Post /p x", "Post /p y"]),
        kept("expectation met", post(expected), &["Post /p ok"]),
        kept("expectation without body", get("Expect: 100-continue"), &["Get / "]),
    ]
}

const LONG_TARGET: &str = "Get /ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt ";

fn closed_by_agreement() -> Vec<Row> {
    let closed = |name, input: &str, executed| row(name, input, &[200], &[executed], End::Closed);
    vec![
        closed("connection: close", &get("Connection: close"), "Get / "),
        closed("close in a list", &get("Connection: x, CLOSE"), "Get / "),
        closed("close wins", &get("Connection: keep-alive\r\nConnection: close"), "Get / "),
        closed("1.0", "GET / HTTP/1.0\r\n\r\n", "Get / "),
        closed("1.0 with an ignored expectation", "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", "Get / "),
        closed("the handler closes", "GET /close HTTP/1.1\r\nHost: a\r\n\r\n", "Get /close "),
    ]
}

/// Each carries a second request inside what one of two readers would take for the body.
fn framing_refused() -> Vec<Row> {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let length = smuggled.len();
    let with = |lines: &str| post(&format!("{lines}\r\n\r\n{smuggled}"));
    let body = |bytes: &str| post(&format!("{chunked}{bytes}{smuggled}"));
    let both = format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0");
    let two = format!("Content-Length: 0\r\nContent-Length: {length}");
    let te_1_0 = format!("POST /p HTTP/1.0\r\n{chunked}0\r\n\r\n{smuggled}");
    vec![
        refused("length and chunked", with(&both), 400),
        refused("chunked and length", with("Transfer-Encoding: chunked\r\nContent-Length: 0"), 400),
        refused("two lengths", with(&two), 400),
        refused("the same length twice", with("Content-Length: 0\r\nContent-Length: 0"), 400),
        refused("a list of lengths", with("Content-Length: 0, 0"), 400),
        refused("signed length", with("Content-Length: +0"), 400),
        refused("negative length", with("Content-Length: -1"), 400),
        refused("hexadecimal length", with("Content-Length: 0x0"), 400),
        refused("empty length", with("Content-Length:"), 400),
        refused("length with a blank", with("Content-Length: 1 0"), 400),
        refused(
            "identity and chunked",
            with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
            400,
        ),
        refused("identity", with("Transfer-Encoding: identity"), 400),
        refused("chunked twice", with("Transfer-Encoding: chunked, chunked"), 400),
        refused("chunked not last", with("Transfer-Encoding: chunked, gzip"), 400),
        refused("chunked with a parameter", with("Transfer-Encoding: chunked;x"), 400),
        refused("empty coding", with("Transfer-Encoding:"), 400),
        refused("gzip, chunked", with("Transfer-Encoding: gzip, chunked"), 501),
        refused("blank before the colon", with("Transfer-Encoding : chunked"), 400),
        refused("vertical tab before chunked", with("Transfer-Encoding: \u{b}chunked"), 400),
        refused("chunked on 1.0", te_1_0, 400),
        refused("empty chunk size", body("\r\n"), 400),
        refused("chunk size with 0x", body("0x0\r\n\r\n"), 400),
        refused("chunk size and blank", body("0 \r\n\r\n"), 400),
        refused("bare lf in chunks", body("0\n\n"), 400),
        refused("chunk longer than its size", body("1\r\nab\r\n0\r\n\r\n"), 400),
        refused("bare lf in an extension", body("0;\n\r\n\r\n"), 400),
        refused("folded trailer", body("0\r\n x: y\r\n\r\n"), 400),
        refused("unknown expectation", with("Expect: 200-ok\r\nContent-Length: 0"), 417),
        refused("expectation twice", with("Expect: 100-continue\r\nExpect: 100-continue"), 417),
    ]
}

fn heads_refused() -> Vec<Row> {
    vec![
        refused("no host", "GET / HTTP/1.1\r\n\r\n", 400),
        refused("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        refused("two hosts on 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        refused("empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        refused("host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        refused("host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        refused("host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400),
        refused("bare lf", "GET / HTTP/1.1\nHost: a\n\n", 400),
        refused("bare lf after a good line", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        refused("bare cr", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
        refused("folded line", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
        refused("blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        refused("no colon", get("nonsense"), 400),
        refused("empty name", get(": x"), 400),
        refused("bad character in a name", get("X(: x"), 400),
        refused("nul in a value", get("X: a\0b"), 400),
        refused("escape in a value", get("X: a\u{1b}b"), 400),
        refused("blank before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("tls hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400),
        refused("two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("tab in the target", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("target not utf-8", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 400),
        refused("two slashes", "GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("no slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("star for get", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("authority target", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        refused("unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        refused("lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        refused("malformed method", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        refused("0.9", "GET /\r\n\r\n", 505),
        refused("1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        refused("2.0 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        refused("lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        refused("version with more digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
        row(
            "a good request, then a bad one",
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\n",
            &[200, 400],
            &["Get /1 "],
            End::Closed,
        ),
    ]
}

fn too_much() -> Vec<Row> {
    let x = |n: usize| "x".repeat(n);
    let fields: String = (0..100).map(|n| format!("X-{n}: v\r\n")).collect();
    let chunk = "1\r\nx\r\n".repeat(256 * 1024);
    let trailer = format!("Transfer-Encoding: chunked\r\n\r\n0\r\nT: {}\r\n\r\n", x(5_000));
    let extension = format!("Transfer-Encoding: chunked\r\n\r\n1;{}\r\nx\r\n0\r\n\r\n", x(5_000));
    vec![
        refused("header name of 70,000 bytes", get(&format!("{}: v", x(70_000))), 431),
        refused("header value of 70,000 bytes", get(&format!("X: {}", x(70_000))), 431),
        refused("endless head", format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(20_000)), 431),
        refused("101 fields", format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), 431),
        refused("target over 8 KiB", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", x(8_192)), 414),
        refused("endless target", format!("GET /{}", x(20_000)), 414),
        refused("endless method", x(20_000), 414),
        refused("length over the limit", post("Content-Length: 262145\r\n\r\n"), 413),
        refused(
            "length beyond all numbers",
            post(&format!("Content-Length: {}\r\n\r\n", "9".repeat(40))),
            413,
        ),
        refused(
            "expected body over the limit",
            post("Expect: 100-continue\r\nContent-Length: 262145\r\n\r\n"),
            413,
        ),
        refused("huge chunk", post("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFF\r\n"), 413),
        refused(
            "small chunks without end",
            post(&format!("Transfer-Encoding: chunked\r\n\r\n{chunk}1\r\nx\r\n")),
            413,
        ),
        refused(
            "endless chunk size",
            post(&format!("Transfer-Encoding: chunked\r\n\r\n{}", "0".repeat(100))),
            400,
        ),
        refused("long trailer", post(&trailer), 431),
        refused("long extension", post(&extension), 431),
    ]
}
