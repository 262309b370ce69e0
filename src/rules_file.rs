//! Reads a ruleset file and the table file it may name. The ruleset's own errors say file, line and key.

use std::path::Path;

use valuation::rules::Ruleset;

/// Loads and checks a ruleset.
///
/// # Errors
/// A text that names file, line and key of the first thing wrong.
pub fn load(path: &Path) -> Result<Ruleset, String> {
    let shown = path.display().to_string();
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let text = read(path)?;
    // A table file lies beside its ruleset.
    let tables = |name: &str| read(&path.parent().unwrap_or(Path::new(".")).join(name));
    Ruleset::parse(&shown, &text, tables).map_err(|error| error.to_string())
}
