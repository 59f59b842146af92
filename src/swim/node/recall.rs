//! Starting with what is remembered: a node that knows its cluster from the first moment.

use super::Node;
use crate::swim::{List, Memory, Timestamp};

impl Node {
    /// The list of members, to be filled with whom the node remembers before [`Node::recall`].
    pub const fn list(&mut self) -> List<'_> {
        self.engine.list()
    }

    /// Takes over that the members in its [`List`] are alive. Nothing is told of them.
    ///
    /// To be called before the first [`Node::handle`].
    pub fn recall(&mut self, now: Timestamp, memory: Memory) {
        self.begin(now);
        self.fresh = memory == Memory::OneSided;
        let mut gate = self.gate.borrow_mut();
        for member in self.engine.members() {
            gate.roster.recall(member.id().handle);
        }
        drop(gate);
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::swim::{
        Card, Directory, Input, Keys, MemberId, Output, Profile, Remembered, Scope, Settings, Tags,
        Tuning, View,
    };

    fn card(name: &str) -> Card {
        Card {
            id: MemberId::new("blue", name),
            name: name.into(),
            generation: 1,
            address: ([10, 0, 0, 1], 7946).into(),
            tags: Tags::default(),
        }
    }

    fn node(directory: &Directory) -> Node {
        Node::new(Settings {
            cluster: "blue".into(),
            name: "n0".into(),
            address: ([10, 0, 0, 1], 7946).into(),
            generation: 1,
            tags: Tags::default(),
            tuning: Tuning::new(Profile::Lan),
            seed: 1,
            directory: directory.clone(),
            scope: Scope::Everyone,
            keys: Keys::default(),
        })
    }

    /// Itself, two others, and one of whom there is no card.
    fn remembered(directory: &Directory) -> Remembered {
        let mut members: Vec<_> = ["n0", "n1", "n2"]
            .map(|name| directory.enter(card(name)))
            .into();
        members.push(directory.enrol(MemberId::new("blue", "n3")));
        Remembered::of(&members.into_iter().collect::<View>(), directory)
    }

    fn names(node: &Node) -> Vec<String> {
        node.members()
            .map(|member| member.card.name.clone())
            .collect()
    }

    #[test]
    fn who_is_remembered_is_alive_and_not_told_of() {
        let directory = Directory::new();
        let members = remembered(&directory);
        let mut node = node(&directory);
        node.list().fill(&members);
        node.recall(Timestamp::ZERO, Memory::Mutual);
        let mut known = names(&node);
        known.sort_unstable();
        assert_eq!(known, ["n0", "n1", "n2"]);
        let told = node.handle(Timestamp::ZERO, Input::Deadline);
        assert!(
            !told
                .into_iter()
                .any(|output| matches!(output, Output::Change(_)))
        );
        assert!(node.deadline().is_some(), "it probes");
    }

    #[test]
    fn a_list_filled_on_another_thread_is_the_same() {
        let directory = Directory::new();
        let members = remembered(&directory);
        let (mut here, mut there) = (node(&directory), node(&directory));
        here.list().fill(&members);
        let list = there.list();
        thread::scope(|scope| scope.spawn(|| list.fill(&members)).join()).unwrap();
        for node in [&mut here, &mut there] {
            node.recall(Timestamp::ZERO, Memory::Mutual);
        }
        assert_eq!(names(&here), names(&there));
        assert_eq!(here.deadline(), there.deadline());
    }
}
