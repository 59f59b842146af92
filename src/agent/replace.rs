//! Replacing a file as a whole: after a crash it holds the old text or the new one.

use std::{
    fs::{File, Permissions},
    io::{self, Write},
    path::Path,
};

use tempfile::NamedTempFile;

/// Gives the file this text, durably. Only its owner may read it, unless `mode` says otherwise.
/// Its folder must be there.
pub(super) fn replace(path: &Path, text: &[u8], mode: Option<Permissions>) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let dir = parent.unwrap_or_else(|| Path::new("."));
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(text)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(dir)?.sync_all()
}
