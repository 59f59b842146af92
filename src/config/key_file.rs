//! The key file: one key a line, the first of which seals.

use std::{io, path::Path, sync::Arc};

use data_encoding::{BASE64, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE};
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

use super::{
    keys::Refusal,
    secret::{self, GENERATE},
    text::Reading,
};
use crate::swim::{KEY_BYTES, Key, Keys};

/// Far more than sixteen keys and what there is to say about them.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// A line that we write: a key, its id and where it is from.
const LINE_BYTES_MAX: usize = 128;

/// Why a key file cannot be used. No key and no part of one is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct InvalidKeyFile {
    /// What is wrong, as a predicate of the file.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// The keys in the file at `path`. Lines are keys, as 64 hexadecimal digits or as 44 characters of
/// base64; `#` begins a comment.
///
/// # Errors
/// When it cannot be read, others than its owner may read it, or a line is no key, or there is no
/// key, or there are too many, or one twice.
pub fn read_keys(path: &Path) -> Result<Keys, InvalidKeyFile> {
    read_by(path, Reading::First)
}

/// The same of a file that was read before: one that cannot be read a second time, as a pipe, is
/// refused.
///
/// # Errors
/// As [`read_keys`].
pub fn reread_keys(path: &Path) -> Result<Keys, InvalidKeyFile> {
    read_by(path, Reading::Again)
}

pub(super) fn read_by(path: &Path, reading: Reading) -> Result<Keys, InvalidKeyFile> {
    parse(&read(path, reading)?)
}

/// A fresh key from the system's randomness, as a line of a key file.
///
/// # Errors
/// When the system has no randomness.
pub fn generate_key() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    // So few bytes come whole once the system is up, and are waited for before that.
    if getrandom(&mut *bytes, GetRandomFlags::empty())? != KEY_BYTES {
        return Err(io::Error::other("the system gave too few random bytes"));
    }
    Ok(Zeroizing::new(HEXLOWER.encode(&*bytes)))
}

/// The only key in the file at `path`, or on standard input if that is `-`, as a line of a key
/// file.
///
/// # Errors
/// As [`read_keys`], and when there is more than one key.
pub fn read_key(path: &Path) -> Result<Zeroizing<String>, InvalidKeyFile> {
    let text = match path.as_os_str() == "-" {
        true => bounded(secret::take(io::stdin().lock(), FILE_BYTES_MAX + 1)),
        false => read(path, Reading::First),
    };
    let named = |invalid: InvalidKeyFile| InvalidKeyFile {
        why: format!("key file {} {}", path.display(), invalid.why),
        ..invalid
    };
    let text = text.map_err(named)?;
    let keys = parse(&text).map_err(named)?;
    let mut keys = keys.iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(line(key)),
        _ => {
            let hint = "add one after the other, each from a file of its own";
            Err(named(refuse("has more than one key in it", hint)))
        }
    }
}

/// A key as a line of a key file, without anything else.
fn line(key: &Key) -> Zeroizing<String> {
    // Never moved, so that no copy of a key stays behind.
    let mut line = Zeroizing::new(String::with_capacity(LINE_BYTES_MAX));
    HEXLOWER.encode_append(key.secret(), &mut line);
    line
}

/// The key that a line of a key file is, without its comment; `None` if it is none.
pub fn parse_key(text: &str) -> Option<Arc<Key>> {
    decode(content(text)).map(|bytes| Arc::new(Key::new(&bytes)))
}

/// What must be in the file at `path` for it to have these keys: comments first, then the keys,
/// each with the comment that it had.
///
/// # Errors
/// As [`read_keys`].
pub fn rewrite_keys(path: &Path, keys: &Keys) -> Result<Zeroizing<String>, InvalidKeyFile> {
    Ok(rewritten(&read(path, Reading::Again)?, keys))
}

