//! What `headcount simulate` writes beside its report: a page and a trace. And that its numbers
//! agree with each other.

use std::{fs, path::PathBuf};

use headcount::simulator::Scenario;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Finished, Lab, Running, Stopwatch, finish, headcount, until};

/// A folder to write into.
struct Desk(Lab);

impl Desk {
    fn new() -> Self {
        Self(Lab::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.dir().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.dir()).expect("a folder");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry.expect("readable")))
            .collect();
        names.sort();
        names
    }

    /// Runs `headcount simulate` in the folder.
    fn simulate(&self, args: &[&str]) -> Finished {
        let mut command = headcount();
        finish(command.arg("simulate").args(args).current_dir(self.0.dir()))
    }

    #[track_caller]
    fn passes(&self, args: &[&str]) -> String {
        let said = self.simulate(args);
        assert_eq!(said.code(), 0, "{said:#?}");
        said.stdout
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let said = self.passes(&[&["--json"], args].concat());
        serde_json::from_str(&said).expect("one object")
    }
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("a number: {value}"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}

#[test]
fn the_page_needs_nothing_and_takes_nothing_for_markup() {
    let desk = Desk::new();
    let name = "a<b>&\"it's\".toml";
    let text = "# Ends </style><script>alert(1)</script> badly.\nnodes = 6\nduration = \"30s\"\n\
                [[fault]]\nkind = \"crash\"\nat = \"5s\"\n";
    fs::write(desk.path(name), text).expect("written");
    desk.passes(&[name, "--seeds", "3", "--html", "page.html"]);
    let page = desk.read("page.html");
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"),
        "{page}"
    );
    for reach in [
        "http:", "https:", "src=", "href=", "@import", "url(", "fetch(",
    ] {
        assert!(!page.contains(reach), "{reach} in {page}");
    }
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert!(
        !page.contains("<b>") && page.contains("a&lt;b&gt;&amp;"),
        "{page}"
    );
    assert!(
        page.contains("&lt;/style&gt;&lt;script&gt;alert(1)"),
        "{page}"
    );
    for shown in [
        "PASSED 3 of 3 seeds",
        "--seed 1 --seeds 3<",
        "Infection curve",
        "Detection",
        "Bandwidth over time",
        "Distinct views over time",
        "First detection by seed",
        "<title>seed 2: ",
        "prefers-color-scheme: dark",
        "crash at 5s",
    ] {
        assert!(page.contains(shown), "no {shown} in {page}");
    }
    assert_eq!(desk.names(), [name, "page.html"]);
}

#[test]
fn a_seed_that_failed_says_so_on_the_page() {
    let desk = Desk::new();
    let text =
        "# Too much.\nnodes = 6\nduration = \"30s\"\n[expect]\nmessages_per_node_per_s = 0.1\n";
    fs::write(desk.path("loud.toml"), text).expect("written");
    let said = desk.simulate(&[
        "loud.toml",
        "--seed",
        "7",
        "--seeds",
        "2",
        "--html",
        "page.html",
    ]);
    assert_eq!(said.code(), 1, "{said:#?}");
    let page = desk.read("page.html");
    assert!(
        page.contains("FAILED seed 7: its messages_per_node_per_s"),
        "{page}"
    );
    assert!(
        page.contains("headcount simulate loud.toml --seed 7"),
        "{page}"
    );
    assert!(page.contains(", failed</title>"), "{page}");
}

#[test]
fn the_trace_tells_of_those_it_was_asked_for_in_order() {
    let desk = Desk::new();
    let args = ["crash", "--nodes", "8", "--trace", "trace.txt"];
    desk.passes(&[&args[..], &["--trace-nodes", "n0,n3"]].concat());
    let trace = desk.read("trace.txt");
    assert!(
        trace.starts_with("# headcount simulate crash --nodes 8 --seed 1\n"),
        "{trace}"
    );
    let lines: Vec<Vec<&str>> = trace
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let times: Vec<f64> = lines
        .iter()
        .map(|line| line[0].parse().expect("a time"))
        .collect();
    assert!(times.is_sorted());
    let about = |who: &str| lines.iter().filter(|line| line[1] == who).count();
    assert!(about("n0") > 10 && about("n3") > 10, "{trace}");
    assert_eq!(about("n1"), 0, "{trace}");
    for told in ["gets ", "sends ", "tells suspect", "tells failed"] {
        assert!(trace.contains(told), "no {told} in {trace}");
    }
    desk.passes(&args);
    let trace = desk.read("trace.txt");
    assert!(
        trace.contains("fault    the host of ") && trace.contains("ends: it was killed"),
        "{trace}"
    );
    desk.passes(&args);
    assert_eq!(desk.read("trace.txt"), trace);
}

#[test]
fn a_trace_does_not_change_the_run() {
    let desk = Desk::new();
    let hash = |args: &[&str]| desk.json(args)["trace_hash"].clone();
    for scenario in ["churn", "swarm"] {
        let told = hash(&[scenario, "--trace", "trace.txt"]);
        assert_eq!(told, hash(&[scenario]));
        assert!(desk.read("trace.txt").lines().count() > 10);
    }
}

