//! The unit files under systemd itself: a container of this machine's programs with nothing of its
//! state, in which systemd is process 1.
//!
//! Needs root and systemd-nspawn, which `.ci/run` installs; skipped with a line elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Finished, Lab, finish, skipped};

/// Runs the trial once the system is there, and ends the system with it.
const TRIAL: &str = "
[Unit]
Requires=basic.target
After=basic.target
SuccessAction=exit
FailureAction=exit

[Service]
Type=oneshot
ExecStart=/bin/bash /trial/script
StandardOutput=file:/trial/output
StandardError=inherit
";

/// Mounts that nobody else sees: systemd-nspawn wants its folder to be on none of the disks.
const APART: &str = "mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
exec systemd-nspawn \"$@\"";

/// Boots, runs `script`, and ends as that did; its output is in `output` of the folder.
fn boot(dir: &Path, script: &str) -> Finished {
    fs::write(dir.join("trial.service"), TRIAL).expect("a file");
    fs::write(dir.join("script"), script).expect("a file");
    let deploy = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy"));
    let unit = |dir: &Path, name: &str| {
        let unit = dir.join(name);
        format!("--bind-ro={}:/etc/systemd/system/{name}", unit.display())
    };
    let program = env!("CARGO_BIN_EXE_headcount");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", APART, "sh"]);
    // The root's own folders are empty but for /usr, and what is mounted here.
    command.args(["--directory=/", "--volatile=yes", "--private-network"]);
    command.args(["--boot", "--register=no", "--keep-unit"]);
    command.arg(format!("--machine=headcount-{}", std::process::id()));
    command.arg(format!("--bind={}:/trial", dir.display()));
    command.arg(unit(dir, "trial.service"));
    command.arg(unit(&deploy, "headcount.service"));
    command.arg(unit(&deploy, "headcount.socket"));
    command.arg("--tmpfs=/usr/local/bin");
    command.arg(format!("--bind-ro={program}:/usr/local/bin/headcount"));
    // Nobody is there to be asked, and no network that could be waited for.
    command.arg("systemd.firstboot=no");
    command.arg("systemd.mask=systemd-networkd-wait-online.service");
    command.arg("systemd.unit=trial.service");
    finish(&mut command)
}

#[test]
fn systemd_itself_starts_watches_and_wakes_the_agent() {
    let lab = Lab::new();
    let empty = boot(lab.dir(), "true");
    if empty.code() != 0 {
        let why = empty.stderr.lines().last().unwrap_or("no word why");
        return skipped(format_args!(
            "systemd is not booted: that needs root and systemd-nspawn ({why})"
        ));
    }
    let trial = boot(lab.dir(), include_str!("boot.sh"));
    let output = fs::read_to_string(lab.dir().join("output")).expect("text");
    assert_eq!(trial.code(), 0, "{output}");
}
