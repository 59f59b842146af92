//! `Filter`: which members and which changes a consumer asked for.

use std::sync::Arc;

use crate::swim::{MemberState, TAG_SEPARATORS};

use super::{
    Member,
    record::{KINDS, MEMBER_KINDS},
};

/// What a consumer wants to see. Criteria of different kinds must all hold; of the states, the
/// names and the types one is enough; every tag must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    states: Vec<MemberState>,
    names: Vec<String>,
    tags: Vec<(String, String)>,
    kinds: Vec<String>,
}

/// A member before a change, if it was there, and after it.
pub(super) type Sides<'a> = (Option<&'a Arc<Member>>, &'a Arc<Member>);

/// A filter that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// No such state.
    #[error("state {0:?} is not one of alive, suspect, failed, left")]
    State(String),
    /// A tag without its value.
    #[error("tag {0:?} is not KEY:VALUE")]
    Tag(String),
    /// A key that no tag can have.
    #[error("tag key {0:?} has a = or a :, which no key has")]
    Key(String),
    /// No such type of change.
    #[error("type {0:?} is not one of {list}", list = KINDS.join(", "))]
    Kind(String),
}

impl Filter {
    /// Lets members in any of these states through, as `alive,suspect`.
    ///
    /// # Errors
    /// [`InvalidFilter::State`]; the filter is unchanged but for the states before it.
    pub fn add_states(&mut self, list: &str) -> Result<(), InvalidFilter> {
        for word in list.split(',') {
            self.states.push(match word {
                "alive" => MemberState::Alive,
                "failed" => MemberState::Failed,
                "left" => MemberState::Left,
                "suspect" => MemberState::Suspect,
                _ => return Err(InvalidFilter::State(word.into())),
            });
        }
        Ok(())
    }

    /// Lets members with this tag through, as `role:web` or, as the command line has it,
    /// `role=web`. Keys hold neither sign, so the first one ends the key.
    ///
    /// # Errors
    /// [`InvalidFilter::Tag`]; the filter is unchanged.
    pub fn add_tag(&mut self, tag: &str) -> Result<(), InvalidFilter> {
        let (key, value) = tag
            .split_once(TAG_SEPARATORS)
            .ok_or_else(|| InvalidFilter::Tag(tag.into()))?;
        self.add_pair(key, value)
    }

    /// Lets members through whose tag `key` is `value`.
    ///
    /// # Errors
    /// [`InvalidFilter::Key`] for one that no tag has; the filter is unchanged.
    pub fn add_pair(&mut self, key: &str, value: &str) -> Result<(), InvalidFilter> {
        if key.contains(TAG_SEPARATORS) {
            return Err(InvalidFilter::Key(key.into()));
        }
        self.tags.push((key.into(), value.into()));
        Ok(())
    }

    /// Lets the member with this name through.
    pub fn add_name(&mut self, name: &str) {
        self.names.push(name.into());
    }

    /// Lets changes of any of these types through, as `suspect,failed`.
    ///
    /// # Errors
    /// [`InvalidFilter::Kind`]; the filter is unchanged but for the types before it.
    pub fn add_kinds(&mut self, list: &str) -> Result<(), InvalidFilter> {
        for word in list.split(',') {
            if !KINDS.contains(&word) {
                return Err(InvalidFilter::Kind(word.into()));
            }
            self.kinds.push(word.into());
        }
        Ok(())
    }

    /// The changes that a list of these members can change with. Whatever their states: who is
    /// shown in some only comes from another.
    #[must_use]
    pub fn of_list(&self) -> Self {
        Self {
            states: Vec::new(),
            kinds: MEMBER_KINDS.map(Into::into).into(),
            ..self.clone()
        }
    }

    /// The same, and every change that the list of these members can change with.
    #[must_use]
    pub fn with_members(&self) -> Self {
        let mut wider = self.clone();
        if !wider.kinds.is_empty() {
            wider.kinds.extend(MEMBER_KINDS.map(Into::into));
        }
        wider
    }

    /// Whether changes of this kind are among those asked for.
    pub fn admits_kind(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind)
    }

    /// Whether the member is among those asked for.
    pub fn admits_member(&self, member: &Member) -> bool {
        let (view, card) = (&member.view, &member.view.card);
        let tagged = |(key, value): &(String, String)| card.tags.value(key) == Some(value.as_str());
        (self.states.is_empty() || self.states.contains(&view.state))
            && (self.names.is_empty() || self.names.contains(&card.name))
            && self.tags.iter().all(tagged)
    }

    /// Whether the change, of this kind and of a member from this side to that, or said by one, is
    /// among those asked for. A member that was asked for before the change is told even when it no
    /// longer is, so that the consumer's copy does not go stale.
    pub(super) fn admits_change(&self, kind: &str, sides: Option<Sides<'_>>) -> bool {
        let is_about_them = match sides {
            Some((before, after)) => {
                let mut sides = before.into_iter().chain([after]);
                sides.any(|member| self.admits_member(member))
            }
            // Whoever raised it is forgotten: nobody can say any more that it is asked for.
            None if kind == "user" => self.admits_everyone(),
            None => true,
        };
        is_about_them && self.admits_kind(kind)
    }

    /// Whether every change of the members asked for is asked for, too, so that a consumer can
    /// keep a list of them.
    pub(super) fn follows_members(&self) -> bool {
        let told = |kind: &&str| self.kinds.iter().any(|wanted| wanted == kind);
        self.kinds.is_empty() || MEMBER_KINDS.iter().all(told)
    }

    /// Whether everybody is among those asked for.
    pub(super) fn admits_everyone(&self) -> bool {
        self.states.is_empty() && self.names.is_empty() && self.tags.is_empty()
    }
}
