//! `headcount keys`: makes keys, shows what they are called, and replaces them in a running
//! cluster. No key is ever printed but a fresh one, nor taken from the command line.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Subcommand;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::{Failure, Output, Target, moment, table};
use crate::{
    client::{Answer, Client, KeyHolder, Keyring},
    config,
    names::some_of,
    swim::KeyId,
};

/// How long gossip may take when nobody wants to wait.
const GOSSIP_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at who is missing.
const PAUSE: Duration = Duration::from_millis(100);

/// Make the keys that seal gossip, show who has which, or replace them
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "A key is replaced in a running cluster by add, use and remove, each after the \
        one before said that\nit is safe to go on. What they change is also written to every \
        agent's key file."
)]
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
    /// Print the ids of the keys in a file, or of the cluster's and who has them
    List {
        /// The key file [default: none, the agent is asked for the cluster's]
        #[arg(value_name = "FILE", conflicts_with_all = ["socket", "json"])]
        file: Option<PathBuf>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Let every agent accept another key
    Add {
        /// File with the key, and no other; - is standard input [default: a fresh key]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        step: Step,
    },
    /// Let every agent seal with a key, once all accept it
    Use {
        /// What the key is called
        id: String,
        /// Also if some do not accept it: they cannot read the others then
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        step: Step,
    },
    /// Let no agent have a key any more, once all seal with another
    Remove {
        /// What the key is called
        id: String,
        #[command(flatten)]
        step: Step,
    },
    /// Let the agent take what is in its key file now, for keys that are replaced by hand
    Reload {
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, clap::Args)]
struct Asking {
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Step {
    /// Wait until all members did as told but those that left: failed ones may come back
    #[arg(long)]
    wait: bool,
    /// How long to wait, as 300ms, 30s or 2m; seconds without a unit
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "wait",
        value_parser = moment::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    asking: Asking,
}

/// What a step is to come to.
#[derive(Clone, Copy, Debug)]
enum Aim {
    Accepted,
    Primary,
    Gone,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    match args.command {
        Command::Generate => {
            let key = config::generate_key()
                .map_err(|error| Failure::trouble(format!("cannot make a key: {error}")))?;
            output.data(key.as_str())
        }
        Command::List {
            file: Some(file), ..
        } => list_file(&file, output),
        Command::List { file: None, asking } => {
            let client = asking.target.client()?;
            show(&client.keys().await?, asking.json, output)
        }
        Command::Reload { asking } => {
            let client = asking.target.client()?;
            show(&client.reload_keys().await?, asking.json, output)
        }
        Command::Add { file, step } => {
            let key = file.map(|file| only_key(&file)).transpose()?;
            let client = step.asking.target.clone().client()?;
            let answer = client.add_key(key.as_ref().map(|key| key.as_str())).await?;
            follow((&client, answer), Aim::Accepted, &step, output).await
        }
        Command::Use { id, force, step } => {
            let id = called(&id)?;
            let client = step.asking.target.clone().client()?;
            let answer = client.use_key(&id, force).await?;
            follow((&client, answer), Aim::Primary, &step, output).await
        }
        Command::Remove { id, step } => {
            let id = called(&id)?;
            let client = step.asking.target.clone().client()?;
            let answer = client.remove_key(&id).await?;
            follow((&client, answer), Aim::Gone, &step, output).await
        }
    }
}

/// What a key is called. The parser of the command line would repeat whatever is wrong, and it may
/// be a key.
fn called(id: &str) -> Result<String, Failure> {
    let id: Result<KeyId, _> = id.parse();
    id.map(|id| id.to_string())
        .map_err(|invalid| Failure::trouble(invalid.to_string()))
}

/// The key of a file that holds one.
fn only_key(file: &Path) -> Result<Zeroizing<String>, Failure> {
    if file.to_str().and_then(config::parse_key).is_some() {
        let hint = "what a command line says is seen by all: put it into a file of mode 0600";
        return Err(Failure::trouble("that is a key, and no file").hint(hint));
    }
    config::read_key(file).map_err(|invalid| Failure::trouble(invalid.why).hint(invalid.hint))
}

fn list_file(file: &Path, output: &mut Output) -> Result<(), Failure> {
    let keys = config::read_keys(file).map_err(|invalid| {
        Failure::trouble(format!("key file {} {invalid}", file.display())).hint(invalid.hint)
    })?;
    for (id, role) in keys
        .ids()
        .zip(["  primary"].into_iter().chain(std::iter::repeat("")))
    {
        output.data(format!("{id}{role}"))?;
    }
    Ok(())
}

fn show(answer: &Answer<Keyring>, json: bool, output: &mut Output) -> Result<(), Failure> {
    if json {
        return output.data(answer.json());
    }
    let head = ["KEY", "", "ACCEPTED", "SEALS", "NOT ACCEPTED BY"];
    let all = answer.members.len();
    let rows = answer.keys.iter().map(|key| {
        let is_primary = answer.primary.as_ref() == Some(&key.id);
        let missing = answer.members.iter().filter(|member| !member.has(&key.id));
        let cells = [
            key.id.clone(),
            if is_primary { "primary" } else { "" }.into(),
            format!("{}/{all}", key.accepted_by),
            format!("{}/{all}", key.primary_of),
            named(missing),
        ];
        cells.map(table::Cell::from).to_vec()
    });
    let head = head.map(table::Cell::from).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    for line in table::lines(&rows) {
        output.data(line)?;
    }
    warn_of_unstored(answer, output);
    Ok(())
}

/// They go on, and their next start would not have the same keys.
fn warn_of_unstored(answer: &Keyring, output: &mut Output) {
    let names = named(unstored(answer));
    if !names.is_empty() {
        output.talk(format_args!(
            "not stored in the key file of {names}: see the log there"
        ));
    }
}

/// Looks until everybody did as told, or the time is over.
async fn follow(
    (client, mut answer): (&Client, Answer<Keyring>),
    aim: Aim,
    step: &Step,
    output: &mut Output,
) -> Result<(), Failure> {
    let Some(id) = answer.changed.clone() else {
        return Err(Failure::trouble("the agent does not say which key it was"));
    };
    let patience = if step.wait {
        step.timeout
    } else {
        GOSSIP_PATIENCE
    };
    let all_did = async {
        while !aim.missing(&answer, &id).is_empty() || unstored(&answer).next().is_some() {
            sleep(PAUSE).await;
            answer = client.keys().await?;
        }
        Ok::<_, Failure>(())
    };
    // Who is missing when the time is over is told below.
    timeout(patience, all_did).await.unwrap_or(Ok(()))?;
    if step.asking.json {
        output.data(answer.json())?;
    }
    let missing = aim.missing(&answer, &id);
    let (all, done) = (answer.members.len(), aim.done(&id));
    if !missing.is_empty() {
        let count = all - missing.len();
        let names = named(missing.into_iter());
        let text = format!("{done} by {count}/{all} members, not by {names}");
        let hint = match aim {
            Aim::Accepted => {
                "see their logs; it still spreads: look with `headcount keys list`, \
                and add no other one"
            }
            _ => "see their logs; wait longer with --wait --timeout",
        };
        return Err(Failure::no(text).hint(hint));
    }
    let names = named(unstored(&answer));
    if !names.is_empty() {
        let text = format!("{done} by {all}/{all}, but not stored by {names}");
        let hint = "their next start would have other keys: let their key files be written, or \
            change them by hand and run `headcount keys reload` there";
        return Err(Failure::no(text).hint(hint));
    }
    if !step.asking.json {
        output.data(format_args!("{done} by {all}/{all}: safe to go on"))?;
    }
    Ok(())
}

impl Aim {
    fn missing<'a>(self, answer: &'a Keyring, id: &str) -> Vec<&'a KeyHolder> {
        let did = |member: &&KeyHolder| match self {
            Self::Accepted => member.has(id),
            Self::Primary => member.keys.first().is_some_and(|key| key == id),
            Self::Gone => !member.has(id) && !member.keys.is_empty(),
        };
        answer
            .members
            .iter()
            .filter(|member| !did(member))
            .collect()
    }

    fn done(self, id: &str) -> String {
        match self {
            Self::Accepted => format!("{id} is accepted"),
            Self::Primary => format!("{id} is used"),
            Self::Gone => format!("{id} is removed"),
        }
    }
}

/// Those whose next start would have other keys.
fn unstored(answer: &Keyring) -> impl Iterator<Item = &KeyHolder> {
    answer.members.iter().filter(|member| !member.stored)
}

fn named<'a>(members: impl Iterator<Item = &'a KeyHolder>) -> String {
    let names: Vec<_> = members
        .map(|member| super::output::shown(&member.name))
        .collect();
    some_of(&names)
}
