//! Which request is answered by what. Reading order: `table` (every method and path), `api` (the handler of a
//! shard), `near` (finished answers), `owner` (one hop to who owns a character), `reports` (counters), then one file per family of
//! endpoints; `openapi` describes the table to clients.

pub mod api;
pub mod openapi;
pub mod table;

mod actuator;
mod characters;
pub mod event;
pub mod near;
pub mod owner;
pub mod popularity;
pub mod reports;
mod respond;
