//! Every bound of the server, named, with its unit. Relations between them are checked at compile time.

use std::time::Duration;

/// Request head, bytes. Beyond it: 431.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header fields in a request. Beyond it: 431.
pub const HEADERS_MAX: usize = 100;
/// Request target, bytes. Beyond it: 414.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Request line, bytes: the longest target and room for method and version. Beyond it: 414.
pub const REQUEST_LINE_BYTES_MAX: usize = TARGET_BYTES_MAX + 64;
/// Request body, bytes. Beyond it: 413.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Digits of a chunk's size, leading zeroes included. Beyond it: 400.
pub const CHUNK_SIZE_DIGITS_MAX: usize = 16;
/// Chunk extensions and trailers of one body, bytes in all. Beyond it: 431.
pub const CHUNK_EXTRA_BYTES_MAX: usize = 4 * 1024;
/// A body up to this is copied behind its head into one write; a longer one is sent from where it lies.
pub const BODY_COPY_BYTES_MAX: usize = 16 * 1024;
/// Answers to pipelined requests are held back for a common write up to this, bytes.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// Output buffers a shard keeps between answers.
pub const OUTPUT_BUFFERS_KEPT: usize = 64;
/// What an idle connection keeps to read into, bytes.
pub const INPUT_BYTES_KEPT: usize = 2 * 1024;
/// What is read and thrown away after a refusal, bytes, so that the peer sees the answer instead of a reset.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// How long it is read.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a request head to arrive whole. Beyond it: 408.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a request body to arrive whole. Beyond it: 408.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle keep-alive connection is closed after this.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// A response nobody reads is given up after this.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Characters in a nickname after trimming and NFC (the game's own limit).
pub const NAME_CHARS_MAX: usize = 12;

/// Connections of the process at once, all shards together, where the open files limit allows as many.
pub const CONNECTIONS_MAX: usize = 100_000;
/// File descriptors kept free for everything that is no client connection.
pub const FDS_RESERVED: usize = 512;
/// How long a stopping server waits for requests in flight.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// A kept valuation older than this is not shown any more.
pub const VIEW_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Valuations queued because somebody waits for them. Beyond it: 503.
pub const VALUATIONS_HIGH_MAX: usize = 1_000;
/// Valuations queued because the one there is has become old. Beyond it, it stays old.
pub const VALUATIONS_LOW_MAX: usize = 10_000;
/// Tries at one valuation, in all.
pub const VALUATION_TRIES_MAX: u32 = 3;
/// Valuations given up that are kept for a look, the latest.
pub const VALUATIONS_DEAD_MAX: usize = 1_000;
/// Valuations of the queue that a process works on at once.
pub const VALUATION_WORKERS: usize = 4;
/// How long a recalculation that does not end hides the view there is.
pub const RECALCULATION_MAX: Duration = Duration::from_secs(60);

/// Upstream TCP and TLS connect.
pub const UPSTREAM_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Upstream response, head and body, after connecting.
pub const UPSTREAM_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest upstream body accepted, bytes, as received. A real equipment document is 350 KB plain, 20 KB gzip.
pub const UPSTREAM_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest equipment document, bytes, unpacked.
pub const PAYLOAD_PLAIN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest small upstream answer (id, basic, errors), bytes, unpacked. Real ones are below 2 KB.
pub const UPSTREAM_SMALL_JSON_BYTES_MAX: usize = 64 * 1024;
/// Longest OCID accepted, bytes. Real ones have 32.
pub const UPSTREAM_OCID_BYTES_MAX: usize = 64;
/// Upstream calls in flight, and so connections in use. Above any bulkhead.
pub const UPSTREAM_CALLS_MAX: usize = 128;
/// How long a call waits for room in the bulkhead.
pub const UPSTREAM_BULKHEAD_WAIT: Duration = Duration::from_millis(500);
/// How long a call may have to wait for its turn within the calls allowed a second.
pub const UPSTREAM_RATE_WAIT_MAX: Duration = Duration::from_secs(2);
/// Pause of all calls after a 429 that names none. The quota of the real API is by the second.
pub const UPSTREAM_QUOTA_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause a 429 can ask for.
pub const UPSTREAM_QUOTA_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Calls the breaker looks back on.
pub const BREAKER_WINDOW: usize = 10;
/// Share of them that opens it, percent.
pub const BREAKER_FAILURES_PERCENT: usize = 50;
/// Calls that decide whether it closes again.
pub const BREAKER_PROBES: usize = 3;
/// Idle upstream connections kept.
pub const UPSTREAM_IDLE_CONNECTIONS_MAX: usize = 64;
/// An idle upstream connection is closed after this.
pub const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const _: () = assert!(REQUEST_LINE_BYTES_MAX < HEAD_BYTES_MAX);
const _: () = assert!(BODY_COPY_BYTES_MAX < OUTPUT_BYTES_MAX);
const _: () = assert!(INPUT_BYTES_KEPT < HEAD_BYTES_MAX);
const _: () = assert!(UPSTREAM_SMALL_JSON_BYTES_MAX < UPSTREAM_BODY_BYTES_MAX);
const _: () = assert!(UPSTREAM_IDLE_CONNECTIONS_MAX <= UPSTREAM_CALLS_MAX);
