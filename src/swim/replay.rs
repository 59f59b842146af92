//! `Heard`: what was heard of whom, so that nothing captured is heard twice.
//!
//! A sender counts its envelopes. Of each sender's newest process, which its life and salt tell,
//! the counters heard last are remembered; what was heard, or is older than those, is a replay. A
//! greater life is a newer process and believed at once: its seal proves that it is no older
//! one's.
//!
//! The same life with another salt is a process that lost its memory of the first one, or
//! something captured from there. It is believed only once it answered to us: with a cookie of
//! ours, or in a thread of frames. Until then nothing but hellos and answers that echo a nonce of
//! ours get through.

use std::collections::BTreeMap;

use super::{Life, MemberId, envelope::Kind};

/// Counters that a window remembers. Datagrams overtaken by more are taken for replays.
const WINDOW: u64 = 1_024;
const WORDS: usize = (WINDOW / 64) as usize;
/// Senders remembered are this many to twice as many, about 300 bytes each.
const SENDERS_MAX: usize = 16_384;

/// Where a seal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// Drawn by each process.
    pub(super) salt: u32,
    /// Of the process's envelopes.
    pub(super) counter: u64,
}

/// See the module. Those heard since `SENDERS_MAX` others were are in `newer` or `older`.
#[derive(Debug, Default)]
pub(super) struct Heard {
    newer: BTreeMap<MemberId, Process>,
    older: BTreeMap<MemberId, Process>,
}

/// A sender's newest process. Streams are slower than datagrams, so each have a window.
#[derive(Debug)]
struct Process {
    life: Life,
    salt: u32,
    datagrams: Window,
    streams: Window,
}

#[derive(Debug, Default)]
struct Window {
    greatest: u64,
    /// Bit `counter % WINDOW` tells whether `counter` was heard.
    bits: [u64; WORDS],
}

impl Heard {
    /// Whether a datagram is new. It is remembered.
    pub(super) fn datagram(&mut self, kind: Kind, sender: (MemberId, Life), seal: Seal) -> bool {
        match self.held(sender.0) {
            Some(held) if held.is(sender.1, seal) => held.datagrams.admit(seal.counter),
            _ if kind.proves_itself() => true,
            Some(held) if held.life >= sender.1 => false,
            _ => {
                self.learn(
                    sender,
                    seal,
                    [Window::after(seal.counter), Window::default()],
                );
                true
            }
        }
    }

    /// Whether the first frame of a stream is new. It is remembered, unless it is of a process that
    /// does not seem to be the sender's newest: then only a cookie of ours makes it good.
    pub(super) fn stream(&mut self, sender: (MemberId, Life), seal: Seal) -> bool {
        match self.held(sender.0) {
            Some(held) if held.is(sender.1, seal) => held.streams.admit(seal.counter),
            Some(held) if held.life >= sender.1 => true,
            _ => {
                self.learn(sender, seal, [(); 2].map(|()| Window::after(seal.counter)));
                true
            }
        }
    }

    /// The sender's process showed that it lives now.
    pub(super) fn prove(&mut self, sender: (MemberId, Life), seal: Seal) {
        match self.held(sender.0) {
            Some(held) if held.life > sender.1 || held.is(sender.1, seal) => {}
            _ => self.learn(sender, seal, [(); 2].map(|()| Window::after(seal.counter))),
        }
    }

    /// Whether this is the process that we believe to be the sender's newest.
    pub(super) fn is_current(&mut self, (id, life): (MemberId, Life), seal: Seal) -> bool {
        self.held(id).is_some_and(|held| held.is(life, seal))
    }

    fn held(&mut self, id: MemberId) -> Option<&mut Process> {
        if let Some(process) = self.older.remove(&id) {
            self.keep(id, process);
        }
        self.newer.get_mut(&id)
    }

    fn learn(&mut self, (id, life): (MemberId, Life), seal: Seal, windows: [Window; 2]) {
        let [datagrams, streams] = windows;
        let process = Process {
            life,
            salt: seal.salt,
            datagrams,
            streams,
        };
        self.keep(id, process);
    }

    /// Forgets, when there are too many, whoever was not heard since half of them were.
    fn keep(&mut self, id: MemberId, process: Process) {
        if self.newer.len() >= SENDERS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(id, process);
    }
}

impl Process {
    fn is(&self, life: Life, seal: Seal) -> bool {
        (self.life, self.salt) == (life, seal.salt)
    }
}

impl Window {
    /// Everything up to `counter` counts as heard: we cannot know that it was not.
    const fn after(counter: u64) -> Self {
        Self {
            greatest: counter,
            bits: [u64::MAX; WORDS],
        }
    }

