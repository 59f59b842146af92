//! `headcount keys`: makes keys and shows what they are called. Never more than that.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, Output};
use crate::config;

/// Make the keys that seal gossip, or show what they are called
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a fresh key, for a file of mode 0600
    ///
    /// The file is the same for all agents of a cluster:
    ///
    ///   umask 077; headcount keys generate > headcount.key
    #[command(verbatim_doc_comment)]
    Generate,
    /// Print the ids of the keys in a file, the one that seals first
    List {
        /// The key file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    match args.command {
        Command::Generate => {
            let key = config::generate_key()
                .map_err(|error| Failure::trouble(format!("cannot make a key: {error}")))?;
            output.data(key.as_str())
        }
        Command::List { file } => {
            let keys = config::read_keys(&file).map_err(|invalid| {
                Failure::trouble(format!("key file {} {invalid}", file.display()))
                    .hint(invalid.hint)
            })?;
            for (id, role) in keys
                .ids()
                .zip(["  primary"].into_iter().chain(std::iter::repeat("")))
            {
                output.data(format!("{id}{role}"))?;
            }
            Ok(())
        }
    }
}
