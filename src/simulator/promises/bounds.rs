//! Bounds on what a node keeps and says at once, in terms of the members it knows.
//!
//! The slopes are what the protocol can explain: one claim of each member waits in foca and one
//! with us, a member has some alarms at a time. The rest is what passes by before it is noticed.
//! Measured over 600 seeds of the swarm, nobody came to half of any.

use crate::swim::Load;

/// At most this many entries: some whoever is known, and some for each member.
#[derive(Clone, Copy, Debug)]
struct Bound {
    base: usize,
    each: usize,
}

/// What one input may lead to: a few packets for each of a round's targets, and a change or a
/// question for each member.
const OUTPUTS: Bound = Bound { base: 64, each: 4 };

/// Says what a node keeps more of than it should, if anything.
pub(in crate::simulator) fn excess(load: &Load) -> Option<String> {
    let bound = |base, each| Bound { base, each };
    let kept = [
        ("records", load.records, bound(16, 2)),
        ("facts", load.facts, bound(16, 2)),
        ("timers", load.timers, bound(128, 10)),
        ("news", load.news, bound(16, 4)),
        ("events", load.events, bound(135_168, 0)),
        ("contacts", load.contacts, bound(24, 2)),
        ("forgotten addresses", load.forgotten, bound(1_000, 0)),
        ("exchanges", load.exchanges, bound(144, 0)),
        ("duels", load.duels, bound(192, 0)),
        ("complaints", load.noticed, bound(256, 0)),
    ];
    let mut kept = kept.into_iter();
    kept.find_map(|(what, count, bound)| bound.excess(what, count, load.members))
}

/// Whether so few outputs of one input are nothing to look into.
pub(in crate::simulator) const fn are_few(outputs: usize) -> bool {
    outputs <= OUTPUTS.base
}

/// Says whether one input led to more outputs than it should.
pub(in crate::simulator) fn excess_of_outputs(outputs: usize, load: &Load) -> Option<String> {
    // An exchange may bring any event that is kept.
    let outputs = outputs.saturating_sub(load.events);
    OUTPUTS.excess("outputs of one input", outputs, load.members)
}

impl Bound {
    fn excess(self, what: &str, count: usize, members: usize) -> Option<String> {
        let max = self.base + self.each * members;
        (count > max).then(|| format!("{count} {what} at {members} members, at most {max}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_allowed_to_who_knows_more() {
        let load = |members, timers| Load {
            members,
            timers,
            ..Load::default()
        };
        assert_eq!(excess(&load(10, 200)), None);
        let seen = excess(&load(1, 200)).expect("too many");
        assert_eq!(seen, "200 timers at 1 members, at most 138");
        assert!(are_few(64) && excess_of_outputs(69, &load(1, 0)).is_some());
        let events = Load {
            events: 1,
            ..load(1, 0)
        };
        assert_eq!(excess_of_outputs(69, &events), None);
    }
}
