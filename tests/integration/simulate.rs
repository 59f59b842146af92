//! `headcount simulate` as people and programs meet it: every built-in scenario passes and says
//! what it said before, and what cannot be run is refused with what to change.

use std::{
    fs,
    ops::{ControlFlow, RangeInclusive},
    path::Path,
    process::{Command, Stdio},
};

use headcount::simulator::{Report, Scenario};
use serde_json::Value;

use crate::support::{Finished, Lab, finish, headcount, run};

/// Every key that the object has, in the order it has them.
const KEYS: [&str; 36] = [
    "app_news_ms",
    "bytes_per_node_per_s",
    "bytes_per_s_over_nodes",
    "converged",
    "convergence_ms",
    "crashes",
    "departed_failed",
    "distinct_views",
    "events",
    "failed_seeds",
    "failed_while_paused",
    "false_positives",
    "first_detection_ms",
    "flaps_of_others",
    "flaps_per_bad_node",
    "full_dissemination_ms",
    "interrupted",
    "learned_ms",
    "messages_per_node_per_s",
    "messages_per_s_over_nodes",
    "nodes",
    "peak_bytes_per_s_over_nodes",
    "peak_rss_mb",
    "scenario",
    "seed",
    "seeds",
    "seeds_run",
    "series",
    "simulated_s",
    "spread_ms",
    "trace_hash",
    "user_events_ms",
    "view",
    "violations",
    "wall_s",
    "warm_start_s",
];

#[track_caller]
fn json(args: &[&str]) -> Value {
    let said = run([&["simulate", "--json"], args].concat());
    assert_eq!(said.code(), 0, "{said:#?}");
    assert_eq!(said.stdout.lines().count(), 1, "{said:#?}");
    serde_json::from_str(&said.stdout).expect("one object")
}

/// What depends on this machine is one line.
fn without_speed(stdout: &str) -> String {
    let lines = stdout.lines().filter(|line| !line.starts_with("speed"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Runs `headcount simulate` with a scenario of this text.
fn simulate(text: &str, args: &[&str]) -> Finished {
    let lab = Lab::new();
    let file = lab.dir().join("mine.toml");
    fs::write(&file, text).expect("written");
    let mut command: Command = headcount();
    finish(command.arg("simulate").arg(&file).args(args))
}

#[test]
fn built_in_scenarios_pass_and_say_what_they_said_before() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/expected");
    for name in Scenario::built_ins() {
        let said = run(["simulate", name]);
        assert_eq!(said.code(), 0, "{said:#?}");
        let expected = fs::read_to_string(folder.join(format!("{name}.txt"))).expect(name);
        let seen = without_speed(&said.stdout);
        assert_eq!(
            seen, expected,
            "{name}: see simulations/README.md, golden tables"
        );
    }
}

#[test]
fn every_scenario_file_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations");
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("readable"));
    let paths = entries.map(|entry| entry.path());
    let scenarios = paths.filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let stem = |path: &Path| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let mut names: Vec<_> = scenarios.filter_map(|path| stem(&path)).collect();
    names.sort();
    let built_ins: Vec<_> = Scenario::built_ins().collect();
    assert_eq!(names, built_ins);
}

#[test]
fn json_is_one_object_with_every_key() {
    let object = json(&["crash", "--nodes", "16"]);
    let keys: Vec<_> = object.as_object().expect("an object").keys().collect();
    assert_eq!(keys, KEYS);
    assert_eq!(object["nodes"], 16);
    assert_eq!(object["converged"], true);
    assert_eq!(object["violations"], Value::Array(Vec::new()));
    assert!(object["simulated_s"].as_f64().expect("a number") >= 60.0);
    let detected = object["first_detection_ms"]["p50"]
        .as_f64()
        .expect("detected");
    let known = object["full_dissemination_ms"]["max"]
        .as_f64()
        .expect("known");
    // A probe, its time-out and the rest of the interval, then four intervals of suspicion.
    assert!((4_000.0..12_000.0).contains(&detected), "{detected}");
    assert!(known >= detected, "{known}");
}