pub(super) fn rewritten(text: &str, keys: &Keys) -> Zeroizing<String> {
    // Never moved, so that no copy of a key stays behind.
    let room = text.len() + Keys::COUNT_MAX * LINE_BYTES_MAX;
    let mut new = Zeroizing::new(String::with_capacity(room));
    let mut add = |line: &str| {
        new.push_str(line);
        new.push('\n');
    };
    let comments = text.lines().filter(|line| content(line).is_empty());
    comments.for_each(&mut add);
    for key in keys.iter() {
        let is_its = |line: &&str| parse_key(line).is_some_and(|held| held.id() == key.id());
        match text.lines().find(is_its) {
            Some(line) => add(line),
            None => {
                let mut line = line(key);
                line.push_str("  # ");
                line.push_str(&key.id().to_string());
                line.push_str(", by headcount keys");
                add(&line);
            }
        }
    }
    debug_assert!(new.len() <= room, "{} bytes", new.len());
    new
}

fn read(path: &Path, reading: Reading) -> Result<Zeroizing<String>, InvalidKeyFile> {
    bounded(secret::read(path, FILE_BYTES_MAX + 1, reading))
}

/// The whole text of a key file, read up to a byte more than one has.
fn bounded(text: Result<Zeroizing<String>, Refusal>) -> Result<Zeroizing<String>, InvalidKeyFile> {
    let text = text.map_err(|Refusal { why, hint }| InvalidKeyFile { why, hint })?;
    match text.len() > FILE_BYTES_MAX {
        true => Err(refuse("is no key file: it is too large", GENERATE)),
        false => Ok(text),
    }
}

pub(super) fn parse(text: &str) -> Result<Keys, InvalidKeyFile> {
    let lines = (1..).zip(text.lines().map(content));
    let lines: Vec<(usize, &str)> = lines.filter(|(_, line)| !line.is_empty()).collect();
    if lines.is_empty() {
        return Err(refuse("has no key in it", GENERATE));
    }
    let mut keys = Vec::with_capacity(lines.len());
    for (number, line) in &lines {
        let bytes = decode(line).ok_or_else(|| malformed(*number, line.chars().count()))?;
        keys.push(Arc::new(Key::new(&bytes)));
    }
    Keys::new(keys).map_err(|at| {
        let number = lines[at].0;
        match at >= Keys::COUNT_MAX {
            true => refuse(
                format!(
                    "line {number} is a key too many: {} are read",
                    Keys::COUNT_MAX
                ),
                "take out keys that nobody seals with any more",
            ),
            false => refuse(
                format!("line {number} is a key that an earlier line has"),
                "take one of them out; the first key in the file seals",
            ),
        }
    })
}

