//! Where agents are, where they say that they are, and where others see them.

use crate::support::{Lab, Network, await_members, run, until};

#[test]
fn one_that_is_bound_to_everything_is_met_by_either_kind_of_address() {
    for kind in ["127.0.0.1", "[::1]"] {
        let lab = Lab::new();
        let both = lab
            .agent("both")
            .bind("[::]:0")
            .args(["--insecure"])
            .start();
        assert!(both.status()["bind"].to_string().starts_with("\"[::]:"));
        let seed = format!("{kind}:{}", both.address().port());
        let other = lab.agent("other").bind(format!("{kind}:0"));
        let other = other.args(["--join", &seed]).start();
        until("it knows where it is", || {
            (both.status()["address"] == *seed).then_some(())
        });
        let agents = [both, other];
        await_members(&agents, "alive", 2);
        for agent in &agents {
            assert_eq!(agent.status()["seen_as"], serde_json::Value::Null);
        }
    }
}

#[test]
fn an_interface_stands_for_its_address() {
    let lab = Lab::new();
    let agent = lab.agent("n1").bind("0.0.0.0:0");
    let agent = agent.args(["--insecure", "--advertise", "if:lo"]).start();
    let port = agent.address().port();
    assert_eq!(agent.status()["address"], format!("127.0.0.1:{port}"));
    let nowhere = lab.agent("n2").args(["--advertise", "nowhere0"]);
    nowhere
        .finish()
        .refused(2, &["\"nowhere0\"", "there are", "lo", "hint:"]);
    let elsewhere = lab.agent("n2").args(["--advertise", "lo"]);
    elsewhere
        .finish()
        .refused(2, &["\"lo\"", "none is where bind", "hint:"]);
    let wrong = run(["agent", "--advertise", "if:a/b"]);
    wrong.refused(
        2,
        &["advertise", "if:a/b", "allowed:", "interface", "hint:"],
    );
}

#[test]
fn an_agent_that_is_seen_elsewhere_than_it_says_complains() {
    let lab = Lab::new();
    let seed = lab.agent("n1").start();
    let said = lab.reserve();
    let agent = lab.agent("n2").join(seed.address());
    let agent = agent.args(["--advertise", &said.to_string()]).start();
    until("it is told", || {
        (agent.status()["seen_as"] != serde_json::Value::Null).then_some(())
    });
    let status = agent.status();
    assert_eq!(status["address"], said.to_string());
    assert_ne!(status["seen_as"], said.to_string());
    let words = ["WARN", "sees us at", "but we advertise", &said.to_string()];
    agent.await_logged(&words);
    agent.await_metric("headcount_seen_elsewhere ", |is_so| is_so == 1.0);
    assert_eq!(seed.metric("headcount_seen_elsewhere "), 0.0);
}

#[test]
fn hosts_with_both_kinds_of_addresses_meet_by_either_and_advertise_what_they_are_told() {
    let Some(network) = Network::new(3) else {
        return;
    };
    let lab = Lab::new();
    let everywhere = |host| network.agent(&lab, host).bind("[::]:7946");
    let one = everywhere(1).args(["--advertise", "fd77::1"]).start();
    // One is told the seed's IPv6 address, one advertises what its interface has.
    let two = everywhere(2).args(["--join", "[fd77::1]:7946"]).start();
    let three = everywhere(3).args(["--join", "10.77.0.1", "--advertise", "eth0"]);
    let agents = [one, two, three.start()];
    await_members(&agents, "alive", 3);
    for agent in &agents {
        let (_, members) = agent.members();
        let addresses = ["n1", "n2", "n3"].map(|name| members[name]["address"].clone());
        assert_eq!(
            addresses,
            ["[fd77::1]:7946", "[fd77::2]:7946", "10.77.0.3:7946"]
        );
        assert_eq!(agent.count("failed"), 0);
    }
}

#[test]
fn an_agent_without_an_address_of_its_own_goes_with_its_host_to_another() {
    let Some(network) = Network::new(3) else {
        return;
    };
    let lab = Lab::new();
    let agent = |host| network.agent(&lab, host).args(["--profile", "local"]);
    let one = agent(1).start();
    let two = agent(2).join(one.address()).start();
    let three = agent(3).bind("0.0.0.0:7946").join(one.address()).start();
    let agents = [one, two, three];
    await_members(&agents, "alive", 3);
    network.readdress(3, 33);
    until("it is seen where its host is", || {
        let moved = agents[0].member("n3")?;
        let is_there = moved["address"] == "10.77.0.33:7946" && moved["state"] == "alive";
        is_there.then_some(())
    });
    await_members(&agents, "alive", 3);
    assert_eq!(agents[2].status()["address"], "10.77.0.33:7946");
}
