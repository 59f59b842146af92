//! `headcount members`: who there is, and waiting for who there should be.

use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::{
    Failure, Output, Target,
    moment::{self, relative},
    output::{shown, strong, style},
    table::{self, Cell},
    tag_list::{self, Extent},
};
use crate::{
    client::{App, Client, Filter, Listing, Member, State},
    nearest::nearest,
    swim::TAG_SEPARATORS,
};

/// List the members of the cluster, or wait until there are enough
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only members in this state: alive, suspect, failed or left; any of them if more than one
    /// is given
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', num_args = 1..)]
    states: Vec<State>,
    /// Only members with this tag; all of them if more than one is given
    #[arg(long = "tag", value_name = "KEY=VALUE", num_args = 1.., value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Only the member with this name; any of them if more than one is given
    #[arg(long = "name", value_name = "NAME", num_args = 1..)]
    names: Vec<String>,
    /// Wait until this many members are alive, this agent and those about to be back from a
    /// restart included, then list them
    #[arg(long, value_name = "N")]
    wait: Option<usize>,
    /// How long to wait, as 300ms, 30s or 2m; seconds without a unit
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "wait",
        value_parser = moment::parse_duration)]
    timeout: Duration,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
    /// Show all tags and the whole of each
    #[arg(long, conflicts_with = "json")]
    no_trunc: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let client = args.target.clone().client()?;
    if let Some(wanted) = args.wait {
        wait(&client, &args, wanted).await?;
    }
    let filter = filter(&args.tags, &args.names);
    let answer = client.members(&filter, &args.states).await?;
    if args.json {
        output.data(answer.json())?;
    } else {
        for line in table(&answer, Extent::of(args.no_trunc)) {
            output.data(line)?;
        }
    }
    let asks_for_some = !(args.names.is_empty() && args.tags.is_empty());
    if asks_for_some && answer.members.len() < args.names.len().max(1) {
        let everyone = client.members(&Filter::default(), &[]).await?;
        return strangers(&args, &everyone.members).map_or(Ok(()), Err);
    }
    Ok(())
}

/// What the user asks for that nobody is called, or that nobody has: the answer is no. That those
/// who are there are just not in the state asked for is an answer.
fn strangers(args: &Args, everyone: &[Member]) -> Option<Failure> {
    let names = everyone.iter().map(|member| &*member.name);
    let is_unknown = |name: &&String| everyone.iter().all(|member| member.name != **name);
    if let Some(name) = args.names.iter().find(is_unknown) {
        let failure = Failure::no(format!("no member is called {name:?}"));
        return Some(match nearest(name, names) {
            Some(near) => failure.hint(format!("the nearest name is {near:?}")),
            None => failure,
        });
    }
    let nobody_has = |(key, value): &&(String, String)| {
        let has = |member: &Member| member.tags.get(key) == Some(value);
        !everyone.iter().any(has)
    };
    let (key, value) = args.tags.iter().find(nobody_has)?;
    let failure = Failure::no(format!("no member has the tag {key}={value}"));
    let keys = everyone.iter().flat_map(|member| member.tags.keys());
    Some(match nearest(key, keys.map(String::as_str)) {
        Some(near) if near != key => failure.hint(format!("the nearest key is {near:?}")),
        _ => failure,
    })
}

/// The members that the user wants to hear of.
pub(super) fn filter(tags: &[(String, String)], names: &[String]) -> Filter {
    let tagged = tags.iter().fold(Filter::default(), |filter, (key, value)| {
        filter.tag(key, value)
    });
    names.iter().fold(tagged, Filter::name)
}

/// A tag as it is typed, or as the API writes it. Keys hold neither sign.
pub(super) fn tag(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(TAG_SEPARATORS);
    let (key, value) = pair.ok_or("write KEY=VALUE, such as role=web")?;
    Ok((key.into(), value.into()))
}

/// The table, its heading first.
pub(super) fn table(listing: &Listing, extent: Extent) -> Vec<String> {
    let mut lines = table::lines(&rows(&listing.members, listing.at, extent));
    if let Some(heading) = lines.first_mut() {
        *heading = strong(&heading);
    }
    lines
}

fn rows(members: &[Member], now: SystemTime, extent: Extent) -> Vec<Vec<Cell>> {
    let has_apps = members.iter().any(|member| member.app.is_some());
    let titles = [
        "NAME", "ADDRESS", "STATE", "APP", "GEN", "INC", "TAGS", "SINCE",
    ];
    let titles = titles
        .into_iter()
        .filter(|title| *title != "APP" || has_apps);
    let mut heading: Vec<Cell> = titles.map(Cell::from).collect();
    let notes: Vec<_> = members.iter().map(|member| note(member, now)).collect();
    if notes.iter().any(|note| !note.is_empty()) {
        heading.push("NOTE".into());
    }
    let row = |(member, note): (&Member, String)| {
        let mut cells = vec![
            shown(&member.name).into(),
            member.address.to_string().into(),
            Cell::styled(member.state.to_string(), style(member.state.as_str())),
        ];
        cells.extend(has_apps.then(|| app(member)));
        cells.extend([
            member.generation.to_string().into(),
            member.incarnation.to_string().into(),
            tag_list::tags(&member.tags, extent).into(),
            relative(member.since, now).into(),
            shown(&note).into(),
        ]);
        cells
    };
    let rows = members.iter().zip(notes).map(row);
    [heading].into_iter().chain(rows).collect()
}

fn app(member: &Member) -> Cell {
    let Some(app) = &member.app else {
        return "".into();
    };
    let style = style(if *app == App::Up { "alive" } else { "failed" });
    Cell::styled(shown(app.as_str()), style)
}

