//! `Draft`: a file that appears whole or not at all, and whose place is tried before the work
//! begins that it is about.

use std::{
    fs::Permissions,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::Failure;

/// A page that is not written yet; dropping it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    file: NamedTempFile,
}

impl Draft {
    /// Makes sure that a file can be written there.
    ///
    /// # Errors
    /// When it cannot.
    pub(super) fn begin(path: &Path) -> Result<Self, Failure> {
        // What is moved onto a device or a pipe takes its place.
        match path.metadata() {
            Ok(found) if found.is_dir() => return Err(unwritable(path, &"it is a directory")),
            Ok(found) if !found.is_file() => return Err(unwritable(path, &"it is no plain file")),
            _ => {}
        }
        // A link goes on leading where it led.
        let path = &place(path).unwrap_or_else(|| path.into());
        // As any new file: what the umask leaves of it.
        let permissions = Permissions::from_mode(0o666);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".headcount-").permissions(permissions);
        match builder.tempfile_in(folder(path)) {
            Ok(file) => Ok(Self {
                path: path.into(),
                file,
            }),
            Err(error) => Err(unwritable(path, &why(&error))),
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When the disk is full, and the like.
    pub(super) fn finish(mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        let kept = written.and_then(|()| Ok(self.file.persist(&self.path)?));
        match kept {
            Ok(_) => Ok(()),
            Err(error) => Err(unwritable(&self.path, &error)),
        }
    }
}

/// Refuses `-`, which elsewhere is standard output: the report has that.
///
/// # Errors
/// Says how a file of that name is written.
pub(super) fn refuse_dash(flag: &str, path: Option<&Path>) -> Result<(), Failure> {
    match path == Some(Path::new("-")) {
        true => {
            let text = format!("{flag} -: the report goes to standard output");
            Err(Failure::trouble(text).hint("name a file; one called - is ./-"))
        }
        false => Ok(()),
    }
}

/// The one name of the place that `path` leads to, whether there is a file or not.
pub(super) fn place(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?;
    match path.canonicalize() {
        Ok(place) => Some(place),
        Err(_) => Some(folder(path).canonicalize().ok()?.join(name)),
    }
}

fn folder(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new("."))
}

/// What the system said, without the name of a file that only we know of.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such folder".into(),
        kind => kind.to_string(),
    }
}

fn unwritable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::trouble(format!("--html: cannot write {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nothing_is_there_until_all_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        fs::write(&path, "old").unwrap();
        let draft = Draft::begin(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        draft.finish("new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        drop(Draft::begin(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_dash_is_no_file() {
        let said = refuse_dash("--html", Some(Path::new("-"))).unwrap_err();
        assert!(said.to_string().contains("--html -"), "{said}");
        refuse_dash("--html", Some(Path::new("./-"))).unwrap();
        refuse_dash("--html", None).unwrap();
    }

    #[test]
    fn a_place_has_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        let roundabout = folder.path().join("./page.html");
        assert_eq!(place(&path), place(&roundabout));
        assert!(place(&folder.path().join("absent/page.html")).is_none());
    }
}
