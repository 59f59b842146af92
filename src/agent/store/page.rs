//! A page: one file of the data directory. It says what it is, whose it is and how its text adds
//! up; one that does not, or is another member's, is put aside and counts as absent.
//!
//! ```text
//! headcount generation 1 4f0a…   what it is, the format, SHA-256 of the rest
//! {"cluster":"default","name":"n1","generation":7}
//! ```

use std::{
    fmt,
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::agent::replace::{Rights, replace};

/// The format that we write.
const FORMAT: &str = "1";
/// No page of ours is larger.
const BYTES_MAX: u64 = 1024 * 1024;
/// So many files of one name are kept aside; then the last gives way.
const ASIDE_MAX: usize = 16;

/// Whose pages these are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::agent) struct Owner {
    pub(in crate::agent) cluster: String,
    pub(in crate::agent) name: String,
}

/// What is in a page: one file for each kind.
pub(super) trait Content: Serialize + DeserializeOwned {
    /// What the file is called, and what it says that it is.
    const KIND: &'static str;
}

#[derive(Serialize, Deserialize)]
struct Body<T> {
    #[serde(flatten)]
    owner: Owner,
    #[serde(flatten)]
    content: T,
}

/// Why a page cannot be used.
#[derive(Debug)]
enum Fault {
    Damaged,
    Foreign(Owner),
    Unreadable(io::Error),
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} of cluster {:?}", self.name, self.cluster)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => formatter.write_str("is torn or damaged"),
            Self::Foreign(owner) => write!(formatter, "belongs to {owner}"),
            Self::Unreadable(error) => write!(formatter, "cannot be read: {error}"),
        }
    }
}

/// What the page in `dir` says, if there is one. One that cannot be used is put aside, with a
/// warning.
///
/// # Errors
/// When it could not be put aside: it must not be written over.
pub(super) fn read<T: Content>(dir: &Path, owner: &Owner) -> io::Result<Option<T>> {
    let path = path::<T>(dir);
    let content = match read_file(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(Fault::Unreadable(error)),
        Ok(bytes) => decode(&bytes, owner),
    };
    match content {
        Ok(content) => Ok(Some(content)),
        Err(fault) => put_aside(&path, &fault).map(|()| None),
    }
}

/// Replaces the page in `dir`: after a crash it is the old one or the new one.
pub(super) fn write<T: Content>(dir: &Path, owner: &Owner, content: T) -> io::Result<()> {
    replace(&path::<T>(dir), &encode(owner, content), Rights::private())
}

fn path<T: Content>(dir: &Path) -> PathBuf {
    dir.join(T::KIND)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // To open a pipe would take until somebody writes to it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(path)?;
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where a file goes that cannot be used: where nothing is yet, as what was put aside before may be
/// all that somebody has of it.
fn aside(path: &Path) -> PathBuf {
    let place = |number: usize| match number {
        0 => path.with_extension("aside"),
        _ => path.with_extension(format!("aside.{number}")),
    };
    let mut places = (0..ASIDE_MAX).map(place);
    let free = places.find(|place| fs::symlink_metadata(place).is_err());
    free.unwrap_or_else(|| {
        let last = place(ASIDE_MAX - 1);
        warn!(
            path = %path.display(), aside = %last.display(),
            "too many files are kept aside: the last one gives way"
        );
        last
    })
}

/// Keeps what somebody else wrote into a file that is about to be ours.
///
/// # Errors
/// When it could not be kept: it must not be written over.
pub(super) fn copy_aside_unless(path: &Path, is_ours: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    if read_file(path).map_or(true, |text| is_ours(&text)) {
        return Ok(());
    }
    let aside = aside(path);
    let copied = fs::copy(path, &aside).map(drop);
    match &copied {
        Ok(()) => warn!(
            path = %path.display(), aside = %aside.display(),
            "a file of the data directory is somebody else's: it was copied, and is ours now"
        ),
        Err(error) => warn!(
            path = %path.display(), aside = %aside.display(), %error,
            "a file of the data directory is somebody else's and could not be copied: it stays \
             as it is, and serves as our lock"
        ),
    }
    copied
}

fn put_aside(path: &Path, fault: &Fault) -> io::Result<()> {
    let aside = aside(path);
    let kept = fs::rename(path, &aside);
    kept.map_err(|error| {
        let (path, aside) = (path.display(), aside.display());
        // Of no kind for which a start is refused.
        io::Error::other(format!(
            "{path} {fault}, and cannot be moved to {aside}: {error}"
        ))
    })?;
    warn!(
        path = %path.display(), aside = %aside.display(),
        "a file of the data directory {fault}: it was put aside, and this agent starts without it"
    );
    Ok(())
}

fn head(kind: &str, body: &[u8]) -> String {
    let sum = HEXLOWER.encode(&Sha256::digest(body));
    format!("headcount {kind} {FORMAT} {sum}\n")
}

fn encode<T: Content>(owner: &Owner, content: T) -> Vec<u8> {
    let owner = owner.clone();
    let mut body = serde_json::to_vec(&Body { owner, content }).expect("keys are strings");
    body.push(b'\n');
    [head(T::KIND, &body).into_bytes(), body].concat()
}

fn decode<T: Content>(bytes: &[u8], owner: &Owner) -> Result<T, Fault> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (said, body) = bytes.split_at(end.ok_or(Fault::Damaged)? + 1);
    if said != head(T::KIND, body).as_bytes() {
        return Err(Fault::Damaged);
    }
    let held: Body<T> = serde_json::from_slice(body).map_err(|_| Fault::Damaged)?;
    match held.owner == *owner {
        true => Ok(held.content),
        false => Err(Fault::Foreign(held.owner)),
    }
}