#[test]
fn the_same_seed_gives_the_same_run_on_any_number_of_threads() {
    // Here one seed after the other on this thread; there on every core.
    let here = |name: &str, nodes, seeds: RangeInclusive<u64>| {
        let scenario = Scenario::built_in(name).unwrap().with_nodes(nodes).unwrap();
        let mut report = Report::default();
        for seed in seeds {
            report.add(&scenario.run(seed, &mut |_, _| ControlFlow::Continue(())));
        }
        Value::from(format!("{:016x}", report.trace_hash()))
    };
    let there = |args: &[&str]| json(args)["trace_hash"].clone();
    // Beyond 64 nodes only a sample is audited, drawn from the seed.
    let sampled = ["crash", "--nodes", "80", "--seed", "5"];
    assert_eq!(there(&sampled), here("crash", 80, 5..=5));
    let many = ["churn", "--nodes", "8", "--seeds", "6"];
    assert_eq!(there(&many), here("churn", 8, 1..=6));
    assert_ne!(there(&["crash"]), there(&["crash", "--seed", "2"]));
}

#[test]
fn many_seeds_are_one_report() {
    let object = json(&["crash", "--nodes", "8", "--seeds", "5"]);
    assert_eq!(object["seeds"], 5);
    assert_eq!(object["first_detection_ms"]["count"], 5);
    let said = run(["simulate", "crash", "--nodes", "8", "--seeds", "5"]);
    assert!(said.stdout.contains("PASSED 5 of 5 seeds"), "{said:#?}");
}

const CRASH: &str = "# A crash.\nnodes = 8\nduration = \"40s\"\n[[fault]]\nkind = \"crash\"\n\
                     at = \"5s\"\n";

#[test]
fn a_missed_expectation_is_a_no_with_a_line_to_reproduce_it() {
    let text = format!("{CRASH}[expect]\nfirst_detection_p99 = \"100ms\"\n");
    let said = simulate(&text, &["--seed", "9"]);
    assert_eq!(said.code(), 1, "{said:#?}");
    assert!(
        said.stdout
            .contains("FAILED seed 9: its first_detection_p99"),
        "{said:#?}"
    );
    assert!(
        said.stdout
            .contains("expected at most 100 ms in every seed"),
        "{said:#?}"
    );
    let reproduce = said
        .stdout
        .lines()
        .filter(|line| line.starts_with("reproduce: "));
    let reproduce: Vec<_> = reproduce.collect();
    assert!(
        reproduce.len() == 1 && reproduce[0].ends_with("--seed 9"),
        "{said:#?}"
    );
    let said = simulate(&text, &["--json"]);
    let object: Value = serde_json::from_str(&said.stdout).expect("one object");
    assert_eq!(
        (said.code(), &object["violations"][0]["promise"]),
        (1, &"expect".into())
    );
}

#[test]
fn what_cannot_be_run_names_key_value_and_what_is_allowed() {
    let refused = |text: &str, words: &[&str]| {
        let said = simulate(text, &[]);
        said.refused(2, words);
        said.refused(2, &["mine.toml"]);
        assert_eq!(said.stdout, "", "{text}");
    };
    refused("ndes = 8\n", &[":1", "`ndes`", "did you mean nodes"]);
    refused("nodes = 1\nduration = \"5s\"\n", &["nodes = 1", "2 to"]);
    refused("nodes = 99999999999\n", &[":1", "2 to 10000000"]);
    refused("nodes = 4\n", &["`duration` is not given"]);
    refused(
        "nodes = 4\nduration = \"-5s\"\n",
        &[":2", "duration = \"-5s\"", "0s to 31d"],
    );
    refused("nodes = 4\nduration = \"900h\"\n", &[":2", "900h", "31d"]);
    refused("nodes = [\n", &[":"]);
    let network = |line: &str| format!("nodes = 4\nduration = \"5s\"\n[network]\n{line}\n");
    refused(&network("loss = 1.5"), &[":4", "loss = 1.5", "0.0 to 1.0"]);
    refused(
        &network("latncy = \"1ms\""),
        &[":4", "latncy", "did you mean latency"],
    );
    refused(
        &network("latency = \"9ms..1ms\""),
        &[":4", "9ms..1ms", "shorter"],
    );
    let fault = |lines: &str| format!("nodes = 4\nduration = \"9s\"\n[[fault]]\n{lines}\n");
    refused(
        &fault("kind = \"crsh\"\nat = \"1s\""),
        &["crsh", "did you mean crash"],
    );
    refused(
        &fault("kind = \"crash\"\nat = \"1s\"\nnodes = 3"),
        &["of 4 nodes", "nodes 3"],
    );
    refused(
        &fault("kind = \"crash\"\nat = \"1s\"\nevery = \"1s\""),
        &["no `every`", "nodes"],
    );
    refused(
        &fault("kind = \"pause\"\nat = \"1s\""),
        &["fault 1", "needs `for`"],
    );
    refused(
        &fault("kind = \"crash\"\nat = \"10s\""),
        &["until 10s", "duration = 9s"],
    );
    let settings = "nodes = 4\nduration = \"5s\"\n[settings]\nprobe_timeout = \"2s\"\n";
    refused(settings, &["probe_timeout = 2s", "less than", "1s"]);
}

