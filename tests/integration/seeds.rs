//! Ways to find a cluster: seeds that come late, move, die, or are not there at all.

use std::{fs, net::SocketAddr};

use crate::support::{Agent, Dns, Lab, Network, await_members, until};

fn await_log(agent: &Agent, words: &[&str]) {
    let what = format!("{} logs {words:?}", agent.name());
    until(&what, || (agent.logged(words) > 0).then_some(()));
}

#[test]
fn all_that_start_at_the_same_moment_with_each_other_as_seeds_converge() {
    let lab = Lab::new();
    let places: Vec<SocketAddr> = (0..8).map(|_| lab.reserve()).collect();
    let seeds: Vec<_> = places.iter().map(ToString::to_string).collect();
    let launches = (1..).zip(&places).map(|(number, place)| {
        let seeds = seeds.iter().flat_map(|seed| ["--join", seed]);
        lab.agent(&format!("n{number}")).bind(place).args(seeds)
    });
    let starts = launches.map(|launch| std::thread::spawn(|| launch.start()));
    let starts: Vec<_> = starts.collect();
    let started = starts
        .into_iter()
        .map(|start| start.join().expect("it starts"));
    let agents: Vec<_> = started.collect();
    await_members(&agents, "alive", 8);
    for agent in &agents {
        assert_eq!(agent.count("failed"), 0, "{}", agent.name());
        assert_eq!(agent.status()["address"], agent.address().to_string());
    }
}

#[test]
fn a_file_of_seeds_is_followed_as_it_changes() {
    let lab = Lab::new();
    let agents = lab.cluster(2);
    let file = lab.dir().join("seeds");
    let seed = format!("file:{}", file.display());
    let late = lab.agent("late").args(["--join", &seed]).start();
    await_log(&late, &["WARN", "cannot read a file of seeds", &seed]);
    fs::write(&file, "# nobody yet\n:7946\nfile:/etc/hosts\n").expect("a file");
    await_log(&late, &["INFO", "read a file of seeds again", &seed]);
    await_log(&late, &["WARN", "line=2", "is neither a host name"]);
    await_log(&late, &["WARN", "line=3", "names another file"]);
    let dead = lab.reserve();
    let text = format!("{dead} # long gone\n{}\n", agents[0].address());
    fs::write(&file, text).expect("a file");
    for agent in agents.iter().chain([&late]) {
        let what = format!("all three at {}", agent.name());
        until(&what, || (agent.count("alive") == 3).then_some(()));
    }
    fs::write(&file, "").expect("a file");
    await_log(
        &late,
        &[
            "no seed leads to these addresses any more",
            &dead.to_string(),
        ],
    );
    assert_eq!(late.count("alive"), 3, "members stay members");
}

#[test]
fn names_are_resolved_for_ever_and_followed_where_they_lead() {
    let Some(network) = Network::new(4) else {
        return;
    };
    let dns = Dns::serve(network.bind_udp(1, "10.77.0.1:53"));
    network.resolve_at("10.77.0.1");
    let lab = Lab::new();
    let one = network.agent(&lab, 1).start();
    let two = network.agent(&lab, 2).bind("[::]:7946").start();
    // One by its addresses, one by its services: both are there before DNS knows anything.
    let by_name = network.agent(&lab, 3).bind("[::]:7946");
    let by_name = by_name.args(["--join", "seeds.test"]).start();
    let service = "srv:_headcount._udp.test";
    let by_service = network.agent(&lab, 4).args(["--join", service]).start();
    await_log(
        &by_name,
        &["WARN", "cannot resolve a seed", "seeds.test:7946"],
    );
    await_log(&by_service, &["WARN", "cannot resolve a seed", service]);
    // The dead one among them holds up nobody.
    dns.hosts("seeds.test", &["10.77.0.99", "10.77.0.1"]);
    await_members(std::slice::from_ref(&by_name), "alive", 2);
    await_log(&by_name, &["INFO", "resolved a seed again", "seeds.test"]);
    dns.hosts("n2.test", &["10.77.0.2"]);
    dns.services(
        "_headcount._udp.test",
        &[("n2.test", 7946), ("gone.test", 7946)],
    );
    await_members(std::slice::from_ref(&by_service), "alive", 2);
    assert_eq!(two.count("alive"), 2);
    assert_eq!(one.count("alive"), 2);
    // Alone again, it goes where the name leads now: by its IPv6 address only.
    drop(one);
    await_members(std::slice::from_ref(&by_name), "failed", 1);
    dns.hosts("seeds.test", &["fd77::2"]);
    await_members(&[two, by_name, by_service], "alive", 3);
}
