//! `Access`: who may use the local API, and how the socket is made.

use std::path::Path;

use nix::unistd::{Group, User};
use sha2::{Digest, Sha256};

use super::{
    keys::{Refusal, refusal},
    secret::{self, GENERATE},
    text::Reading,
};

/// What the socket's mode is if nobody says otherwise: for user and group.
const SOCKET_MODE: u32 = 0o660;
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 256;

/// Who may use the local API, and how the socket is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The socket's mode.
    pub mode: u32,
    /// Whom the socket belongs to, by number, when that is not the agent's user.
    pub owner: Option<u32>,
    /// The group that the socket belongs to, by number, when that is not the agent's.
    pub group: Option<u32>,
    /// Who may do everything. If nobody is listed here or in `read`, the socket's group may.
    pub full: Vec<Who>,
    /// Who may look at everything and change nothing.
    pub read: Vec<Who>,
    /// What requests on TCP must show.
    pub token: Option<Token>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            mode: SOCKET_MODE,
            owner: None,
            group: None,
            full: Vec::new(),
            read: Vec::new(),
            token: None,
        }
    }
}

/// Somebody on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The user with this number.
    User(u32),
    /// Whoever is in the group with this number.
    Group(u32),
}

/// A secret that a caller must show. Only its hash is kept: nobody who reads our memory has the
/// token, and how long a comparison takes tells nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    /// The token that is this text.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether this is the token.
    pub fn is(&self, text: &str) -> bool {
        *self == Self::new(text)
    }
}

/// `USER`, `@GROUP`, or their numbers.
pub(super) fn parse_who(text: &str) -> Result<Who, Refusal> {
    match text.strip_prefix('@') {
        Some(group) => parse_group(group).map(Who::Group),
        None => parse_user(text).map(Who::User),
    }
}

pub(super) fn parse_user(text: &str) -> Result<u32, Refusal> {
    let named = || {
        let found = User::from_name(text).ok().flatten();
        found.map(|user| user.uid.as_raw())
    };
    let hint = "write a name of /etc/passwd, or a number";
    let number = text.parse().ok().or_else(named);
    number.ok_or_else(|| refusal("is no user of this host", hint))
}

pub(super) fn parse_group(text: &str) -> Result<u32, Refusal> {
    let named = || {
        let found = Group::from_name(text).ok().flatten();
        found.map(|group| group.gid.as_raw())
    };
    let hint = "write a name of /etc/group, or a number";
    let number = text.parse().ok().or_else(named);
    number.ok_or_else(|| refusal("is no group of this host", hint))
}

pub(super) fn parse_mode(text: &str) -> Result<u32, Refusal> {
    let mode = u32::from_str_radix(text, 8).ok();
    let fits = |mode: &u32| *mode <= 0o777 && mode & 0o600 == 0o600;
    mode.filter(fits).ok_or_else(|| {
        let why = "is no mode of a socket that its owner can use";
        refusal(why, "0660 is for user and group, 0600 for the user alone")
    })
}

pub(super) fn parse_token_file(path: &Path, reading: Reading) -> Result<Token, Refusal> {
    // With room for the end of the line.
    let text = secret::read(path, TOKEN_BYTES_MAX + 2, reading)?;
    let token = text.trim();
    let fits = (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len());
    match fits && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Token::new(token)),
        false => {
            let why = format!(
                "is no token: one line of {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} ASCII characters \
                 without spaces"
            );
            Err(refusal(why, GENERATE))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn people_are_named_or_numbered() {
        assert_eq!(parse_who("root"), Ok(Who::User(0)));
        assert_eq!(parse_who("1000"), Ok(Who::User(1000)));
        assert_eq!(parse_who("@root"), Ok(Who::Group(0)));
        assert_eq!(parse_who("@33"), Ok(Who::Group(33)));
        for text in ["", "@", "nobody here", "@nobody here", "-1"] {
            assert!(parse_who(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mode_is_octal_and_leaves_the_owner_in() {
        assert_eq!(parse_mode("0600"), Ok(0o600));
        assert_eq!(parse_mode("666"), Ok(0o666));
        for text in ["", "0o660", "rw", "0440", "1777", "0889"] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_is_a_long_word_in_a_file_of_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            parse_token_file(&path, Reading::First)
        };
        let token = read("correct-horse-battery\n", 0o600).unwrap();
        assert!(token.is("correct-horse-battery") && !token.is("correct-horse-batterz"));
        assert!(!format!("{token:?}").contains("horse"));
        let refused = |text: &str, mode, why: &str| {
            let refusal = read(text, mode).unwrap_err();
            assert!(refusal.why.contains(why), "{refusal:?}");
        };
        refused("correct-horse-battery", 0o640, "0640");
        refused("short", 0o600, "16 to 256");
        refused("two words that are long", 0o600, "without spaces");
        refused(&"x".repeat(257), 0o600, "16 to 256");
    }
}
