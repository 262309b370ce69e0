//! Private servers for tests and for the local stack: MariaDB, Redis, Redis with a replica under three sentinels, and
//! nginx in front of servers.
//! Each is a child process on a free loopback port with a temporary folder, in which its log is; nothing outlives
//! the process that started it, however that ends. They have the settings that tests want, not those of production.
//!
//! Everything here blocks the calling thread: start servers before a runtime has work. Reading order: `mariadb`,
//! `redis`, `sentinel`, then the tools: `daemon`, `resp`.

mod daemon;
mod mariadb;
mod nginx;
mod redis;
mod resp;
mod sentinel;

pub use mariadb::FlushLog;
pub use mariadb::MariaDb;
pub use nginx::Nginx;
pub use redis::Options;
pub use redis::Policy;
pub use redis::REPLICA_LAG_S_MAX;
pub use redis::Redis;
pub use resp::Reply;
pub use sentinel::MASTER_NAME;
pub use sentinel::Replicated;
pub use sentinel::Sentinel;
