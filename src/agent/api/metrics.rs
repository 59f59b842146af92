//! `GET /metrics`: Prometheus text.

use std::{
    fmt::{Display, Write},
    sync::Arc,
};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    agent::{outputs::Tally, shared::Shared},
    swim::Junk,
};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text(&shared)).into_response()
}

fn text(shared: &Shared) -> String {
    let mut page = Page::default();
    process(&mut page, shared);
    feed(&mut page, shared);
    traffic(&mut page, shared);
    outputs(&mut page, &shared.outputs);
    protocol(&mut page, shared);
    events(&mut page, shared);
    page.0
}

fn feed(page: &mut Page, shared: &Shared) {
    let (counts, restarting, seq, isolated, degraded) = {
        let feed = shared.feed();
        let (isolated, degraded) = (feed.isolated(), feed.degraded());
        (
            feed.counts(),
            feed.restarting(),
            feed.seq(),
            isolated,
            degraded,
        )
    };
    page.head("members", "gauge", "Members by state, this agent included");
    let states = [
        ("alive", counts.alive),
        ("suspect", counts.suspect),
        ("failed", counts.failed),
        ("left", counts.left),
    ];
    for (state, number) in states {
        page.labelled("members", ("state", state), number);
    }
    let help = "Members alive that announced a restart and are not back yet";
    page.gauge("members_restarting", help, restarting);
    page.counter("changes_total", "Changes published", seq);
    page.gauge("seq", "Number of the newest change", seq);
    let isolated = u8::from(isolated);
    page.gauge("isolated", "1 while every other member is lost", isolated);
    let (degraded, help) = (u8::from(degraded), "1 while this agent doubts itself");
    page.gauge("degraded", help, degraded);
    let subscribers = shared.subscribers();
    page.gauge("subscribers", "Open change streams", subscribers);
    let gaps = shared.tallies.gaps.get();
    let help = "Gaps told to streams that fell behind the history";
    page.counter("gaps_total", help, gaps);
    let stuck = shared.tallies.stuck.get();
    let help = "Connections closed because nothing was read for 60 s";
    page.counter("connections_stuck_total", help, stuck);
    let help = "Attempts to accept a connection that failed, at any socket";
    let failed = shared.tallies.unaccepted.attempts();
    page.counter("accepts_failed_total", help, failed);
}

fn process(page: &mut Page, shared: &Shared) {
    let uptime = shared.clock.uptime().as_secs();
    page.gauge("uptime_seconds", "Time since the start", uptime);
    let data_dir = &shared.tallies.data_dir;
    let help = "Failed attempts to write to the data directory";
    page.counter("data_dir_failures_total", help, data_dir.failures());
    let (failing, help) = (u8::from(data_dir.is_failing()), "1 while they fail");
    page.gauge("data_dir_failing", help, failing);
    let is_behind = u8::from(shared.key_file_is_behind());
    let help = "1 while the key file lacks what became of this agent's keys";
    page.gauge("key_file_behind", help, is_behind);
}

fn traffic(page: &mut Page, shared: &Shared) {
    let vitals = *shared.vitals();
    let node = &vitals.node;
    page.head("datagrams_total", "counter", "Datagrams, junk included");
    let received = ("direction", "received");
    let sent = ("direction", "sent");
    page.labelled("datagrams_total", received, node.datagrams_received);
    page.labelled("datagrams_total", sent, node.datagrams_sent);
    page.head("datagram_bytes_total", "counter", "Bytes of datagrams");
    page.labelled("datagram_bytes_total", received, node.bytes_received);
    page.labelled("datagram_bytes_total", sent, node.bytes_sent);
    let help = "Datagrams and frames thrown away, whole or in part, by reason";
    page.head("junk_total", "counter", help);
    for reason in Junk::ALL {
        page.labelled("junk_total", ("reason", reason.as_str()), node.junk(reason));
    }
    let help = "Answers to strangers that were not sent, as there had been too many";
    page.counter("answers_withheld_total", help, node.answers_withheld);
    let help = "Errors of the gossip socket";
    page.head("socket_errors_total", "counter", help);
    page.labelled("socket_errors_total", received, vitals.receive_errors);
    page.labelled("socket_errors_total", sent, vitals.send_errors);
    page.gauge(
        "streams",
        "Open streams between agents",
        vitals.streams_open,
    );
    let help = "Streams this agent opened";
    page.counter("streams_opened_total", help, vitals.streams_opened);
    let help = "Connections that had not said who they are, closed to make room for others";
    page.counter(
        "streams_gave_way_total",
        help,
        shared.tallies.gave_way.get(),
    );
}

