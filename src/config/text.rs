//! Texts that others keep for us in files: bounded, and once we run never waited for.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use rustix::fs::{Mode, OFlags, open};

/// No configuration and no template that somebody wrote is larger.
const BYTES_MAX: u64 = 1024 * 1024;

/// Which reading it is. A pipe gives its text once: whoever starts us may have it wait there, and
/// the second time it would be empty, or never come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reading {
    /// At the start: of whatever can be read.
    #[default]
    First,
    /// Later: of regular files only.
    Again,
}

impl Reading {
    pub(super) fn open(self, path: &Path) -> io::Result<File> {
        match self {
            Self::First => File::open(path),
            Self::Again => open_regular(path),
        }
    }

    /// The whole text of the file at `path`.
    pub(super) fn text(self, path: &Path) -> io::Result<String> {
        whole(self.open(path)?)
    }
}

/// The whole text of the regular file at `path`, which is 1 MiB at most.
///
/// # Errors
/// When it cannot be read, is no regular file, is larger or no text.
pub fn read_text(path: &Path) -> io::Result<String> {
    Reading::Again.text(path)
}

fn open_regular(path: &Path) -> io::Result<File> {
    // Without the flag, to open a pipe would take until somebody writes to it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other(
            "it is no regular file, and so cannot be read again",
        )),
    }
}

fn whole(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    match text.len() as u64 > BYTES_MAX {
        true => Err(io::Error::other("it is larger than 1 MiB")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    #[test]
    fn a_pipe_is_read_at_the_start_only_and_nobody_waits_for_it_later() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let refused = read_text(&pipe).unwrap_err().to_string();
        assert!(refused.contains("cannot be read again"), "{refused}");
        let other = pipe.clone();
        let writer = thread::spawn(move || fs::write(other, "name = 'n1'").unwrap());
        assert_eq!(Reading::First.text(&pipe).unwrap(), "name = 'n1'");
        writer.join().unwrap();
    }

    #[test]
    fn what_has_no_end_is_read_up_to_the_bound() {
        read_text(Path::new("/dev/zero")).unwrap_err();
        let error = Reading::First.text(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 1 MiB");
    }
}
