//! The agent under a service manager: what it tells it, and the socket it takes over from it.

use std::{fs, os::unix::net::UnixDatagram, path::Path, process::Command};

use rustix::process::Signal;

use crate::support::{Agent, Lab, finish, have, until};

/// Gives the program that it executes a listening socket, as systemd does. Takes the family, the
/// socket's address, how many sockets there are, and the program with its arguments.
const ACTIVATE: &str = r#"
import os, socket, sys
family, address, count, *command = sys.argv[1:]
listener = socket.socket(getattr(socket, family))
listener.bind(address if family == "AF_UNIX" else (address, 0))
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS=count, LISTEN_PID=str(os.getpid()))
os.execv(command[0], command)
"#;

/// A service manager's ear.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a free path");
        socket.set_nonblocking(true).expect("it can be asked");
        Self(socket)
    }

    /// Waits until it hears a line that begins with `words`.
    fn hears(&self, words: &str) {
        let mut buffer = [0; 4096];
        until(&format!("the manager hears {words}"), || {
            let size = self.0.recv(&mut buffer).ok()?;
            let text = String::from_utf8_lossy(&buffer[..size]);
            text.lines()
                .any(|line| line.starts_with(words))
                .then_some(())
        });
    }
}

#[test]
fn the_manager_hears_of_start_watchdog_members_and_end() {
    let lab = Lab::new();
    let ear = lab.dir().join("notify");
    let manager = Manager::listen(&ear);
    let launch = lab.agent("n1").env("NOTIFY_SOCKET", &ear);
    let mut agent: Agent = launch.env("WATCHDOG_USEC", "200000").start();
    manager.hears("READY=1");
    manager.hears("STATUS=1 alive, 0 suspect");
    // The loop turns for the watchdog's sake, too: nothing else happens to one that is alone.
    for _ in 0..5 {
        manager.hears("WATCHDOG=1");
    }
    let _other = lab.agent("n2").join(agent.address()).start();
    manager.hears("STATUS=2 alive, 0 suspect");
    agent.signal(Signal::TERM);
    manager.hears("STOPPING=1");
    assert_eq!(agent.exit_code(), 0);
}

#[test]
fn an_application_does_not_speak_to_the_manager() {
    let lab = Lab::new();
    let ear = lab.dir().join("notify");
    let manager = Manager::listen(&ear);
    let variables = lab.dir().join("variables");
    let script = format!("env > {}", variables.display());
    let launch = lab.agent("n1").env("NOTIFY_SOCKET", &ear);
    let launch = launch.env("WATCHDOG_USEC", "30000000");
    let ended = launch.args(["--", "sh", "-c", &script]).finish();
    assert_eq!(ended.code(), 0, "{ended:?}");
    manager.hears("STOPPING=1");
    let variables = fs::read_to_string(variables).expect("text");
    assert!(variables.contains("HEADCOUNT_NAME=n1"), "{variables}");
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"] {
        assert!(!variables.contains(name), "{variables}");
    }
}

#[test]
fn a_socket_that_was_passed_on_is_served_and_left_alone() {
    if !have("python3", "socket activation is not tested") {
        return;
    }
    let lab = Lab::new();
    let launch = lab.agent("n1");
    let socket = launch.socket();
    let path = socket.display().to_string();
    // An agent that made its own socket would find this one taken.
    let launch = launch.under(["python3", "-c", ACTIVATE, "AF_UNIX", &path, "1"]);
    let mut agent = launch.start();
    assert_eq!(agent.status()["socket"], *path);
    assert_eq!(agent.request("POST", "/v1/leave", "{}").status, 200);
    assert_eq!(agent.exit_code(), 0);
    assert!(
        socket.exists(),
        "the manager's socket is not ours to remove"
    );
}

#[test]
fn what_was_passed_on_in_error_is_refused() {
    if !have("python3", "socket activation is not tested") {
        return;
    }
    let lab = Lab::new();
    let path = lab.dir().join("passed").display().to_string();
    for (family, address, count, words) in [
        ("AF_UNIX", &*path, "2", "there are 2"),
        (
            "AF_INET",
            "127.0.0.1",
            "1",
            "not a valid unix stream socket",
        ),
    ] {
        let launch = lab.agent(family);
        let launch = launch.under(["python3", "-c", ACTIVATE, family, address, count]);
        launch
            .finish()
            .refused(2, &[words, "hint:", "ListenStream="]);
    }
}

#[test]
fn the_unit_files_are_what_systemd_understands() {
    if !have("systemd-analyze", "the unit files are not verified") {
        return;
    }
    let lab = Lab::new();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    for name in ["headcount.service", "headcount.socket"] {
        let unit = fs::read_to_string(deploy.join(name)).expect("a unit file");
        let unit = unit.replace("/usr/local/bin/headcount", env!("CARGO_BIN_EXE_headcount"));
        let path = lab.dir().join(name);
        fs::write(&path, unit).expect("a file");
        verify.arg(path);
    }
    let verified = finish(&mut verify);
    assert_eq!(
        (verified.code(), &*verified.stderr),
        (0, ""),
        "{verified:?}"
    );
}
