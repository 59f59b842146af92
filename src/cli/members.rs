//! `headcount members`: who there is, and waiting for who there should be.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use tokio::time::timeout;

use super::{
    Failure, Output, Target,
    client::{Answer, Client, Query},
    follow::{Follower, Told},
    moment::{self, relative},
    output::{shown, strong, style},
    record::{Listing, Member, Record},
    story::tags,
    table::{self, Cell},
};

/// List the members of the cluster, or wait until there are enough
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only members in this state: alive, suspect, failed or left; any of them if more than one
    /// is given
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', num_args = 1..)]
    states: Vec<String>,
    /// Only members with this tag; all of them if more than one is given
    #[arg(long = "tag", value_name = "KEY=VALUE", num_args = 1..)]
    tags: Vec<String>,
    /// Only the member with this name; any of them if more than one is given
    #[arg(long = "name", value_name = "NAME", num_args = 1..)]
    names: Vec<String>,
    /// Wait until this many members are alive, this agent included, then list them
    #[arg(long, value_name = "N")]
    wait: Option<usize>,
    /// How long to wait, as 300ms, 30s or 2m; seconds without a unit
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "wait",
        value_parser = moment::parse_duration)]
    timeout: Duration,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let client = args.target.clone().client()?;
    if let Some(wanted) = args.wait {
        wait(&client, &args, wanted).await?;
    }
    let mut query = filter(&args);
    query.add_all("state", &args.states);
    let answer = client.get(&query.of("/v1/members")).await?;
    match args.json {
        true => output.data(answer),
        false => print(&answer, output),
    }
}

/// How long an agent that never answered may take to say why, when the time is over.
const LAST_WORD: Duration = Duration::from_millis(500);

/// The criteria that both the list and the stream know.
fn filter(args: &Args) -> Query {
    let mut query = Query::default();
    query.add_all("tag", &args.tags);
    query.add_all("name", &args.names);
    query
}

fn print(answer: &Answer, output: &mut Output) -> Result<(), Failure> {
    let listing: Listing = answer.read()?;
    for line in table(&listing) {
        output.data(line)?;
    }
    Ok(())
}

/// The table, its heading first.
pub(super) fn table(listing: &Listing) -> Vec<String> {
    let mut lines = table::lines(&rows(&listing.members, moment::agents_now(&listing.at)));
    if let Some(heading) = lines.first_mut() {
        *heading = strong(&heading);
    }
    lines
}

fn rows(members: &[Member], now: Timestamp) -> Vec<Vec<Cell>> {
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
            shown(&member.address).into(),
            Cell::styled(shown(&member.state), style(&member.state)),
        ];
        cells.extend(has_apps.then(|| app(member)));
        cells.extend([
            member.generation.to_string().into(),
            member.incarnation.to_string().into(),
            shown(&tags(member)).into(),
            shown(&relative(&member.since, now)).into(),
            shown(&note).into(),
        ]);
        cells
    };
    let rows = members.iter().zip(notes).map(row);
    [heading].into_iter().chain(rows).collect()
}

fn app(member: &Member) -> Cell {
    let app = member.app.as_deref().unwrap_or_default();
    let style = style(if app == "up" { "alive" } else { "failed" });
    Cell::styled(shown(app), style)
}

/// Who accuses a suspect and until when; why somebody left, or its application is down.
fn note(member: &Member, now: Timestamp) -> String {
    let mut parts = Vec::new();
    if let Some(by) = &member.by {
        let evidence = member.evidence.as_ref();
        let evidence = evidence.map(|evidence| format!(" ({evidence})"));
        parts.push(format!("by {by}{}", evidence.unwrap_or_default()));
    }
    if let Some(deadline) = &member.deadline {
        parts.push(format!("fails {}", relative(deadline, now)));
    }
    if let Some(reason) = member.reason.as_ref().filter(|reason| !reason.is_empty()) {
        parts.push(format!("reason: {reason}"));
    }
    if let Some(reason) = &member.app_reason {
        parts.push(format!("app: {reason}"));
    }
    parts.join(", ")
}

/// Follows the stream until `wanted` members are alive. An agent that is not there yet is waited
/// for too: a start script may well be faster than its agent.
async fn wait(client: &Client, args: &Args, wanted: usize) -> Result<(), Failure> {
    let mut alive = None;
    let enough = async {
        let mut follower = Follower::new(client.clone(), filter(args)).patient();
        let mut census = Census::default();
        loop {
            match follower.next().await? {
                Told::Back | Told::Lost(_) => continue,
                Told::Record(record, _) | Told::Restarted(record, _) => census.count(&record, args),
            }
            alive = Some(census.alive());
            if census.alive() >= wanted {
                return Ok(());
            }
        }
    };
    let ended = timeout(args.timeout, enough).await;
    let time = humantime::format_duration(args.timeout);
    match (ended, alive) {
        (Ok(end), _) => end,
        (Err(_), Some(alive)) => Err(too_few(alive, wanted, time)),
        // Nobody ever answered: that says why better than a number could, if it says it now.
        (Err(_), None) => Err(match timeout(LAST_WORD, client.get("/v1/status")).await {
            Ok(Err(failure)) => failure,
            Ok(Ok(_)) | Err(_) => too_few(0, wanted, time),
        }),
    }
}

