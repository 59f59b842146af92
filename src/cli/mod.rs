//! SPEAKS: the command line. One file a subcommand; only `output` prints.
//!
//! Data goes to standard output, talk to standard error. The exit code is 0 when the command did
//! as asked, 1 when the answer is no, 2 when the command line, the configuration or the system is
//! in the way. A reader that closes the pipe is no failure.

mod agent;
mod bench;
mod cluster;
mod demo;
mod draft;
mod event;
mod failure;
mod interrupts;
mod join;
mod keys;
mod leave;
mod log;
mod members;
mod moment;
mod number;
mod output;
mod page;
mod processes;
mod progress;
mod remove;
mod simulate;
mod status;
mod story;
mod table;
mod tag_list;
mod tags;
mod usage;
mod watch;

use std::{future::Future, process::ExitCode, sync::mpsc, thread, time::Duration};

use anstream::ColorChoice;
use clap::{Parser, Subcommand};

use crate::{
    client::Client,
    config::{self, Surroundings},
};
use failure::Failure;
use output::Output;

/// How long whoever reads standard error may take to hear why a command failed.
const TELL_PATIENCE: Duration = Duration::from_secs(1);

/// Cluster membership and failure detection beside your application.
#[derive(Debug, Parser)]
#[command(
    name = "headcount",
    version,
    about = "Cluster membership and failure detection beside your application.",
    after_help = "An agent runs on every host. Agents find each other by gossip, notice when one \
        of them fails, and tell every change to any program that asks at a local socket.\n\n\
        See it work:  headcount demo\n\
        Exit codes:   0 done, 1 the answer is no, 2 usage, configuration or system",
    arg_required_else_help = true,
    args_override_self = true,
    term_width = 100,
    disable_help_subcommand = true
)]
struct Cli {
    /// Colour the output; NO_COLOR is respected [default: auto]
    #[arg(
        long,
        global = true,
        display_order = 900,
        value_name = "auto|always|never",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    color: clap::ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Agent(Box<agent::Args>),
    Members(members::Args),
    Watch(watch::Args),
    Status(status::Args),
    Join(join::Args),
    Leave(leave::Args),
    Remove(remove::Args),
    Event(event::Args),
    Tags(tags::Args),
    Keys(keys::Args),
    Simulate(simulate::Args),
    Bench(bench::Args),
    Demo(demo::Args),
}

/// Which agent a command talks to.
#[derive(Clone, Debug, clap::Args)]
struct Target {
    /// The agent's socket [env: HEADCOUNT_SOCKET] [default: $XDG_RUNTIME_DIR/headcount.sock, as
    /// root /run/headcount.sock]
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
}

impl Target {
    fn client(self) -> Result<Client, Failure> {
        let socket = config::socket(self.socket, &Surroundings::look())?;
        Ok(Client::new(socket))
    }
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::end(&error),
    };
    let mut output = Output::new(match cli.color {
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Never => ColorChoice::Never,
    });
    match run(cli.command, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.code();
            if failure.is_told() {
                tell(output, failure);
            }
            code.into()
        }
    }
}

/// Says why, unless nobody takes it: a full pipe must not keep an ended agent from ending.
fn tell(mut output: Output, failure: Failure) {
    let (done, told) = mpsc::channel();
    let body = move || {
        output.failure(&failure);
        // Only a process that is ending anyway stopped listening.
        let _ = done.send(());
    };
    if thread::Builder::new().spawn(body).is_ok() {
        let _ = told.recv_timeout(TELL_PATIENCE);
    }
}

fn run(command: Command, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Agent(args) => agent::run(*args, output),
        Command::Bench(args) => block_on(bench::run(args, output)),
        Command::Demo(args) => block_on(demo::run(args, output)),
        Command::Event(args) => block_on(event::run(args, output)),
        Command::Join(args) => block_on(join::run(args, output)),
        Command::Keys(args) => block_on(keys::run(args, output)),
        Command::Leave(args) => block_on(leave::run(args, output)),
        Command::Members(args) => block_on(members::run(args, output)),
        Command::Remove(args) => block_on(remove::run(args, output)),
        Command::Simulate(args) => block_on(simulate::run(args, output)),
        Command::Status(args) => block_on(status::run(args, output)),
        Command::Tags(args) => block_on(tags::run(args, output)),
        Command::Watch(args) => block_on(watch::run(args, output)),
    }
}

/// Runs one command on this very thread.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    match builder.enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => Err(Failure::trouble(format!("cannot start a runtime: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_argument_has_help() {
        let command = Cli::command();
        for subcommand in command.get_subcommands() {
            assert!(
                subcommand.get_about().is_some(),
                "{}",
                subcommand.get_name()
            );
            for argument in subcommand.get_arguments().filter(|a| !a.is_hide_set()) {
                let (name, id) = (subcommand.get_name(), argument.get_id());
                assert!(argument.get_help().is_some(), "{name} {id}");
            }
        }
    }
}
