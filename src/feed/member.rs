//! `Member`: a member as consumers see it.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::swim::{AppStatus, MemberView, Timestamp};

use super::{
    Digest,
    record::{Text, accuser},
};

/// The node's view, and since when it is in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What the node holds of it.
    pub view: MemberView,
    /// When this agent saw its state or its generation change last.
    pub since: Timestamp,
    /// When it is failed unless it is back from the restart that it announced. No change tells of
    /// this: for consumers the member is alive until then.
    pub restart_due: Option<Timestamp>,
    /// Its share of the list's digest.
    pub(super) digest: Digest,
}

impl Member {
    /// A member that was `before`, seen as `view` from now on.
    pub(super) fn new(at: Timestamp, view: MemberView, before: Option<&Self>) -> Self {
        let since = since(at, &view, before);
        let digest = Digest::of(&view, since);
        let same_life = before.filter(|before| before.is_of_life(&view));
        Self {
            restart_due: same_life.and_then(|before| before.restart_due),
            view,
            since,
            digest,
        }
    }

    /// The same, waited for until `due`.
    pub(super) fn restarting(&self, due: Timestamp) -> Self {
        Self {
            restart_due: Some(due),
            ..self.clone()
        }
    }

    /// Whether `view` shows it as the process that it is, and not gone.
    fn is_of_life(&self, view: &MemberView) -> bool {
        let life = |view: &MemberView| (view.card.generation, view.incarnation);
        view.state.is_active() && life(&self.view) == life(view)
    }

    /// Whether a consumer that hears of no suspicion need not hear of `view`: nothing but the
    /// incarnation, which each refutation raises, is new.
    pub(super) fn is_untouched_by(&self, view: &MemberView) -> bool {
        let incarnation = self.view.incarnation;
        let as_before = MemberView {
            incarnation,
            ..view.clone()
        };
        as_before == self.view
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (view, card) = (&self.view, &self.view.card);
        let (reason, suspicion) = (view.reason.as_ref(), view.suspicion.as_ref());
        let (app, app_reason) = (
            view.app.as_ref(),
            view.app.as_ref().and_then(AppStatus::reason),
        );
        let optional = [
            reason.is_some(),
            app.is_some(),
            app_reason.is_some(),
            self.restart_due.is_some(),
        ];
        let optional = optional.into_iter().filter(|given| *given).count();
        let count = 8 + optional + 3 * usize::from(suspicion.is_some());
        let mut fields = serializer.serialize_struct("Member", count)?;
        fields.serialize_field("name", &card.name)?;
        fields.serialize_field("id", &Text(card.id))?;
        fields.serialize_field("address", &Text(card.address))?;
        fields.serialize_field("state", &view.state)?;
        fields.serialize_field("generation", &card.generation)?;
        fields.serialize_field("incarnation", &view.incarnation)?;
        fields.serialize_field("tags", &card.tags)?;
        fields.serialize_field("since", &self.since.to_rfc3339())?;
        if let Some(reason) = reason {
            fields.serialize_field("reason", reason)?;
        }
        if let Some(app) = app {
            fields.serialize_field("app", app.as_str())?;
        }
        if let Some(app_reason) = app_reason {
            fields.serialize_field("app_reason", app_reason)?;
        }
        if let Some(due) = self.restart_due {
            fields.serialize_field("restart_due", &due.to_rfc3339())?;
        }
        if let Some(suspicion) = suspicion {
            fields.serialize_field("by", &accuser(suspicion))?;
            fields.serialize_field("evidence", &suspicion.evidence)?;
            fields.serialize_field("deadline", &suspicion.deadline.to_rfc3339())?;
        }
        fields.end()
    }
}

/// A state lasts as long as neither it nor the generation changes.
fn since(at: Timestamp, view: &MemberView, before: Option<&Member>) -> Timestamp {
    match before {
        Some(before)
            if before.view.state == view.state
                && before.view.card.generation == view.card.generation =>
        {
            before.since
        }
        _ => view.down_since.map_or(at, |since| since.min(at)),
    }
}