fn outputs(page: &mut Page, tally: &Tally) {
    let help = "Runs of hooks, repeated ones included";
    page.counter("hooks_run_total", help, tally.hooks_run.get());
    let help = "Runs of hooks that failed or took too long";
    page.counter("hooks_failed_total", help, tally.hooks_failed.get());
    let help = "Of those, runs whose command was not there or may not be run";
    page.counter("hooks_absent_total", help, tally.hooks_absent.get());
    let help = "Files of members that were replaced";
    page.counter("files_written_total", help, tally.files_written.get());
    let help = "Files of members that could not be replaced, and reloads that failed";
    page.counter("files_failed_total", help, tally.files_failed.get());
}

fn protocol(page: &mut Page, shared: &Shared) {
    let node = shared.vitals().node;
    page.counter("probes_total", "Probes sent", node.probes);
    let help = "Probes of this agent that nobody answered";
    page.counter("probes_failed_total", help, node.probes_failed);
    let help = "Accusations of this agent that it refuted";
    page.counter("refutations_total", help, node.refutations);
    let help = "Claims of members thrown away as there were max-members";
    page.counter("members_refused_total", help, node.members_refused);
    let help = "State exchanges completed";
    page.counter("exchanges_total", help, node.exchanges);
    let help = "False failures of this agent that it outlived";
    page.counter("renewals_total", help, node.renewals);
    let is_elsewhere = u8::from(node.seen_elsewhere.is_some());
    let help = "1 while a peer sees this agent elsewhere than it advertises";
    page.gauge("seen_elsewhere", help, is_elsewhere);
    let help = "Bugs: misuse that the engine reported";
    page.counter("engine_errors_total", help, node.engine_errors);
}

fn events(page: &mut Page, shared: &Shared) {
    let events = shared.vitals().node.events;
    let help = "User events raised at this agent";
    page.counter("user_events_raised_total", help, events.raised);
    let help = "User events told, those of this agent included";
    page.counter("user_events_told_total", help, events.told);
    let help = "Copies of user events that were known already";
    page.counter("user_events_duplicate_total", help, events.duplicates);
    let help = "User events that came too late or for which there was no room";
    page.counter("user_events_missed_total", help, events.missed);
    let help = "User events thrown away: of strangers, too old, too large, absurd";
    page.counter("user_events_refused_total", help, events.refused);
    let help = "User events kept for members that missed them";
    page.gauge("user_events_kept", help, events.kept);
    let help = "Memory that kept user events take";
    page.gauge("user_events_kept_bytes", help, events.kept_bytes);
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP headcount_{name} {help}"));
        self.line(format_args!("# TYPE headcount_{name} {kind}"));
    }

    fn labelled(&mut self, name: &str, (label, value): (&str, &str), number: impl Display) {
        self.line(format_args!(
            "headcount_{name}{{{label}=\"{value}\"}} {number}"
        ));
    }

    fn counter(&mut self, name: &str, help: &str, number: impl Display) {
        self.head(name, "counter", help);
        self.line(format_args!("headcount_{name} {number}"));
    }

    fn gauge(&mut self, name: &str, help: &str, number: impl Display) {
        self.head(name, "gauge", help);
        self.line(format_args!("headcount_{name} {number}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a string takes whatever is written");
    }
}
