//! The envelope around every datagram and every stream frame.
//!
//! ```text
//! magic 1 | format 1 | kind 1 | key id 1..5 | sender 8 | life 1..5 | counter 1..10
//! payload | check 8                                                    key id 0: plain text
//! salt 4 | encrypted payload | tag 16                                  any other: sealed
//! ```
//!
//! Integers are little-endian or LEB128. The check is a SipHash of everything before it, keyed by
//! the cluster's name. It tells damage and foreign clusters from our own traffic, and nothing
//! more: it is no secret. A tag is XChaCha20-Poly1305's, over what is before the payload, the
//! cluster's name and a [`Context`] as well, none of which another one fits. The nonce is sender,
//! life, counter and salt: a process counts all that it seals, and draws the salt when it starts,
//! so that one that lost its memory and repeats lives and counters repeats no nonce. The cluster's
//! name itself is not sent, except in a hello and its refusal, which other clusters must be able
//! to read.

use std::{hash::Hasher, sync::Arc};

use bytes::{BufMut, Bytes};
use siphasher::sip::SipHasher24;

use super::{
    CLUSTER_BYTES_MAX, Junk, Key, KeyId, Keys, Life, MemberId, WIRE_VERSION,
    keys::{NONCE_BYTES, TAG_BYTES},
    replay::Seal,
    varint,
};

const MAGIC: u8 = 0xC7;
const CHECK_BYTES: usize = 8;
const PLAINTEXT: u32 = 0;

const SALT_BYTES: usize = 4;
const HEADER_BYTES_MAX: usize = 3 + 5 + 8 + 5 + 10 + SALT_BYTES;
const ASIDE_BYTES_MAX: usize = HEADER_BYTES_MAX + TAG_BYTES + CLUSTER_BYTES_MAX;

/// Bytes that the envelope adds to a payload, at most.
pub(super) const ENVELOPE_BYTES_MAX: usize = HEADER_BYTES_MAX + TAG_BYTES;

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// "May I join?", readable by any cluster.
    Hello = 0,
    /// "Yes, come to my stream port with this cookie."
    Welcome = 1,
    /// "No, we are another cluster", readable by any.
    Refused = 2,
    /// "Are you still there?"
    Challenge = 3,
    /// "I am."
    Present = 4,
    /// One of foca's packets.
    Swim = 5,
    /// A frame of a state exchange.
    Exchange = 6,
    /// "Your name is taken."
    Taken = 7,
    /// "I do not know you: come to my stream port with this cookie."
    Unknown = 8,
    /// "The member that you asked me to probe does not answer me either."
    Nack = 9,
    /// What was ordered about keys, with the keys.
    Keys = 10,
    /// "Have you forgotten this member?", and "I have".
    Forget = 11,
}

impl Kind {
    pub(super) const ALL: [Self; 12] = [
        Self::Hello,
        Self::Welcome,
        Self::Refused,
        Self::Challenge,
        Self::Present,
        Self::Swim,
        Self::Exchange,
        Self::Taken,
        Self::Unknown,
        Self::Nack,
        Self::Keys,
        Self::Forget,
    ];

    fn parse(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// Whether another cluster must be able to read it, so that both sides can say what is wrong.
    const fn is_public(self) -> bool {
        matches!(self, Self::Hello | Self::Refused)
    }

    /// Whether its inside neither says whom it is for nor echoes anything: the tag says it then.
    pub(super) const fn is_addressed(self) -> bool {
        matches!(self, Self::Forget | Self::Keys | Self::Nack | Self::Unknown)
    }

    /// Whether it may come from a process that we have not met: it echoes a nonce of ours, which
    /// is good once, or asks for no more than an answer to it.
    pub(super) const fn proves_itself(self) -> bool {
        use Kind::{Hello, Present, Refused, Taken, Welcome};
        matches!(self, Hello | Present | Refused | Taken | Welcome)
    }
}

/// An opened envelope. Its check held, so its sender is of our cluster (unless the kind is
/// public), and has a key of ours if there is a seal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) kind: Kind,
    pub(super) sender: MemberId,
    pub(super) life: Life,
    /// What it was sealed with; `None` for plain text.
    pub(super) key: Option<KeyId>,
    pub(super) seal: Option<Seal>,
    pub(super) payload: &'a [u8],
}

