//! `bench`: measures the server and its parts.
//!
//! `load` drives it over HTTP, `idle` holds connections open, `raw` is the responder to compare it with (all on
//! `ring`); `micro` times the steps of a cold character. Exit code 0 when all went well, 1 when something failed or
//! an answer was wrong, 2 for wrong usage or a build that measures nothing.

mod idle;
mod load;
mod micro;
mod payload;
mod process;
mod raw;
mod ring;

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

use crate::idle::IdleArgs;
use crate::load::LoadArgs;
use crate::raw::RawArgs;

/// Benchmarks of maple-expectation.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Load(Box<LoadArgs>),
    Idle(IdleArgs),
    Raw(RawArgs),
    /// Time parse, value, encode and gzip of one character, each beside its budget
    Micro {
        /// Equipment payload; without one the simulator makes one
        #[arg(long, value_name = "FILE")]
        payload: Option<PathBuf>,
        /// Run each step a few times only: checks that everything runs, measures nothing
        #[arg(long)]
        smoke: bool,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Load(args) => load::run(&args),
        Command::Idle(args) => idle::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Raw(args) => raw::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Micro { payload, smoke } => micro(payload.as_deref(), smoke),
    };
    result.unwrap_or_else(|error| {
        eprintln!("bench: {error}");
        ExitCode::FAILURE
    })
}

fn micro(payload: Option<&Path>, smoke: bool) -> Result<ExitCode, String> {
    if !smoke && !maple_expectation::build::is_fast() {
        eprintln!(
            "bench: built without the CPU features of .cargo/config.toml: nothing to compare"
        );
        return Ok(ExitCode::from(2));
    }
    if !smoke && maple_expectation::build::PROFILE != "release" {
        eprintln!(
            "bench: a debug build measures nothing; use cargo run --release -p bench -- micro"
        );
        return Ok(ExitCode::from(2));
    }
    let payload = payload::load(payload).map_err(|error| error.to_string())?;
    print!("{}", micro::run(&payload, smoke));
    Ok(ExitCode::SUCCESS)
}
