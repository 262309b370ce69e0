//! URLs made ready: each is one message, built once, that the ring sends as it is. All belong to one server.

use std::fs;
use std::net::SocketAddr;
use std::net::ToSocketAddrs as _;
use std::path::Path;

use percent_encoding::AsciiSet;
use percent_encoding::CONTROLS;
use percent_encoding::utf8_percent_encode;

use crate::ring::Messages;

/// Escaped in a path besides what is not ASCII; an escape already there stays as it is.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// A `http://` URL in its two halves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// Host and port, as in the Host header.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
}

impl Url {
    /// # Errors
    /// Says what is wrong with the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").ok_or_else(|| format!("{text}: not http://"))?;
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() || authority.contains(|c: char| !c.is_ascii_graphic() || c == '@') {
            return Err(format!("{text}: not a host and port"));
        }
        if target.contains('#') {
            return Err(format!("{text}: a fragment is never sent"));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{}", utf8_percent_encode(target, ESCAPED));
        Ok(Self { authority: authority.to_owned(), target })
    }

    /// The first address of the host.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn resolve(&self) -> Result<SocketAddr, String> {
        let last = self.authority.rsplit(']').next().unwrap_or_default();
        let port = if last.contains(':') { "" } else { ":80" };
        let name = format!("{}{port}", self.authority);
        let found = name.to_socket_addrs().map_err(|error| format!("{name}: {error}"))?;
        found.into_iter().next().ok_or_else(|| format!("{name}: no address"))
    }

    /// The bytes that ask for it. `headers` are whole lines without their ends.
    pub(crate) fn request(&self, method: &str, headers: &[String]) -> Box<[u8]> {
        let mut request =
            format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", self.target, self.authority);
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        if method != "GET" {
            request.push_str("Content-Length: 0\r\n");
        }
        request.push_str("\r\n");
        request.into_bytes().into()
    }
}

/// The URLs of one run.
#[derive(Debug)]
pub(crate) struct Targets {
    pub(crate) peer: SocketAddr,
    pub(crate) urls: Vec<Url>,
    /// The request of each URL, under the same number.
    pub(crate) requests: Messages,
}

impl Targets {
    /// # Errors
    /// When there is no URL, or URLs of several servers.
    pub(crate) fn new(urls: Vec<Url>, method: &str, headers: &[String]) -> Result<Self, String> {
        let first = urls.first().ok_or("no URL")?;
        if let Some(other) = urls.iter().find(|url| url.authority != first.authority) {
            return Err(format!("two servers: {} and {}", first.authority, other.authority));
        }
        let peer = first.resolve()?;
        let requests = urls.iter().map(|url| url.request(method, headers)).collect();
        Ok(Self { peer, urls, requests })
    }
}

/// The URLs of a file, one a line; empty lines and lines that start with # are passed over.
///
/// # Errors
/// Names the file, and the URL that is none.
pub(crate) fn read_urls(file: &Path) -> Result<Vec<Url>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let urls: Vec<Url> = lines.map(Url::parse).collect::<Result<_, _>>()?;
    if urls.is_empty() { Err(format!("{}: no URL", file.display())) } else { Ok(urls) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_a_request() {
        let url = Url::parse("http://localhost:8080/api/강?a=b c%20d").unwrap();
        let headers = ["Accept-Encoding: gzip".to_owned()];
        let get = String::from_utf8(url.request("GET", &headers).into()).unwrap();
        assert_eq!(
            get,
            "GET /api/%EA%B0%95?a=b%20c%20d HTTP/1.1\r\nHost: localhost:8080\r\nAccept-Encoding: gzip\r\n\r\n"
        );
        let post = String::from_utf8(url.request("POST", &[]).into()).unwrap();
        assert!(post.starts_with("POST /api/") && post.ends_with("\r\nContent-Length: 0\r\n\r\n"));
    }

    #[test]
    fn hosts_and_ports() {
        let resolve = |text| Url::parse(text).unwrap().resolve().unwrap().to_string();
        assert_eq!(resolve("http://127.0.0.1:81"), "127.0.0.1:81");
        assert_eq!(resolve("http://127.0.0.1?x"), "127.0.0.1:80");
        assert_eq!(resolve("http://[::1]/"), "[::1]:80");
        assert_eq!(resolve("http://[::1]:82/"), "[::1]:82");
        assert_eq!(Url::parse("http://h").unwrap().target, "/");
        assert_eq!(Url::parse("http://h?x").unwrap().target, "/?x");
        for wrong in ["https://h/", "h/", "http:///a", "http://u@h/", "http://h/#a", "http://h h/"]
        {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_are_of_one_server() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# two\nhttp://127.0.0.1:1/a\n\n http://127.0.0.1:1/b\n").unwrap();
        let mut urls = read_urls(file.path()).unwrap();
        assert_eq!(urls.iter().map(|url| &*url.target).collect::<Vec<_>>(), ["/a", "/b"]);
        assert_eq!(Targets::new(urls.clone(), "GET", &[]).unwrap().requests.len(), 2);
        urls.push(Url::parse("http://127.0.0.1:2/").unwrap());
        assert!(Targets::new(urls, "GET", &[]).unwrap_err().contains("two servers"));
        fs::write(file.path(), "\n").unwrap();
        assert!(read_urls(file.path()).unwrap_err().contains("no URL"));
    }
}
