//! `rules show` and `rules check`.

use std::path::PathBuf;

use clap::Subcommand;
use valuation::rules::BUILT_IN;
use valuation::rules::DEFAULT;

use super::Failure;
use super::print;
use crate::rules_file;

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Check a ruleset file; an error names file, line and key
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print a built-in ruleset, to start one of your own from
    Show {
        /// Its id
        #[arg(default_value = DEFAULT)]
        id: String,
    },
}

pub(super) fn run(command: &RulesCommand) -> Result<(), Failure> {
    match command {
        RulesCommand::Check { file } => {
            let rules = rules_file::load(file).map_err(Failure::Usage)?;
            print(format!("{}: ruleset {} holds\n", file.display(), rules.id).as_bytes())
        }
        RulesCommand::Show { id } => match BUILT_IN.iter().find(|(name, _)| name == id) {
            Some((_, text)) => print(text.as_bytes()),
            None => {
                let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
                Err(Failure::Usage(format!(
                    "no built-in ruleset {id}; there are {}",
                    known.join(", ")
                )))
            }
        },
    }
}
