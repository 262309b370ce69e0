//! Processes over a real Redis and a real MariaDB, as clients and operators see them. Tests are named after the rows of
//! the checklist that they hold (`docs/CHECKLIST.md`).

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

#[path = "../api_support/mod.rs"]
mod api_support;
mod jobs;
mod keeping;
#[path = "../process_support/mod.rs"]
mod process_support;
mod sharing;
mod support;
mod views;