    fn admit(&mut self, counter: u64) -> bool {
        if counter > self.greatest {
            let oldest = counter.saturating_sub(WINDOW - 1);
            for skipped in oldest.max(self.greatest + 1)..counter {
                *self.word(skipped) &= !mask(skipped);
            }
            self.greatest = counter;
        } else if self.greatest - counter >= WINDOW || *self.word(counter) & mask(counter) != 0 {
            return false;
        }
        *self.word(counter) |= mask(counter);
        true
    }

    const fn word(&mut self, counter: u64) -> &mut u64 {
        &mut self.bits[(counter / 64) as usize % WORDS]
    }
}

const fn mask(counter: u64) -> u64 {
    1 << (counter % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MemberId = MemberId(7);

    fn hear(heard: &mut Heard, generation: u32, (salt, counter): (u32, u64)) -> bool {
        let sender = (ID, Life::first(generation));
        heard.datagram(Kind::Swim, sender, Seal { salt, counter })
    }

    #[test]
    fn a_counter_is_heard_once_in_any_order_and_never_when_it_is_too_old() {
        let mut window = Window::default();
        for counter in [1, 2, 5, 4, 3, 1_000, 5_000, 4_999, 3_977, 70_000] {
            assert!(window.admit(counter), "{counter}");
            assert!(!window.admit(counter), "{counter} again");
        }
        assert!(!window.admit(70_000 - WINDOW));
        assert!(window.admit(70_000 - WINDOW + 1));
        assert!(window.admit(u64::MAX));
        assert!(!window.admit(u64::MAX));
    }

    #[test]
    fn a_window_is_what_a_list_of_everything_heard_would_be() {
        let (mut window, mut list, mut greatest) = (Window::default(), Vec::new(), 0_u64);
        let mut dice = 1_u64;
        for _ in 0..20_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let counter = (greatest + (dice >> 33) % 1_500)
                .saturating_sub(1_200)
                .max(1);
            let is_new = !list.contains(&counter) && counter + WINDOW > greatest;
            assert_eq!(window.admit(counter), is_new, "{counter} after {greatest}");
            if is_new {
                list.push(counter);
            }
            greatest = greatest.max(counter);
            list.retain(|heard| heard + WINDOW > greatest);
        }
    }

    #[test]
    fn a_greater_life_is_believed_at_once_and_ends_the_earlier_one() {
        let mut heard = Heard::default();
        assert!(hear(&mut heard, 1, (9, 500)));
        assert!(!hear(&mut heard, 1, (9, 499)), "from before we listened");
        assert!(hear(&mut heard, 2, (8, 1)));
        assert!(!hear(&mut heard, 1, (9, 501)));
    }

    #[test]
    fn another_salt_in_one_life_is_believed_once_it_answered() {
        let mut heard = Heard::default();
        let (sender, seal) = (
            (ID, Life::first(1)),
            Seal {
                salt: 8,
                counter: 3,
            },
        );
        assert!(hear(&mut heard, 1, (9, 1)));
        assert!(!hear(&mut heard, 1, (8, 1)));
        assert!(heard.datagram(Kind::Hello, sender, seal), "it may ask");
        assert!(!hear(&mut heard, 1, (8, 2)), "which proves nothing");
        heard.prove(sender, seal);
        assert!(!hear(&mut heard, 1, (8, 2)), "from before it did");
        assert!(hear(&mut heard, 1, (8, 4)));
        assert!(!hear(&mut heard, 1, (9, 2)));
    }

    #[test]
    fn a_stream_is_opened_once_by_a_frame() {
        let mut heard = Heard::default();
        let sender = (ID, Life::first(2));
        let (salt, counter) = (8, 3);
        let seal = Seal { salt, counter };
        assert!(heard.stream(sender, seal));
        assert!(heard.is_current(sender, seal));
        assert!(!heard.stream(sender, seal));
        let earlier = (ID, Life::first(1));
        assert!(heard.stream(earlier, seal), "with a cookie it may");
        assert!(!heard.is_current(earlier, seal), "and without it may not");
    }

    #[test]
    fn an_earlier_life_proves_itself_in_vain() {
        let mut heard = Heard::default();
        assert!(hear(&mut heard, 2, (9, 1)));
        heard.prove(
            (ID, Life::first(1)),
            Seal {
                salt: 9,
                counter: 2,
            },
        );
        assert!(hear(&mut heard, 2, (9, 2)));
    }

    #[test]
    fn a_flood_of_senders_takes_bounded_memory_and_forgets_nobody_who_was_heard_lately() {
        let mut heard = Heard::default();
        let seal = |counter| Seal { salt: 1, counter };
        for other in 0..100_000 {
            let sender = (MemberId(other), Life::first(1));
            assert!(heard.datagram(Kind::Swim, sender, seal(1)));
            if other % 10_000 == 0 {
                let sender = (MemberId(0), Life::first(1));
                assert!(!heard.datagram(Kind::Swim, sender, seal(1)), "{other}");
            }
        }
        assert!(heard.newer.len() + heard.older.len() <= 2 * SENDERS_MAX);
    }
}
