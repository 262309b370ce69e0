//! HTTP/1.1 at the edge: bytes to typed requests, typed responses to bytes, and nothing in between. It refuses what
//! two readers could understand differently, bounds everything a peer can make it hold, and knows no route, no game
//! and no runtime. Reading order: `request`, `response`, `edge`, `connection`, `parse`, `chunked`; the rest are
//! leaves. Status codes exist only in `status`.

pub mod correlation;
pub mod edge;
pub mod negotiate;
pub mod probe;
pub mod request;
pub mod response;
pub mod status;
pub mod target;

mod chunked;
mod connection;
mod date;
mod parse;

use std::future::Future;

pub use edge::Edge;
pub use edge::Timeouts;
pub use request::Method;
pub use request::Request;
pub use response::Response;
pub use status::Status;

/// What a server does with requests. One per shard; it may hold `Rc`.
pub trait Handler: 'static {
    /// Answers `request`. Dropped half-way when the client is found to be gone.
    fn handle(&self, request: &Request<'_>) -> impl Future<Output = Response>;
}
