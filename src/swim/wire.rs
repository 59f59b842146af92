//! What is inside envelopes: one struct for each message, encoded by postcard.
//!
//! The length of a hello bounds every answer to it, so that a forged source address never gets
//! more bytes than were spent on it.

use std::{borrow::Cow, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    AppStatus, Card, Life, MemberId, Tags, check_event, check_name, check_tags, facts::Ring,
    parts::Parts, roster::Accusation, tags::PACKET_TAG_BYTES_MAX,
};

/// A hello's payload is padded to this length: no welcome or refusal is longer.
pub(super) const HELLO_BYTES_MIN: usize = 128;
/// A challenge that names a twin is padded to this length: it makes its receiver send a challenge
/// and an answer, which together are shorter.
pub(super) const TWIN_BYTES_MIN: usize = 160;
/// Longest reason for leaving that travels, in bytes.
pub(super) const REASON_BYTES_MAX: usize = 256;

/// "May I join?" The sender's id and life are in the envelope.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello<'a> {
    /// Echoed by the answer, so that nobody off the path can answer.
    pub(super) nonce: u64,
    pub(super) cluster: &'a str,
    pub(super) name: &'a str,
    /// Tells two processes with one name apart.
    pub(super) instance: u64,
    /// Where the sender says it is. An unspecified IP means "where you see me".
    pub(super) address: SocketAddr,
    /// Where the sender sent this: a node that does not know its own address learns it here.
    pub(super) to: SocketAddr,
    /// The sender holds this life of this member over, and believes it lives here.
    pub(super) holds_over: Option<(MemberId, Over)>,
}

/// "Yes": come to my stream port and show the cookie.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Welcome {
    pub(super) nonce: u64,
    pub(super) cookie: u64,
    /// Where the hello came from, as this side saw it.
    pub(super) seen_as: SocketAddr,
    /// The greatest life of the newcomer that this side knows.
    pub(super) held: Option<Held>,
}

/// A life of the newcomer that the welcoming side knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Held {
    Active(Life),
    Over(Over),
}

/// A life that is held over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Over {
    pub(super) life: Life,
    /// It said goodbye: whoever has it and did not is another process.
    pub(super) left: bool,
}

/// "No, we are another cluster."
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused<'a> {
    pub(super) nonce: u64,
    pub(super) cluster: &'a str,
}

/// "No, another process has your name."
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) nonce: u64,
    pub(super) holder: Twin,
}

/// "You speak as a member, and I do not know you." Whoever knows us where we are comes to our
/// stream port; nobody else is called back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unknown {
    pub(super) cookie: u64,
}

/// A process that has the name of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Twin {
    pub(super) address: SocketAddr,
    pub(super) life: Life,
    pub(super) instance: u64,
}

/// "Are you there?" Answered by [`Present`] if `to` is the one asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Challenge {
    pub(super) nonce: u64,
    pub(super) to: MemberId,
    pub(super) instance: u64,
    /// Somebody holds this life of yours over.
    pub(super) held_over: Option<Over>,
    /// Somebody has your name at this address, in a life of your generation.
    pub(super) twin: Option<(SocketAddr, Life)>,
}

/// "I am here", with the envelope's life.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Present {
    pub(super) nonce: u64,
    pub(super) instance: u64,
}

/// "The member that you asked me to probe does not answer me either" (Lifeguard §IV-A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Nack {
    pub(super) target: MemberId,
    /// Of the probe.
    pub(super) number: u8,
}

/// "Have you forgotten this life of a member, as an operator told me?", and "I have".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forget {
    pub(super) id: MemberId,
    pub(super) life: Life,
    pub(super) is_done: bool,
}

