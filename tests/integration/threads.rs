//! An agent that gets no more threads from the system, as where `TasksMax=`, a container's pid
//! limit or `ulimit -u` is reached.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

use rustix::{
    fs::{Gid, Uid, chown},
    process::Signal,
};

use crate::support::{Lab, Running, skipped, until};

/// Nobody else's: the limit counts what a user has.
const USER: u32 = 60_011;

/// More than an agent needs.
const LIMIT: usize = 24;

/// Processes of that user, until it is dropped.
struct Crowd {
    _processes: Vec<Running>,
}

impl Crowd {
    /// So many that whoever has the limit starts no other thread.
    fn of_the_limit() -> Self {
        let start = |_| {
            let mut sleep = Command::new("sleep");
            Running::start(sleep.arg("1000").uid(USER).gid(USER))
        };
        Self {
            _processes: (0..LIMIT).map(start).collect(),
        }
    }
}

#[test]
fn who_gets_no_more_threads_goes_on_with_those_it_has() {
    if !rustix::process::geteuid().is_root() {
        return skipped("the number of a user's threads is limited by root");
    }
    let lab = Lab::new();
    let owned = |path: &std::path::Path| {
        let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
        chown(path, Some(user), Some(group)).expect("we are root");
    };
    fs::set_permissions(lab.dir(), Permissions::from_mode(0o755)).expect("our own folder");
    let folder = lab.dir().join("n1");
    fs::create_dir(&folder).expect("our own folder");
    owned(&folder);
    let (config, file) = (lab.dir().join("config.toml"), folder.join("members"));
    let write = |role: &str| {
        let text = format!(
            "tag = {{ role = \"{role}\" }}\n[[file]]\npath = \"{}\"\ntemplate = \"json\"\n\
             settle = \"0s\"\nmin-interval = \"0s\"\n",
            file.display()
        );
        fs::write(&config, text).expect("our own file");
    };
    write("web");
    let user = USER.to_string();
    let limit = format!("--nproc={LIMIT}");
    let other = [
        "setpriv",
        "--reuid",
        &user,
        "--regid",
        &user,
        "--clear-groups",
    ];
    let under = other.into_iter().chain(["prlimit", &limit]);
    let path = config.display().to_string();
    let mut agent = lab
        .agent("n1")
        .under(under)
        .args(["--config", &path])
        .start();
    let has = |text: &str| {
        let what = format!("{} has {text}", file.display());
        until(&what, || {
            let found = fs::read_to_string(&file).unwrap_or_default();
            found.contains(text).then_some(())
        });
    };
    has("web");
    let crowd = Crowd::of_the_limit();
    write("db");
    agent.signal(Signal::HUP);
    has("db");
    let joined = agent.request("POST", "/v1/join", r#"{"addresses":["localhost:1"]}"#);
    assert_eq!(joined.status, 200, "{joined:?}");
    assert_eq!(agent.status()["health"], "ok");
    agent.signal(Signal::TERM);
    assert_eq!(agent.exit_code(), 0, "{}", agent.log());
    drop(crowd);
}
