//! The command line of `nexon-sim`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Fixture;
use super::Sim;
use super::SimConfig;

/// Simulate the Nexon Open API: any nickname is a character, names starting with 없는 do not exist.
/// Switches and counters are under /_sim/ (GET state; POST set, reset, character).
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    pub listen: SocketAddr,
    /// Serve this equipment file, byte for byte, for this name; may be given several times
    #[arg(long, value_name = "NAME=FILE", value_parser = parse_fixture)]
    pub fixture: Vec<Fixture>,
    /// Answer no sooner than this
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency_ms: u64,
    /// Answer up to this much later still
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub jitter_ms: u64,
    /// Refuse more requests per second than this with 429 OPENAPI00007 [default: unlimited]
    #[arg(long, value_name = "PER_SECOND")]
    pub quota: Option<u32>,
}

/// Serves until the process ends.
///
/// # Errors
/// See [`Sim::start`] and [`super::SimHandle::wait`].
pub fn run(args: Args) -> io::Result<()> {
    let Args { listen, fixture: fixtures, latency_ms, jitter_ms, quota: quota_per_second } = args;
    let sim = Sim::start(SimConfig { listen, fixtures, latency_ms, jitter_ms, quota_per_second })?;
    tracing::info!(url = %sim.base_url(), "simulating the Nexon Open API");
    sim.wait()
}

fn parse_fixture(text: &str) -> Result<Fixture, String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok(Fixture { name: name.to_owned(), file: PathBuf::from(file) })
        }
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn options_are_read() {
        let args = ["sim", "--fixture", "강은호=a=b.json", "--fixture", "x=y", "--quota", "500"];
        let args = Cli::try_parse_from(args).unwrap().args;
        let first = Fixture { name: "강은호".to_owned(), file: PathBuf::from("a=b.json") };
        assert_eq!(args.fixture[0], first);
        assert_eq!((args.fixture.len(), args.quota, args.listen.port()), (2, Some(500), 9090));
        for bad in ["=file", "name=", "name"] {
            assert!(Cli::try_parse_from(["sim", "--fixture", bad]).is_err(), "{bad}");
        }
    }
}
