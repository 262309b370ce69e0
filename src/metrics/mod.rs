//! What the process tells a scraper: numbers counted elsewhere, given names, types and labels here and nowhere else.
//! Read `scrape` (what is gathered), `names` (the table of metrics), `text` (the exposition format). Rendering is
//! the backplane's work, never a shard's. Labels are bounded: shards, routes, statuses, never anything a client sent.

pub mod latency;
pub mod names;
pub mod requests;
pub mod scrape;
pub mod text;
