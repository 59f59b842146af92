//! What members say of themselves, ourselves included: taken in, told and passed on.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use super::Node;
use crate::swim::{
    AppStatus, Change, Life, Tags,
    broadcasts::About,
    directory::Handle,
    facts::{Facts, Ring, Stated},
    gate::{Gate, Touch},
    identity::Identity,
    roster::{Record, Standing},
    tags::PACKET_TAG_BYTES_MAX,
    timers::Once,
};

/// Others are set right about us once in this time: a twin that does the same must not make it a
/// storm.
const SET_RIGHT_PAUSE: Duration = Duration::from_secs(1);

impl Node {
    /// From now on we say this of our application.
    pub(super) fn set_app(&mut self, app: Option<&AppStatus>) {
        let (is_leaving, held) = {
            let gate = self.gate.borrow();
            (gate.leaving.is_some(), gate.app(gate.me))
        };
        if is_leaving || held.as_ref() == app {
            return;
        }
        let app = app.cloned();
        self.state_anew(|facts| facts.app = app);
        let change = Change::Update(self.own_view());
        self.change(change);
    }

    /// From now on we have these tags.
    pub(super) fn set_tags(&mut self, tags: &Tags) {
        if self.gate.borrow().leaving.is_some() || self.own_card().tags == *tags {
            return;
        }
        self.state_anew(|facts| facts.retag(tags.clone()));
        let change = Change::Update(self.own_view());
        self.change(change);
    }

    /// Our keys are the first that we say of ourselves, and tags that are too large for our card.
    pub(super) fn begin_with_facts(gate: &mut Gate, keys: Option<Ring>) {
        let card = Arc::make_mut(&mut gate.card);
        let mut facts = Facts {
            version: 1,
            keys,
            ..Facts::default()
        };
        if card.tags.size() > PACKET_TAG_BYTES_MAX {
            facts.retag(std::mem::take(&mut card.tags));
        }
        if facts.keys.is_some() || facts.tags.is_some() {
            gate.facts.note(gate.me.handle, card.generation, facts);
        }
    }

    /// Tells the next version of our own facts.
    pub(super) fn state_anew(&mut self, change: impl FnOnce(&mut Facts)) {
        let me = {
            let mut gate = self.gate.borrow_mut();
            let (me, generation) = (gate.me.handle, gate.me.life.generation());
            let mut facts = gate.facts.of(me, generation).cloned().unwrap_or_default();
            facts.version = facts.version.saturating_add(1);
            change(&mut facts);
            gate.facts.note(me, generation, facts);
            me
        };
        self.spread_facts(me);
    }

    /// We are in another generation of the same process: what we say of ourselves holds on.
    pub(super) fn restate_facts(&mut self) {
        let me = {
            let mut gate = self.gate.borrow_mut();
            let (me, generation) = (gate.me.handle, gate.me.life.generation());
            let Some((_, facts)) = gate.facts.newest(me) else {
                return;
            };
            let facts = facts.clone();
            gate.facts.note(me, generation, facts);
            me
        };
        self.spread_facts(me);
    }

    /// Notes what was heard in this turn of members that are told of for the first time now, or in
    /// a new generation: nobody should be shown them with tags that they have no more.
    pub(super) fn note_facts_of_newcomers(&self, touched: &[Touch]) {
        let mut gate = self.gate.borrow_mut();
        let gate = &mut *gate;
        for stated in &gate.pending.stated {
            let handle = stated.handle;
            let is_first = |touch: &Touch| {
                let replaces = touch.replaces.map(Life::generation);
                let is_newer = replaces.is_some_and(|replaced| replaced < stated.generation);
                touch.handle == handle && (is_newer || !gate.roster.knows(handle))
            };
            if handle != gate.me.handle
                && gate.facts.is_news(stated)
                // What is said of a generation that nobody is in would outlive what is true.
                && gate.has_card(handle, stated.generation)
                && touched.iter().any(is_first)
            {
                let facts = stated.facts.clone();
                gate.facts.note(handle, stated.generation, facts);
            }
        }
    }

