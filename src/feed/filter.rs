//! `Filter`: which members and which changes a consumer asked for.

use crate::swim::MemberState;

use super::{Member, record::KINDS, roster::Effect};

/// What a consumer wants to see. Criteria of different kinds must all hold; of the states, the
/// names and the types one is enough; every tag must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    states: Vec<MemberState>,
    names: Vec<String>,
    tags: Vec<(String, String)>,
    kinds: Vec<String>,
}

/// A filter that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// No such state.
    #[error("state {0:?} is not one of alive, suspect, failed, left")]
    State(String),
    /// A tag without its value.
    #[error("tag {0:?} is not KEY:VALUE")]
    Tag(String),
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
            .split_once([':', '='])
            .ok_or_else(|| InvalidFilter::Tag(tag.into()))?;
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

    /// Whether the member is among those asked for.
    pub fn admits_member(&self, member: &Member) -> bool {
        let (view, card) = (&member.view, &member.view.card);
        let tagged = |(key, value): &(String, String)| card.tags.value(key) == Some(value);
        (self.states.is_empty() || self.states.contains(&view.state))
            && (self.names.is_empty() || self.names.contains(&card.name))
            && self.tags.iter().all(tagged)
    }

    /// Whether the change is among those asked for. A member that was asked for before the
    /// change is told even when it no longer is, so that the consumer's copy does not go stale.
    pub(super) fn admits_change(&self, kind: &str, effect: Option<&Effect>) -> bool {
        (self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind))
            && effect.is_none_or(|effect| {
                let mut sides = effect.before.iter().chain([&effect.after]);
                sides.any(|member| self.admits_member(member))
            })
    }
}
