//! Configuration in two steps: what was written (`raw`: TOML file, environment, flags, in rising order) and what is
//! meant (`checked`: typed, ranges enforced). Checked before any port opens; an error names the key and where it
//! was written. The table of keys is `keys`: it is also what `config print` shows.

mod checked;
mod keys;
mod raw;
mod tier;
mod units;

pub use crate::config::checked::{Config, Upstream};
pub use crate::config::keys::{KEYS, Key};
pub use crate::config::raw::{ConfigError, Layers, Origin};
pub use crate::config::tier::{MysqlStore, SharedMemory, Store, WarmUp};
