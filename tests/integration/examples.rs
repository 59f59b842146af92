//! The programs in `examples/`, each against a real agent that is killed and started again.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{Lab, Relay, Running, have, until};

/// A member's name with all that JSON and shells take for something else, and so in an address.
const ODD: &str = r#"n2,}]"\$(id)"#;
const ODD_ENCODED: &str = "n2%2C%7D%5D%22%5C$(id)";

/// A program that runs and what it said so far.
struct Example {
    said: PathBuf,
    complained: PathBuf,
    process: Running,
}

impl Example {
    /// Starts `program` with `args` and the path of the agent's socket.
    fn start(lab: &Lab, program: &Path, args: &[&str], socket: &Path) -> Self {
        let (said, complained) = (lab.dir().join("said"), lab.dir().join("complained"));
        let mut command = Command::new(program);
        command.args(args).arg(socket).stdin(Stdio::null());
        command.stdout(File::create(&said).expect("a file"));
        command.stderr(File::create(&complained).expect("a file"));
        Self {
            said,
            complained,
            process: Running::start(&mut command),
        }
    }

    /// Waits until its last line is `line`.
    fn says(&mut self, line: &str) {
        until(&format!("{line:?} of {self:?}"), || {
            let ended = self.process.child.try_wait().expect("our child");
            assert!(ended.is_none(), "{self:?} ended");
            let text = fs::read_to_string(&self.said).expect("text");
            (text.ends_with('\n') && text.lines().last() == Some(line)).then_some(())
        });
    }

    /// Waits until it says that it has lost the agent.
    fn complains(&self) {
        until(&format!("a complaint of {self:?}"), || {
            let text = fs::read_to_string(&self.complained).expect("text");
            text.contains("trying again").then_some(())
        });
    }
}

impl std::fmt::Debug for Example {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (said, complained) = (read(&self.said), read(&self.complained));
        write!(formatter, "{:?}: {said}{complained}", self.process)
    }
}

/// Has `program` follow an agent through everything that a consumer must survive.
fn follows(program: &Path, args: &[&str]) {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let socket = lab.dir().join("relay");
    let relay = Relay::start(&socket, &agent.socket());
    let mut example = Example::start(&lab, program, args, &socket);
    example.says("n1=alive");

    // What happens while its stream is cut it hears by resuming.
    relay.cut();
    example.complains();
    let other = lab.agent(ODD).join(agent.address()).start();
    until("both", || (agent.count("alive") == 2).then_some(()));
    relay.mend();
    example.says(&format!("n1=alive {ODD}=alive"));
    let status = agent.status();
    let epoch = status["epoch"].as_str().expect("text");
    let asked = relay.asked_last().expect("a request");
    assert!(asked.contains(&format!("resume={epoch}:0 ")), "{asked}");

    // An agent that was started anew begins anew, whatever was told before.
    let agent = agent.kill().join(other.address()).start();
    until("both again", || (agent.count("alive") == 2).then_some(()));
    assert_eq!(other.request("POST", "/v1/leave", "{}").status, 200);
    example.says(&format!("n1=alive {ODD}=left"));
    let removed = agent.request("DELETE", &format!("/v1/members/{ODD_ENCODED}"), "");
    assert_eq!(removed.status, 200);
    example.says("n1=alive");
}

fn file(name: &str) -> String {
    format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Builds the example in Rust, which `cargo test --test integration` alone does not.
fn build_follow() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_headcount")).parent();
    let folder = folder.expect("a folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--example", "follow"]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
        .arg("--target-dir")
        .arg(folder.parent().expect("another"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    // However long that takes on a machine that is busy with tests.
    let built = cargo.output().expect("cargo runs");
    assert!(built.status.success(), "{built:?}");
    folder.join("examples/follow")
}

#[test]
fn the_rust_example_follows() {
    follows(&build_follow(), &[]);
}

#[test]
fn the_python_example_follows() {
    if have("python3", "its example is not tested") {
        follows(Path::new("python3"), &[&file("follow.py")]);
    }
}

#[test]
fn the_node_example_follows() {
    if have("node", "its example is not tested") {
        follows(Path::new("node"), &[&file("follow.mjs")]);
    }
}

#[test]
fn the_shell_example_follows() {
    if have("curl", "its example is not tested") {
        follows(Path::new("bash"), &[&file("follow.sh")]);
    }
}
