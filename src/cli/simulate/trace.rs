//! `Trace`: the file that the story of chosen nodes goes to, line by line while it happens.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Failure;
use crate::simulator::{Scenario, Telling};

/// An open file, and whose story it is. Clones write to the same file.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    path: PathBuf,
    nodes: Vec<String>,
    file: Arc<Mutex<Writer>>,
}

#[derive(Debug)]
struct Writer {
    lines: BufWriter<File>,
    /// Why nothing is written any more.
    error: Option<io::Error>,
}

impl Trace {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// When the scenario has no such node, and when the file cannot be written.
    pub(super) fn create(
        path: &Path,
        nodes: &[String],
        scenario: &Scenario,
        seed: u64,
    ) -> Result<Self, Failure> {
        for name in nodes {
            if scenario.slots_of(seed, name).is_empty() {
                let failure =
                    Failure::trouble(format!("--trace-nodes {name}: there is no such node"));
                return Err(failure.hint("nodes are called n0, n1, n2 and so on"));
            }
        }
        let file = File::create(path).map_err(|error| unwritable(path, &error))?;
        Ok(Self {
            path: path.into(),
            nodes: nodes.to_vec(),
            file: Arc::new(Mutex::new(Writer {
                lines: BufWriter::new(file),
                error: None,
            })),
        })
    }

    /// Writes a line that is not part of the story.
    pub(super) fn note(&self, line: &str) {
        self.writer().write(&format!("# {line}"));
    }

    /// What a run is given to tell its story by.
    pub(super) fn telling(&self) -> Telling {
        let trace = self.clone();
        Telling {
            nodes: self.nodes.clone(),
            teller: Box::new(move |line| trace.writer().write(line)),
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When any of it could not be written.
    pub(super) fn close(&self) -> Result<(), Failure> {
        let mut writer = self.writer();
        let flushed = writer.lines.flush();
        match writer.error.take().map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(unwritable(&self.path, &error)),
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn write(&mut self, line: &str) {
        if self.error.is_none() {
            self.error = writeln!(self.lines, "{line}").err();
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::trouble(format!("--trace: cannot write {}: {error}", path.display()))
}
