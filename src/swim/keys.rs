//! `Keys`: the secrets that a cluster shares. The first one seals; every one opens.

use std::{fmt, num::NonZeroU32, str::FromStr, sync::Arc};

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce, aead::inout::InOutBuf};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes that a seal adds to what it seals.
pub(super) const TAG_BYTES: usize = 16;
/// Numbers used once: never two of them with one key.
pub(super) const NONCE_BYTES: usize = 24;

/// What a key is called where it may be seen: on the wire, in logs, in lists. It follows from the
/// key, so that files need no numbers, and does not give it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyId(NonZeroU32);

impl KeyId {
    /// `None` for zero, which on the wire means "not sealed".
    pub(super) const fn from_bits(bits: u32) -> Option<Self> {
        match NonZeroU32::new(bits) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    pub(super) const fn to_bits(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

/// The text is no key's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no key's id: ids are 8 hexadecimal digits, as `headcount keys list` shows them")]
pub struct InvalidKeyId(String);

impl InvalidKeyId {
    /// A longer text may be a key, which is not repeated.
    fn new(text: &str) -> Self {
        Self(match text.chars().count() {
            ..=16 => format!("{text:?}"),
            length => format!("a text of {length} characters"),
        })
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let is_hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u32::from_str_radix(text, 16).ok().filter(|_| is_hex);
        bits.and_then(Self::from_bits)
            .ok_or_else(|| InvalidKeyId::new(text))
    }
}

/// A secret of 256 bits. Its memory is wiped when the last owner is gone.
pub struct Key {
    id: KeyId,
    secret: Zeroizing<[u8; KEY_BYTES]>,
    // Wipes itself.
    cipher: XChaCha20Poly1305,
}

impl Key {
    /// The key with these bytes, which should have been drawn from the system's randomness.
    pub fn new(bytes: &Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let cipher = XChaCha20Poly1305::new((&**bytes).into());
        // A tag over nothing, under a nonce that no envelope has: no node's id and life are all
        // ones. Tags of a secret key look random to whoever does not have it.
        let nonce = XNonce::from([0xFF; NONCE_BYTES]);
        let tag = cipher
            .encrypt_inout_detached(&nonce, b"headcount key id", InOutBuf::from(&mut [][..]))
            .expect("nothing is never too long");
        let [a, b, c, d, ..] = tag.0;
        let bits = u32::from_be_bytes([a, b, c, d]);
        Self {
            id: KeyId::from_bits(bits).unwrap_or(KeyId(NonZeroU32::MIN)),
            secret: bytes.clone(),
            cipher,
        }
    }

    /// What it is called.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The secret itself: for key files and sealed messages, and nowhere else.
    pub fn secret(&self) -> &[u8; KEY_BYTES] {
        &self.secret
    }

    /// Encrypts `inside` where it stands and gives the tag over it and `aside`.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        aside: &[u8],
        inside: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        self.cipher
            .encrypt_inout_detached(&XNonce::from(nonce), aside, inside.into())
            .expect("no envelope is 256 GiB long")
            .into()
    }

    /// Decrypts `inside` where it stands, unless it, `aside` or the tag are not what was sealed.
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_BYTES],
        aside: &[u8],
        (inside, tag): (&mut [u8], [u8; TAG_BYTES]),
    ) -> bool {
        let (nonce, tag) = (XNonce::from(nonce), Tag::from(tag));
        self.cipher
            .decrypt_inout_detached(&nonce, aside, inside.into(), &tag)
            .is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", self.id)
    }
}

/// The keys that a node accepts, the one that it seals with first. None: everything is plain text.
#[derive(Clone, Default)]
pub struct Keys(Arc<[Arc<Key>]>);

impl Keys {
    /// No more keys than this are accepted at once.
    pub const COUNT_MAX: usize = 16;

