//! A swarm's seed that failed, made small and written down as a scenario of its own.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    thread,
};

use tokio::sync::oneshot;

use super::{Interrupts, Output};
use crate::simulator::{Plan, Shrunk};

/// So many files of one name may lie here.
const NAMES_MAX: u32 = 1_000;

/// Shrinks a plan that broke a promise, writes what is left to a file here, and gives the command
/// that runs it. `None` when somebody interrupts, or when the file cannot be written, which is
/// said.
pub(super) async fn shrunk(
    plan: Plan,
    interrupts: &mut Interrupts,
    output: &mut Output,
) -> Option<String> {
    output.talk(format!("shrinking seed {}", plan.seed));
    let shrunk = tokio::select! {
        shrunk = in_background(plan) => shrunk?,
        () = interrupts.next() => return None,
    };
    output.talk(&shrunk);
    let name = shrunk.file_name();
    match write_new(Path::new(""), &name, &shrunk.to_toml()) {
        Ok(file) => Some(format!("headcount simulate {file}")),
        Err(error) => {
            output.talk(format!("cannot write {name} here: {error}"));
            None
        }
    }
}

/// Writes `text` to a new file and gives its name: a file that is there may be somebody's, so this
/// one gets a number then. One that says the same already is taken for this one.
fn write_new(folder: &Path, name: &str, text: &str) -> io::Result<String> {
    let stem = name.strip_suffix(".toml").unwrap_or(name);
    let numbered = (2..=NAMES_MAX).map(|number| format!("{stem}-{number}.toml"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let path = folder.join(&name);
        match File::create_new(&path) {
            Ok(mut file) => {
                let written = file.write_all(text.as_bytes());
                // Half of it is no scenario.
                written.inspect_err(|_| drop(fs::remove_file(&path)))?;
                return Ok(name);
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {
                let same = fs::read(&path).is_ok_and(|found| found == text.as_bytes());
                if same {
                    return Ok(name);
                }
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// On a thread of its own, which nobody waits for after an interrupt.
async fn in_background(plan: Plan) -> Option<Shrunk> {
    let (done, shrunk) = oneshot::channel();
    thread::spawn(move || {
        // Whoever interrupted does not want it any more.
        let _ = done.send(plan.shrunk());
    });
    shrunk.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_file_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text| write_new(folder.path(), "swarm-4.toml", text).unwrap();
        fs::write(folder.path().join("swarm-4.toml"), "mine").unwrap();
        assert_eq!(write("one"), "swarm-4-2.toml");
        assert_eq!(write("other"), "swarm-4-3.toml");
        assert_eq!(write("one"), "swarm-4-2.toml");
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("swarm-4.toml"), "mine");
        assert_eq!(read("swarm-4-3.toml"), "other");
    }
}
