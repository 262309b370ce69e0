//! `bench micro`: what each step of a cold character costs, beside its budget. The load generator comes with the
//! data path's own issue.

mod micro;
mod payload;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

/// Benchmarks of maple-expectation.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
    let Command::Micro { payload, smoke } = Cli::parse().command;
    if !smoke && !maple_expectation::build::is_fast() {
        eprintln!(
            "bench: built without the CPU features of .cargo/config.toml: nothing to compare"
        );
        return ExitCode::from(2);
    }
    if !smoke && maple_expectation::build::PROFILE != "release" {
        eprintln!(
            "bench: a debug build measures nothing; use cargo run --release -p bench -- micro"
        );
        return ExitCode::from(2);
    }
    match payload::load(payload.as_deref()) {
        Ok(payload) => {
            print!("{}", micro::run(&payload, smoke));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(1)
        }
    }
}
