//! The envelope around every datagram and every stream frame.
//!
//! ```text
//! magic 1 | format 1 | kind 1 | key id 1..5 | sender 8 | life 1..5 | counter 1..10
//! payload | check 8
//! ```
//!
//! Integers are little-endian or LEB128. Key id 0 means "not sealed": the check is then a SipHash
//! of everything before it, keyed by the cluster's name. It tells damage and foreign clusters from
//! our own traffic, and nothing more: it is no secret. Sealing will put a key's id there and an
//! authentication tag in the place of the check; sender, life and counter are what its replay
//! protection will need. The cluster's name itself is not sent, except in a hello.

use std::hash::Hasher;

use bytes::{BufMut, Bytes};
use siphasher::sip::SipHasher24;

use super::{Junk, Life, MemberId, WIRE_VERSION};

const MAGIC: u8 = 0xC7;
const CHECK_BYTES: usize = 8;
const PLAINTEXT: u32 = 0;

/// Bytes that the envelope adds to a payload, at most.
pub(super) const ENVELOPE_BYTES_MAX: usize = 3 + 5 + 8 + 5 + 10 + CHECK_BYTES;

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
}

impl Kind {
    const ALL: [Self; 10] = [
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
    ];

    fn parse(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// Whether another cluster must be able to read it, so that both sides can say what is wrong.
    const fn is_public(self) -> bool {
        matches!(self, Self::Hello | Self::Refused)
    }
}

/// An opened envelope. Its check held, so its sender is of our cluster (unless the kind is
/// public).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) kind: Kind,
    pub(super) sender: MemberId,
    pub(super) life: Life,
    pub(super) payload: &'a [u8],
}

/// Why an envelope stayed closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    Junk(Junk),
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
    check_key: [u64; 2],
    counter: u64,
}

impl Sealer {
    pub(super) fn new(cluster: &str) -> Self {
        let half = |salt: u8| {
            let mut hasher = SipHasher24::new();
            hasher.write_u8(salt);
            hasher.write(cluster.as_bytes());
            hasher.finish()
        };
        Self {
            check_key: [half(0), half(1)],
            counter: 0,
        }
    }

    /// An envelope of `kind` from `sender`, whose payload `write` appends: `length` bytes if the
    /// buffer shall not be moved.
    pub(super) fn seal(
        &mut self,
        (kind, length): (Kind, usize),
        sender: (MemberId, Life),
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Bytes {
        self.counter += 1;
        let key = self.key(kind);
        let varints = [
            u64::from(PLAINTEXT),
            sender.1.to_bits().into(),
            self.counter,
        ];
        let varints: usize = varints.into_iter().map(varint_bytes).sum();
        let mut out = Vec::with_capacity(3 + 8 + varints + length + CHECK_BYTES);
        out.put_slice(&[MAGIC, WIRE_VERSION, kind as u8]);
        put_varint(&mut out, PLAINTEXT.into());
        out.put_u64_le(sender.0.0);
        put_varint(&mut out, sender.1.to_bits().into());
        put_varint(&mut out, self.counter);
        write(&mut out);
        let check = check(&key, &out);
        out.put_u64_le(check);
        // As large as it must be: a driver may keep it for long.
        out.into_boxed_slice().into()
    }

    /// Opens what arrived. Nothing in it has been looked at before the check held.
    pub(super) fn open<'a>(&self, bytes: &'a [u8]) -> Result<Envelope<'a>, Unopened> {
        let [MAGIC, version, kind, rest @ ..] = bytes else {
            return Err(Junk::Foreign.into());
        };
        if *version != WIRE_VERSION {
            let wants_answer = *kind == Kind::Hello as u8;
            return Err(Unopened::Version {
                theirs: *version,
                wants_answer,
            });
        }
        let kind = Kind::parse(*kind).ok_or(Junk::Malformed)?;
        let (key, _) = take_varint(rest).ok_or(Junk::Malformed)?;
        if key != u64::from(PLAINTEXT) {
            return Err(Junk::Key.into());
        }
        let inside = bytes
            .len()
            .checked_sub(CHECK_BYTES)
            .ok_or(Junk::Malformed)?;
        let (sealed, found) = bytes.split_at(inside);
        if found != check(&self.key(kind), sealed).to_le_bytes() {
            return Err(Junk::Checksum.into());
        }
        parse_checked(kind, &sealed[3..]).ok_or(Unopened::Junk(Junk::Malformed))
    }

    const fn key(&self, kind: Kind) -> [u64; 2] {
        if kind.is_public() {
            [0, 0]
        } else {
            self.check_key
        }
    }
}

fn parse_checked(kind: Kind, rest: &[u8]) -> Option<Envelope<'_>> {
    let (_key, rest) = take_varint(rest)?;
    let (sender, rest) = rest.split_first_chunk::<8>()?;
    let (life, rest) = take_varint(rest)?;
    let (_counter, payload) = take_varint(rest)?;
    Some(Envelope {
        kind,
        sender: MemberId(u64::from_le_bytes(*sender)),
        life: Life::from_bits(u32::try_from(life).ok()?),
        payload,
    })
}

fn check(key: &[u64; 2], bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(key[0], key[1]);
    hasher.write(bytes);
    hasher.finish()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.put_u8(low);
        }
        out.put_u8(low | 0x80);
    }
}

/// How long a number is on the wire.
const fn varint_bytes(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7F).checked_shl(7 * u32::try_from(index).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: (MemberId, Life) = (MemberId(7), Life::first(3));

    fn sealed(cluster: &str, kind: Kind) -> Bytes {
        Sealer::new(cluster).seal((kind, 0), SENDER, |out| out.put_slice(b"payload"))
    }

    #[test]
    fn what_is_sealed_opens_unchanged() {
        let bytes = sealed("blue", Kind::Swim);
        let opened = Sealer::new("blue").open(&bytes).unwrap();
        let expected = Envelope {
            kind: Kind::Swim,
            sender: SENDER.0,
            life: SENDER.1,
            payload: b"payload",
        };
        assert_eq!(opened, expected);
        assert!(bytes.len() <= b"payload".len() + ENVELOPE_BYTES_MAX);
    }

    #[test]
    fn every_single_flipped_bit_is_noticed() {
        let bytes = sealed("blue", Kind::Swim);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Sealer::new("blue").open(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        let bytes = sealed("blue", Kind::Swim);
        for length in 0..bytes.len() {
            assert!(
                Sealer::new("blue").open(&bytes[..length]).is_err(),
                "length {length}"
            );
        }
    }

    #[test]
    fn another_cluster_opens_only_what_is_public() {
        let open = |kind| Sealer::new("green").open(&sealed("blue", kind)).err();
        assert_eq!(open(Kind::Swim), Some(Junk::Checksum.into()));
        assert_eq!(open(Kind::Hello), None);
        assert_eq!(open(Kind::Refused), None);
    }

    #[test]
    fn another_format_is_named_and_only_a_hello_wants_an_answer() {
        let open = |kind| {
            let mut bytes = sealed("blue", kind).to_vec();
            bytes[1] = 9;
            Sealer::new("blue").open(&bytes).err()
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
}
