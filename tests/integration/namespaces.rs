//! Partitions as they really happen: agents in network namespaces on one bridge, cut by iptables.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Agent, Lab, Network, Watch, await_members, until};

/// Checks that each consumer's copy is its agent's list.
fn consumers_agree(agents: &[Agent], watches: &[Watch]) {
    for (agent, watch) in agents.iter().zip(watches) {
        let (seq, members) = agent.members();
        watch.wait_for_seq(seq);
        assert_eq!(watch.replay(seq), members, "at {}", agent.name());
    }
}

/// What all must agree on once the network is whole again.
fn view(agent: &Agent) -> BTreeMap<String, (Value, Value, Value)> {
    let (_, members) = agent.members();
    let agreed = |m: &Value| {
        (
            m["state"].clone(),
            m["generation"].clone(),
            m["address"].clone(),
        )
    };
    members
        .iter()
        .map(|(name, m)| (name.clone(), agreed(m)))
        .collect()
}

#[test]
fn two_halves_cut_longer_than_detection_merge_by_themselves() {
    let Some(network) = Network::new(6) else {
        return;
    };
    let lab = Lab::new();
    let agents = network.cluster(&lab);
    let watches: Vec<_> = agents.iter().map(Agent::watch).collect();
    network.cut(&[1, 2, 3], &[4, 5, 6]);
    await_members(&agents, "failed", 3);
    network.heal();
    await_members(&agents, "alive", 6);
    for agent in &agents {
        let what = format!("{} has the first one's view", agent.name());
        until(&what, || (view(agent) == view(&agents[0])).then_some(()));
    }
    for watch in &watches[..3] {
        let join = watch.wait_for("join", "n5");
        assert_eq!(join["previous"], "failed", "{join:#}");
        assert_eq!(watch.count("restart", "n5"), 0);
        assert_eq!(watch.count("failed", "n2"), 0, "its own side never failed");
    }
    consumers_agree(&agents, &watches);
}

#[test]
fn a_firewall_for_datagrams_is_called_one_and_fails_nobody() {
    let Some(network) = Network::new(4) else {
        return;
    };
    let lab = Lab::new();
    let agents = network.cluster(&lab);
    let watches: Vec<_> = agents.iter().map(Agent::watch).collect();
    network.cut_datagrams(&[4], &[1, 2, 3]);
    for watch in &watches[..3] {
        let suspect = watch.wait_for("suspect", "n4");
        assert_eq!(suspect["evidence"], "stream-reachable", "{suspect:#}");
        watch.wait_for("refuted", "n4");
    }
    network.heal();
    await_members(&agents, "alive", 4);
    for watch in &watches[..3] {
        assert_eq!(watch.count("failed", "n4"), 0);
    }
}

#[test]
fn a_node_cut_from_all_others_finds_its_way_back_alone() {
    let Some(network) = Network::new(4) else {
        return;
    };
    let lab = Lab::new();
    let agents = network.cluster(&lab);
    let watches: Vec<_> = agents.iter().map(Agent::watch).collect();
    network.cut(&[4], &[1, 2, 3]);
    watches[3].wait_for_kind("isolated");
    for watch in &watches[..3] {
        watch.wait_for("failed", "n4");
    }
    network.heal();
    watches[3].wait_for_kind("healed");
    await_members(&agents, "alive", 4);
    for watch in &watches[..3] {
        let join = watch.wait_for("join", "n4");
        assert_eq!(join["previous"], "failed", "{join:#}");
    }
    consumers_agree(&agents, &watches);
}
