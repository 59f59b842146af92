//! What a world says of itself to whoever is told its story.

use std::net::SocketAddr;

use super::{Place, Slot, Spec, Story, World};
use crate::{
    simulator::{Fault, record::words},
    swim::{Change, Input, MemberId, Output},
};

impl World {
    /// Tells `story` from now on.
    pub fn tell(&mut self, story: Story) {
        self.story = Some(story);
    }

    pub(in crate::simulator) fn tell_story(&mut self, line: impl FnOnce() -> String) {
        let at = self.counted(self.now());
        if let Some(story) = &mut self.story {
            story.line(at, &line());
        }
    }

    pub(super) fn tell_story_of(&mut self, slot: Slot, line: impl FnOnce() -> String) {
        if self.story.as_ref().is_some_and(|story| story.follows(slot)) {
            let name = self.named(slot);
            self.tell_story(|| format!("{name:<8} {}", line()));
        }
    }

    pub(super) fn tell_fault(&mut self, fault: &Fault) {
        if self
            .story
            .as_ref()
            .is_some_and(|story| story.concerns(fault))
        {
            let text = words::fault(fault, &|slot| self.named(slot));
            self.tell_story(|| format!("fault    {text}"));
        }
    }

    pub(super) fn tell_change(&mut self, slot: Slot, change: &Change) {
        let now = self.now();
        self.tell_story_of(slot, || format!("tells {}", words::change(change, now)));
    }

    /// A timer that led to nothing is no part of any story.
    pub(super) fn tell_input(&mut self, slot: Slot, input: &Input<'_>, outputs: &[Output]) {
        let idle = matches!(input, Input::Deadline) && outputs.is_empty();
        if idle || !self.is_close_to(slot) {
            return;
        }
        let text = words::input(input, &|address| self.who_is(address));
        self.tell_story_of(slot, || text);
    }

    pub(super) fn tell_output(&mut self, slot: Slot, output: &Output) {
        if !self.is_close_to(slot) {
            return;
        }
        let text = words::output(output, &|address| self.who_is(address));
        if let Some(text) = text {
            self.tell_story_of(slot, || text);
        }
    }

    fn is_close_to(&self, slot: Slot) -> bool {
        let story = self.story.as_ref();
        story.is_some_and(|story| story.is_close_to(slot))
    }

    /// The machine's name, with the slot where several have it.
    fn named(&self, slot: Slot) -> String {
        let Spec { name, cluster, .. } = &self.machine(slot).spec;
        match self.by_id[&MemberId::new(cluster, name)].len() {
            1 => name.clone(),
            _ => self.label(slot),
        }
    }

    /// Who is, or was last, reached at `address`.
    fn who_is(&self, address: SocketAddr) -> String {
        let owner = Place::behind(address).and_then(|place| self.owners.get(place.0 as usize));
        owner.map_or_else(|| address.to_string(), |slot| self.named(*slot))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc, time::Duration};

    use super::*;
    use crate::simulator::{Conditions, Data, Move};

    /// What is told of two nodes, the second of which is stopped, and of an event.
    fn told() -> String {
        let mut world = World::new(1, Conditions::LAN);
        let first = world.add(Spec::new("n0", &[]));
        let second = world.add(Spec::new("n1", &[first]));
        world.start(first);
        world.start(second);
        world.run_for(Duration::from_secs(5));
        world.begin_counting();
        let lines = Rc::new(RefCell::new(String::new()));
        let heard = Rc::clone(&lines);
        let teller = move |line: &str| heard.borrow_mut().extend([line, "\n"]);
        world.tell(Story::of([first, second], teller));
        world.apply(Fault::Restart(second, Move::Stay, Data::Lost));
        world.run_for(Duration::from_secs(2));
        for _ in 0..4 {
            world.apply(Fault::Event(first));
        }
        world.apply(Fault::Crash(second));
        world.run_for(Duration::from_secs(30));
        lines.take()
    }

    #[test]
    fn a_story_is_told_in_words_and_from_when_counting_began() {
        let told = told();
        for words in [
            "    0.000000  fault    n1 is killed and started again, where it was, with",
            "    2.000000  fault    the host of n1 is gone",
            "    2.000000  n1       ends: it was killed",
            "tells event ",
            ", accused by n0: no probe was answered; failed in ",
            "tells failed n1 at ",
        ] {
            assert!(told.contains(words), "no {words:?} in {told}");
        }
        for debug in ["Some(", "None", "Kept", "ProbeTimeout", "UserEvent"] {
            assert!(!told.contains(debug), "{debug} in {told}");
        }
    }
}
