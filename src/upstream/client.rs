//! Client of the game API. Shared within the backplane; needs a tokio runtime.
//! Dropping a call closes its socket: an answer never reaches another caller. No redirects, no
//! retries (`guarded` makes those); the key is in no message. What a response means is decided in `answer`.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::Empty;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use hyper::HeaderMap;
use hyper::Request;
use hyper::StatusCode;
use hyper::Uri;
use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::header::ACCEPT_ENCODING;
use hyper::header::CONTENT_ENCODING;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use hyper::header::RETRY_AFTER;
use hyper::header::USER_AGENT;
use hyper_rustls::HttpsConnector;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioTimer;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::Fault;
use crate::limits::UPSTREAM_BODY_BYTES_MAX;
use crate::limits::UPSTREAM_CALLS_MAX;
use crate::limits::UPSTREAM_IDLE_CONNECTIONS_MAX;
use crate::limits::UPSTREAM_IDLE_TIMEOUT;
use crate::secret::Secret;
use crate::upstream::answer;
use crate::upstream::answer::Basic;
use crate::upstream::answer::Endpoint;
use crate::upstream::answer::Outcome;
use crate::upstream::answer::Refusal;
use crate::upstream::failure::Failure;
use crate::upstream::failure::Sign;

/// How to reach the API.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `http` or `https`, host, optional port; no path.
    pub base_url: String,
    /// Sent as `x-nxopen-api-key`.
    pub api_key: Secret,
    /// Name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Head and body of the response, from the moment a connection is there.
    pub response_timeout: Duration,
    /// Sent as `User-Agent`.
    pub user_agent: String,
}

/// An equipment document as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The bytes received; at most `UPSTREAM_BODY_BYTES_MAX`.
    pub body: Bytes,
    /// Whether `body` is gzip.
    pub gzip: bool,
}

/// One per process.
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    calls: Semaphore,
    base_url: String,
    headers: HeaderMap,
    connect_timeout: Duration,
    response_timeout: Duration,
}

/// A response read whole.
struct Received {
    status: StatusCode,
    body: Bytes,
    gzip: bool,
    retry_after: Option<Duration>,
}

const API_KEY: HeaderName = HeaderName::from_static("x-nxopen-api-key");
/// RFC 3986: unreserved characters stay, everything else is encoded.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Client {
    /// Builds it; opens no connection.
    ///
    /// # Errors
    /// `bad_input` for an unusable base URL, key or user agent; `internal` when TLS cannot start.
    pub fn new(config: &ClientConfig) -> Result<Self, Fault> {
        let base_url = checked_base_url(&config.base_url)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(config.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(|error| Fault::internal(format!("TLS: {error}")))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(UPSTREAM_IDLE_TIMEOUT)
            .pool_max_idle_per_host(UPSTREAM_IDLE_CONNECTIONS_MAX)
            // One call is one attempt: the caller's retry budget counts them.
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self {
            http,
            calls: Semaphore::new(UPSTREAM_CALLS_MAX),
            base_url,
            headers: fixed_headers(config)?,
            connect_timeout: config.connect_timeout,
            response_timeout: config.response_timeout,
        })
    }

    /// The OCID of a nickname.
    ///
    /// # Errors
    /// `no_such_character`, `upstream_failed`, `upstream_timeout`, `overloaded`.
    pub async fn ocid(&self, name: &str) -> Result<String, Failure> {
        let received = self.call(Endpoint::Id, name).await?;
        answer::ocid(&received.plain(Endpoint::Id)?).map_err(Failure::ill)
    }

    /// The basic facts behind an OCID.
    ///
    /// # Errors
    /// `outdated_id`, `upstream_failed`, `upstream_timeout`, `overloaded`.
    pub async fn basic(&self, ocid: &str) -> Result<Basic, Failure> {
        let received = self.call(Endpoint::Basic, ocid).await?;
        answer::basic(&received.plain(Endpoint::Basic)?).map_err(Failure::ill)
    }

    /// The equipment behind an OCID, unparsed and still packed if it came packed.
    ///
    /// # Errors
    /// As [`Client::basic`].
    pub async fn equipment(&self, ocid: &str) -> Result<Document, Failure> {
        let Received { body, gzip, .. } = self.call(Endpoint::Equipment, ocid).await?;
        if answer::looks_like_document(&body, gzip) {
            // A copy of its own: the bytes received are a slice of a read buffer many times their size, which a cached
            // document would keep alive.
            return Ok(Document { body: Bytes::copy_from_slice(&body), gzip });
        }
        Err(Failure::ill(answer::unreadable(Endpoint::Equipment)))
    }

    /// One exchange that was answered with 200.
    async fn call(&self, endpoint: Endpoint, value: &str) -> Result<Received, Failure> {
        let Ok(_permit) = self.calls.try_acquire() else {
            return Err(Failure::new(Sign::NotMade, Fault::overloaded("upstream calls")));
        };
        let received = self.exchange(endpoint, value).await?;
        let status = received.status.as_u16();
        let body = if status == 200 { Bytes::new() } else { received.plain(endpoint)? };
        match answer::classify(endpoint, status, &body) {
            Outcome::Answered => Ok(received),
            Outcome::NoSuchCharacter => {
                Err(Failure::new(Sign::Well, Fault::no_such_character(value)))
            }
            Outcome::NoSuchId => Err(Failure::refused(Fault::outdated_id())),
            Outcome::Refused { kind, name } => {
                let name = name.as_deref().unwrap_or("without an error name");
                let fault = Fault::upstream_failed(format!("{endpoint}: HTTP {status} {name}"));
                let sign = match kind {
                    Refusal::Quota => Sign::TooMany { after: received.retry_after },
                    Refusal::Temporary if status >= 500 => Sign::Ill,
                    // Maintenance told with a 400 passes too, but not within the time of a few retries.
                    Refusal::Temporary | Refusal::Permanent => Sign::Refused,
                };
                Err(Failure::new(sign, fault))
            }
        }
    }

    /// Two deadlines in turn: one until a connection is there, one for the whole response.
    async fn exchange(&self, endpoint: Endpoint, value: &str) -> Result<Received, Failure> {
        let timed_out = |what| Failure::ill(Fault::upstream_timeout(format!("{endpoint}: {what}")));
        let mut request = self.request(endpoint, value).map_err(Failure::refused)?;
        let mut connection = capture_connection(&mut request);
        let mut response = pin!(self.http.request(request));
        let connected = timeout(self.connect_timeout, async {
            tokio::select! {
                early = &mut response => Some(early),
                _ = connection.wait_for_connection_metadata() => None,
            }
        });
        let Ok(early) = connected.await else {
            return Err(timed_out("connect"));
        };
        let whole = async {
            let response = match early {
                Some(response) => response,
                None => response.await,
            };
            let response =
                response.map_err(|error| Failure::ill(connect_fault(endpoint, &error)))?;
            receive(endpoint, response).await
        };
        match timeout(self.response_timeout, whole).await {
            Ok(received) => received,
            Err(_) => Err(timed_out("response")),
        }
    }

    fn request(&self, endpoint: Endpoint, value: &str) -> Result<Request<Empty<Bytes>>, Fault> {
        let value = utf8_percent_encode(value, QUERY_VALUE);
        let mut request = Request::get(format!("{}{}{value}", self.base_url, endpoint.target()))
            .body(Empty::new())
            .map_err(|_| Fault::bad_input("value", "does not fit into a request target"))?;
        request.headers_mut().clone_from(&self.headers);
        Ok(request)
    }
}

