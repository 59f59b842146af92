//! `headcount bench` with real agents: its numbers, its page, and what it does where something is
//! missing.

#[path = "../../benches/budgets/promises.rs"]
mod promises;

use std::{fs, path::Path};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Finished, Lab, Running, finish, have, headcount, run, until};

/// The smallest bench there is.
const SMALL: [&str; 7] = [
    "bench",
    "--nodes=3",
    "--repetitions=1",
    "--time=1s",
    "--versus=serf",
    "--phases",
    "event,leave",
];

fn object(finished: &Finished) -> Value {
    assert_eq!(finished.code(), 0, "{finished:#?}");
    serde_json::from_str(&finished.stdout).expect("one object and nothing else")
}

/// `numbers` are a distribution of at least one.
#[track_caller]
fn assert_distribution(numbers: &Value) {
    let at = |key: &str| {
        numbers[key]
            .as_f64()
            .unwrap_or_else(|| panic!("no {key}: {numbers}"))
    };
    assert!(at("n") >= 1.0, "{numbers}");
    assert!(
        at("p50") <= at("p99") && at("p99") <= at("max"),
        "{numbers}"
    );
}

#[test]
fn every_phase_is_measured() {
    let args = [
        "bench",
        "--nodes=3",
        "--repetitions=1",
        "--profile=local",
        "--time=1s",
        "--json",
    ];
    let finished = run(args);
    let object = object(&finished);
    for metric in [
        "bootstrap_cpu_ms",
        "bootstrap_ms",
        "crash_first_ms",
        "crash_last_ms",
        "crash_suspect_ms",
        "event_last_ms",
        "harness_error_ms",
        "leave_last_ms",
        "pause_failures",
        "pause_tellers",
        "rejoin_last_ms",
        "restart_last_ms",
        "steady_cpu_s_per_min",
        "steady_datagram_bytes_per_s",
        "steady_datagrams_per_s",
        "steady_rss_mib",
    ] {
        assert_distribution(&object[metric]);
    }
    let is_told = finished.stderr.contains("no network namespaces");
    for metric in ["heal_ms", "steady_bytes_per_s", "steady_packets_per_s"] {
        match is_told {
            true => assert!(object[metric].is_null(), "{object}"),
            false => assert_distribution(&object[metric]),
        }
    }
    assert!(
        object["serf"].is_null() && object["ratios"].is_null(),
        "{object}"
    );
}

#[test]
fn without_serf_its_column_is_missing_and_the_bench_is_not() {
    let lab = Lab::new();
    let mut command = headcount();
    // No program at all is found there.
    command.args(SMALL).arg("--json").env("PATH", lab.dir());
    let finished = finish(&mut command);
    let object = object(&finished);
    assert!(
        finished.stderr.contains("serf is not installed"),
        "{finished:#?}"
    );
    assert!(object["serf"].is_null(), "{object}");
    assert_distribution(&object["leave_last_ms"]);
    assert!(object["crash_last_ms"].is_null(), "not asked for: {object}");
}

#[test]
fn serf_is_measured_beside() {
    if !have("serf", "bench is not tested beside it") {
        return;
    }
    let lab = Lab::new();
    let page = lab.dir().join("page.html");
    let mut command = headcount();
    command.args(SMALL).arg("--json").arg("--html").arg(&page);
    let object = object(&finish(&mut command));
    for metric in ["bootstrap_ms", "event_last_ms", "leave_last_ms"] {
        assert_distribution(&object[metric]);
        assert_distribution(&object["serf"][metric]);
        let ratio = &object["ratios"][metric];
        assert!(
            ratio["min"].as_f64() <= ratio["of_medians"].as_f64(),
            "{metric}: {ratio}"
        );
        assert!(
            ratio["of_medians"].as_f64() <= ratio["max"].as_f64(),
            "{metric}: {ratio}"
        );
    }
    assert!(object["versions"]["serf"].is_string(), "{object}");
    let page = fs::read_to_string(page).expect("a page");
    for needed in [
        "<svg",
        "serf, repetition 1: ",
        "headcount, repetition 1: ",
        "</html>",
    ] {
        assert!(page.contains(needed), "no {needed} in the page");
    }
    for outside in ["http://", "https://", "src=", "<link"] {
        assert!(!page.contains(outside), "{outside} in the page");
    }
}

#[test]
fn an_interrupted_bench_prints_what_it_has_and_leaves_nobody_behind() {
    let lab = Lab::new();
    let mut command = headcount();
    command.args([
        "bench",
        "--nodes=3",
        "--repetitions=9",
        "--time=1h",
        "--profile=local",
    ]);
    command
        .args(["--phases=steady", "--json"])
        .env("TMPDIR", lab.dir());
    let out = fs::File::create(lab.dir().join("out")).expect("a file");
    let err = fs::File::create(lab.dir().join("err")).expect("a file");
    let mut running = Running::start(command.stdout(out).stderr(err));
    let agents = || {
        let entries = fs::read_dir(lab.dir()).expect("a folder").flatten();
        entries
            .filter(|entry| entry.path().join("n3.sock").exists())
            .count()
    };
    until("the agents run", || (agents() > 0).then_some(()));
    running.signal(Signal::INT);
    assert_eq!(running.end().code(), Some(1));
    let said = fs::read_to_string(lab.dir().join("err")).expect("text");
    assert!(said.contains("interrupted"), "{said}");
    let object = fs::read_to_string(lab.dir().join("out")).expect("text");
    let object: Value = serde_json::from_str(&object).expect("one object");
    assert_distribution(&object["harness_error_ms"]);
    assert_eq!(agents(), 0, "their files are gone");
}

#[test]
fn what_cannot_be_is_refused_before_anything_runs() {
    let bench = |args: &[&str]| run(["bench"].iter().chain(args));
    bench(&["--nodes", "2"]).refused(2, &["--nodes", "3 to 200"]);
    bench(&["--repetitions", "0"]).refused(2, &["--repetitions", "1 to 1000"]);
    bench(&["--time", "0s"]).refused(2, &["--time", "1s to 1h"]);
    bench(&["--phases", "crahs"]).refused(2, &["--phases", "did you mean crash?", "partition"]);
    bench(&["--versus", "consul"]).refused(2, &["--versus", "serf"]);
    bench(&["--html", "/absent/page.html"]).refused(2, &["--html", "/absent/page.html"]);
}

#[test]
fn promises_in_the_readme_are_those_that_are_checked() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(path).expect("README.md");
    let (_, table) = text.split_once("| promise | at most |").expect("the table");
    let table = table.trim_start().lines().skip(1);
    let shown: Vec<_> = table.take_while(|line| line.starts_with('|')).collect();
    let row = |promise: promises::Promise| format!("| {} | {} |", promise.what, promise.most);
    assert_eq!(
        shown,
        promises::all().into_iter().map(row).collect::<Vec<_>>()
    );
}

#[test]
fn every_promise_is_of_something_that_is_measured() {
    let source = include_str!("../../src/cli/bench/metric.rs");
    for promise in promises::all() {
        assert!(
            source.contains(&format!("\"{}\"", promise.metric)),
            "{promise:?}"
        );
    }
}