#[test]
fn names_and_sizes_that_cannot_be_are_refused() {
    run(["simulate", "crahs"]).refused(2, &["crahs", "did you mean crash", "swarm"]);
    run(["simulate", "absent/x.toml"]).refused(2, &["absent/x.toml"]);
    run(["simulate", "absent/crash.toml"]).refused(2, &["crash is built in"]);
    let strange = run(["simulate", "nosuch"]);
    strange.refused(2, &["nosuch", "Built in: announced_restarts"]);
    assert!(!strange.stderr.contains("did you mean"), "{strange:#?}");
    run(["simulate", "crash", "--nodes", "9000000"]).refused(2, &["9000000", "MB", "--view 128"]);
    run(["simulate", "crash", "--nodes", "20000000"]).refused(2, &["20000000", "2 to"]);
    run(["simulate", "swarm", "--nodes", "9"]).refused(2, &["swarm", "draws"]);
    for (flag, value, allowed) in [
        ("--nodes", "abc", "a whole number, 2 to 10000000"),
        ("--nodes", "-3", "2 to 10000000"),
        ("--seed", "x", "0 to 18446744073709551615"),
        ("--html", "-", "standard output"),
        ("--trace", "-", "standard output"),
        ("--seeds", "0", "1 to 10000000"),
        ("--view", "1.5", "1 to 10000000"),
        ("--duration", "soon", "a time such as 90s"),
    ] {
        run(["simulate", "crash", flag, value]).refused(2, &[flag, value, allowed]);
    }
}

#[test]
fn the_greatest_seed_runs_and_none_comes_after_it() {
    let greatest = [
        "simulate",
        "crash",
        "--nodes=4",
        "--seed=18446744073709551615",
    ];
    let said = run(greatest);
    assert!(said.stdout.contains("PASSED 1 of 1 seeds"), "{said:#?}");
    run([&greatest[..], &["--seeds=2"]].concat()).refused(2, &["too large"]);
}

#[test]
fn a_reader_who_goes_away_takes_no_failure_for_a_success() {
    let lab = Lab::new();
    let file = lab.dir().join("mine.toml");
    let text =
        "# A crash.\nnodes = 4\nduration = \"20s\"\n[expect]\nmessages_per_node_per_s = 0.1\n";
    fs::write(&file, text).expect("written");
    let mut command: Command = headcount();
    command.arg("simulate").arg(&file).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}

#[test]
fn a_bound_on_what_never_happened_is_missed() {
    let text = "# Nothing.\nnodes = 4\nduration = \"5s\"\n[expect]\nfirst_detection_p99 = \"5s\"\n";
    let said = simulate(text, &[]);
    said.refused(1, &["1 of 1 seeds failed"]);
    assert!(
        said.stdout
            .contains("first_detection_p99 is never measured"),
        "{said:#?}"
    );
}

#[test]
fn a_longer_run_lets_more_nodes_restart() {
    run(["simulate", "rolling_restart", "--nodes", "61"])
        .refused(2, &["--duration makes it longer"]);
    let longer = [
        "simulate",
        "rolling_restart",
        "--nodes",
        "61",
        "--duration",
        "3m",
    ];
    let said = run(longer);
    assert_eq!(said.code(), 0, "{said:#?}");
    run(["simulate", "swarm", "--duration", "3m"]).refused(2, &["duration = 3m"]);
    run(["simulate", "crash", "--duration", "40d"])
        .refused(2, &["duration = 1month 9days", "1ms to 31d"]);
}