/// What a seal is good for beyond its envelope. It is not sent: both sides know it. And which key
/// it is made with, where that is not the primary.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    bytes: [u8; TAG_BYTES],
    key: Option<KeyId>,
}

impl Context {
    /// For this member alone.
    pub(super) fn of(id: MemberId) -> Self {
        let mut context = Self::default();
        context.bytes[..8].copy_from_slice(&id.0.to_le_bytes());
        context
    }

    /// Only as what follows this envelope on its stream.
    pub(super) fn after(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.last_chunk().copied().unwrap_or_default(),
            key: None,
        }
    }

    /// The same, sealed with this key if it is given and we have it.
    pub(super) fn in_key(self, key: Option<KeyId>) -> Self {
        Self { key, ..self }
    }

    pub(super) const fn key(self) -> Option<KeyId> {
        self.key
    }
}

/// Why an envelope stayed closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    Junk(Junk),
    /// It is sealed with this key, which we do not have, or plain text, which we do not take.
    Key {
        theirs: Option<KeyId>,
        wants_answer: bool,
    },
    /// The peer speaks this format. `wants_answer` when it said hello.
    Version {
        theirs: u8,
        wants_answer: bool,
    },
}

impl From<Junk> for Unopened {
    fn from(junk: Junk) -> Self {
        Self::Junk(junk)
    }
}

/// Makes and opens envelopes for one cluster.
#[derive(Clone, Debug)]
pub(super) struct Sealer {
    cluster: String,
    check_key: [u64; 2],
    counter: u64,
    keys: Keys,
    salt: u32,
    me: MemberId,
}

impl Sealer {
    /// A sealer that leaves everything plain text.
    pub(super) fn new(cluster: &str) -> Self {
        let half = |salt: u8| {
            let mut hasher = SipHasher24::new();
            hasher.write_u8(salt);
            hasher.write(cluster.as_bytes());
            hasher.finish()
        };
        Self {
            cluster: cluster.into(),
            check_key: [half(0), half(1)],
            counter: 0,
            keys: Keys::default(),
            salt: 0,
            me: MemberId(0),
        }
    }

    /// Seals with the first of `keys` from now on, in the name of `me`, and takes no plain text.
    /// `salt` must be random.
    pub(super) fn with(self, keys: Keys, salt: u32, me: MemberId) -> Self {
        Self {
            keys,
            salt,
            me,
            ..self
        }
    }

    /// The keys that are used.
    pub(super) const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Seals with the first of these and opens with all of them from now on.
    pub(super) fn replace_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// What our seals are called; `None` where all is plain text.
    pub(super) fn key_id(&self) -> Option<KeyId> {
        self.keys.primary().map(Key::id)
    }

