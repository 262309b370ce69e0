//! The command line: what can be typed, and which room does it. Exit codes: 0 done, 2 wrong usage or
//! configuration (or a ruleset that does not hold), 1 anything else.

mod rules;
mod table;
mod value;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::Parser;
use clap::Subcommand;

use crate::config::Config;
use crate::config::ConfigError;
use crate::config::Layers;

/// What would it cost, in mesos, to make the gear a MapleStory character wears?
///
/// Without a command it serves. Nothing needs to be installed or configured: without an API key a built-in
/// simulator plays the game's API.
#[derive(Debug, Parser)]
#[command(name = "maple-expectation", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  maple-expectation                                     serve on 127.0.0.1:8080
  NEXON_API_KEY=... maple-expectation                   the same, against the real API
  curl localhost:8080/api/v4/characters/강은호/expectation
  maple-expectation value equipment.json                value a payload file, no server
  maple-expectation config print                        every setting, its value and where it comes from

Exit codes: 0 done; 2 wrong usage, configuration or ruleset; 1 anything else.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve over HTTP (the default command)
    Serve(ServeArgs),
    /// Value an equipment payload without a server
    Value(value::ValueArgs),
    /// Show or check rulesets
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Play the Nexon Open API over HTTP, for demos, tests and benchmarks
    NexonSim(crate::upstream::sim::Args),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting with its effective value and origin; secrets are hidden
    Print(ServeArgs),
}

/// Settings most often given by hand; all others by file or environment (`config print` lists them).
#[derive(Debug, Args)]
struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Shard threads; 0 is one per usable core
    #[arg(long, value_name = "N")]
    shards: Option<String>,
    /// I/O driver: auto, io_uring or epoll
    #[arg(long, value_name = "DRIVER")]
    driver: Option<String>,
    /// Folder for data that must survive a restart
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Base URL of the game API
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ruleset file
    #[arg(long, value_name = "FILE")]
    rules: Option<String>,
}

/// Why a command did not do its work.
#[derive(Debug)]
pub enum Failure {
    /// What was typed or configured is wrong: exit code 2.
    Usage(String),
    /// Anything else: exit code 1.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Other(message) => f.write_str(message),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Does what the command line asks for; the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" that go to stdout with code 0.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let done = match cli.command {
        None => serve(&cli.serve),
        Some(Command::Serve(args)) => serve(&args),
        Some(Command::Value(args)) => value::run(&args),
        Some(Command::Rules(command)) => rules::run(&command),
        Some(Command::Config(ConfigCommand::Print(args))) => layers(&args)
            .and_then(|layers| Config::check(&layers).map(|_| layers).map_err(Failure::from))
            .and_then(|layers| print(layers.print().as_bytes())),
        Some(Command::NexonSim(args)) => {
            crate::telemetry::log::start(tracing::Level::INFO);
            crate::upstream::sim::run(args).map_err(|error| Failure::Other(error.to_string()))
        }
    };
    match done {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("maple-expectation: {failure}");
            match failure {
                Failure::Usage(_) => 2,
                Failure::Other(_) => 1,
            }
        }
    }
}

fn serve(args: &ServeArgs) -> Result<(), Failure> {
    let config = Config::check(&layers(args)?)?;
    crate::telemetry::log::start(config.log_level);
    crate::assemble::serve(config).map_err(|error| match error {
        crate::assemble::StartError::Configuration(message) => Failure::Usage(message),
        crate::assemble::StartError::Other(message) => Failure::Other(message),
    })
}

fn layers(args: &ServeArgs) -> Result<Layers, Failure> {
    let mut layers = Layers::defaults();
    if let Some(file) = &args.config {
        layers.file(file)?;
    }
    layers.environment(std::env::vars_os().filter_map(|(name, value)| {
        // A variable that is not text is none of ours; ours are ASCII names with text values.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    }))?;
    layers.flag("server.listen", "--listen", args.listen.clone());
    layers.flag("server.shards", "--shards", args.shards.clone());
    layers.flag("server.driver", "--driver", args.driver.clone());
    layers.flag("server.data", "--data", args.data.clone());
    layers.flag("upstream.url", "--upstream", args.upstream.clone());
    layers.flag("rules.file", "--rules", args.rules.clone());
    Ok(layers)
}

/// Writes to standard output. A reader that went away (`| head`) is no failure.
fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Failure::Other(format!("standard output: {error}"))),
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
