//! SIGHUP: what a running agent takes up of a configuration that changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::Signal,
};

use crate::{
    sealing::{key, key_file, sealed},
    support::{Agent, Lab, until},
};

/// An agent's configuration file.
struct File(PathBuf);

impl File {
    fn write(&self, text: &str) {
        fs::write(&self.0, text).expect("our own file");
    }

    /// An agent that reads it.
    fn start(lab: &Lab, text: &str) -> (Self, Agent) {
        let file = Self(lab.dir().join("config.toml"));
        file.write(text);
        let path = file.0.display().to_string();
        (file, lab.agent("n1").args(["--config", &path]).start())
    }

    /// The agent reads another text, and has come to an end with it.
    fn replace(&self, agent: &Agent, text: &str, says: &[&str]) {
        self.write(text);
        let before = agent.logged(says);
        agent.signal(Signal::HUP);
        let what = format!("it says {says:?}");
        until(&what, || (agent.logged(says) > before).then_some(()));
    }
}

const DONE: &[&str] = &["read the configuration again"];

fn tags(agent: &Agent) -> serde_json::Value {
    agent.get("/v1/tags").json()
}

#[test]
fn tags_seeds_level_and_outputs_change_and_the_rest_is_named() {
    let lab = Lab::new();
    let told = lab.dir().join("told").display().to_string();
    let (file, agent) = File::start(&lab, "tag = { role = \"web\", zone = \"a\" }\n");
    agent.request("PATCH", "/v1/tags", r#"{"set":"here"}"#);
    let seed = lab.agent("n2").start();
    let text = format!(
        "tag = {{ role = \"db\" }}\njoin = [\"{}\"]\nlog-level = \"debug\"\nprofile = \"wan\"\n\
         http = \":0\"\n[[hook]]\ncommand = \"echo $HEADCOUNT_TYPE $HEADCOUNT_MEMBER >>{told}\"\n",
        seed.address()
    );
    file.replace(&agent, &text, DONE);
    until("both are there", || {
        (agent.count("alive") == 2).then_some(())
    });
    assert_eq!(
        tags(&agent),
        serde_json::json!({"role": "db", "set": "here"})
    );
    assert_eq!(
        agent.logged(&["WARN", "take a restart", "keys=\"http\""]),
        1
    );
    assert_eq!(agent.status()["profile"], "wan");
    let heard = || fs::read_to_string(&told).unwrap_or_default();
    until("the hook runs", || {
        heard().contains("join n2").then_some(())
    });
    until("debug", || {
        (agent.logged(&["DEBUG", "a hook has run"]) > 0).then_some(())
    });
    // By the numbers of a wide network it would take half a minute.
    let text = text.replace("wan", "local");
    // The same again: the hook goes on where it was, and is gone after that.
    file.replace(&agent, &text, DONE);
    drop(seed);
    until("the hook still runs", || {
        heard().contains("failed n2").then_some(())
    });
    assert_eq!(heard().matches("join n2").count(), 1, "{}", heard());
    let updates = || heard().matches("update n1").count();
    let before = updates();
    let text = text.replace("tag = { role = \"db\" }\n", "");
    file.replace(&agent, &text, DONE);
    assert_eq!(tags(&agent), serde_json::json!({"set": "here"}));
    until("the hook has heard of it", || {
        (updates() > before).then_some(())
    });
    file.replace(&agent, "", DONE);
    let before = heard();
    let third = lab.agent("n3").join(agent.address()).start();
    until("three are there", || {
        (agent.count("alive") == 2).then_some(())
    });
    drop(third);
    until("one failed", || (agent.count("failed") == 2).then_some(()));
    assert_eq!(heard(), before, "nobody runs it any more");
}

#[test]
fn a_hook_that_a_reload_brings_hears_of_what_the_reload_changes() {
    let lab = Lab::new();
    let told = lab.dir().join("told");
    let (file, agent) = File::start(&lab, "tag = { role = \"web\" }\n");
    let text = format!(
        "tag = {{ role = \"db\" }}\n[[hook]]\ntypes = [\"update\"]\n\
         command = \"echo $HEADCOUNT_MEMBER $HEADCOUNT_TAG_ROLE >>{}\"\n",
        told.display()
    );
    file.replace(&agent, &text, DONE);
    until("the hook runs", || {
        let heard = fs::read_to_string(&told).unwrap_or_default();
        (heard == "n1 db\n").then_some(())
    });
}

#[test]
fn a_configuration_that_cannot_be_used_changes_nothing() {
    let lab = Lab::new();
    let (file, agent) = File::start(&lab, "tag = { role = \"web\" }\n");
    let broken = [
        (
            "tag = { role = \"db\" }\nlog-level = \"loud\"\n",
            "config.toml:2",
        ),
        ("tag = { role = \"db\" }\nrole = 1\n", "unknown key"),
        ("tag = { role = \"db\"\n", "config.toml:1"),
        (
            "tag = { role = \"db\" }\n[[file]]\npath = \"/tmp/x\"\ntemplate-file = \"/none\"\n",
            "template-file /none",
        ),
    ];
    for (text, word) in broken {
        file.replace(&agent, text, &["ERROR", "everything stays as it was", word]);
        assert_eq!(tags(&agent), serde_json::json!({"role": "web"}), "{text}");
    }
    file.replace(&agent, "tag = { role = \"db\" }\n", DONE);
    assert_eq!(tags(&agent), serde_json::json!({"role": "db"}));
    // Each alone would do; what was set since the start and this are too much together.
    let large = "x".repeat(9_000);
    let set = format!("{{\"role\":\"db\",\"large\":\"{large}\"}}");
    assert_eq!(agent.request("PUT", "/v1/tags", &set).status, 200);
    let text = format!("tag = {{ more = \"{large}\" }}\nlog-level = \"debug\"\n");
    let says = ["ERROR", "everything stays as it was", "set since the start"];
    file.replace(&agent, &text, &says);
    assert_eq!(
        tags(&agent),
        serde_json::json!({"role": "db", "large": large})
    );
}

/// As a pipe to which nobody writes, nor ever will.
#[test]
fn what_cannot_be_read_again_changes_nothing_and_keeps_nobody_from_ending() {
    let lab = Lab::new();
    let (file, mut agent) = File::start(&lab, "tag = { role = \"web\" }\n");
    let pipe = |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
    let template = lab.dir().join("template");
    pipe(&template).expect("our own folder");
    let text = format!(
        "tag = {{ role = \"db\" }}\n[[file]]\npath = \"{}\"\ntemplate-file = \"{}\"\n",
        lab.dir().join("members").display(),
        template.display()
    );
    let says = [
        "ERROR",
        "everything stays as it was",
        "template-file",
        "cannot be read again",
    ];
    file.replace(&agent, &text, &says);
    fs::remove_file(&file.0).expect("our own file");
    pipe(&file.0).expect("our own folder");
    agent.signal(Signal::HUP);
    agent.await_logged(&["ERROR", "everything stays as it was", "flag --config"]);
    assert_eq!(tags(&agent), serde_json::json!({"role": "web"}));
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit_code(), 0);
}