/// The frames of a state exchange: open; then same, state, or sums, which state answers; and
/// finish after state.
/// Those of a stream probe: a probe and its answer. And those of a fetch: what is asked for, and
/// what is given.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Frame<'a> {
    Open {
        /// From the welcome; members need none.
        cookie: Option<u64>,
        /// What the sender says of itself.
        #[serde(borrow)]
        me: Update<'a>,
        /// See `node::sums`.
        digest: u64,
    },
    /// Our digests agree.
    Same,
    /// They differ; these are my sums for each part of the members.
    Sums(Vec<u64>),
    /// All I know of these parts, myself first.
    State {
        parts: Parts,
        #[serde(borrow)]
        updates: Vec<Update<'a>>,
        /// Of other parts there is more to tell.
        is_cut: bool,
    },
    /// And this is all I know of them, or of some of them.
    Finish {
        #[serde(borrow)]
        updates: Vec<Update<'a>>,
        is_cut: bool,
    },
    /// There was more to tell: this is my digest now.
    Again { digest: u64 },
    /// "Are you there? Your datagrams do not get here."
    Probe {
        /// Echoed by the answer, so that nobody off the path can answer.
        nonce: u64,
        /// The accusation of whom this is sent to, for it to refute.
        #[serde(borrow)]
        claim: Option<Update<'a>>,
    },
    /// "I am": only a running process says so, while a kernel accepts streams for a stopped one.
    Answer {
        nonce: u64,
        /// What the sender says of itself.
        #[serde(borrow)]
        me: Update<'a>,
    },
    /// "What do these say of themselves? It was too large for a packet."
    Fetch(Vec<MemberId>),
    /// As much of it as fits.
    #[serde(borrow)]
    Fetched(Vec<Update<'a>>),
}

/// A claim about one member, as gossip and exchanges carry it. Accuser, evidence and reason are
/// in the very bytes that they qualify, so that they cannot race them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Update<'a> {
    Alive {
        #[serde(borrow)]
        card: WireCard<'a>,
        life: Life,
        incarnation: u16,
    },
    /// No claim: who a member is, for exchanges about members that are not alive.
    Known {
        #[serde(borrow)]
        card: WireCard<'a>,
        life: Life,
    },
    Suspect {
        id: MemberId,
        life: Life,
        incarnation: u16,
        accusation: Accusation,
    },
    Failed {
        id: MemberId,
        life: Life,
        incarnation: u16,
        /// What confirmed it: who heard nothing of the suspicion can still tell of it.
        accusation: Accusation,
        age_s: u32,
    },
    Left {
        id: MemberId,
        life: Life,
        #[serde(borrow)]
        reason: Cow<'a, str>,
        age_s: u32,
    },
    Removed {
        id: MemberId,
        life: Life,
        age_s: u32,
    },
    /// No claim: what a member says of itself.
    Facts {
        id: MemberId,
        generation: u32,
        said: Said,
    },
    /// No claim: what an application beside a member says.
    Event {
        id: MemberId,
        generation: u32,
        #[serde(borrow)]
        event: WireEvent<'a>,
    },
    /// As facts, of a member that gave itself other tags than those on its card.
    Tagged {
        id: MemberId,
        generation: u32,
        said: Said,
        /// The version that the tags came with.
        since: u32,
        /// `None` when they are too large: whoever lacks them fetches them over a stream.
        #[serde(borrow)]
        tags: Option<WireTags<'a>>,
    },
    /// It left, and its next process is due so long after its goodbye.
    Restarting {
        id: MemberId,
        life: Life,
        eta_s: u32,
        age_s: u32,
    },
}

/// What a member says of itself beside its tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) version: u32,
    pub(super) app: Option<AppStatus>,
    pub(super) keys: Option<Ring>,
}

/// Tags as they travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireTags<'a>(#[serde(borrow)] Vec<(WireText<'a>, WireText<'a>)>);

/// A text that is read where it lies: serde copies a `Cow` that is not a field itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WireText<'a>(#[serde(borrow)] Cow<'a, str>);

