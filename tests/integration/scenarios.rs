//! What a scenario's file may say of networks, zones, rules and faults, and what it may not.

use headcount::simulator::Scenario;

/// A scenario of eight nodes and 20 s with these further lines.
fn parse(lines: &str) -> Result<Scenario, String> {
    let text = format!("# A test.\nnodes = 8\nduration = \"20s\"\n{lines}\n");
    Scenario::parse("mine.toml", &text)
        .map_err(|error| format!("{error} {}", error.advice().unwrap_or_default()))
}

#[track_caller]
fn refused(lines: &str, words: &[&str]) {
    let error = parse(lines).expect_err(lines);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("mine.toml"), "{error}");
    for word in words {
        assert!(error.contains(word), "{lines}\n{error}\nlacks {word}");
    }
}

/// What `headcount simulate` would say of the settings with this label.
fn setting(scenario: &Scenario, label: &str) -> Vec<String> {
    let rows = scenario.settings().into_iter();
    rows.filter(|row| row.0 == label).map(|row| row.1).collect()
}

#[test]
fn a_network_is_refused_with_line_key_value_and_range() {
    let network = |line: &str| format!("[network]\n{line}");
    for (line, words) in [
        ("loss = -0.5", ["loss = -0.5", "0.0 to 1.0"]),
        ("los = 0.5", ["unknown key `los`", "did you mean loss"]),
        ("mtu = 9", ["mtu = 9", "576 to 65535"]),
        ("mtu = -1", ["mtu = -1", "576 to 65535"]),
        ("dial_failures = 2", ["dial_failures = 2", "0.0 to 1.0"]),
        (
            "dial_failure = 0.2",
            ["unknown key `dial_failure`", "did you mean dial_failures"],
        ),
        (
            "latency = \"2s..1s\"",
            ["2s..1s", "begins with the shorter"],
        ),
        ("latency = \"-2s\"", ["-2s", "0s to 31d"]),
        ("link = 1", ["link = 1", "takes a text in quotes"]),
        (
            "link = \"1Gb\"",
            ["\"1Gb\"", "\"1kbit/s\" to \"1000Gbit/s\""],
        ),
        ("latency = 3", ["latency = 3", "\"1ms..5ms\""]),
        (
            "latency = { median = \"1ms\" }",
            ["median = \"1ms\"", "either p99 or sigma"],
        ),
        (
            "latency = { median = \"1ms\", p98 = \"2ms\" }",
            ["unknown key `p98`", "did you mean p99"],
        ),
        (
            "latency = { median = \"9ms\", p99 = \"2ms\" }",
            ["9ms", "1 to 1000 times the median"],
        ),
        (
            "latency = { median = \"9ms\", sigma = 4 }",
            ["sigma = 4", "0.0 to 3.0"],
        ),
        (
            "bursts = { share = 0.95, mean = \"1s\" }",
            ["share = 0.95", "0.0 to 0.9"],
        ),
        (
            "bursts = { share = 0.5, mean = \"0s\" }",
            ["mean = \"0s\"", "1ms to 31d"],
        ),
        ("bursts = { share = 0.5 }", ["share = 0.5", "lacks `mean`"]),
    ] {
        refused(&network(line), &words);
        refused(&network(line), &["mine.toml:5"]);
    }
}

