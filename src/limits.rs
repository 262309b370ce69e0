//! Every bound of the server, named, with its unit. Relations between them are checked at compile time.

use std::time::Duration;

/// Request head, bytes. Beyond it: 431.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header fields in a request. Beyond it: 431.
pub const HEADERS_MAX: usize = 100;
/// Request target, bytes. Beyond it: 414.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Request body, bytes. Beyond it: 413.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Time for a request head to arrive whole. Beyond it: 408.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle keep-alive connection is closed after this.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// A response nobody reads is given up after this.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Characters in a nickname after trimming and NFC (the game's own limit).
pub const NAME_CHARS_MAX: usize = 12;

/// Upstream TCP and TLS connect.
pub const UPSTREAM_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Upstream response, head and body, after connecting.
pub const UPSTREAM_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest upstream body accepted, bytes, as received. A real equipment document is 350 KB plain, 20 KB gzip.
pub const UPSTREAM_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest small upstream answer (id, basic, errors), bytes, unpacked. Real ones are below 2 KB.
pub const UPSTREAM_SMALL_JSON_BYTES_MAX: usize = 64 * 1024;
/// Longest OCID accepted, bytes. Real ones have 32.
pub const UPSTREAM_OCID_BYTES_MAX: usize = 64;
/// Upstream calls in flight, and so connections in use. Above the bulkhead (50) with room for jobs.
pub const UPSTREAM_CALLS_MAX: usize = 128;
/// Idle upstream connections kept.
pub const UPSTREAM_IDLE_CONNECTIONS_MAX: usize = 64;
/// An idle upstream connection is closed after this.
pub const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const _: () = assert!(UPSTREAM_SMALL_JSON_BYTES_MAX < UPSTREAM_BODY_BYTES_MAX);
const _: () = assert!(UPSTREAM_IDLE_CONNECTIONS_MAX <= UPSTREAM_CALLS_MAX);
const _: () = assert!(TARGET_BYTES_MAX < HEAD_BYTES_MAX);