    /// An envelope of `kind` from `sender`, good only in `context` if there are keys, whose payload
    /// `write` appends: `length` bytes if the buffer shall not be moved.
    pub(super) fn seal(
        &mut self,
        context: Context,
        (kind, length): (Kind, usize),
        sender: (MemberId, Life),
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Bytes {
        self.counter += 1;
        let asked_for = context.key.and_then(|id| self.keys.find(id));
        let key = asked_for.map(Arc::as_ref).or_else(|| self.keys.primary());
        let header = Header {
            kind,
            key: key.map(Key::id),
            sender: sender.0,
            life: sender.1,
            counter: self.counter,
            salt: self.salt,
        };
        let mut out = Vec::with_capacity(header.bytes() + length + header.closing_bytes());
        header.put(&mut out);
        let start = out.len();
        write(&mut out);
        match key {
            None => {
                let check = check(&self.check_key(kind), &out);
                out.put_u64_le(check);
            }
            Some(key) => {
                let (aside, inside) = out.split_at_mut(start);
                let aside = self.aside(kind, aside, context);
                let tag = key.seal(header.nonce(), aside.as_ref(), inside);
                out.put_slice(&tag);
            }
        }
        // As large as it must be: a driver may keep it for long.
        out.into_boxed_slice().into()
    }

    /// Opens what arrived in `context`. Nothing in it has been looked at before the check held.
    /// What was encrypted goes to `plain`.
    pub(super) fn open<'a>(
        &self,
        context: Context,
        bytes: &'a [u8],
        plain: &'a mut Vec<u8>,
    ) -> Result<Envelope<'a>, Unopened> {
        let [MAGIC, version, kind, rest @ ..] = bytes else {
            return Err(Junk::Foreign.into());
        };
        let wants_answer = *kind == Kind::Hello as u8;
        if *version != WIRE_VERSION {
            return Err(Unopened::Version {
                theirs: *version,
                wants_answer,
            });
        }
        let kind = Kind::parse(*kind).ok_or(Junk::Malformed)?;
        let (theirs, _) = varint::take(rest).ok_or(Junk::Malformed)?;
        let theirs = KeyId::from_bits(u32::try_from(theirs).map_err(|_| Junk::Malformed)?);
        let key = theirs.map(|theirs| self.keys.find(theirs));
        match (self.keys.primary(), key) {
            (None, None) => self.open_plain(kind, bytes),
            (Some(_), Some(Some(key))) => {
                let context = match kind.is_addressed() {
                    true => Context::of(self.me),
                    false => context,
                };
                self.open_sealed((key, context), kind, (bytes, plain))
            }
            _ => Err(Unopened::Key {
                theirs,
                wants_answer,
            }),
        }
    }

    fn open_plain<'a>(&self, kind: Kind, bytes: &'a [u8]) -> Result<Envelope<'a>, Unopened> {
        let (checked, found) = bytes
            .split_last_chunk::<CHECK_BYTES>()
            .ok_or(Junk::Malformed)?;
        if *found != check(&self.check_key(kind), checked).to_le_bytes() {
            return Err(Junk::Checksum.into());
        }
        let behind = checked.get(3..).ok_or(Junk::Malformed)?;
        let (header, payload) = Header::parse(kind, behind).ok_or(Junk::Malformed)?;
        Ok(header.envelope(payload))
    }

    fn open_sealed<'a>(
        &self,
        (key, context): (&Key, Context),
        kind: Kind,
        (bytes, plain): (&'a [u8], &'a mut Vec<u8>),
    ) -> Result<Envelope<'a>, Unopened> {
        let (sealed, tag) = bytes
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(Junk::Malformed)?;
        let behind = sealed.get(3..).ok_or(Junk::Malformed)?;
        let (header, inside) = Header::parse(kind, behind).ok_or(Junk::Malformed)?;
        let aside = self.aside(kind, &sealed[..sealed.len() - inside.len()], context);
        plain.clear();
        plain.extend_from_slice(inside);
        if !key.open(header.nonce(), aside.as_ref(), (plain, *tag)) {
            return Err(Junk::Checksum.into());
        }
        // Our own words come back to us only where somebody returns them, but for a hello to
        // another address of ours.
        if (header.sender, header.salt) == (self.me, self.salt) && kind != Kind::Hello {
            return Err(Junk::Replay.into());
        }
        Ok(header.envelope(plain))
    }

    /// What a tag is over besides the payload. No two of them are the same bytes, as headers tell
    /// their own length.
    fn aside(&self, kind: Kind, header: &[u8], context: Context) -> Aside {
        let mut aside = Aside {
            bytes: [0; ASIDE_BYTES_MAX],
            length: 0,
        };
        aside.put(header);
        aside.put(&context.bytes);
        if !kind.is_public() {
            aside.put(self.cluster.as_bytes());
        }
        aside
    }

    const fn check_key(&self, kind: Kind) -> [u64; 2] {
        if kind.is_public() {
            [0, 0]
        } else {
            self.check_key
        }
    }
}

/// A few bytes that need no allocation.
struct Aside {
    bytes: [u8; ASIDE_BYTES_MAX],
    length: usize,
}

impl Aside {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }
}

impl AsRef<[u8]> for Aside {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What is before the payload.
struct Header {
    kind: Kind,
    key: Option<KeyId>,
    sender: MemberId,
    life: Life,
    counter: u64,
    /// Only on the wire if there is a key.
    salt: u32,
}

impl Header {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_slice(&[MAGIC, WIRE_VERSION, self.kind as u8]);
        let [key, life, counter] = self.varints();
        varint::put(out, key);
        out.put_u64_le(self.sender.0);
        varint::put(out, life);
        varint::put(out, counter);
        if self.key.is_some() {
            out.put_u32_le(self.salt);
        }
    }

