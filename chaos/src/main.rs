//! `cargo chaos`: drives the built server through faults and checks what must hold. A black box: it knows the
//! command line, HTTP, the metrics page and /proc, and nothing of the server's library.
//! Reading order: `scenarios`, `stack`, `tier`, `load`, then the tools: `process`, `locker`, `http`, `bench`, `sim`, `sql`,
//! `metrics`, `report`.
//! Apart from scenarios, `local` starts servers for a person.

mod bench;
mod failure;
mod http;
mod load;
mod local;
mod locker;
mod metrics;
mod process;
mod recorder;
mod report;
mod scenarios;
mod sim;
mod sql;
mod stack;
mod suite;
mod tier;

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::scenarios::SCENARIOS;
use crate::scenarios::Scenario;
use crate::stack::Scale;
use crate::suite::Suite;

/// Run fault scenarios against the built server.
///
/// Exit codes: 0 every invariant held; 1 one did not, or a scenario could not run; 2 wrong usage.
#[derive(Debug, Parser)]
#[command(
    name = "chaos",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Task>,
    /// Scenarios to run
    #[arg(value_name = "NAME", required_unless_present_any = ["all", "list"], value_parser = known)]
    names: Vec<String>,
    /// Run every scenario
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// List the scenarios and what each supposes
    #[arg(long)]
    list: bool,
    /// How many and how long; small also widens the limits on time
    #[arg(long, value_enum, default_value_t = Scale::Full)]
    scale: Scale,
    /// The server's binary [default: built now, in the profile of this program]
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Folder for the results [default: chaos/results/<date>-<commit>/]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// What is no scenario.
#[derive(Debug, Subcommand)]
enum Task {
    /// Servers on this machine, for a person or a script
    #[command(subcommand)]
    Stack(local::Action),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            eprintln!("chaos: {failure}");
            ExitCode::from(1)
        }
    }
}

/// True when everything asked for held.
fn run(cli: Cli) -> Outcome<bool> {
    if cli.list {
        for scenario in SCENARIOS {
            println!("{}\n{}", scenario.name, scenario.intent());
        }
        return Ok(true);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.ok_or_else(|| Failure::new("the crate lies outside a workspace"))?;
    let built = |binary: Option<PathBuf>| binary.map_or_else(|| suite::build_server(root), Ok);
    if let Some(Task::Stack(action)) = cli.command {
        match action {
            local::Action::Up(options) => local::up(&options, &built(options.binary.clone())?)?,
            local::Action::Down(state) => local::down(&state)?,
        }
        return Ok(true);
    }
    let commit = suite::commit(root, cli.scale)?;
    process::raise_fd_limit()?;
    let binary = built(cli.binary)?;
    let results = cli.results.unwrap_or_else(|| suite::results_folder(root, &commit));
    let wanted = |scenario: &&Scenario| cli.all || cli.names.iter().any(|n| n == scenario.name);
    let scenarios = SCENARIOS.iter().filter(wanted).collect();
    Suite { scenarios, scale: cli.scale, binary, results, commit }.run()
}

fn known(name: &str) -> Result<String, String> {
    match Scenario::named(name) {
        Some(scenario) => Ok(scenario.name.to_owned()),
        None => Err("no such scenario; --list shows them".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
