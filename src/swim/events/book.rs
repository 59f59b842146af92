//! `EventBook`: the events that are kept, and whose turn it is.
//!
//! Of each process that raised any there is a line: the next number to be told, the events below
//! it that others may have missed, and the events above it that wait. An event waits until its
//! predecessors were told, or nobody can have them any more.

use std::{collections::BTreeMap, time::Duration};

use super::{EventStats, Source, Text, Told};
use crate::swim::{Timestamp, directory::Handle};

/// So long after it was raised an event is passed on to whoever lacks it.
pub const EVENT_LIFETIME: Duration = Duration::from_secs(60);
/// A line is kept so long after its last event: whoever was stopped meanwhile may pass on old
/// events as new ones when it wakes up.
const LINE_KEPT: Duration = Duration::from_secs(3_600);
/// Kept of one process. Its oldest events give way.
pub(super) const EVENTS_EACH_MAX: usize = 1_024;
const BYTES_EACH_MAX: usize = 1024 * 1024;
/// Kept of all together. The oldest events of whoever takes most give way.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// What keeping an event costs beside its text.
const BYTES_BESIDE: usize = 64;
/// Numbers that may pass unheard. A greater leap is damaged or forged: an honest process that
/// raised a hundred thousand events a second would need half a day for it, in silence.
pub(super) const LEAP_MAX: u64 = 1 << 32;
/// The greatest number: JSON has integers up to this.
pub(super) const NUMBER_MAX: u64 = 1 << 53;

/// An event as somebody passed it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::swim) struct Heard {
    pub(in crate::swim) source: Source,
    pub(in crate::swim) number: u64,
    /// Nobody can have lower numbers any more.
    pub(in crate::swim) floor: u64,
    pub(in crate::swim) raised: Timestamp,
    pub(in crate::swim) text: Text,
    /// Others may not know it yet.
    pub(in crate::swim) is_rumour: bool,
}

/// An event that is kept.
#[derive(Clone, Debug)]
pub(in crate::swim) struct Kept {
    pub(in crate::swim) raised: Timestamp,
    pub(in crate::swim) text: Text,
}

/// What a process raised, as far as we heard.
#[derive(Debug)]
struct Line {
    /// The next number to be told.
    next: u64,
    /// The lowest number that anybody can still have.
    floor: u64,
    /// The lowest number that is kept here, or would be: those below were too much.
    kept_from: u64,
    /// Told below `next`, waiting above it.
    kept: BTreeMap<u64, Kept>,
    bytes: usize,
    /// When the last event was heard.
    heard: Timestamp,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::swim) struct EventBook {
    lines: BTreeMap<Source, Line>,
    /// Events whose turn it is.
    ready: Vec<Told>,
    pub(in crate::swim) stats: EventStats,
}

impl EventBook {
    /// Numbers an event of our own, which is told at once.
    pub(in crate::swim) fn raise(&mut self, now: Timestamp, source: Source, text: Text) -> u64 {
        let line = self.lines.entry(source).or_insert_with(|| Line::new(1));
        let number = line.next;
        self.stats.raised += 1;
        self.keep(source, number, Kept { raised: now, text }, now);
        number
    }

    /// The number that the next event of a process gets.
    pub(in crate::swim) fn next(&self, source: Source) -> u64 {
        self.lines.get(&source).map_or(1, |line| line.next)
    }

    /// Takes an event in. Whether it was news.
    pub(in crate::swim) fn hear(&mut self, now: Timestamp, heard: &Heard) -> bool {
        let Heard { number, floor, .. } = *heard;
        let is_sane = number <= NUMBER_MAX && (1..=number).contains(&floor);
        let next = self
            .lines
            .get(&heard.source)
            .map_or(floor, |line| line.next);
        let leaps = number > next.saturating_add(LEAP_MAX);
        if !is_sane || leaps || is_over(heard.raised, now) {
            self.stats.refused += 1;
            return false;
        }
        let line = self
            .lines
            .entry(heard.source)
            .or_insert_with(|| Line::new(floor));
        if number < line.next || line.kept.contains_key(&number) {
            self.stats.duplicates += 1;
            return false;
        }
        line.floor = line.floor.max(floor);
        let (raised, text) = (heard.raised, heard.text.clone());
        self.keep(heard.source, number, Kept { raised, text }, now);
        true
    }

    /// Our own numbers go on after `number`: another process had our generation and used it.
    pub(in crate::swim) fn leap(&mut self, source: Source, number: u64) {
        let line = self.lines.entry(source).or_insert_with(|| Line::new(1));
        let reach = line.next.saturating_add(LEAP_MAX).min(NUMBER_MAX);
        if (line.next..reach).contains(&number) {
            (line.next, line.floor) = (number + 1, number + 1);
        }
    }

    /// Takes an event of ours back that nobody was sent yet.
    pub(in crate::swim) fn recant(&mut self, source: Source, number: u64) -> Option<Kept> {
        let line = self.lines.get_mut(&source)?;
        let kept = line.kept.remove(&number)?;
        line.bytes -= kept.bytes();
        self.stats.kept -= 1;
        self.stats.kept_bytes -= kept.bytes();
        Some(kept)
    }

    /// Takes the events whose turn it is, in order.
    pub(in crate::swim) fn take_ready(&mut self) -> Vec<Told> {
        self.stats.told += self.ready.len() as u64;
        std::mem::take(&mut self.ready)
    }