#[test]
fn what_contradicts_itself_or_cannot_be_written_is_refused_before_anything_runs() {
    let desk = Desk::new();
    fs::create_dir(desk.path("folder")).expect("made");
    fs::write(
        desk.path("mine.toml"),
        "# Mine.\nnodes = 4\nduration = \"5s\"\n",
    )
    .expect("written");
    let refused = |args: &[&str], words: &[&str]| {
        let said = desk.simulate(args);
        said.refused(2, words);
        assert_eq!(said.stdout, "", "{args:?}");
    };
    refused(
        &["crash", "--html", "absent/p.html"],
        &["--html", "absent/p.html", "no such folder"],
    );
    refused(
        &["crash", "--html", "folder"],
        &["--html", "folder", "directory"],
    );
    refused(
        &["crash", "--html", "/dev/null"],
        &["--html", "/dev/null", "plain"],
    );
    refused(&["crash", "--trace", "absent/t"], &["--trace", "absent/t"]);
    refused(
        &["crash", "--trace", "t", "--seeds", "2"],
        &["--trace", "--seeds is 2", "hint"],
    );
    refused(
        &["crash", "--trace", "t", "--trace-nodes", "n0,n99"],
        &["--trace-nodes n99", "n0"],
    );
    refused(&["crash", "--trace-nodes", "n0"], &["--trace"]);
    refused(
        &["crash", "--trace", "one", "--html", "./one"],
        &["--trace", "same file", "--html"],
    );
    refused(
        &["./mine.toml", "--html", "folder/../mine.toml"],
        &["same file", "mine.toml"],
    );
    assert!(desk.read("mine.toml").starts_with("# Mine."));
    assert_eq!(desk.names(), ["folder", "mine.toml"]);
}

#[test]
fn a_file_does_not_take_a_built_ins_name() {
    let desk = Desk::new();
    for name in ["crash", "mine"] {
        fs::write(desk.path(name), "# Mine.\nnodes = 2\nduration = \"1s\"\n").expect("written");
    }
    assert!(desk.passes(&["crash"]).contains("crash: One node of 32"));
    for path in ["./crash", "mine"] {
        assert!(desk.passes(&[path]).contains(": Mine."), "{path}");
    }
}

#[test]
fn who_interrupts_gets_the_report_of_what_ran() {
    for signal in [Signal::INT, Signal::TERM] {
        reports_after(signal);
    }
}

fn reports_after(signal: Signal) {
    let desk = Desk::new();
    let said = fs::File::create(desk.path("said")).expect("a file");
    let mut command = headcount();
    let args = [
        "simulate",
        "swarm",
        "--seeds",
        "10000000",
        "--html",
        "page.html",
    ];
    command.args(args).current_dir(desk.path("")).stdout(said);
    let mut running = Running::start(&mut command);
    until("the settings", || {
        desk.read("said").contains("nodes").then_some(())
    });
    running.signal(signal);
    assert_eq!(running.end().code(), Some(1));
    assert!(desk.read("said").contains("INTERRUPTED after "));
    assert!(desk.read("page.html").contains("INTERRUPTED after "));
}

#[test]
fn numbers_that_say_the_same_agree() {
    let desk = Desk::new();
    let watch = Stopwatch::start();
    let object = desk.json(&["mass_crash", "--nodes", "16", "--seeds", "4"]);
    let outside = watch.elapsed().as_secs_f64();
    let wall = number(&object["wall_s"]) + number(&object["warm_start_s"]);
    assert!(wall > 0.0 && wall <= outside, "{wall} of {outside}");
    // A quarter of 16 crash in each of four seeds, and all that survive tell of each.
    let crashes = &object["crashes"];
    assert_eq!(
        (&crashes["total"], &crashes["missing"]),
        (&16.into(), &0.into())
    );
    assert!(number(&crashes["told"]) >= 16.0 * 12.0, "{crashes}");
    assert_eq!(object["learned_ms"]["count"], crashes["told"]);
    assert_eq!(object["spread_ms"]["count"], crashes["told"]);
    assert_eq!(
        object["learned_ms"]["max"],
        object["full_dissemination_ms"]["max"]
    );
    assert!(number(&object["spread_ms"]["max"]) < number(&object["learned_ms"]["max"]));
    assert_eq!(object["flaps_per_bad_node"]["count"], 16);
    assert_eq!(object["messages_per_s_over_nodes"]["count"], 64);
    let series = &object["series"];
    let views = numbers(&series["distinct_views_max"]);
    let most = views.iter().copied().fold(0.0, f64::max);
    assert_eq!(most, number(&object["distinct_views"]["max"]));
    assert_eq!(views.last(), Some(&1.0));
    for (series, mean) in [
        (
            &series["messages_per_node_per_s"],
            &object["messages_per_node_per_s"],
        ),
        (
            &series["bytes_per_node_per_s"],
            &object["bytes_per_node_per_s"],
        ),
    ] {
        let (numbers, mean) = (numbers(series), number(mean));
        let over_time = numbers.iter().sum::<f64>() / numbers.len() as f64;
        assert!(
            (over_time / mean - 1.0).abs() < 0.1,
            "{over_time} and {mean}"
        );
    }
}

#[test]
fn every_built_in_scenario_has_a_page() {
    let desk = Desk::new();
    for name in Scenario::built_ins() {
        desk.passes(&[name, "--html", "page.html"]);
        let page = desk.read("page.html");
        assert!(page.contains("Distinct views over time"), "{name}");
        assert!(!page.contains("NaN"), "{name}");
    }
}

#[test]
fn a_full_disk_takes_no_verdict_away() {
    let desk = Desk::new();
    let text = "# A crash.\nnodes = 4\nduration = \"20s\"\n";
    let strict = format!("{text}[expect]\nmessages_per_node_per_s = 0.1\n");
    fs::write(desk.path("passes.toml"), text).expect("written");
    fs::write(desk.path("fails.toml"), strict).expect("written");
    let full = |file| desk.simulate(&[file, "--trace", "/dev/full"]);
    full("passes.toml").refused(2, &["--trace: cannot write /dev/full"]);
    let failed = full("fails.toml");
    failed.refused(
        1,
        &["1 of 1 seeds failed", "--trace: cannot write /dev/full"],
    );
    assert!(failed.stdout.contains("FAILED seed 1"), "{failed:#?}");
}
