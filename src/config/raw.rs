//! What was written, and where: defaults, then the file, then the environment, then flags; the last one wins.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::config::keys::KEYS;
use crate::config::keys::Key;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the default.
    Default,
    /// A configuration file.
    File {
        /// Path as given.
        path: String,
        /// 1-based line.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A command line flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Why the start is refused. Names the key and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, or the file when the file itself is unreadable.
    pub key: String,
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration: {} ({}): {}", self.key, self.origin, self.message)
    }
}

impl std::error::Error for ConfigError {}

/// The layers, merged: every key has a text and an origin.
#[derive(Debug, Clone)]
pub struct Layers {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Layers {
    /// Nothing written: every key at its default.
    #[must_use]
    pub fn defaults() -> Self {
        let values = KEYS.iter().map(|key| (key.name, (key.default.to_owned(), Origin::Default)));
        Self { values: values.collect() }
    }

    /// Adds a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or holds an unknown key or a value that is no scalar.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let shown = path.display().to_string();
        let error = |line: usize, key: String, message: String| ConfigError {
            key,
            origin: Origin::File { path: shown.clone(), line },
            message,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|cause| error(0, "--config".to_owned(), cause.to_string()))?;
        let line_at = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let document = toml::de::DeTable::parse(&text).map_err(|cause| {
            let line = cause.span().map_or(1, |span| line_at(span.start));
            error(line, "syntax".to_owned(), cause.message().to_owned())
        })?;
        for (section, entries) in document.get_ref() {
            let line = line_at(section.span().start);
            let Some(entries) = entries.get_ref().as_table() else {
                let message = "expected a section like [server]".to_owned();
                return Err(error(line, section.get_ref().to_string(), message));
            };
            for (name, value) in entries {
                let dotted = format!("{}.{}", section.get_ref(), name.get_ref());
                let line = line_at(name.span().start);
                let Some(key) = Key::named(&dotted) else {
                    return Err(error(line, dotted, "unknown key".to_owned()));
                };
                let Some(value) = scalar(value.get_ref()) else {
                    let message = "expected a text or a number".to_owned();
                    return Err(error(line, dotted, message));
                };
                let origin = Origin::File { path: shown.clone(), line };
                self.values.insert(key.name, (value, origin));
            }
        }
        Ok(())
    }

    /// Adds environment variables: `NEXON_API_KEY`, `DATABASE_URL`, `REDIS_URL`, `REDIS_CACHE_URL` and everything that starts with `MAPLE_`.
    ///
    /// # Errors
    /// A `MAPLE_` variable that names no key.
    pub fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (variable, value) in variables {
            if let Some(key) = KEYS.iter().find(|key| key.variable() == variable) {
                self.values.insert(key.name, (value, Origin::Environment(variable)));
            } else if variable.starts_with("MAPLE_") {
                return Err(ConfigError {
                    key: variable.clone(),
                    origin: Origin::Environment(variable),
                    message: "names no key; `maple-expectation config print` lists them".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Adds a flag, when it was given.
    pub fn flag(&mut self, name: &str, flag: &'static str, value: Option<String>) {
        let key = Key::named(name).expect("flags name existing keys; the tests call each");
        if let Some(value) = value {
            self.values.insert(key.name, (value, Origin::Flag(flag)));
        }
    }

    /// Text and origin of a key.
    #[must_use]
    pub fn get(&self, name: &str) -> (&str, &Origin) {
        let (value, origin) = self.values.get(name).expect("every key has a default");
        (value, origin)
    }

    /// The effective values as a TOML file, secrets hidden, origins as comments.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for key in KEYS {
            let (head, name) = key.name.split_once('.').expect("keys are section.name");
            if head != section {
                text.push_str(&format!("{}[{head}]\n", if section.is_empty() { "" } else { "\n" }));
                section = head;
            }
            let (value, origin) = self.get(key.name);
            let shown = if key.secret && !value.is_empty() { "***" } else { value };
            text.push_str(&format!("# {} ({origin})\n{name} = {shown:?}\n", key.doc));
        }
        text
    }
}

fn scalar(value: &toml::de::DeValue<'_>) -> Option<String> {
    use toml::de::DeValue;
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}
