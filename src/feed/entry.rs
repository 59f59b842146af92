//! `Entry`: one change in the journal, and what each taste hears of it.

use std::sync::Arc;

use bytes::Bytes;

use crate::swim::{Change, Timestamp};

use super::{
    Confidence, Member, Taste, record,
    roster::{Confirmed, Effect, InStage, between},
};

/// One numbered change.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    seq: u64,
    told: Told,
    /// As it is told to those who do not hear of suspicions. `None` when they hear nothing.
    confirmed: Option<Told>,
    effect: Option<Effect>,
    /// The member whose application said it, as it was then.
    sender: Option<Arc<Member>>,
}

/// A line and its kind.
#[derive(Clone, Debug)]
struct Told {
    kind: &'static str,
    json: Bytes,
}

impl Entry {
    pub(super) fn new(seq: u64, at: Timestamp, change: &Change, effect: Option<Effect>) -> Self {
        let after = effect.as_ref().map(|effect| &*effect.after);
        let told = Told::new(seq, at, change, after);
        let confirmed = match &effect {
            None => Some(told.clone()),
            Some(effect) => {
                let confirmed = effect.confirmed.as_ref();
                confirmed.map(
                    |confirmed| match Arc::ptr_eq(&effect.after, &confirmed.after) {
                        true => told.clone(),
                        false => Told::confirmed(seq, at, change, confirmed),
                    },
                )
            }
        };
        Self {
            at,
            seq,
            told,
            confirmed,
            effect: effect.map(Effect::without_equal_before),
            sender: None,
        }
    }

    /// The same, said by the application beside this member.
    pub(super) fn from(mut self, sender: Option<Arc<Member>>) -> Self {
        self.sender = sender;
        self
    }

    /// Bytes of its lines.
    pub(super) fn len(&self) -> usize {
        let confirmed = self.confirmed.as_ref().map(|told| &told.json);
        let of_its_own = confirmed.filter(|json| json.as_ptr() != self.told.json.as_ptr());
        self.told.json.len() + of_its_own.map_or(0, Bytes::len)
    }

    /// What it did to a member, suspicions not counted.
    pub(super) fn confirmed(&self) -> Option<&Confirmed> {
        self.effect.as_ref()?.confirmed.as_ref()
    }

    /// The stage that it begins counts as one that lasts from now on, unless it is over: the
    /// journal cannot keep the entry until that is known.
    pub(super) fn decide(&self) {
        let confirmed = self.confirmed();
        if let Some(confirmed) = confirmed.filter(|it| it.place == InStage::Begin) {
            confirmed.stage.decide();
        }
    }

    /// What a consumer of this taste hears, if it hears anything.
    pub(super) fn heard(&self, taste: &Taste) -> Option<Bytes> {
        let (told, sides) = match taste.confidence {
            Confidence::Suspect => {
                let effect = self.effect.as_ref();
                let sides = effect.map(|effect| (effect.before.as_ref(), &effect.after));
                (self.told.clone(), sides)
            }
            Confidence::Failed => {
                let sides = self.confirmed().map(|it| (it.before.as_ref(), &it.after));
                (self.confirmed.clone()?, sides)
            }
            Confidence::Stable(seconds) => {
                let sides = self.confirmed().map(|it| (it.held_by(seconds), &it.after));
                (self.lasting(seconds)?, sides)
            }
        };
        let sides = sides.or_else(|| Some((None, self.sender.as_ref()?)));
        let is_asked_for = taste.filter.admits_change(told.kind, sides);
        is_asked_for.then_some(told.json)
    }

    /// What they hear who hear only of what lasted for so long.
    fn lasting(&self, seconds: u64) -> Option<Told> {
        let told = self.confirmed.as_ref()?;
        let Some(confirmed) = self.confirmed() else {
            return Some(told.clone());
        };
        let before = confirmed.held_by(seconds);
        let is_as_told = before.map(Arc::as_ptr) == confirmed.before.as_ref().map(Arc::as_ptr);
        let lasts = confirmed.stage.lasts(seconds);
        match confirmed.place {
            InStage::Begin if lasts && !is_as_told => {
                let after = &confirmed.after;
                let change = between(before.map(|before| &before.view), &after.view);
                Some(Told::new(self.seq, self.at, &change, Some(after)))
            }
            InStage::Begin | InStage::Within => lasts.then(|| told.clone()),
            InStage::Beyond => before.is_some().then(|| told.clone()),
        }
    }
}

impl Told {
    fn new(seq: u64, at: Timestamp, change: &Change, member: Option<&Member>) -> Self {
        Self {
            kind: change.kind(),
            json: record::change(seq, at, change, member),
        }
    }

    /// `change` for those who do not hear of suspicions: of one, they hear what else is new.
    fn confirmed(seq: u64, at: Timestamp, change: &Change, effect: &Confirmed) -> Self {
        let Confirmed { before, after, .. } = effect;
        match change {
            Change::Refuted(_) | Change::Suspect(_) => {
                let change = between(before.as_ref().map(|before| &before.view), &after.view);
                Self::new(seq, at, &change, Some(after))
            }
            _ => Self::new(seq, at, change, Some(after)),
        }
    }
}

impl Effect {
    /// Forgets the former member unless a filter could tell it from the new one, so that the
    /// journal does not keep two records for each line.
    fn without_equal_before(mut self) -> Self {
        self.before
            .take_if(|before| before.view.card.tags == self.after.view.card.tags);
        self
    }
}
