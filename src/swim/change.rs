//! What the node tells of the cluster: one `Change` for each thing a consumer should hear of.

use std::net::SocketAddr;

use super::{MemberState, MemberView, UserEvent};

/// Something a consumer should hear of. A change about a member carries the member as it is
/// after the change, so that the changes replay to the member list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Two processes use our name; the lower life stops.
    Conflict {
        /// The name both use.
        name: String,
        /// Where we are.
        ours: SocketAddr,
        /// Where the other one is.
        theirs: SocketAddr,
    },
    /// We were stopped, or hear too few answers: what we say of others is late or doubtful.
    Degraded,
    /// The suspicion ran out.
    Failed(MemberView),
    /// We can talk to the cluster again, or found members we had lost.
    Healed {
        /// Active members now, ourselves not counted.
        members: usize,
    },
    /// Every other member is gone from us.
    Isolated,
    /// A member appeared, or came back from `previous`.
    Join {
        /// The member.
        member: MemberView,
        /// `Failed` or `Left` when it had been.
        previous: Option<MemberState>,
    },
    /// The member said goodbye; the reason is in the view.
    Left(MemberView),
    /// We hear answers as we should again.
    Recovered,
    /// The member answered an accusation.
    Refuted(MemberView),
    /// The member is forgotten.
    Removed(MemberView),
    /// The member's process was started anew while we held it alive or suspect.
    Restart {
        /// The member in its new generation.
        member: MemberView,
        /// The generation it replaces.
        previous_generation: u32,
    },
    /// The member was accused; who, why and until when is in the view.
    Suspect(MemberView),
    /// The member's own facts changed: its address, its tags, its application, its incarnation.
    Update(MemberView),
    /// An application raised an event.
    User(UserEvent),
}

impl Change {
    /// The word in the record's `type` field.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Degraded => "degraded",
            Self::Failed(_) => "failed",
            Self::Healed { .. } => "healed",
            Self::Isolated => "isolated",
            Self::Join { .. } => "join",
            Self::Left(_) => "left",
            Self::Recovered => "recovered",
            Self::Refuted(_) => "refuted",
            Self::Removed(_) => "removed",
            Self::Restart { .. } => "restart",
            Self::Suspect(_) => "suspect",
            Self::Update(_) => "update",
            Self::User(_) => "user",
        }
    }

    /// The member it is about, if it is about one.
    pub const fn member(&self) -> Option<&MemberView> {
        match self {
            Self::Failed(member)
            | Self::Join { member, .. }
            | Self::Left(member)
            | Self::Refuted(member)
            | Self::Removed(member)
            | Self::Restart { member, .. }
            | Self::Suspect(member)
            | Self::Update(member) => Some(member),
            Self::Conflict { .. }
            | Self::Degraded
            | Self::Healed { .. }
            | Self::Isolated
            | Self::Recovered
            | Self::User(_) => None,
        }
    }
}
