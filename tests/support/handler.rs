//! The handler behind the edge in its tests: says what it executed and has a path for each kind of answer.

use std::time::Duration;

use maple_expectation::http::Handler;
use maple_expectation::http::Request;
use maple_expectation::http::Response;
use maple_expectation::http::Status;

/// Bytes of the answer of `/big`: beyond what is copied behind a head.
pub(crate) const BIG_BYTES: usize = 300_000;
/// How long `/slow` takes.
pub(crate) const SLOW: Duration = Duration::from_millis(150);

/// Calls `executed` with each request and answers with the same text.
pub(crate) struct Echo<F> {
    pub(crate) executed: F,
}

impl<F: Fn(&str) + 'static> Handler for Echo<F> {
    async fn handle(&self, request: &Request<'_>) -> Response {
        let mut target = request.path().to_owned();
        if !request.query().is_empty() {
            target = format!("{target}?{}", request.query());
        }
        let method = format!("{:?}", request.method());
        let line = format!("{method} {target} {}", String::from_utf8_lossy(request.body()));
        (self.executed)(&line);
        let response = Response::new(Status::OK).field("X-Method", &method);
        match request.path() {
            "/panic" => panic!("asked for"),
            "/slow" => {
                shards::spawn::sleep(SLOW).await;
                response.body("text/plain", line)
            }
            "/big" => response.body("text/plain", vec![b'b'; BIG_BYTES]),
            "/304" => Response::new(Status::NOT_MODIFIED),
            "/close" => Response { close: true, ..response.body("text/plain", line) },
            _ => response.body("text/plain", line),
        }
    }
}
