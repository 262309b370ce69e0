//! From payload bytes to the documents clients read. No I/O, no clock: times come in as numbers.
//! Reading order: `valued` (payload to exact numbers), `v4`, `v5` and `totals` (numbers to JSON), `number` and `text`
//! (the only rounding), `renderer` (a job to a compressed body).

pub mod number;
pub mod renderer;
pub mod text;
pub mod totals;
pub mod v4;
pub mod v5;
pub mod valued;
