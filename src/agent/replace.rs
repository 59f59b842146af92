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

/// Of a mode, what the group may do.
const GROUP_BITS: u32 = 0o070;

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
    let mut mode = rights.mode;
    if let Some((user, group)) = rights.owner {
        give(file.as_file(), path, user, group);
        if let Err(error) = acl::copy(path, file.as_file()) {
            let shown = path.display();
            warn!(path = %shown, "a file's access control list is not kept: {error}");
            // With a list, these bits bound what it gives to anybody; without, the group has them.
            mode.set_mode(mode.mode() & !GROUP_BITS);
        }
    }
    // A change of the owner takes some of the mode away.
    file.as_file().set_permissions(mode)?;
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

/// Access control lists: who may do what with a file besides its owner, its group and everybody.
#[cfg(target_os = "linux")]
mod acl {
    use std::{fs::File, io, path::Path};

    use rustix::{
        fs::{XattrFlags, fremovexattr, fsetxattr, getxattr},
        io::Errno,
    };

    const NAME: &str = "system.posix_acl_access";
    /// The most that Linux keeps under one name.
    const BYTES_MAX: usize = 64 * 1024;

    /// Gives `copy` the list that the file at `path` has, or none, whatever its folder gave it.
    pub(super) fn copy(path: &Path, copy: &File) -> io::Result<()> {
        let mut list = vec![0; BYTES_MAX];
        match getxattr(path, NAME, &mut list[..]) {
            Ok(length) => Ok(fsetxattr(copy, NAME, &list[..length], XattrFlags::empty())?),
            Err(Errno::NODATA) => ignore_none(fremovexattr(copy, NAME)),
            // The file system has no lists.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn ignore_none(removed: rustix::io::Result<()>) -> io::Result<()> {
        match removed {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod acl {
    pub(super) fn copy(_: &std::path::Path, _: &std::fs::File) -> std::io::Result<()> {
        Ok(())
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