/// What is in a page whose head fits, as somebody who may write it would make it.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn forged<T: Content>(owner: &Owner, body: &[u8]) -> Option<T> {
    let page = [head(T::KIND, body).as_bytes(), body].concat();
    decode(&page, owner).ok()
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Number {
        number: u32,
    }

    impl Content for Number {
        const KIND: &'static str = "number";
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Other {
        number: u32,
    }

    impl Content for Other {
        const KIND: &'static str = "other";
    }

    fn owner(name: &str) -> Owner {
        Owner {
            cluster: "blue".into(),
            name: name.into(),
        }
    }

    #[test]
    fn a_page_is_read_as_it_was_written_and_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let taken = |name| read::<Number>(dir.path(), &owner(name)).unwrap();
        assert_eq!(taken("n1"), None);
        write(dir.path(), &owner("n1"), Number { number: 7 }).unwrap();
        for _ in 0..2 {
            assert_eq!(
                taken("n1"),
                Some(Number { number: 7 }),
                "and is still there"
            );
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let page = fs::read(dir.path().join("number")).unwrap();
        assert_eq!(taken("n2"), None);
        assert_eq!(fs::read(dir.path().join("number.aside")).unwrap(), page);
        assert_eq!(taken("n1"), None);
    }

    #[test]
    fn a_page_of_another_kind_is_none_of_ours() {
        let page = encode(&owner("n1"), Other { number: 7 });
        assert!(decode::<Number>(&page, &owner("n1")).is_err());
    }

    #[test]
    fn no_torn_page_and_no_flipped_bit_is_believed() {
        let page = encode(&owner("n1"), Number { number: 7 });
        let believed = |bytes: &[u8]| decode::<Number>(bytes, &owner("n1")).is_ok();
        assert!(believed(&page));
        for length in 0..page.len() {
            assert!(!believed(&page[..length]), "{length} bytes");
        }
        for bit in 0..page.len() * 8 {
            let mut page = page.clone();
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(!believed(&page), "bit {bit}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("number")).unwrap();
        assert_eq!(read::<Number>(dir.path(), &owner("n1")).unwrap(), None);
        write(dir.path(), &owner("n1"), Number { number: 1 }).unwrap();
        let huge = vec![b'\n'; 2 * 1024 * 1024];
        fs::write(dir.path().join("number"), huge).unwrap();
        assert_eq!(read::<Number>(dir.path(), &owner("n1")).unwrap(), None);
    }

    #[test]
    fn nobody_waits_for_a_pipe_to_be_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("number");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(read::<Number>(dir.path(), &owner("n1")).unwrap(), None);
        assert!(dir.path().join("number.aside").exists());
    }

    #[test]
    fn what_was_put_aside_before_is_kept_until_there_is_too_much_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let texts = (0..=ASIDE_MAX).map(|number| format!("notes {number}"));
        for text in texts {
            fs::write(at("number"), text).unwrap();
            assert_eq!(read::<Number>(dir.path(), &owner("n1")).unwrap(), None);
        }
        let kept = |name| fs::read_to_string(at(name)).unwrap();
        assert_eq!(kept("number.aside"), "notes 0");
        assert_eq!(kept("number.aside.1"), "notes 1");
        assert_eq!(kept("number.aside.15"), "notes 16");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), ASIDE_MAX);
    }

    #[test]
    fn what_cannot_be_put_aside_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("number"), "notes").unwrap();
        fs::create_dir(at("number.aside")).unwrap();
        let numbers = 1..ASIDE_MAX;
        numbers.for_each(|n| fs::create_dir(at(&format!("number.aside.{n}"))).unwrap());
        let error = read::<Number>(dir.path(), &owner("n1")).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("is torn or damaged, and cannot be moved"),
            "{error}"
        );
        assert_eq!(fs::read(at("number")).unwrap(), b"notes");
        fs::write(at("other"), "mine").unwrap();
        let numbers = 0..ASIDE_MAX;
        numbers.for_each(|n| {
            let suffix = if n == 0 {
                String::new()
            } else {
                format!(".{n}")
            };
            fs::create_dir(at(&format!("other.aside{suffix}"))).unwrap();
        });
        copy_aside_unless(&at("other"), |_| false).unwrap_err();
    }
}
