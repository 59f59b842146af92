//! Who may be in a cluster: names that collide, clusters that must not mix, members to forget,
//! and what a consumer's copy is worth after all of it.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Agent, Lab, Launch, Watch, await_members, draws, until};

#[test]
fn two_clusters_on_one_network_never_mix_and_say_so_once() {
    let lab = Lab::new();
    let blue = lab.cluster(2);
    let seed = blue[0].address();
    let red = lab
        .agent("r1")
        .args(["--cluster", "red"])
        .join(seed)
        .start();
    let others = lab.agent("r2").args(["--cluster", "red"]);
    let red = [others.join(red.address()).start(), red];
    await_members(&red, "alive", 2);
    until("a few refusals", || {
        let refused = blue[0].metric("headcount_junk_total{reason=\"cluster\"");
        (refused >= 4.0).then_some(())
    });
    for agent in blue.iter().chain(&red) {
        assert_eq!(agent.members().1.len(), 2, "{}", agent.name());
    }
    let refusals = blue[0].logged(&["refused", "\"red\""]);
    assert_eq!(refusals, 1, "{}", blue[0].log());
    let refused = red[1].logged(&["refused us", "\"red\""]);
    assert_eq!(refused, 1, "{}", red[1].log());
}

#[test]
fn a_second_process_of_one_name_is_refused_and_the_first_stays() {
    let lab = Lab::new();
    let agents = lab.cluster(3);
    let watch = agents[0].watch();
    let generation = agents[1].status()["generation"].clone();
    let twin = lab.agent("n2").folder("twin").join(agents[0].address());
    let ended = twin.finish();
    let held = agents[1].address().to_string();
    ended.refused(2, &["n2", &held, "hint:"]);
    let conflict = watch.wait_for_kind("conflict");
    assert_eq!(conflict["name"], "n2", "{conflict:#}");
    assert!(conflict.to_string().contains(&held), "{conflict:#}");
    await_members(&agents, "alive", 3);
    assert_eq!(agents[1].status()["generation"], generation);
    assert_eq!(watch.count("failed", "n2"), 0);
}

#[test]
fn a_failed_member_is_forgotten_everywhere_and_an_alive_one_is_not() {
    let lab = Lab::new();
    let mut agents = lab.cluster(4);
    let watches: Vec<_> = agents[..3].iter().map(Agent::watch).collect();
    let alive = agents[0].request("DELETE", "/v1/members/n2", "");
    assert_eq!(alive.status, 409, "{}", alive.text());
    let unknown = agents[0].request("DELETE", "/v1/members/nobody", "");
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    agents.pop().expect("four").kill();
    for watch in &watches {
        watch.wait_for("failed", "n4");
    }
    let removed = agents[0].request("DELETE", "/v1/members/n4", "").json();
    // On a starved machine somebody may not have answered yet.
    let missing = &removed["missing"];
    let applied = 3 - missing.as_array().expect("a list").len();
    assert_eq!(
        removed,
        json!({"removed": "n4", "applied_by": applied, "members": 3, "missing": missing})
    );
    for (watch, agent) in watches.iter().zip(&agents) {
        let removed = watch.wait_for("removed", "n4");
        assert_eq!(removed["member"]["state"], "failed", "{removed:#}");
        assert!(agent.member("n4").is_none(), "{}", agent.name());
    }
    await_members(&agents, "alive", 3);
}

#[test]
fn a_departed_member_can_be_forgotten_and_come_back() {
    let lab = Lab::new();
    let mut agents = lab.cluster(3);
    let watch = agents[1].watch();
    let mut leaver = agents.pop().expect("three");
    leaver.signal(Signal::TERM);
    assert_eq!(leaver.exit_code(), 0, "{}", leaver.log());
    watch.wait_for("left", "n3");
    let removed = agents[1].request("DELETE", "/v1/members/n3", "");
    assert!(matches!(removed.status, 200..=204), "{}", removed.text());
    let removed = watch.wait_for("removed", "n3");
    assert_eq!(removed["member"]["state"], "left", "{removed:#}");
    agents.push(leaver.kill().start());
    let join = watch.wait_for("join", "n3");
    assert!(join["previous"].is_null(), "it was forgotten: {join:#}");
    assert!(join["member"]["generation"].as_u64() >= Some(2), "{join:#}");
    await_members(&agents, "alive", 3);
}

/// A process under test: running, or how to run it again.
enum Process {
    Down(Launch),
    Up(Agent, Watch),
}

impl Process {
    fn up(&self) -> Option<(&Agent, &Watch)> {
        match self {
            Self::Down(_) => None,
            Self::Up(agent, watch) => Some((agent, watch)),
        }
    }

    /// What happens to it when `choice` is drawn.
    fn meddle(self, choice: u64) -> Self {
        match (self, choice % 3) {
            (Self::Down(launch), _) => Self::started(launch),
            (Self::Up(agent, _), 0) => Self::Down(agent.kill()),
            (Self::Up(agent, _), 1) => Self::started(agent.kill()),
            (Self::Up(mut agent, _), _) => {
                agent.signal(Signal::TERM);
                assert_eq!(agent.exit_code(), 0, "{}", agent.log());
                Self::Down(agent.kill())
            }
        }
    }

    fn started(launch: Launch) -> Self {
        let agent = launch.start();
        let watch = agent.watch();
        Self::Up(agent, watch)
    }
}

#[test]
fn snapshot_and_changes_equal_the_member_list_after_any_history() {
    let lab = Lab::new();
    let seed = lab.reserve();
    let seeded = |n: usize| lab.agent(&format!("n{n}")).join(seed);
    let mut processes = vec![Process::started(lab.agent("n1").bind(seed))];
    processes.extend((2..=5).map(|n| Process::started(seeded(n))));
    let mut draws = draws(2);
    let mut draw = || draws.next().expect("endless");
    for _ in 0..12 {
        // The first stays: it is the consumer that sees the whole history.
        let victim = 1 + usize::try_from(draw() % 4).expect("small");
        let process = processes.remove(victim);
        processes.insert(victim, process.meddle(draw()));
    }
    let running: Vec<_> = processes.iter().filter_map(Process::up).collect();
    for (agent, watch) in &running {
        let what = format!("{} sees who runs", agent.name());
        let (seq, members) = until(&what, || {
            let settled = agent.count("alive") == running.len() && agent.count("suspect") == 0;
            settled.then(|| agent.members())
        });
        watch.wait_for_seq(seq);
        assert_eq!(watch.replay(seq), members, "at {}", agent.name());
    }
}
