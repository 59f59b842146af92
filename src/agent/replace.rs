//! Replacing a file as a whole: after a crash it holds the old text or the new one.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

use tracing::warn;

/// What the name of a file ends with that is not finished yet. It begins with a dot.
const UNFINISHED: &str = ".tmp";

/// Whose a file is, and who may do what with it.
#[derive(Debug)]
pub(super) struct Rights {
    mode: Permissions,
    /// User and group, by number; our own unless given.
    owner: Option<(u32, u32)>,
}

impl Rights {
    /// Our own file, with this mode.
    pub(super) const fn own(mode: Permissions) -> Self {
        Self { mode, owner: None }
    }

    /// Only we may read it.
    pub(super) fn private() -> Self {
        Self::own(Permissions::from_mode(0o600))
    }

    /// As this file has them.
    pub(super) fn of(file: &Metadata) -> Self {
        Self {
            mode: file.permissions(),
            owner: Some((file.uid(), file.gid())),
        }
    }
}

/// Gives the file this text, durably, and these rights, as far as we may give it away. Its folder
/// must be there.
pub(super) fn replace(path: &Path, text: &[u8], rights: Rights) -> io::Result<()> {
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
    if let Some((user, group)) = rights.owner {
        give(file.as_file(), path, user, group);
    }
    // A change of the owner takes some of the mode away.
    file.as_file().set_permissions(rights.mode)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(dir)?.sync_all()
}

/// Whoever may not give a file away may still give it to a group of its own. What cannot be kept is
/// said once: from then on the file is ours.
fn give(file: &File, path: &Path, user: u32, group: u32) {
    let Err(error) = fchown(file, Some(user), Some(group)) else {
        return;
    };
    let path = path.display();
    warn!(%path, user, group, "a file's owner is not kept, as only root may: {error}");
    if let Err(error) = fchown(file, None, Some(group)) {
        warn!(%path, group, "a file's group is not kept: {error}");
    }
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