#[test]
fn zones_that_cannot_be_are_refused() {
    let zones = |names: [&str; 2], more: &str| {
        let [one, other] = names;
        format!("[[zone]]\nname = \"{one}\"\nnodes = 3\n[[zone]]\nname = \"{other}\"\n{more}")
    };
    refused(&zones(["a", "a"], ""), &["zone `a`", "two with this name"]);
    refused(&zones(["n3", "b"], ""), &["zone `n3`", "a node's name"]);
    refused(&zones(["", "b"], ""), &["zone ``", "letters"]);
    refused(&zones(["a", "b"], "nodes = 5"), &["zone b", "no `nodes`"]);
    refused(
        "[[zone]]\nname = \"a\"\n[[zone]]\nname = \"b\"",
        &["zone a", "needs `nodes`"],
    );
    let all = "[[zone]]\nname = \"a\"\nnodes = 8\n[[zone]]\nname = \"b\"";
    refused(all, &["zone b", "of 8 nodes", "leave none"]);
    let between = |line: &str| {
        zones(
            ["east", "west"],
            &format!("[[between]]\nzones = {line}\nlatency = \"9ms\""),
        )
    };
    refused(
        &between("[\"est\", \"west\"]"),
        &["no zone `est`", "did you mean east"],
    );
    refused(
        &between("[\"east\", \"east\"]"),
        &["east and itself", "latency"],
    );
    refused(&between("[\"east\"]"), &["east", "array of length 2"]);
    let twice = "[[between]]\nzones = [\"west\", \"east\"]\nlatency = \"1ms\"";
    let twice = format!("{}\n{twice}", between("[\"east\", \"west\"]"));
    refused(&twice, &["west and east", "twice"]);
    let many: String = (0..65)
        .map(|zone| format!("[[zone]]\nname = \"z{zone}\"\nnodes = 1\n"))
        .collect();
    refused(&many, &["65 zones", "at most 64"]);
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let rule = |lines: &str| format!("[[rule]]\n{lines}");
    refused(
        &rule("to = 1"),
        &["rule 1", "changes nothing", "loss, latency, mtu or reject"],
    );
    refused(&rule("to = 0\nloss = 1.0"), &[":5", "to = 0", "from 1"]);
    refused(
        &rule("to = \"0%\"\nloss = 1.0"),
        &[":5", "0%", "\"1%\" to \"100%\""],
    );
    refused(&rule("to = []\nloss = 1.0"), &[":5", "at least one name"]);
    refused(
        &rule("to = \"n8\"\nloss = 1.0"),
        &["`n8` is no node", "n0 to n7"],
    );
    refused(
        &rule("to = 9\nloss = 1.0"),
        &["rule 1", "there are 8 nodes, not 9"],
    );
    refused(
        &rule("reject = true\nonly = \"datagram\""),
        &["unknown word `datagram`", "did you mean datagrams"],
    );
    refused(&rule("only = \"datagrams\""), &["changes nothing"]);
    refused(&rule("loss = 1.2"), &[":5", "loss = 1.2", "0.0 to 1.0"]);
    refused(
        &rule("lost = 1.0"),
        &[":5", "unknown key `lost`", "did you mean loss"],
    );
    refused(
        &rule("loss = 1.0\nevery = \"1s\""),
        &["rule 1", "need `for`"],
    );
    let often = "loss = 1.0\nfor = \"1s\"\nevery = \"1s\"";
    refused(&rule(often), &["both `every` and `until`"]);
    let late = "loss = 1.0\nat = \"15s\"\nfor = \"6s\"";
    refused(&rule(late), &["until 21s", "duration = 20s"]);
    let absurd = "loss = 1.0\nfor = \"0s\"\nevery = \"0s\"\nuntil = \"5s\"";
    refused(&rule(absurd), &["`every` takes 1ms"]);
}

#[test]
fn faults_that_cannot_be_are_refused() {
    let fault = |lines: &str| format!("[[fault]]\nat = \"1s\"\n{lines}");
    refused(
        &fault("kind = \"slow\""),
        &["fault 1 (slow at 1s)", "needs `for`"],
    );
    refused(
        &fault("kind = \"slow\"\nfor = \"1s\"\nevery = \"1s\""),
        &["both `every` and `until`"],
    );
    refused(
        &fault("kind = \"slow\"\nfor = \"1s\"\nevery = \"1s\"\nuntil = \"19500ms\""),
        &["until 20s 500ms", "duration = 20s"],
    );
    refused(
        &fault("kind = \"crash\"\ndata = \"lost\""),
        &["takes no `data`"],
    );
    refused(
        &fault("kind = \"app\""),
        &["fault 1 (app at 1s)", "needs `state`"],
    );
    refused(
        &fault("kind = \"app\"\nstate = \"dead\""),
        &["unknown word `dead`", "down, up"],
    );
    refused(
        &fault("kind = \"restart\"\ndata = \"gone\""),
        &["unknown word `gone`", "kept, lost"],
    );
    refused(
        &fault("kind = \"crash\"\nnodes = 7"),
        &["of 8 nodes 7", "two must stay"],
    );
    refused(
        &fault("kind = \"pause\"\nfor = \"1s\"\nnodes = 9"),
        &["there are 8 nodes, not 9"],
    );
    refused(
        &fault("kind = \"crash\"\nnodes = [\"n1\", \"m2\"]"),
        &["`m2` is no node"],
    );
    refused(
        &fault("kind = \"join\"\nnodes = \"n3\""),
        &["how many join, not who"],
    );
    refused(
        &fault("kind = \"pause\"\nfor = \"-1s\""),
        &["for = \"-1s\"", "0s to 31d"],
    );
    let text = "# Absurd.\nnodes = 1000\nduration = \"24h\"\n[[fault]]\nkind = \"slow\"\n\
                at = \"0s\"\nnodes = \"100%\"\nfor = \"1ms\"\nevery = \"1ms\"\nuntil = \"23h\"\n";
    let error = Scenario::parse("mine.toml", text).expect_err("too often");
    assert!(error.to_string().contains("at most 1000000"), "{error}");
}