impl Received {
    /// The body without its packing; for small answers only.
    fn plain(&self, endpoint: Endpoint) -> Result<Bytes, Failure> {
        if !self.gzip {
            return Ok(self.body.clone());
        }
        answer::gunzip_small(endpoint, &self.body).map(Bytes::from).map_err(Failure::ill)
    }
}

async fn receive(
    endpoint: Endpoint,
    response: hyper::Response<Incoming>,
) -> Result<Received, Failure> {
    let (head, body) = response.into_parts();
    let retry_after = head.headers.get(RETRY_AFTER).and_then(retry_after);
    let gzip = match head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => {
            let detail = format!("{endpoint}: HTTP {} in an unknown encoding", head.status);
            return Err(Failure::refused(Fault::upstream_failed(detail)));
        }
    };
    match Limited::new(body, UPSTREAM_BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(Received { status: head.status, body: body.to_bytes(), gzip, retry_after }),
        Err(error) => {
            let too_large = error.is::<LengthLimitError>();
            let what = if too_large { "too large" } else { "cut off" };
            let status = head.status.as_u16();
            let fault = Fault::upstream_failed(format!("{endpoint}: HTTP {status}, body {what}"));
            Err(if too_large { Failure::refused(fault) } else { Failure::ill(fault) })
        }
    }
}

/// `Retry-After` in its form of seconds; the form with a date is not used by this API.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn connect_fault(endpoint: Endpoint, error: &legacy::Error) -> Fault {
    if io_kind(error) == Some(io::ErrorKind::TimedOut) {
        return Fault::upstream_timeout(format!("{endpoint}: connect"));
    }
    let stage = if error.is_connect() { "connect failed" } else { "no response" };
    Fault::upstream_failed(format!("{endpoint}: {stage}"))
}

/// The first I/O error in the chain of causes.
fn io_kind(error: &legacy::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

fn checked_base_url(text: &str) -> Result<String, Fault> {
    let rule = "must be http:// or https:// with a host and nothing after it";
    let uri: Uri = text.parse().map_err(|_| Fault::bad_input("base_url", rule))?;
    let authority = uri.authority().filter(|a| !a.as_str().contains('@'));
    match (uri.scheme_str(), authority, uri.path(), uri.query()) {
        (Some(scheme @ ("http" | "https")), Some(host), "" | "/", None) => {
            Ok(format!("{scheme}://{host}"))
        }
        _ => Err(Fault::bad_input("base_url", rule)),
    }
}

fn fixed_headers(config: &ClientConfig) -> Result<HeaderMap, Fault> {
    let mut key = HeaderValue::from_str(config.api_key.reveal())
        .map_err(|_| Fault::bad_input("api_key", "must be visible ASCII"))?;
    key.set_sensitive(true);
    let agent = HeaderValue::from_str(&config.user_agent)
        .map_err(|_| Fault::bad_input("user_agent", "must be visible ASCII"))?;
    Ok(HeaderMap::from_iter([
        (API_KEY, key),
        (ACCEPT, HeaderValue::from_static("application/json")),
        (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        (USER_AGENT, agent),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_checked() {
        for good in ["http://127.0.0.1:9090", "https://open.api.nexon.com/"] {
            assert!(checked_base_url(good).is_ok(), "{good}");
        }
        for bad in ["", "example.com", "ftp://a", "http://a/b", "http://a?b", "http://u:p@a"] {
            assert!(checked_base_url(bad).is_err(), "{bad}");
        }
    }
}