fn too_few(alive: usize, wanted: usize, time: humantime::FormattedDuration) -> Failure {
    Failure::no(format!(
        "{alive} of {wanted} members are alive after {time}"
    ))
    .hint("see who is missing with `headcount members`, or wait longer with --timeout")
}

/// Who is alive, as the stream says.
#[derive(Debug, Default)]
struct Census(BTreeMap<String, bool>);

impl Census {
    fn count(&mut self, record: &Record, args: &Args) {
        if record.kind == "snapshot" {
            self.0.clear();
        }
        for member in record.everyone().iter().chain(&record.member) {
            let counts = member.is_alive() && has_tags(member, &args.tags);
            self.0.insert(member.name.clone(), counts);
        }
        if let ("removed", Some(member)) = (record.kind.as_str(), &record.member) {
            self.0.remove(&member.name);
        }
    }

    fn alive(&self) -> usize {
        self.0.values().filter(|counts| **counts).count()
    }
}

/// The stream tells of members that had the tags a moment ago, too.
fn has_tags(member: &Member, tags: &[String]) -> bool {
    let holds = |tag: &String| {
        let pair = tag.split_once(['=', ':']);
        pair.is_none_or(|(key, value)| member.tags.get(key).is_some_and(|held| held == value))
    };
    tags.iter().all(holds)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Args {
        Line::parse_from([&["members"], line].concat()).args
    }

    fn member(name: &str, state: &str) -> Member {
        Member {
            name: name.into(),
            address: "127.0.0.1:1".into(),
            state: state.into(),
            generation: 1,
            since: "2026-01-05T09:56:48Z".into(),
            ..Member::default()
        }
    }

    #[test]
    fn suspects_and_the_departed_have_notes() {
        let now = "2026-01-05T10:00:00Z".parse().unwrap();
        let mut tagged = member("n1", "alive");
        tagged.tags.insert("role".into(), "web".into());
        let mut suspect = member("n22", "suspect");
        suspect.by = Some("n1".into());
        suspect.evidence = Some("probe-timeout".into());
        suspect.deadline = Some("2026-01-05T10:00:03Z".into());
        let mut left = member("n3", "left");
        left.reason = Some("upgrade".into());
        let lines = table::lines(&rows(&[tagged, suspect, left], now));
        let lines: Vec<_> = lines
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        assert_eq!(
            lines,
            [
                "NAME  ADDRESS      STATE    GEN  INC  TAGS      SINCE      NOTE",
                "n1    127.0.0.1:1  alive    1    0    role=web  3m12s ago",
                "n22   127.0.0.1:1  suspect  1    0              3m12s ago  \
                 by n1 (probe-timeout), fails in 3s",
                "n3    127.0.0.1:1  left     1    0              3m12s ago  reason: upgrade",
            ]
        );
    }

    #[test]
    fn applications_have_a_column_when_there_are_any() {
        let now = "2026-01-05T10:00:00Z".parse().unwrap();
        let mut down = member("n1", "alive");
        down.app = Some("down".into());
        down.app_reason = Some("exited with status 3".into());
        let lines = table::lines(&rows(&[down, member("n2", "alive")], now));
        let plain = |line: &String| anstream::adapter::strip_str(line).to_string();
        assert_eq!(
            lines.iter().map(plain).collect::<Vec<_>>(),
            [
                "NAME  ADDRESS      STATE  APP   GEN  INC  TAGS  SINCE      NOTE",
                "n1    127.0.0.1:1  alive  down  1    0          3m12s ago  \
                 app: exited with status 3",
                "n2    127.0.0.1:1  alive        1    0          3m12s ago",
            ]
        );
    }

    #[test]
    fn the_census_follows_the_stream() {
        let mut census = Census::default();
        let args = args(&[]);
        let mut told = |line: &str| {
            census.count(&serde_json::from_str(line).unwrap(), &args);
            census.alive()
        };
        let n = |name: &str, state: &str| format!(r#"{{"name":"{name}","state":"{state}"}}"#);
        let change = |kind: &str, member: String| {
            format!(r#"{{"type":"{kind}","seq":2,"member":{member}}}"#)
        };
        let everyone = format!(
            r#"{{"type":"snapshot","members":[{},{}]}}"#,
            n("a", "alive"),
            n("b", "left")
        );
        assert_eq!(told(&everyone), 1);
        assert_eq!(told(&change("join", n("b", "alive"))), 2);
        assert_eq!(told(&change("join", n("c", "alive"))), 3);
        assert_eq!(told(&change("suspect", n("a", "suspect"))), 2);
        assert_eq!(told(r#"{"type":"healed","seq":3,"members":9}"#), 2);
        assert_eq!(told(&change("removed", n("c", "failed"))), 1);
        assert_eq!(told(&everyone), 1);
    }

    #[test]
    fn a_member_that_lost_the_tag_does_not_count() {
        let args = args(&["--tag", "role=db"]);
        let mut census = Census::default();
        let mut told = |role: &str| {
            let member = format!(r#"{{"name":"a","state":"alive","tags":{{"role":"{role}"}}}}"#);
            let line = format!(r#"{{"type":"update","seq":1,"member":{member}}}"#);
            census.count(&serde_json::from_str(&line).unwrap(), &args);
            census.alive()
        };
        assert_eq!(told("db"), 1);
        assert_eq!(told("web"), 0);
    }
}