/// Who accuses a suspect and until when; until when a restart is waited for; why somebody left, or
/// its application is down.
fn note(member: &Member, now: SystemTime) -> String {
    let mut parts = Vec::new();
    if let Some(suspicion) = &member.suspicion {
        parts.push(format!("by {} ({})", suspicion.by, suspicion.evidence));
        parts.push(format!("fails {}", relative(suspicion.deadline, now)));
    }
    if let Some(due) = member.restart_due {
        parts.push(format!("restarting, due {}", relative(due, now)));
    }
    if let Some(reason) = member.reason.as_ref().filter(|reason| !reason.is_empty()) {
        parts.push(format!("reason: {reason}"));
    }
    if let Some(reason) = member.app.as_ref().and_then(App::reason) {
        parts.push(format!("app: {reason}"));
    }
    parts.join(", ")
}

/// Follows the stream until `wanted` members are alive. An agent that is not there yet is waited
/// for too: a start script may well be faster than its agent.
async fn wait(client: &Client, args: &Args, wanted: usize) -> Result<(), Failure> {
    let filter = filter(&args.tags, &args.names);
    let mut view = client.watch(&filter).into_view();
    let enough = view.until(|members| members.alive().count() >= wanted);
    if let Ok(ended) = timeout(args.timeout, enough).await {
        return ended.map(drop).map_err(Failure::from);
    }
    match (view.members(), view.trouble()) {
        // Nobody ever answered: that says why better than a number could.
        (members, Some(trouble)) if !members.is_known() => Err(trouble.into()),
        (members, _) => Err(too_few(members.alive().count(), wanted, args.timeout)),
    }
}

fn too_few(alive: usize, wanted: usize, time: Duration) -> Failure {
    let time = humantime::format_duration(time);
    Failure::no(format!(
        "{alive} of {wanted} members are alive after {time}"
    ))
    .hint("see who is missing with `headcount members`, or wait longer with --timeout")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A member called `name`, with `fields` on top of what all have.
    fn member(name: &str, fields: Value) -> Member {
        let mut member = json!({
            "name": name, "id": "1f", "address": "127.0.0.1:1", "state": "alive",
            "generation": 1, "incarnation": 0, "tags": {}, "since": "2026-01-05T09:56:48Z",
        });
        for (key, value) in fields.as_object().unwrap() {
            member[key] = value.clone();
        }
        serde_json::from_value(member).unwrap()
    }

    fn plain(members: &[Member]) -> Vec<String> {
        let now = humantime::parse_rfc3339("2026-01-05T10:00:00Z").unwrap();
        let lines = table::lines(&rows(members, now, Extent::Column));
        let strip = |line: &String| anstream::adapter::strip_str(line).to_string();
        lines.iter().map(strip).collect()
    }

    #[test]
    fn suspects_and_the_departed_have_notes() {
        let suspicion = json!({"state": "suspect", "by": "n1", "evidence": "probe-timeout",
            "deadline": "2026-01-05T10:00:03Z"});
        assert_eq!(
            plain(&[
                member("n1", json!({"tags": {"role": "web"}})),
                member("n22", suspicion),
                member("n3", json!({"state": "left", "reason": "upgrade"})),
                member("n4", json!({"restart_due": "2026-01-05T10:00:09Z"})),
            ]),
            [
                "NAME  ADDRESS      STATE    GEN  INC  TAGS      SINCE      NOTE",
                "n1    127.0.0.1:1  alive    1    0    role=web  3m12s ago",
                "n22   127.0.0.1:1  suspect  1    0              3m12s ago  \
                 by n1 (probe-timeout), fails in 3s",
                "n3    127.0.0.1:1  left     1    0              3m12s ago  reason: upgrade",
                "n4    127.0.0.1:1  alive    1    0              3m12s ago  restarting, due in 9s",
            ]
        );
    }

    #[test]
    fn applications_have_a_column_when_there_are_any() {
        let down = json!({"app": "down", "app_reason": "exited with status 3"});
        assert_eq!(
            plain(&[member("n1", down), member("n2", json!({}))]),
            [
                "NAME  ADDRESS      STATE  APP   GEN  INC  TAGS  SINCE      NOTE",
                "n1    127.0.0.1:1  alive  down  1    0          3m12s ago  \
                 app: exited with status 3",
                "n2    127.0.0.1:1  alive        1    0          3m12s ago",
            ]
        );
    }

    #[test]
    fn who_asks_for_somebody_unknown_is_told() {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let everyone = [
            member("web1", json!({"tags": {"role": "web"}})),
            member("db1", json!({})),
        ];
        for (line, told) in [
            (&["--name", "web1", "db1"][..], None),
            (&["--name", "web1", "--state", "failed"], None),
            (&["--tag", "role=web"], None),
            (
                &["--name", "web1", "web2"],
                Some((
                    r#"no member is called "web2""#,
                    r#"the nearest name is "web1""#,
                )),
            ),
            (
                &["--tag", "rol=web"],
                Some((
                    "no member has the tag rol=web",
                    r#"the nearest key is "role""#,
                )),
            ),
        ] {
            let args = Line::parse_from([&["members"], line].concat()).args;
            let failure = strangers(&args, &everyone);
            let said = failure.as_ref().map(|failure| {
                assert_eq!(failure.code(), 1);
                (failure.to_string(), failure.advice().unwrap_or_default())
            });
            let said = said.as_ref().map(|(text, hint)| (&**text, *hint));
            assert_eq!(said, told, "{line:?}");
        }
    }

    #[test]
    fn tags_are_pairs() {
        assert_eq!(tag("role=a=b"), Ok(("role".into(), "a=b".into())));
        assert_eq!(tag("role:web"), Ok(("role".into(), "web".into())));
        assert!(tag("role").is_err());
    }
}
