//! `headcount tags`: shows the agent's own tags, or changes some of them.

use std::collections::BTreeMap;

use super::{Failure, Output, Target, output::shown};
use crate::swim::{Tags, check_tags};

/// Show the agent's own tags, or change some of them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Tags that are not named stay. What is changed holds until the agent ends; then \
    its --tag options\nhold again."
)]
pub(super) struct Args {
    /// KEY=VALUE sets a tag, KEY- takes one away [default: show them all]
    #[arg(value_name = "KEY=VALUE|KEY-")]
    changes: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let changes = args.changes.iter().map(|change| read(change));
    let changes: BTreeMap<_, _> = changes.collect::<Result<_, _>>()?;
    let client = args.target.client()?;
    let tags = match changes.is_empty() {
        true => client.tags().await?,
        false => client.change_tags(&changes).await?,
    };
    if args.json {
        return output.data(tags.json());
    }
    for (key, value) in tags.iter() {
        output.data(shown(&format!("{key}={value}")))?;
    }
    Ok(())
}

/// What the agent is to do with one tag. A dash stands behind the key, as `kubectl label` has it:
/// one before it would begin an option.
fn read(change: &str) -> Result<(String, Option<String>), Failure> {
    match (change.split_once('='), change.strip_suffix('-')) {
        (Some((key, value)), _) => Ok((checked(key)?, Some(value.into()))),
        (None, Some(key)) => Ok((checked(key)?, None)),
        (None, None) => {
            let text = format!("{change:?} is neither KEY=VALUE nor KEY-");
            let hint = format!("{change}=VALUE sets it, {change}- takes it away");
            Err(Failure::trouble(text).hint(hint))
        }
    }
}

/// A key that a tag can have: no tag has another, so that none would be taken away.
fn checked(key: &str) -> Result<String, Failure> {
    let tag = Tags::from_iter([(key.to_owned(), String::new())]);
    check_tags(&tag).map_err(|error| {
        Failure::trouble(error.to_string())
            .hint("write KEY=VALUE to set a tag, KEY- to take it away")
    })?;
    Ok(key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_anything() {
        let value = |change| read(change).unwrap();
        assert_eq!(value("url=a=b"), ("url".into(), Some("a=b".into())));
        assert_eq!(value("range=1-"), ("range".into(), Some("1-".into())));
        assert_eq!(value("note="), ("note".into(), Some("".into())));
        assert_eq!(value("zone-"), ("zone".into(), None));
        assert!(read("zone").is_err());
    }

    #[test]
    fn a_key_that_no_tag_has_is_neither_set_nor_taken_away() {
        for change in ["-", "=web", "a:b-", "a b-", "a:b=c"] {
            let failure = read(change).unwrap_err();
            assert_eq!(failure.code(), 2, "{change}");
        }
    }
}