#[test]
fn keys_that_somebody_changed_in_their_file_hold() {
    let lab = Lab::new();
    let [old, new] = [(); 2].map(|()| key());
    let keys = key_file(&lab, "keys", &[&old]);
    let agent = sealed(lab.agent("n1"), &keys).start();
    let sealing = agent.status()["key"].clone();
    fs::write(&keys, "no key\n").expect("our own file");
    agent.signal(Signal::HUP);
    agent.await_logged(&["ERROR", "everything stays as it was", "key-file"]);
    assert_eq!(agent.status()["key"], sealing);
    fs::write(&keys, [&*new, &*old].concat()).expect("our own file");
    agent.signal(Signal::HUP);
    until("the new one seals", || {
        (agent.status()["key"] != sealing).then_some(())
    });
    assert_eq!(agent.logged(&["take a restart"]), 0, "{}", agent.log());
}

#[test]
fn an_application_hears_of_it_too() {
    let lab = Lab::new();
    let [ready, heard] = ["ready", "heard"].map(|name| lab.dir().join(name));
    let script = format!(
        "trap 'touch {}; exit 3' HUP; touch {}; while :; do sleep 0.05; done",
        heard.display(),
        ready.display()
    );
    let launch = lab.agent("n1").args(["--", "sh", "-c", &script]);
    let mut agent = launch.start();
    // Before its trap, the signal would be the shell's end.
    until("it has its trap", || ready.exists().then_some(()));
    agent.signal(Signal::HUP);
    until("it hears", || heard.exists().then_some(()));
    assert!(agent.exit_code() == 3, "as the application");
    assert!(agent.logged(DONE) >= 1, "{}", agent.log());
}
