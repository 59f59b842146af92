//! What the log says of the cluster: one line for each change.

use tracing::{info, warn};

use crate::swim::{Change, MemberView};

/// Logs one change. What an operator might have to act on is a warning.
pub(super) fn change(seq: u64, change: &Change) {
    let kind = change.kind();
    match change {
        Change::Conflict { name, ours, theirs } => {
            warn!(seq, name, %ours, %theirs, "conflict: two agents have one name");
        }
        Change::Healed { members } => info!(seq, members, "healed"),
        Change::Isolated => warn!(seq, "isolated: every other member is gone from us"),
        Change::Join {
            member,
            previous: Some(previous),
        } => about(seq, kind, member, &format!("was {}", previous.as_str())),
        Change::Left(member) => {
            about(
                seq,
                kind,
                member,
                member.reason.as_deref().unwrap_or_default(),
            );
        }
        Change::Restart {
            member,
            previous_generation,
        } => about(
            seq,
            kind,
            member,
            &format!("was generation {previous_generation}"),
        ),
        Change::Suspect(member) => about(seq, kind, member, &accusation(member)),
        Change::Failed(member)
        | Change::Join { member, .. }
        | Change::Refuted(member)
        | Change::Removed(member)
        | Change::Update(member) => about(seq, kind, member, ""),
    }
}

fn about(seq: u64, kind: &str, member: &MemberView, detail: &str) {
    let card = &member.card;
    info!(
        seq,
        name = card.name,
        address = %card.address,
        generation = card.generation,
        detail,
        "{kind}"
    );
}

fn accusation(member: &MemberView) -> String {
    match &member.suspicion {
        Some(suspicion) => {
            let by = suspicion.by_name.clone();
            let by = by.unwrap_or_else(|| suspicion.by.to_string());
            format!("by {by} until {}", suspicion.deadline.to_rfc3339())
        }
        None => String::new(),
    }
}