    /// Reads what follows magic, format and kind; gives what is behind it.
    fn parse(kind: Kind, rest: &[u8]) -> Option<(Self, &[u8])> {
        let (key, rest) = varint::take(rest)?;
        let key = KeyId::from_bits(u32::try_from(key).ok()?);
        let (sender, rest) = rest.split_first_chunk::<8>()?;
        let (life, rest) = varint::take(rest)?;
        let (counter, rest) = varint::take(rest)?;
        let (salt, rest) = match key {
            Some(_) => rest.split_first_chunk::<SALT_BYTES>()?,
            None => (&[0; SALT_BYTES], rest),
        };
        let header = Self {
            kind,
            key,
            sender: MemberId(u64::from_le_bytes(*sender)),
            life: Life::from_bits(u32::try_from(life).ok()?),
            counter,
            salt: u32::from_le_bytes(*salt),
        };
        Some((header, rest))
    }

    fn envelope(self, payload: &[u8]) -> Envelope<'_> {
        let Self { salt, counter, .. } = self;
        Envelope {
            kind: self.kind,
            sender: self.sender,
            life: self.life,
            key: self.key,
            seal: self.key.map(|_| Seal { salt, counter }),
            payload,
        }
    }

    fn varints(&self) -> [u64; 3] {
        let key = self.key.map_or(PLAINTEXT, KeyId::to_bits);
        [key.into(), self.life.to_bits().into(), self.counter]
    }

    fn bytes(&self) -> usize {
        let varints: usize = self.varints().into_iter().map(varint::bytes).sum();
        3 + 8 + varints + self.key.map_or(0, |_| SALT_BYTES)
    }

    fn closing_bytes(&self) -> usize {
        self.key.map_or(CHECK_BYTES, |_| TAG_BYTES)
    }

    fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..8].copy_from_slice(&self.sender.0.to_le_bytes());
        nonce[8..12].copy_from_slice(&self.life.to_bits().to_le_bytes());
        nonce[12..20].copy_from_slice(&self.counter.to_le_bytes());
        nonce[20..].copy_from_slice(&self.salt.to_le_bytes());
        nonce
    }
}