    /// These keys, of which the first one seals. They are shared already: a vector of the keys
    /// themselves would be freed with their secrets in it, which nobody wipes.
    ///
    /// # Errors
    /// With the position of the first key that has an id of one before it, or is one too many.
    pub fn new(keys: Vec<Arc<Key>>) -> Result<Self, usize> {
        let is_taken = |at: usize| keys[..at].iter().any(|other| other.id == keys[at].id);
        match (0..keys.len()).find(|at| *at >= Self::COUNT_MAX || is_taken(*at)) {
            Some(at) => Err(at),
            None => Ok(keys.into_iter().collect()),
        }
    }

    /// The key that seals; `None` when everything is plain text.
    pub fn primary(&self) -> Option<&Key> {
        self.0.first().map(Arc::as_ref)
    }

    /// All of them, the primary first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.0.iter()
    }

    /// What they are called, the primary first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(|key| key.id)
    }

    /// The key that is called so.
    pub fn find(&self, id: KeyId) -> Option<&Arc<Key>> {
        self.0.iter().find(|key| key.id == id)
    }

    /// These and `key`, as the last one, unless it is there. They may be one too many.
    pub(super) fn with(&self, key: &Arc<Key>) -> Self {
        match self.find(key.id).is_some() {
            true => self.clone(),
            false => self.0.iter().chain([key]).cloned().collect(),
        }
    }

    /// As many of them as are accepted at once, the first ones.
    pub(super) fn within_limit(&self) -> Self {
        self.0.iter().take(Self::COUNT_MAX).cloned().collect()
    }

    /// The same ones, sealing with that one if it is there.
    pub(super) fn led_by(&self, id: KeyId) -> Self {
        let (first, others): (Vec<_>, Vec<_>) =
            self.0.iter().cloned().partition(|key| key.id == id);
        first.into_iter().chain(others).collect()
    }

    /// These without that one, unless it is the primary.
    pub(super) fn without(&self, id: KeyId) -> Self {
        let stays = |(at, key): &(usize, &Arc<Key>)| *at == 0 || key.id != id;
        let kept = self.0.iter().enumerate().filter(stays);
        kept.map(|(_, key)| key.clone()).collect()
    }
}

impl FromIterator<Arc<Key>> for Keys {
    fn from_iter<T: IntoIterator<Item = Arc<Key>>>(keys: T) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter()).finish()
    }
}

/// Keys are compared by what they are called: that tells different ones apart, and no secret.
impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.ids().eq(other.ids())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Arc<Key> {
        Arc::new(Key::new(&Zeroizing::new([byte; KEY_BYTES])))
    }

    #[test]
    fn ids_follow_from_keys_and_are_all_that_is_shown() {
        assert_eq!(key(1).id(), key(1).id());
        assert_ne!(key(1).id(), key(2).id());
        let keys = Keys::new(vec![key(1), key(2)]).unwrap();
        let [one, two] = [key(1).id(), key(2).id()];
        assert_eq!(format!("{keys:?}"), format!("[Key({one}), Key({two})]"));
    }

    #[test]
    fn the_same_key_twice_and_too_many_keys_are_refused() {
        assert_eq!(Keys::new(vec![key(1), key(2), key(1)]).err(), Some(2));
        let many = (0..=16).map(key).collect();
        assert_eq!(Keys::new(many).err(), Some(Keys::COUNT_MAX));
    }

    /// From draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn it_is_xchacha20_poly1305() {
        let bytes: [u8; KEY_BYTES] = std::array::from_fn(|at| 0x80 + u8::try_from(at).unwrap());
        let nonce = std::array::from_fn(|at| 0x40 + u8::try_from(at).unwrap());
        let aside = [
            0x50, 0x51, 0x52, 0x53, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7,
        ];
        let mut inside = *b"Ladies and Gentlemen of the class of '99: \
            If I could offer you only one tip for the future, sunscreen would be it.";
        let tag = Key::new(&Zeroizing::new(bytes)).seal(nonce, &aside, &mut inside);
        assert_eq!(inside[..4], [0xBD, 0x6D, 0x17, 0x9D]);
        let expected = [
            0xC0, 0x87, 0x59, 0x24, 0xC1, 0xC7, 0x98, 0x79, 0x47, 0xDE, 0xAF, 0xD8, 0x78, 0x0A,
            0xCF, 0x49,
        ];
        assert_eq!(tag, expected);
    }
}
