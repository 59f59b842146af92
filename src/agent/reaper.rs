//! As process 1 of a container the agent inherits every process whose parent ended first. When
//! such a process ends, the kernel keeps its number until its end is taken note of, which nobody
//! else does.
//!
//! Children of our own are left to whoever waits for them. Elsewhere than as process 1, nothing
//! here does anything.

use std::{
    fs, io,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};
use tokio::{
    process::{Child, Command},
    signal::unix::{Signal, SignalKind, signal},
};

use super::{Error, panics, program, threads::runtime};

const PART: &str = "reaper";

/// Children that somebody here waits for, by their numbers.
static OURS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn ours() -> MutexGuard<'static, Vec<Pid>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_first() -> bool {
    std::process::id() == 1
}

/// Starts a child that whoever called waits for.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    if !is_first() {
        return command.spawn();
    }
    // Held until it is listed: one that dies at once, or cannot be executed, is no stranger.
    let mut ours = ours();
    let child = command.spawn()?;
    ours.extend(program::pid(&child));
    Ok(child)
}

/// Takes note of strangers' ends for as long as the process runs, on a thread that waits for
/// nobody: where a container's limit of processes is reached, there may be no other any more.
///
/// # Errors
/// When the system has no thread, or no signals, to give.
pub(super) fn start() -> Result<(), Error> {
    if !is_first() {
        return Ok(());
    }
    let runtime = runtime(PART)?;
    let failed = |source| Error::Runtime { part: PART, source };
    let entered = runtime.enter();
    let ends = signal(SignalKind::child()).map_err(failed)?;
    drop(entered);
    let thread = thread::Builder::new().name(PART.into());
    let started = thread.spawn(move || {
        panics::note_those_of(PART);
        runtime.block_on(outlast(ends));
    });
    started.map(drop).map_err(failed)
}

async fn outlast(mut ends: Signal) {
    loop {
        reap();
        if ends.recv().await.is_none() {
            return;
        }
    }
}

fn reap() {
    let ended = ended();
    let mut ours = ours();
    ours.retain(|pid| is_unheard(*pid));
    for stranger in ended.iter().filter(|pid| !ours.contains(*pid)) {
        // It has ended, so that this does not wait.
        let _ = waitpid(Some(*stranger), WaitOptions::NOHANG);
    }
}

/// Whether a child lives, or nobody has waited for it yet.
fn is_unheard(pid: Pid) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), look).is_ok()
}

/// Every child that has ended. The kernel would name one at a time, and one of ours again and again
/// until it was waited for, with strangers behind it.
fn ended() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pids = numbers.filter_map(Pid::from_raw);
    pids.filter(|pid| is_ended_child(*pid)).collect()
}

fn is_ended_child(pid: Pid) -> bool {
    // One that is gone meanwhile needs nobody.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A name may have anything in it, brackets and blanks too.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let mut words = rest.split(' ');
    let parent = std::process::id().to_string();
    (words.next(), words.next()) == (Some("Z"), Some(parent.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_is_ended_when_it_died_and_unheard_until_it_is_waited_for() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = program::pid(&child).unwrap();
        assert!(is_unheard(pid) && !ended().contains(&pid));
        child.start_kill().unwrap();
        while !ended().contains(&pid) {
            tokio::task::yield_now().await;
        }
        assert!(is_unheard(pid));
        child.wait().await.unwrap();
        assert!(!is_unheard(pid) && !ended().contains(&pid));
    }
}