/// A line without its comment.
fn content(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

fn decode(line: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    match line.len() {
        64 => decode_as(&HEXLOWER_PERMISSIVE, line),
        44 => decode_as(&BASE64, line),
        _ => None,
    }
}

fn decode_as(encoding: &Encoding, line: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    // Padded base64 is decoded into whole threes.
    let mut bytes = Zeroizing::new([0; KEY_BYTES + 1]);
    let length = encoding.decode_len(line.len()).ok()?;
    let decoded = encoding.decode_mut(line.as_bytes(), bytes.get_mut(..length)?);
    let key = bytes.first_chunk().filter(|_| decoded == Ok(KEY_BYTES))?;
    Some(Zeroizing::new(*key))
}

fn malformed(line: usize, characters: usize) -> InvalidKeyFile {
    let why = format!("line {line} is no key: it has {characters} characters");
    refuse(
        why,
        "a key is 64 hexadecimal digits, or 44 characters of base64",
    )
}

fn refuse(why: impl Into<String>, hint: impl Into<String>) -> InvalidKeyFile {
    let (why, hint) = (why.into(), hint.into());
    InvalidKeyFile { why, hint }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::unix::fs::FileExt,
    };

    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SAME: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OTHER: &str = "FF0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn hex_and_base64_are_the_same_key_and_the_first_one_is_the_primary() {
        let keys = |text: &str| parse(text).unwrap();
        assert_eq!(keys(HEX), keys(SAME));
        let both = keys(&format!("# ours\n\n  {OTHER}  # since May\r\n{SAME}\n"));
        assert_eq!(both.primary().map(Key::id), keys(OTHER).ids().next());
        assert_eq!(both.ids().nth(1), keys(HEX).ids().next());
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_line_and_without_showing_it() {
        for (text, why) in [
            (String::new(), "has no key in it"),
            ("# none\n \n".into(), "has no key in it"),
            (
                format!("{HEX}\n{}", &HEX[1..]),
                "line 2 is no key: it has 63 characters",
            ),
            (
                HEX.replace('f', "g"),
                "line 1 is no key: it has 64 characters",
            ),
            (
                SAME.replace('=', "A"),
                "line 1 is no key: it has 44 characters",
            ),
            (
                format!("{HEX}\n\n{SAME}"),
                "line 3 is a key that an earlier line has",
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err().why, why);
        }
        let many: Vec<_> = (0..17).map(|n| format!("{n:02x}{}", &HEX[2..])).collect();
        let why = parse(&many.join("\n")).unwrap_err().why;
        assert_eq!(why, "line 17 is a key too many: 16 are read");
    }

    #[test]
    fn a_file_that_is_rewritten_keeps_its_comments() {
        let keys = |text: &str| parse(text).unwrap();
        let text = format!("# ours\n{HEX} # since May\n");
        let both = keys(&format!("{OTHER}\n{SAME}"));
        let new = rewritten(&text, &both);
        assert_eq!(keys(&new), both);
        assert!(new.starts_with("# ours\nff01"), "{}", *new);
        assert!(new.ends_with(&format!("{HEX} # since May\n")), "{}", *new);
        assert_eq!(new.lines().count(), 3);
        let one = rewritten(&new, &keys(OTHER));
        assert_eq!(keys(&one), keys(OTHER));
        assert!(!one.contains("May"), "{}", *one);
    }

    /// What is in the memory of this process but for the stack of the calling thread, where a
    /// compiler leaves copies.
    fn search_heaps(is_there: impl Fn(&[u8]) -> bool) -> bool {
        const CHUNK: usize = 1 << 16;
        let memory = File::open("/proc/self/mem").unwrap();
        let here = &raw const memory as u64;
        let mut chunk = vec![0; CHUNK];
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let ranges = maps.lines().filter_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (begin, end) = range.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            rest.starts_with("rw")
                .then_some(number(begin)?..number(end)?)
        });
        let mut places = ranges
            .filter(|range| !range.contains(&here))
            .flat_map(|range| range.step_by(CHUNK - KEY_BYTES));
        places.any(|at| {
            // What another thread has just unmapped cannot be read.
            let read = memory.read_at(&mut chunk, at).unwrap_or_default();
            is_there(&chunk[..read])
        })
    }

    #[test]
    fn keys_that_are_dropped_are_nowhere_on_the_heap() {
        let lines: Vec<_> = (0..6).map(|_| generate_key().unwrap()).collect();
        let mut text = Zeroizing::new(String::with_capacity(1_024));
        lines.iter().for_each(|line| {
            text.push_str(line);
            text.push('\n');
        });
        let keys = parse(&text).unwrap();
        // Turned round, so that what is searched for is not found where it is searched for.
        let turned: Vec<Vec<u8>> = keys
            .iter()
            .map(|key| key.secret().iter().map(|byte| !byte).collect())
            .collect();
        let is_there = |memory: &[u8]| {
            let is_key = |found: &[u8]| {
                let is_this =
                    |key: &Vec<u8>| found.iter().map(|byte| !byte).eq(key.iter().copied());
                turned.iter().any(is_this)
            };
            memory.windows(KEY_BYTES).any(is_key)
        };
        drop(keys);
        assert!(!search_heaps(is_there));
    }

    #[test]
    fn fresh_keys_differ_and_can_be_read() {
        let [one, two] = [(); 2].map(|()| generate_key().unwrap());
        let keys = parse(&format!("{}\n{}", *one, *two)).unwrap();
        assert_eq!(keys.ids().count(), 2);
    }
}
