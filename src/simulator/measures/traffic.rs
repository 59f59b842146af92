//! `Senders`: what each machine sent.

use std::time::Duration;

use super::Distribution;
use crate::simulator::Slot;

const SECOND: Duration = Duration::from_secs(1);
/// A machine that ran for less says little about what nodes send in a second.
const RAN_MIN: Duration = Duration::from_secs(1);

/// What nodes sent per second that they ran, one number for each machine, in thousandths.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Datagrams.
    pub messages: Distribution,
    /// Bytes, in datagrams and on streams.
    pub bytes: Distribution,
    /// Bytes in the second in which the machine sent most, of whole seconds of the run.
    pub peak: Distribution,
}

/// What each machine sent since counting began.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Senders(Vec<Sender>);

/// Kept small: worlds have a million of them.
#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    datagrams: u64,
    bytes: u64,
    /// Of these, sent before the second that is not over.
    bytes_before: u64,
    /// The most in one second.
    peak: u64,
    /// How long its processes ran that have ended.
    ran: Duration,
}

impl Senders {
    pub(super) fn add_machine(&mut self) {
        self.0.push(Sender::default());
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(Sender::default());
    }

    /// A second is over.
    pub(super) fn close_second(&mut self) {
        for sender in &mut self.0 {
            sender.peak = sender.peak.max(sender.bytes - sender.bytes_before);
            sender.bytes_before = sender.bytes;
        }
    }

    /// The machine is about to send.
    pub(in crate::simulator) fn prefetch(&self, slot: Slot) {
        crate::swim::prefetch(&self.0[slot.index()]);
    }

    /// A datagram leaves the machine.
    pub(in crate::simulator) fn datagram(&mut self, slot: Slot, bytes: usize) {
        let sender = &mut self.0[slot.index()];
        sender.datagrams += 1;
        sender.bytes += bytes as u64;
    }

    /// Bytes are written to a stream.
    pub(in crate::simulator) fn frame(&mut self, slot: Slot, bytes: usize) {
        self.0[slot.index()].bytes += bytes as u64;
    }

    /// A process ended after so long.
    pub(super) fn ran(&mut self, slot: Slot, span: Duration) {
        self.0[slot.index()].ran += span;
    }

    /// Sums up, given how long the processes that still run have run, in slot order.
    pub(in crate::simulator) fn traffic(&self, running: impl Iterator<Item = Duration>) -> Traffic {
        let mut traffic = Traffic::default();
        for (sender, running) in self.0.iter().zip(running) {
            let ran = sender.ran + running;
            if ran >= RAN_MIN {
                traffic.messages.record_rate(sender.datagrams, ran);
                traffic.bytes.record_rate(sender.bytes, ran);
                traffic.peak.record_rate(sender.peak, SECOND);
            }
        }
        traffic
    }
}

impl Traffic {
    /// Takes in the machines of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.messages.merge(&other.messages);
        self.bytes.merge(&other.bytes);
        self.peak.merge(&other.peak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_machine_is_one_number_however_often_it_restarted() {
        let mut senders = Senders::default();
        (0..3).for_each(|_| senders.add_machine());
        senders.datagram(Slot(0), 100);
        senders.ran(Slot(0), Duration::from_secs(2));
        senders.datagram(Slot(0), 100);
        senders.close_second();
        senders.frame(Slot(1), 500);
        senders.close_second();
        let ran = [2, 5, 0].map(Duration::from_secs);
        let traffic = senders.traffic(ran.into_iter());
        let (messages, bytes) = (traffic.messages.thousandths(), traffic.bytes.thousandths());
        assert_eq!((messages.count, messages.max), (2, 0.5));
        assert!((100.0..100.1).contains(&bytes.max), "{bytes:?}");
        let peak = traffic.peak.thousandths();
        assert!((500.0..501.0).contains(&peak.max), "{peak:?}");
        assert!((200.0..201.0).contains(&peak.p50), "{peak:?}");
    }
}
