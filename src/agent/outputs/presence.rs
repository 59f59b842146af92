//! `Presence`: whom a hook has known as there. It is not told that somebody is gone who was gone
//! before: the members' list keeps those for a day, and each start of an agent finds them anew.

use std::{collections::BTreeSet, sync::Arc};

use super::jobs::{Record, Subject};
use crate::feed::Member;

/// Their names, until they are removed from the list.
#[derive(Debug, Default)]
pub(super) struct Presence(BTreeSet<String>);

impl Presence {
    /// Takes in the list as it is now.
    pub(super) fn renew(&mut self, members: &[Arc<Member>]) {
        let names = |member: &Arc<Member>| member.view.card.name.clone();
        let listed: BTreeSet<_> = members.iter().map(names).collect();
        self.0.retain(|name| listed.contains(name));
        let there = members
            .iter()
            .filter(|member| member.view.state.is_active());
        self.0.extend(there.map(names));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes in a change. Gives whether the hook may be told.
    pub(super) fn admits(&mut self, record: &Record) -> bool {
        let Some(Subject { name, state, .. }) = &record.member else {
            return true;
        };
        match record.kind.as_str() {
            "removed" => self.0.remove(name),
            "failed" | "left" => self.0.contains(name),
            _ => {
                if ["alive", "suspect"].contains(&state.as_str()) {
                    self.0.insert(name.clone());
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::fuzzing, feed::Filter};

    #[test]
    fn nobody_goes_who_was_not_there() {
        let shared = fuzzing::shared();
        let own = shared.feed().snapshot(&Filter::default()).members;
        let mut presence = Presence::default();
        presence.renew(&own);
        let mut admits = |kind: &str, name: &str, state: &str| {
            let member =
                format!(r#"{{"name":"{name}","address":"127.0.0.1:1","state":"{state}"}}"#);
            let line = format!(r#"{{"type":"{kind}","seq":1,"member":{member}}}"#);
            presence.admits(&Record::of(line.as_bytes()))
        };
        for (kind, state, is_told) in [
            ("failed", "failed", false),
            ("left", "left", false),
            ("update", "left", true),
            ("removed", "left", false),
            ("join", "alive", true),
            ("suspect", "suspect", true),
            ("failed", "failed", true),
            ("left", "left", true),
            ("removed", "left", true),
            ("removed", "left", false),
        ] {
            assert_eq!(admits(kind, "n2", state), is_told, "{kind}");
        }
        assert!(admits("left", &own[0].view.card.name, "left"));
        assert!(presence.admits(&Record::of(br#"{"type":"isolated","seq":1}"#)));
        presence.renew(&[]);
        assert_eq!(presence.len(), 0);
    }
}