#[test]
fn faults_that_do_not_go_together_are_refused() {
    let fault = |lines: &str| format!("[[fault]]\nat = \"1s\"\n{lines}");
    let (crash, pause) = (
        fault("kind = \"crash\"\nnodes = \"n1\""),
        fault("kind = \"pause\"\nfor = \"1s\"\nnodes = [\"n1\", \"n2\"]"),
    );
    refused(
        &format!("{pause}\n{crash}"),
        &["fault 1", "n1 is gone for good by fault 2"],
    );
    refused(
        &format!("{crash}\n{crash}"),
        &["fault 1", "n1 is gone for good by fault 2"],
    );
    let part = fault("kind = \"partition\"\nfor = \"5s\"");
    refused(&format!("{part}\n{part}"), &["fault 2", "parted already"]);
    refused(
        &fault("kind = \"partition\"\nfor = \"5s\"\nnodes = 8"),
        &["fault 1", "all nodes would be on one side"],
    );
    let (most, three) = (
        fault("kind = \"crash\"\nnodes = 6"),
        fault("kind = \"pause\"\nfor = \"1s\"\nnodes = 3"),
    );
    refused(
        &format!("{most}\n{three}"),
        &["fault 2", "6 end for good", "3 cannot be drawn"],
    );
    refused(
        &format!("{most}\n[[rule]]\nfrom = 3\nloss = 0.5"),
        &["rule 1", "3 cannot be drawn"],
    );
    refused("network.latency = \"10d\"", &["a latency takes up to 1m"]);
    let restart = fault("kind = \"restart\"\nnodes = [\"n0\", \"n1\", \"n2\"]");
    refused(
        &format!("{most}\n{restart}"),
        &["fault 1", "faults name 3, so 6", "cannot be drawn"],
    );
}

#[test]
fn more_nodes_may_join_than_there_are() {
    let join = |nodes: &str| format!("[[fault]]\nat = \"1s\"\nkind = \"join\"\nnodes = {nodes}");
    let scenario = parse(&join("50")).expect("it can be");
    assert_eq!(scenario.nodes(), Some(58));
    assert_eq!(scenario.joining(), 50);
    refused(&join("1000001"), &["fault 1", "at most 1000000"]);
    let million = join("1000000");
    let many = [million.as_str(); 10].join("\n");
    refused(&many, &["10000008 nodes", "up to 10000000"]);
}

#[test]
fn a_swarm_takes_nothing_but_what_is_expected() {
    let swarm = |lines: &str| {
        let text = format!("# Drawn.\nswarm = true\n{lines}\n");
        Scenario::parse("mine.toml", &text)
    };
    for lines in [
        "nodes = 4",
        "duration = \"9s\"",
        "view = 8",
        "start = \"cold\"",
        "profile = \"wan\"",
        "member_cost = \"9us\"",
        "[settings]\nfanout = 2",
        "[network]\nloss = 0.5",
        "[[zone]]\nname = \"a\"",
        "[[rule]]\nloss = 0.5",
        "[[fault]]\nkind = \"crash\"\nat = \"1s\"",
    ] {
        let error = swarm(lines).expect_err(lines);
        assert!(error.to_string().contains("the seed draws"), "{error}");
        assert!(error.advice().expect(lines).contains("[expect]"), "{lines}");
    }
    assert!(swarm("[expect]\nconverge_within = \"60s\"").is_ok());
}

#[test]
fn a_bound_that_always_or_never_holds_is_refused() {
    for key in ["messages_per_node_per_s", "bytes_per_node_per_s"] {
        let expect = |value: &str| format!("[expect]\n{key} = {value}");
        for value in ["nan", "inf", "-5.0", "\"9\""] {
            let line = format!("{key} = {value}");
            refused(
                &expect(value),
                &["mine.toml:5", &line, "a finite number from 0.0"],
            );
        }
        for value in ["0", "0.0", "25", "2.5"] {
            assert!(parse(&expect(value)).is_ok(), "{value}");
        }
    }
}

#[test]
fn the_settings_say_what_is_in_force() {
    let scenario = parse(
        "[network]\nlatency = { median = \"2ms\", p99 = \"20ms\" }\nmtu = 1280\n\
         bursts = { share = 0.1, mean = \"200ms\" }\nstream_breaks = 0.5\n\
         [[zone]]\nname = \"east\"\nnodes = \"25%\"\nlatency = \"1ms\"\n[[zone]]\nname = \"west\"\n\
         [[between]]\nzones = [\"west\", \"east\"]\nlatency = \"30ms..50ms\"\n\
         [[rule]]\nfrom = [\"n1\", \"west\"]\nto = \"10%\"\nloss = 0.5\nat = \"1s\"\nfor = \"2s\"\n\
         [[fault]]\nkind = \"crash\"\nat = \"1s\"\nnodes = \"east\"",
    )
    .expect("it can be");
    let latency = "log-normal, median 2ms, p99 20ms (sigma 0.990)";
    assert_eq!(setting(&scenario, "latency"), [latency]);
    assert_eq!(setting(&scenario, "mtu"), ["1280 bytes"]);
    assert_eq!(setting(&scenario, "bursts"), ["share 0.1, mean 200ms"]);
    assert_eq!(setting(&scenario, "stream breaks"), ["0.5"]);
    assert_eq!(setting(&scenario, "dial failures"), [""; 0]);
    assert_eq!(
        setting(&scenario, "zone"),
        ["east: 2 nodes, 1ms", "west: 6 nodes"]
    );
    assert_eq!(setting(&scenario, "between"), ["west and east: 30ms..50ms"]);
    let rule = "from n1 west to 10%, one way, at 1s, for 2s: loss 0.5";
    assert_eq!(setting(&scenario, "rule"), [rule]);
    assert_eq!(setting(&scenario, "fault"), ["crash at 1s, nodes east"]);
}