    /// An event that is kept, and the lowest number that somebody can have.
    pub(in crate::swim) fn find(&self, source: Source, number: u64) -> Option<(u64, &Kept)> {
        let line = self.lines.get(&source)?;
        Some((line.floor.min(number), line.kept.get(&number)?))
    }

    /// All that are kept, by process and number, each after the lowest number that whoever is as
    /// far as we are can have or keeps: those below were told, and too much.
    pub(in crate::swim) fn all(&self) -> impl Iterator<Item = (u64, (Source, u64), &Kept)> {
        self.lines.iter().flat_map(|(source, line)| {
            let floor = line.floor.max(line.kept_from.min(line.next));
            let kept = line.kept.iter();
            kept.map(move |(number, kept)| (floor, (*source, *number), kept))
        })
    }

    /// How far we are with everybody of whom something is kept: the next number to be told and the
    /// last that is kept.
    pub(in crate::swim) fn marks(&self) -> impl Iterator<Item = (Source, u64, u64)> {
        let lines = self.lines.iter();
        lines.filter_map(|(source, line)| {
            let (last, _) = line.kept.last_key_value()?;
            Some((*source, line.next, *last))
        })
    }

    /// Whether some event waits for one before it.
    pub(in crate::swim) fn is_waiting(&self) -> bool {
        self.marks().any(|(_, next, last)| last >= next)
    }

    /// When something is over next. Our own lines, those of `me`, end with us.
    pub(in crate::swim) fn due(&self, me: Handle) -> Option<Timestamp> {
        let due = |(source, line): (&Source, &Line)| match line.kept.first_key_value() {
            Some((_, kept)) => Some(kept.raised + EVENT_LIFETIME),
            None => (source.0 != me).then_some(line.heard + LINE_KEPT),
        };
        self.lines.iter().filter_map(due).min()
    }

    /// Forgets what is over, and lets go on what waited for it.
    pub(in crate::swim) fn expire(&mut self, now: Timestamp, me: Handle) {
        let sources: Vec<Source> = self.lines.keys().copied().collect();
        for source in sources {
            while self
                .oldest(source)
                .is_some_and(|kept| is_over(kept.raised, now))
            {
                self.give_up_oldest(source);
            }
        }
        self.lines.retain(|source, line| {
            !line.kept.is_empty() || source.0 == me || now < line.heard + LINE_KEPT
        });
    }

    fn keep(&mut self, source: Source, number: u64, kept: Kept, now: Timestamp) {
        let Some(line) = self.lines.get_mut(&source) else {
            return;
        };
        line.bytes += kept.bytes();
        self.stats.kept += 1;
        self.stats.kept_bytes += kept.bytes();
        line.kept.insert(number, kept);
        line.heard = now;
        self.make_ready(source);
        while self.is_too_much(source) {
            self.drop_oldest(source);
        }
        while self.stats.kept_bytes > BYTES_MAX {
            let most = self.lines.iter().max_by_key(|(_, line)| line.bytes);
            let Some((greediest, _)) = most else { return };
            self.drop_oldest(*greediest);
        }
    }

    fn is_too_much(&self, source: Source) -> bool {
        let too_much =
            |line: &Line| line.kept.len() > EVENTS_EACH_MAX || line.bytes > BYTES_EACH_MAX;
        self.lines.get(&source).is_some_and(too_much)
    }

    fn oldest(&self, source: Source) -> Option<&Kept> {
        let (_, kept) = self.lines.get(&source)?.kept.first_key_value()?;
        Some(kept)
    }

    /// The oldest is over: nobody has it any more, nor waits for those before it.
    fn give_up_oldest(&mut self, source: Source) {
        if let Some(line) = self.lines.get_mut(&source)
            && let Some(number) = line.kept.keys().next()
        {
            line.floor = line.floor.max(number + 1);
        }
        self.drop_oldest(source);
    }

    /// Nobody gets the oldest from us any more; others may have it still.
    fn drop_oldest(&mut self, source: Source) {
        let Some(line) = self.lines.get_mut(&source) else {
            return;
        };
        let Some(number) = line.kept.keys().next().copied() else {
            return;
        };
        line.kept_from = line.kept_from.max(number + 1);
        self.make_ready(source);
        self.recant(source, number);
    }

    /// Tells one after the other, for as long as the next one is there or cannot come any more.
    fn make_ready(&mut self, source: Source) {
        let Some(line) = self.lines.get_mut(&source) else {
            return;
        };
        let lowest = line.floor.max(line.kept_from);
        loop {
            match line.kept.range(line.next..).next() {
                Some((&number, kept)) if number == line.next || number < lowest => {
                    let text = kept.text.clone();
                    self.ready.push(Told {
                        source,
                        number,
                        text,
                    });
                    self.stats.missed += number - line.next;
                    line.next = number + 1;
                }
                _ if line.next < lowest => {
                    self.stats.missed += lowest - line.next;
                    line.next = lowest;
                }
                _ => return,
            }
        }
    }
}

impl Line {
    const fn new(first: u64) -> Self {
        Self {
            next: first,
            floor: first,
            kept_from: first,
            kept: BTreeMap::new(),
            bytes: 0,
            heard: Timestamp::ZERO,
        }
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.text.len() + BYTES_BESIDE
    }
}

fn is_over(raised: Timestamp, now: Timestamp) -> bool {
    raised + EVENT_LIFETIME <= now
}
