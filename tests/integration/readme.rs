//! What README.md shows is what the program does: its help text is the program's, and its
//! consumers work as pasted.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::{Lab, have, run, until};

/// Where the README's commands look for the agent.
const SHOWN_SOCKET: &str = "/run/headcount.sock";

/// The fenced blocks that follow a comment `<!-- KIND: … -->`: what follows the colon, and the
/// block's text.
fn blocks(kind: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(path).expect("README.md");
    let mut blocks = Vec::new();
    for section in text.split(&format!("<!-- {kind}:")).skip(1) {
        let (subject, rest) = section.split_once("-->").expect("the comment is closed");
        let fenced = rest.split_once("```").expect("a fenced block follows").1;
        let (_language, fenced) = fenced.split_once('\n').expect("a fence ends its line");
        let (block, _) = fenced.split_once("```").expect("the fence is closed");
        blocks.push((subject.trim().to_owned(), block.to_owned()));
    }
    assert!(!blocks.is_empty(), "no block marked {kind} in README.md");
    blocks
}

#[test]
fn help_in_the_readme_is_the_programs() {
    for (subject, shown) in blocks("help") {
        let args = subject.split_whitespace().skip(1);
        let said = run(args.chain(["--help"]));
        assert_eq!(shown.trim(), said.stdout.trim(), "help of `{subject}`");
    }
}

/// A process group that ends with its owner.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = kill_process_group(group.expect("a process id"), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// Pastes each block marked `subject` into `shell`, its socket path replaced, and waits until it
/// has told of a member that was there and, if it is a stream, of one that came later.
fn works_as_pasted(subject: &str, shell: &[&str]) {
    let marked = blocks("test")
        .into_iter()
        .filter(|(marked, _)| marked == subject);
    let blocks: Vec<_> = marked.map(|(_, block)| block).collect();
    assert!(
        !blocks.is_empty(),
        "no block marked test: {subject} in README.md"
    );
    for block in blocks {
        let lab = Lab::new();
        let agent = lab.agent("n1").start();
        let socket = agent.socket().display().to_string();
        assert!(block.contains(SHOWN_SOCKET), "no {SHOWN_SOCKET} in {block}");
        let said = lab.dir().join("said");
        let file = File::create(&said).expect("a file");
        let command = Command::new(shell[0])
            .args(&shell[1..])
            .arg(block.replace(SHOWN_SOCKET, &socket))
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .process_group(0)
            .spawn();
        let mut group = Group(command.expect("it starts"));
        let tells = |name: &str| {
            until(&format!("{name} in the output of {block}"), || {
                let text = fs::read_to_string(&said).expect("text");
                assert!(!text.contains("Traceback"), "{text}");
                text.contains(name).then_some(())
            });
        };
        tells("n1");
        if block.contains("/v1/watch") {
            let _other = lab.agent("later").join(agent.address()).start();
            tells("later");
        } else {
            let status = until("it ends", || group.0.try_wait().expect("our child"));
            assert!(status.success(), "{block}");
        }
    }
}

#[test]
fn curl_examples_work_as_pasted() {
    if have("curl", "the README's examples are not tested") {
        works_as_pasted("curl", &["bash", "-euc"]);
    }
}

#[test]
fn python_examples_work_as_pasted() {
    if have("python3", "the README's examples are not tested") {
        works_as_pasted("python", &["python3", "-c"]);
    }
}
