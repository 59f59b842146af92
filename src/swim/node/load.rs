//! `Load`: how much a node keeps.

use super::Node;

/// How much a node keeps, counted in entries: whoever drives it can see that nothing grows without
/// bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Members that it may hear of, in its list or not: all that the rest may grow with.
    pub members: usize,
    /// Members of which it remembers more than that they are there, forgotten ones included.
    pub records: usize,
    /// Members that said something of themselves, this one included.
    pub facts: usize,
    /// Alarms that it waits for.
    pub timers: usize,
    /// News that it has yet to pass on.
    pub news: usize,
    /// Events that it keeps, and those that it passes on.
    pub events: usize,
    /// Addresses that it wants to hear from.
    pub contacts: usize,
    /// Addresses of members that it forgot.
    pub forgotten: usize,
    /// State exchanges and fetches under way.
    pub exchanges: usize,
    /// Questions put to whoever seems to have a name twice, and what was said of them lately.
    pub duels: usize,
    /// Peers that it complained about lately.
    pub noticed: usize,
}

impl Node {
    /// How much it keeps now, in O(1).
    pub fn load(&self) -> Load {
        Load {
            // Everybody hears of everybody's failure, whoever is in the list.
            members: self.engine.members().len().max(self.cluster_size()),
            records: self.gate.borrow().roster.records().len(),
            facts: self.gate.borrow().facts.iter().len(),
            timers: self.timers.len(),
            news: self.engine.backlog() + self.spread.news.len(),
            events: self.gate.borrow().events.stats.kept + self.events.outbox.len(),
            contacts: self.contacts.len(),
            forgotten: self.way_back.remembered(),
            exchanges: self.exchanges.len() + self.fetches.len(),
            duels: self.duels.count(),
            noticed: self.notices.count(),
        }
    }
}