fn check(key: &[u64; 2], bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(key[0], key[1]);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const SENDER: (MemberId, Life) = (MemberId(7), Life::first(3));
    const SALT: u32 = 5;

    fn keys(bytes: &[u8]) -> Keys {
        let key = |byte: &u8| Arc::new(Key::new(&Zeroizing::new([*byte; 32])));
        Keys::new(bytes.iter().map(key).collect()).unwrap()
    }

    /// What the sender makes and takes envelopes with, in plain text or with keys.
    fn sealer(cluster: &str, bytes: &[u8]) -> Sealer {
        Sealer::new(cluster).with(keys(bytes), SALT, SENDER.0)
    }

    /// The same for somebody else.
    fn other(cluster: &str, bytes: &[u8]) -> Sealer {
        Sealer::new(cluster).with(keys(bytes), 6, MemberId(8))
    }

    fn seal(sealer: &mut Sealer, kind: Kind) -> Bytes {
        sealer.seal(Context::default(), (kind, 0), SENDER, |out| {
            out.put_slice(b"payload")
        })
    }

    fn open(sealer: &Sealer, bytes: &[u8]) -> Result<Vec<u8>, Unopened> {
        let mut plain = Vec::new();
        let envelope = sealer.open(Context::default(), bytes, &mut plain)?;
        Ok(envelope.payload.to_vec())
    }

    #[test]
    fn what_is_sealed_opens_unchanged() {
        for (keys, seal_of_it) in [
            (&[][..], None),
            (
                &[1][..],
                Some(Seal {
                    salt: SALT,
                    counter: 1,
                }),
            ),
        ] {
            let bytes = seal(&mut sealer("blue", keys), Kind::Swim);
            let mut plain = Vec::new();
            let opened = other("blue", keys).open(Context::default(), &bytes, &mut plain);
            let expected = Envelope {
                kind: Kind::Swim,
                sender: SENDER.0,
                life: SENDER.1,
                key: other("blue", keys).key_id(),
                seal: seal_of_it,
                payload: b"payload",
            };
            assert_eq!(opened.unwrap(), expected);
            assert!(bytes.len() <= b"payload".len() + ENVELOPE_BYTES_MAX);
        }
    }

    #[test]
    fn every_single_flipped_bit_and_every_truncation_is_noticed() {
        for keys in [&[][..], &[1][..]] {
            let bytes = seal(&mut sealer("blue", keys), Kind::Swim);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.to_vec();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(open(&other("blue", keys), &damaged).is_err(), "bit {bit}");
            }
            for length in 0..bytes.len() {
                let opened = open(&other("blue", keys), &bytes[..length]);
                assert!(opened.is_err(), "length {length}");
            }
        }
    }

    #[test]
    fn another_cluster_opens_only_what_is_public() {
        for keys in [&[][..], &[1][..]] {
            let open = |kind| {
                let bytes = seal(&mut sealer("blue", keys), kind);
                open(&other("green", keys), &bytes).err()
            };
            assert_eq!(open(Kind::Swim), Some(Junk::Checksum.into()));
            assert_eq!(open(Kind::Hello), None);
            assert_eq!(open(Kind::Refused), None);
        }
    }

    #[test]
    fn another_format_is_named_and_only_a_hello_wants_an_answer() {
        let open = |kind| {
            let mut bytes = seal(&mut sealer("blue", &[]), kind).to_vec();
            bytes[1] = 9;
            open(&other("blue", &[]), &bytes).err()
        };
        let version = |wants_answer| {
            Some(Unopened::Version {
                theirs: 9,
                wants_answer,
            })
        };
        assert_eq!(open(Kind::Hello), version(true));
        assert_eq!(open(Kind::Refused), version(false));
    }

    /// The first key seals and all of them open, so that keys can be replaced one node at a time.
    #[test]
    fn which_keys_open_what() {
        let id = |byte| keys(&[byte]).ids().next();
        for (theirs, ours, unopened) in [
            (&[1][..], &[1][..], None),
            (&[1, 2], &[2, 1], None),
            (&[2, 1], &[1, 2], None),
            (&[1], &[2], Some(id(1))),
            (&[1, 2], &[2], Some(id(1))),
            (&[1], &[], Some(id(1))),
            (&[], &[1], Some(None)),
        ] {
            let bytes = seal(&mut sealer("blue", theirs), Kind::Swim);
            let expected = unopened.map(|theirs| Unopened::Key {
                theirs,
                wants_answer: false,
            });
            let opened = open(&other("blue", ours), &bytes);
            assert_eq!(opened.err(), expected, "{theirs:?} {ours:?}");
        }
    }

    #[test]
    fn nothing_of_the_inside_can_be_read_and_no_two_look_alike() {
        let mut sealer = sealer("blue", &[1]);
        let [one, two] = [(); 2].map(|()| seal(&mut sealer, Kind::Swim));
        assert!(!one.windows(4).any(|bytes| b"payload".starts_with(bytes)));
        let inside = |bytes: &Bytes| bytes[bytes.len() - 23..].to_vec();
        assert_ne!(inside(&one), inside(&two));
        let again = seal(&mut other("blue", &[1]), Kind::Swim);
        assert_ne!(
            inside(&one),
            inside(&again),
            "the same counter, another salt"
        );
    }

    #[test]
    fn our_own_words_are_not_taken_back() {
        let mut sealer = sealer("blue", &[1]);
        let [swim, hello] = [Kind::Swim, Kind::Hello].map(|kind| seal(&mut sealer, kind));
        assert_eq!(open(&sealer, &swim).err(), Some(Junk::Replay.into()));
        assert!(open(&sealer, &hello).is_ok(), "it shows that we are there");
    }

    #[test]
    fn what_is_for_one_member_opens_for_nobody_else() {
        let mut sealer = sealer("blue", &[1]);
        for (to, opens) in [(MemberId(8), true), (MemberId(9), false)] {
            let bytes = sealer.seal(Context::of(to), (Kind::Nack, 0), SENDER, |_| {});
            assert_eq!(open(&other("blue", &[1]), &bytes).is_ok(), opens);
        }
    }
}
