//! `value`: a payload file valued without a server, as a table or as exactly the V4 response body.

use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use shards::clock::Clock;
use shards::clock::SystemClock;
use valuation::character::Valuer;
use valuation::rules::DEFAULT;
use valuation::rules::Ruleset;

use super::Failure;
use super::print;
use super::table;
use crate::answer::renderer::Renderer;
use crate::answer::valued;
use crate::answer::valued::Selection;
use crate::expectation::view::View;
use crate::gzip;
use crate::limits::PAYLOAD_PLAIN_BYTES_MAX;
use crate::payload::Document;
use crate::rules_file;

#[derive(Debug, Args)]
pub(super) struct ValueArgs {
    /// Equipment payload of the game's API, plain or gzip; - reads standard input
    file: PathBuf,
    /// Only this preset (1 to 3)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3))]
    preset: Option<u8>,
    /// Ruleset file
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Print the V4 response body instead of a table
    #[arg(long)]
    json: bool,
    /// Name shown as userIgn (default: the file's name without its ending)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) fn run(args: &ValueArgs) -> Result<(), Failure> {
    let rules = match &args.rules {
        Some(path) => rules_file::load(path).map_err(Failure::Usage)?,
        None => Ruleset::built_in(DEFAULT).expect("the default ruleset is built in"),
    };
    let rules = Arc::new(rules);
    let payload = read(&args.file)?;
    let name = args.name.clone().unwrap_or_else(|| stem(&args.file));
    if args.json {
        let view = args.preset.map_or(View::Expectation, View::Preset);
        let now = SystemClock::new().unix_ms();
        let (mut body, _) = Renderer::new(rules)
            .document(view, (&name, ""), &payload, now)
            .map_err(|fault| Failure::Other(format!("{}: {fault}", args.file.display())))?;
        body.push(b'\n');
        return print(&body);
    }
    let document = Document::parse(&payload)
        .map_err(|unreadable| Failure::Other(format!("{}: {unreadable}", args.file.display())))?;
    let mut valuer = Valuer::new(Arc::clone(&rules));
    let selection = args.preset.map_or(Selection::Presets, Selection::Preset);
    let character = valued::value(&mut valuer, &document, selection);
    print(
        table::write(&name, document.character_class.as_deref(), &rules.id, &character).as_bytes(),
    )
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::Other(format!("{}: {error}", file.display()));
    // One byte more than allowed tells a file that is too long from one that just fits.
    let bound = PAYLOAD_PLAIN_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(bound)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(&error))?;
    } else {
        let opened = std::fs::File::open(file).map_err(|error| failed(&error))?;
        opened.take(bound).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    }
    if bytes.len() > PAYLOAD_PLAIN_BYTES_MAX {
        return Err(failed(&format!("longer than {PAYLOAD_PLAIN_BYTES_MAX} bytes")));
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let plain =
            gzip::decompress(&bytes, PAYLOAD_PLAIN_BYTES_MAX).map_err(|error| failed(&error))?;
        return Ok(plain.to_vec());
    }
    Ok(bytes)
}

fn stem(file: &Path) -> String {
    if file == Path::new("-") {
        return "stdin".to_owned();
    }
    let stem = file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy();
    stem.strip_suffix(".json").unwrap_or(&stem).to_owned()
}