    /// Takes in what was heard in this turn, once the claims that came with it are told.
    pub(super) fn take_in_facts(&mut self, stated: Vec<Stated>) {
        if stated.is_empty() {
            return;
        }
        let mut newest = newest(stated);
        let me = self.gate.borrow().me.handle;
        if let Some(misquoted) = newest.remove(&me) {
            self.set_right(&misquoted);
        }
        for stated in newest.into_values() {
            self.believe(stated);
        }
    }

    /// A member as consumers are shown it; `None` of whom they are shown nothing. O(n), as every
    /// look into foca's list.
    fn shown(&self, handle: Handle) -> Option<(Identity, Record)> {
        let gate = self.gate.borrow();
        if !gate.is_beyond(handle) {
            drop(gate);
            let held = self.engine.find(handle)?;
            return Some((*held.id(), self.record_held(held)?));
        }
        let record = gate.presumption(handle);
        // What was told of who lives beyond the view is forgotten, its newest generation is not.
        let newest = Life::first(gate.directory.newest(handle));
        let life = match gate.roster.record(handle) {
            Some(record) => record.life,
            None => record.life.max(newest),
        };
        (record.standing != Standing::Removed).then_some((Identity { handle, life }, record))
    }

    /// Facts of another generation than the one that is shown are no news yet, or no more: they
    /// come again.
    fn believe(&mut self, stated: Stated) {
        let Stated {
            handle,
            generation,
            facts,
            is_rumour,
        } = stated;
        let shown = self.shown(handle);
        let shown = shown.filter(|(identity, _)| identity.life.generation() == generation);
        let Some((identity, record)) = shown else {
            return;
        };
        let mut gate = self.gate.borrow_mut();
        let silence = Facts::default();
        let held = gate.facts.of(handle, generation).unwrap_or(&silence);
        let is_seen = !facts.look_like(held);
        gate.facts.note(handle, generation, facts);
        drop(gate);
        self.compare_orders(identity);
        if let Some(view) = self.view(identity, &record).filter(|_| is_seen) {
            self.change(Change::Update(view));
        }
        if is_rumour {
            self.spread_facts(handle);
        }
    }

    /// Somebody holds a later word of ours than we said: a process had our generation before us.
    fn set_right(&mut self, misquoted: &Stated) {
        let is_of_this_life = misquoted.generation == self.life().generation();
        let is_due = |at| self.now - at >= SET_RIGHT_PAUSE;
        let may = self.set_right.is_none_or(is_due) && self.gate.borrow().leaving.is_none();
        if is_of_this_life && may {
            self.set_right = Some(self.now);
            let theirs = misquoted.facts.version;
            self.state_anew(|facts| {
                facts.version = theirs.saturating_add(1);
                // The other process may have said others in the version that ours came with.
                if let Some(ours) = facts.tags.take() {
                    facts.retag(ours.tags);
                }
            });
        }
    }

    /// Passes a member's facts on, and once more an interval of gossip later. In small clusters
    /// one budget of transmissions misses somebody in some of a hundred cases, who would hear it at
    /// the next exchange only: no probe and no clock brings facts up again, as they do failures.
    fn spread_facts(&mut self, handle: Handle) {
        self.spread_facts_again(handle);
        let at = self.now + self.tuning.gossip_interval;
        self.timers.schedule_once(at, Once::FactsAgain(handle));
    }

    /// Passes a member's facts on, at once and with the next packets.
    pub(super) fn spread_facts_again(&mut self, handle: Handle) {
        let update = self.gate.borrow().statement(handle);
        if let Some(update) = update {
            self.broadcast(About::Facts(handle), &update);
        }
    }
}

/// The latest word of each member.
fn newest(stated: Vec<Stated>) -> BTreeMap<Handle, Stated> {
    let mut newest = BTreeMap::new();
    for stated in stated {
        match newest.entry(stated.handle) {
            Entry::Vacant(place) => {
                place.insert(stated);
            }
            Entry::Occupied(mut held) if held.get().rank() < stated.rank() => {
                held.insert(stated);
            }
            Entry::Occupied(_) => {}
        }
    }
    newest
}
