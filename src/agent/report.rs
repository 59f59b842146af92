//! What the log says of the cluster: one line for each change.

use tracing::{info, warn};

use crate::swim::{Change, MemberView};

/// Logs one change. What an operator might have to act on is a warning.
pub(super) fn change(seq: u64, change: &Change) {
    match change {
        Change::Conflict { name, ours, theirs } => {
            warn!(seq, name, %ours, %theirs, "conflict: two agents have one name");
        }
        Change::Degraded => warn!(
            seq,
            "degraded: this agent was stopped or hears too few answers"
        ),
        Change::Healed { members } => info!(seq, members, "healed"),
        Change::Isolated => warn!(seq, "isolated: every other member is gone from us"),
        Change::Recovered => info!(seq, "recovered"),
        _ => {
            if let Some(member) = change.member() {
                about(seq, change.kind(), member, detail(change));
            }
        }
    }
}

fn about(seq: u64, kind: &str, member: &MemberView, detail: Option<String>) {
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

/// What the change says beyond the member, if anything.
fn detail(change: &Change) -> Option<String> {
    match change {
        Change::Join { previous, .. } => previous.map(|state| format!("was {}", state.as_str())),
        Change::Failed(member) | Change::Left(member) => member.reason.clone(),
        Change::Restart {
            previous_generation,
            ..
        } => Some(format!("was generation {previous_generation}")),
        Change::Suspect(member) => {
            let suspicion = member.suspicion.as_ref()?;
            let by = suspicion.by_name.clone();
            let by = by.unwrap_or_else(|| suspicion.by.to_string());
            let deadline = suspicion.deadline.to_rfc3339();
            Some(format!("by {by} until {deadline}"))
        }
        Change::Update(member) => {
            let app = member.app.as_ref()?;
            let reason = app.reason().map(|reason| format!(": {reason}"));
            Some(format!(
                "app {}{}",
                app.as_str(),
                reason.unwrap_or_default()
            ))
        }
        _ => None,
    }
}
