//! `headcount status`: how the agent itself is doing.

use super::{
    Failure, Output, Target,
    moment::span,
    output::{shown, style},
    table::{self, Cell},
    tag_list::{self, Extent},
};
use crate::client::{App, Counts, Status};

/// Show how the agent itself is doing
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// Print the agent's JSON answer
    #[arg(long)]
    json: bool,
    /// Exit with 1 unless its health is ok
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let status = args.target.client()?.status().await?;
    if args.json {
        output.data(status.json())?;
    } else {
        for line in table::lines(&rows(&status)) {
            output.data(line)?;
        }
    }
    match args.check && status.health != "ok" {
        true => Err(Failure::no(format!("the agent is {}", status.health))),
        false => Ok(()),
    }
}

/// What people ask first comes first. What there is nothing to say of is left out.
fn rows(status: &Status) -> Vec<Vec<Cell>> {
    let http = status
        .http
        .map_or_else(String::new, |http| http.to_string());
    let rows = [
        ("name", text(&status.name)),
        ("health", health(status)),
        ("members", counts(status)),
        ("cluster", text(&status.cluster)),
        ("address", status.address.to_string().into()),
        ("seen as", seen_as(status)),
        ("tags", tag_list::tags(&status.tags, Extent::Whole).into()),
        (
            "app",
            status
                .app()
                .map_or_else(|| "".into(), |app| self::app(&app)),
        ),
        ("id", text(&status.id)),
        ("generation", status.generation.to_string().into()),
        ("incarnation", status.incarnation.to_string().into()),
        ("gossip", gossip(status)),
        ("profile", text(&status.profile)),
        ("uptime", span(status.uptime.as_secs()).into()),
        ("socket", text(&status.socket.display().to_string())),
        ("http", http.into()),
        ("subscribers", status.subscribers.to_string().into()),
        (
            "epoch:seq",
            text(&format!("{}:{}", status.epoch, status.seq)),
        ),
        ("version", text(&status.version)),
        ("pid", status.pid.to_string().into()),
    ];
    let told = rows.into_iter().filter(|(_, cell)| !cell.is_empty());
    told.map(|(label, cell)| vec![label.into(), cell]).collect()
}

fn seen_as(status: &Status) -> Cell {
    match status.seen_as {
        Some(address) => Cell::styled(address.to_string(), style("suspect")),
        None => "".into(),
    }
}

fn gossip(status: &Status) -> Cell {
    match &status.key {
        Some(key) => text(&format!("{} with key {key}", status.gossip)),
        None => text(&status.gossip),
    }
}

fn text(text: &str) -> Cell {
    shown(text).into()
}

fn health(status: &Status) -> Cell {
    let (word, reasons) = (&status.health, &status.health_reasons);
    let style = style(if word == "ok" { "alive" } else { "suspect" });
    match reasons.is_empty() {
        true => Cell::styled(shown(word), style),
        false => Cell::styled(shown(&format!("{word}: {}", reasons.join("; "))), style),
    }
}

fn counts(status: &Status) -> Cell {
    let Counts {
        alive,
        suspect,
        failed,
        left,
    } = status.counts;
    let restarting = match status.restarting {
        0 => String::new(),
        restarting => format!(" ({restarting} restarting)"),
    };
    format!("{alive} alive{restarting}, {suspect} suspect, {failed} failed, {left} left").into()
}

fn app(app: &App) -> Cell {
    let style = style(if *app == App::Up { "alive" } else { "failed" });
    match app.reason() {
        Some(reason) => Cell::styled(shown(&format!("down: {reason}")), style),
        None => Cell::styled(shown(app.as_str()), style),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_shows_what_is_there() {
        let status = json!({
            "name": "n1", "id": "1f", "generation": 2, "incarnation": 0,
            "address": "127.0.0.1:7946", "cluster": "default", "version": "0.1.0",
            "health": "isolated", "health_reasons": ["nobody", "no disk"], "gossip": "sealed",
            "key": "3f2a91bc", "profile": "lan",
            "uptime_s": 192, "http": null,
            "epoch": "5f", "seq": 4, "pid": 77, "bind": "127.0.0.1:7946",
            "app": "down", "app_reason": "killed by signal 9", "socket": "/run/x.sock",
            "counts": {"alive": 2, "suspect": 0, "failed": 2, "left": 0}, "restarting": 1,
            "tags": {"role": "web"}, "subscribers": 3,
        });
        let lines = table::lines(&rows(&serde_json::from_value(status).unwrap()));
        let strip = |line: &String| anstream::adapter::strip_str(line).to_string();
        let plain: Vec<_> = lines.iter().map(strip).collect();
        assert_eq!(
            plain,
            [
                "name         n1",
                "health       isolated: nobody; no disk",
                "members      2 alive (1 restarting), 0 suspect, 2 failed, 0 left",
                "cluster      default",
                "address      127.0.0.1:7946",
                "tags         role=web",
                "app          down: killed by signal 9",
                "id           1f",
                "generation   2",
                "incarnation  0",
                "gossip       sealed with key 3f2a91bc",
                "profile      lan",
                "uptime       3m12s",
                "socket       /run/x.sock",
                "subscribers  3",
                "epoch:seq    5f:4",
                "version      0.1.0",
                "pid          77",
            ]
        );
    }
}