impl WireTags<'_> {
    pub(super) fn own(tags: &Tags) -> WireTags<'static> {
        let text = |text: &str| WireText(Cow::Owned(text.to_owned()));
        let pairs = tags.iter().map(|(key, value)| (text(key), text(value)));
        WireTags(pairs.collect())
    }

    /// The tags, unless no agent could have them.
    pub(super) fn check(&self) -> Option<Tags> {
        let pairs = self.0.iter();
        let tags: Tags = pairs
            .map(|(key, value)| (key.0.to_string(), value.0.to_string()))
            .collect();
        check_tags(&tags).ok().map(|()| tags)
    }
}

/// An event that an application raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireEvent<'a> {
    pub(super) number: u64,
    /// So many numbers before it may still be on their way.
    pub(super) behind: u16,
    /// How long ago it was raised.
    pub(super) age_ms: u32,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) payload: Cow<'a, str>,
}

impl WireEvent<'_> {
    /// Whether an agent could have raised it.
    pub(super) fn is_sound(&self) -> bool {
        check_event(&self.name, &self.payload).is_ok()
    }
}

/// What a member says of itself. The id follows from the name, the generation from the life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireCard<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    address: SocketAddr,
    #[serde(borrow)]
    tags: WireTags<'a>,
}

impl WireCard<'_> {
    pub(super) fn own(card: &Card) -> WireCard<'static> {
        WireCard {
            name: Cow::Owned(card.name.clone()),
            address: card.address,
            tags: WireTags::own(&card.tags),
        }
    }

    pub(super) fn id(&self, cluster: &str) -> MemberId {
        MemberId::new(cluster, &self.name)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The card, unless a name, tag or address in it could not be used.
    pub(super) fn check(&self, cluster: &str, generation: u32) -> Option<Card> {
        check_name(&self.name).ok()?;
        let tags = self.tags.check()?;
        // Larger ones are said by stream: no packet could tell of this card.
        (tags.size() <= PACKET_TAG_BYTES_MAX).then_some(())?;
        let usable = self.address.port() != 0 && !self.address.ip().is_unspecified();
        usable.then(|| Card {
            id: self.id(cluster),
            name: self.name.to_string(),
            generation,
            address: self.address,
            tags,
        })
    }
}

impl Update<'_> {
    pub(super) fn id(&self, cluster: &str) -> MemberId {
        match self {
            Self::Alive { card, .. } | Self::Known { card, .. } => card.id(cluster),
            Self::Suspect { id, .. }
            | Self::Failed { id, .. }
            | Self::Left { id, .. }
            | Self::Removed { id, .. }
            | Self::Restarting { id, .. }
            | Self::Facts { id, .. }
            | Self::Event { id, .. }
            | Self::Tagged { id, .. } => *id,
        }
    }

    pub(super) const fn life(&self) -> Life {
        match self {
            Self::Alive { life, .. }
            | Self::Known { life, .. }
            | Self::Suspect { life, .. }
            | Self::Failed { life, .. }
            | Self::Left { life, .. }
            | Self::Removed { life, .. }
            | Self::Restarting { life, .. } => *life,
            Self::Facts { generation, .. }
            | Self::Event { generation, .. }
            | Self::Tagged { generation, .. } => Life::first(*generation),
        }
    }
}

/// Whole seconds, as spans of time travel.
pub(super) fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

/// The longest beginning of `reason` that may travel.
pub(super) fn clip_reason(reason: &str) -> &str {
    clip(reason, REASON_BYTES_MAX)
}

/// The longest beginning of `text` in at most `bytes_max` bytes.
pub(super) fn clip(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Appends `message`. Encoding into a growing buffer cannot fail.
pub(super) fn put(out: &mut Vec<u8>, message: &impl Serialize) {
    *out = postcard::to_extend(message, std::mem::take(out))
        .expect("a growing buffer takes every message");
}

/// The bytes of `message`.
pub(super) fn encoded(message: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, message);
    bytes
}

/// Reads one message; what follows it is padding.
pub(super) fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    postcard::take_from_bytes(bytes)
        .ok()
        .map(|(message, _padding)| message)
}
