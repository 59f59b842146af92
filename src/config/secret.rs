//! Files that hold a secret: only their owner may use them, and no copy of their text stays behind.

use std::{
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use zeroize::Zeroizing;

use super::{
    keys::{Refusal, refusal},
    text::Reading,
};

pub(super) const GENERATE: &str = "make one with: umask 077; headcount keys generate > FILE";

/// The first `bytes_max` bytes of the file at `path`.
pub(super) fn read(
    path: &Path,
    bytes_max: usize,
    reading: Reading,
) -> Result<Zeroizing<String>, Refusal> {
    let file = reading.open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(refusal("is a directory", GENERATE));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let why = format!("has mode {mode:04o}: others than its owner can use it");
        return Err(refusal(why, format!("chmod 600 {}", path.display())));
    }
    take(file, bytes_max)
}

/// The first `bytes_max` bytes of `source`.
pub(super) fn take(source: impl Read, bytes_max: usize) -> Result<Zeroizing<String>, Refusal> {
    // Never moved, so that no copy of it stays behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes_max));
    let mut start = source.take(bytes_max as u64);
    start.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn unreadable(error: io::Error) -> Refusal {
    refusal(format!("cannot be read: {error}"), GENERATE)
}
