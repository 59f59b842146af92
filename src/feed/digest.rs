//! `Digest`: one number by which two lists of members can be compared.

use std::{
    fmt,
    iter::Sum,
    ops::{AddAssign, SubAssign},
};

use sha2::{Digest as _, Sha256};

use crate::swim::{AppStatus, MemberView, Timestamp};

/// The sum, modulo 2⁶⁴, of the first eight bytes (the most significant first) of each member's
/// SHA-256. It does not depend on the order of the members, and is kept up with one addition and
/// one subtraction a change. Written as 16 hexadecimal digits.
///
/// What is hashed of a member is UTF-8 text, its fields as the JSON has them joined by line feeds:
/// name, address, state, generation, incarnation, since, app (empty if it has none), then
/// `key=value` for each tag in the order of the keys. A consumer in any language has all of that,
/// and SHA-256 in its standard library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Of one member.
    pub(super) fn of(view: &MemberView, since: Timestamp) -> Self {
        let card = &view.card;
        let mut text = format!(
            "{}\n{}\n{}\n{}\n{}\n{}\n{}",
            card.name,
            card.address,
            view.state.as_str(),
            card.generation,
            view.incarnation,
            since.to_rfc3339(),
            view.app.as_ref().map_or("", AppStatus::as_str),
        );
        for (key, value) in card.tags.iter() {
            text += &format!("\n{key}={value}");
        }
        let hash = Sha256::digest(text);
        let (head, _) = hash.split_first_chunk().expect("32 bytes");
        Self(u64::from_be_bytes(*head))
    }
}

impl AddAssign for Digest {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl SubAssign for Digest {
    fn sub_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

impl Sum for Digest {
    fn sum<I: Iterator<Item = Self>>(digests: I) -> Self {
        digests.fold(Self::default(), |mut sum, digest| {
            sum += digest;
            sum
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}
