//! The node's contract: what goes in, what comes out. The agent and the simulator speak nothing
//! else with a node.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    AppStatus, Change, Directory, Key, KeyId, Keys, Life, MemberId, Scope, Tags, Timestamp, Tuning,
};

/// A stream (TCP in the agent) that one side opened. The number is the driver's own: streams that
/// this node dials have numbers the node chose (even); streams that the driver accepted
/// have numbers the driver chose (odd).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// A member that announced a restart is waited for this long at most.
pub const RESTART_MAX: Duration = Duration::from_secs(60 * 60);

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// It was open, and either side closed or broke it.
    Closed,
    /// The dialled system answered that nobody listens there: a reset to the very first segment,
    /// which nobody off the path can forge.
    Refused,
    /// It never opened, and nobody said why.
    Unreachable,
}

/// Everything that can happen to a node.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Nothing leads to these addresses of [`Input::Join`] any more: they are not contacted for
    /// their own sake. Members stay members.
    Abandon(&'a [SocketAddr]),
    /// What we say of our own application from now on; `None` says that there is none to speak of.
    /// Told everywhere at once; without effect once we are leaving.
    App(Option<&'a AppStatus>),
    /// A datagram arrived on the gossip port.
    Datagram {
        /// The address it came from.
        from: SocketAddr,
        /// Its bytes, unchecked.
        bytes: &'a [u8],
    },
    /// [`super::Node::deadline`] has passed.
    Deadline,
    /// Contact these addresses and become one cluster with whoever answers.
    Join(&'a [SocketAddr]),
    /// An application raises this event, which [`super::check_event`] lets pass: told here at once,
    /// and everywhere soon. Without effect once we are leaving, or while
    /// [`super::Node::next_event`] is `None`.
    Event {
        /// What it is called.
        name: &'a str,
        /// What it says.
        payload: &'a str,
    },
    /// Replace keys, here and everywhere. Without effect where gossip is plain text, and once we
    /// are leaving.
    Keys(KeyChange<'a>),
    /// Say goodbye; [`Output::Stop`] follows within half a second.
    Leave {
        /// Why, for the others to read. At most 256 bytes are told.
        reason: &'a str,
        /// When the next process of this member is due, at most [`super::RESTART_MAX`] from now:
        /// consumers are told of one restart then, or of a failure if it is not there.
        restart_in: Option<Duration>,
    },
    /// The system at this address says that nobody has the gossip port there: an ICMP port
    /// unreachable came for a datagram of ours. A hint only: it is easily forged.
    Refused {
        /// The address that the datagram went to.
        by: SocketAddr,
    },
    /// These were members when this one last ran, the latest first, at most 1,000. Each is
    /// contacted once, and then as members are that we lost: often while we are alone, else now and
    /// then, for 30 days.
    Reconnect(&'a [SocketAddr]),
    /// From now on we have these tags, which [`super::check_tags`] lets pass, in place of all that
    /// we had. Told everywhere at once; without effect once we are leaving.
    Tags(&'a Tags),
    /// From now on these numbers count. What waits already waits as long as it was to, but for the
    /// forgetting of members. Members may have different numbers, for a while or for ever.
    Tuning(&'a Tuning),
    /// Forget this failed or departed member everywhere; [`Output::Removed`] follows when all
    /// living members have, after 3 s at the latest. Without effect unless
    /// [`super::Node::is_removable`].
    Remove {
        /// Its name.
        name: &'a str,
    },
    /// A whole frame arrived on a stream.
    StreamFrame {
        /// The stream.
        stream: StreamId,
        /// The frame's bytes without the length that framed them, unchecked.
        bytes: &'a [u8],
    },
    /// The stream ended, or could not be opened. Nothing more will arrive on it.
    StreamClosed {
        /// The stream.
        stream: StreamId,
        /// How.
        end: StreamEnd,
    },
}

/// What shall become of the keys that seal. Whether it is safe is for whoever asks to know:
/// [`super::Node::key_rings`] tells who has which.
#[derive(Clone, Copy, Debug)]
pub enum KeyChange<'a> {
    /// Everybody accepts this key.
    Add(&'a Arc<Key>),
    /// Everybody seals with this key; nobody does if we do not have it.
    Use(KeyId),
    /// Nobody has this key any more, except who seals with it.
    Remove(KeyId),
    /// We alone have these from now on, whatever was told to the cluster before: the operator
    /// changed the file by hand. Without effect if there are none.
    Replace(&'a Keys),
    /// Our next process will have these. Unless they are those that we have now, others are told
    /// that ours are not stored.
    Stored(&'a [KeyId]),
}

/// Everything that a node asks of its driver.
#[derive(Clone, Debug)]
pub enum Output {
    /// Tell the consumers. Boxed, as every datagram would else be as large as a change.
    Change(Box<Change>),
    /// Close the stream once everything written before is out.
    CloseStream(StreamId),
    /// An address given by [`Input::Join`] answered, and its whole state is ours now.
    Joined(SocketAddr),
    /// These are our keys now, the one that seals first: remember them.
    Keys(Keys),
    /// Something the operator should read in the log. Already rate-limited.
    Notice(Box<Notice>),
    /// Dial `to` and write this first frame.
    OpenStream {
        /// The new stream's number.
        stream: StreamId,
        /// Where to.
        to: SocketAddr,
        /// The first frame, to be preceded by its length. At most [`super::OPENING_BYTES_MAX`]
        /// bytes.
        frame: Bytes,
    },
    /// The generation changed: store it, so that the next start is greater.
    Remember {
        /// The generation in use.
        generation: u32,
    },
    /// A member that [`Input::Remove`] named is forgotten, by so many.
    Removed(Box<Removed>),
    /// A member announced that its next process is there at `due`, and is waited for. No change, as
    /// it stays alive until then; a change follows when it is back, or is not.
    Restarting {
        /// The member.
        member: MemberId,
        /// When it is failed unless it is back.
        due: Timestamp,
    },
    /// Send a datagram.
    Send {
        /// Where to.
        to: SocketAddr,
        /// At most [`super::PACKET_BYTES_MAX`] bytes.
        bytes: Bytes,
    },
    /// The node is done: nothing more will come from it.
    Stop(StopReason),
    /// Write a frame to an open stream.
    StreamFrame {
        /// The stream.
        stream: StreamId,
        /// The frame, to be preceded by its length.
        bytes: Bytes,
    },
}

/// How far the removal of a member has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The member's name.
    pub name: String,
    /// Living members that have forgotten it, ourselves included.
    pub applied_by: usize,
    /// The names of those that did not say so in time, in order. Exchanges tell them later.
    pub missing: Vec<String>,
}

/// Why a node stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Another process has our name, and stays.
    Conflict {
        /// Where it is.
        holder: SocketAddr,
    },
    /// It left as it was told.
    Left,
}

/// Something for the operator's log, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A peer of another cluster tried to join us.
    ForeignCluster {
        /// The peer.
        from: SocketAddr,
        /// The cluster it asked for.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// Nobody answered at a join address yet. Said at most once a minute.
    JoinUnanswered {
        /// The address.
        address: SocketAddr,
        /// Attempts so far.
        attempts: u32,
    },
    /// The node we asked for its cluster refused us, because it is of another.
    RefusedCluster {
        /// The peer.
        by: SocketAddr,
        /// Its cluster.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// A peer sees us elsewhere than we say that we are.
    SeenElsewhere {
        /// The peer.
        by: SocketAddr,
        /// Where it sees us.
        seen_as: SocketAddr,
        /// Where we say that we are.
        advertised: SocketAddr,
    },
    /// What was ordered about keys is not for us: our key is none that the others ever heard of.
    ForeignOrders {
        /// What we seal with.
        ours: KeyId,
    },
    /// There are as many members as may be; more are not believed.
    TooManyMembers,
    /// There are as many join addresses as are tried at a time; more are not.
    TooManySeeds,
    /// A peer seals with a key that we do not have, or not at all while we do, or the other way
    /// round.
    UnknownKey {
        /// The peer.
        from: SocketAddr,
        /// What it seals with; `None` for plain text.
        theirs: Option<KeyId>,
        /// What we seal with; `None` for plain text.
        ours: Option<KeyId>,
    },
    /// A peer speaks a format that we do not.
    UnknownVersion {
        /// The peer.
        from: SocketAddr,
        /// The format it speaks.
        theirs: u8,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignCluster { from, theirs, ours } => write!(
                formatter,
                "refused {from}: it asked for cluster {theirs:?}, this is cluster {ours:?}"
            ),
            Self::ForeignOrders { ours } => write!(
                formatter,
                "key {ours} was put in by hand and stays: what `headcount keys` ordered before is \
                 not applied here"
            ),
            Self::JoinUnanswered { address, attempts } => write!(
                formatter,
                "no answer from {address} after {attempts} attempts, still trying"
            ),
            Self::RefusedCluster { by, theirs, ours } => write!(
                formatter,
                "{by} refused us: it is of cluster {theirs:?}, we asked for cluster {ours:?}"
            ),
            Self::SeenElsewhere {
                by,
                seen_as,
                advertised,
            } => write!(
                formatter,
                "{by} sees us at {seen_as}, but we advertise {advertised}: members that do not \
                 reach {advertised} will take us for failed"
            ),
            Self::TooManyMembers => formatter.write_str(
                "THERE ARE TOO MANY MEMBERS: more than max-members, failed and departed ones \
                 included, are not taken in. Raise it if they are yours; else somebody who has the \
                 key makes them up",
            ),
            Self::TooManySeeds => formatter.write_str(
                "there are more join addresses than 1024, which are not tried: name a few of them",
            ),
            Self::UnknownKey { from, theirs, ours } => {
                match theirs {
                    Some(key) => write!(formatter, "ignored {from}: it seals with key {key}, ")?,
                    None => write!(formatter, "ignored {from}: it sends plain text, ")?,
                }
                match (theirs, ours) {
                    (Some(_), Some(_)) => formatter.write_str("which we do not have")?,
                    (None, Some(key)) => write!(formatter, "we seal with key {key}")?,
                    (_, None) => formatter.write_str("we have no key")?,
                }
                formatter.write_str(": give both the same key file")
            }
            Self::UnknownVersion { from, theirs } => write!(
                formatter,
                "ignored {from}: it speaks wire format {theirs}, we speak {}",
                super::WIRE_VERSION
            ),
        }
    }
}

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Only nodes of the same cluster talk with each other. See [`super::check_cluster`].
    pub cluster: String,
    /// Our name, unique in the cluster. See [`super::check_name`].
    pub name: String,
    /// Where others reach us. An unspecified IP is replaced by the address that the first peer
    /// sees us at.
    pub address: SocketAddr,
    /// Greater than any generation this member ever had. See [`Life::GENERATION_MAX`].
    pub generation: u32,
    /// Our tags. See [`super::check_tags`].
    pub tags: Tags,
    /// The protocol's numbers.
    pub tuning: Tuning,
    /// Seeds the node's one random generator. Also what tells two processes with one name apart,
    /// so the agent draws it from the operating system.
    pub seed: u64,
    /// The interner: one for each process. Nodes of one simulation share it.
    pub directory: Directory,
    /// Whom the node keeps in its list: everyone, but in very large simulations.
    pub scope: Scope,
    /// What all nodes of the cluster seal with. Without, they speak plain text.
    pub keys: Keys,
}

/// Where this node stands, for status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What we say of ourselves now.
    pub card: Arc<super::Card>,
    /// Our life.
    pub life: Life,
    /// Our published incarnation.
    pub incarnation: u32,
    /// Members by state, ourselves included: alive, suspect, failed, left.
    pub counts: Counts,
    /// Whether we lost every other member.
    pub isolated: bool,
}

/// Members by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alive, ourselves included.
    pub alive: usize,
    /// Confirmed failed.
    pub failed: usize,
    /// Departed.
    pub left: usize,
    /// Accused.
    pub suspect: usize,
}
