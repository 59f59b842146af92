//! Replacing a file as a whole: after a crash it holds the old text or the new one.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    path::Path,
};

/// What the name of a file ends with that is not finished yet. It begins with a dot.
const UNFINISHED: &str = ".tmp";

/// Gives the file this text, durably. Only its owner may read it, unless `mode` says otherwise.
/// Its folder must be there.
pub(super) fn replace(path: &Path, text: &[u8], mode: Option<Permissions>) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let dir = parent.unwrap_or_else(|| Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut file = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(UNFINISHED)
        .tempfile_in(dir)?;
    file.write_all(text)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(dir)?.sync_all()
}

/// Removes what a process that was killed left unfinished in `dir`, where nobody else writes.
pub(super) fn remove_unfinished(dir: &Path) {
    // What cannot be listed or removed takes some space and does no other harm.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(UNFINISHED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
