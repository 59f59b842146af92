//! `Zones`: where machines stand, when distances differ.

use super::{super::Slot, Latency};

/// The zone of every machine, and the latency between any two zones.
#[derive(Clone, Debug, PartialEq)]
pub struct Zones {
    /// By slot; machines beyond the list are in the last zone.
    of: Vec<u8>,
    /// Row by row.
    latency: Vec<Latency>,
    count: u8,
}

impl Zones {
    /// More would not be told apart.
    pub const MAX: u8 = 64;

    /// So many machines in each zone, in slot order, and all further ones in the last; `latency`
    /// says what is between two zones, or within one. `None` unless there are 1 to [`Zones::MAX`].
    pub fn new(sizes: &[u32], latency: impl Fn(usize, usize) -> Latency) -> Option<Self> {
        let count = u8::try_from(sizes.len()).ok()?;
        if !(1..=Self::MAX).contains(&count) {
            return None;
        }
        let members = |(zone, size): (u8, &u32)| std::iter::repeat_n(zone, *size as usize);
        let zones = 0..sizes.len();
        let row = |from: usize| zones.clone().map(move |to| (from, to));
        Some(Self {
            of: (0..count).zip(sizes).flat_map(members).collect(),
            latency: zones
                .clone()
                .flat_map(row)
                .map(|(a, b)| latency(a, b))
                .collect(),
            count,
        })
    }

    pub(super) fn latency(&self, from: Slot, to: Slot) -> Latency {
        let row = usize::from(self.zone(from)) * usize::from(self.count);
        self.latency[row + usize::from(self.zone(to))]
    }

    fn zone(&self, slot: Slot) -> u8 {
        self.of.get(slot.index()).copied().unwrap_or(self.count - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn latency_depends_on_both_zones_and_newcomers_are_in_the_last() {
        let ms = |ms| Latency::Uniform {
            min: Duration::from_millis(ms),
            max: Duration::from_millis(ms),
        };
        let zones = Zones::new(&[2, 1], |from, to| ms(10 * from as u64 + to as u64));
        let zones = zones.expect("two zones");
        assert_eq!(zones.latency(Slot(0), Slot(1)), ms(0));
        assert_eq!(zones.latency(Slot(1), Slot(2)), ms(1));
        assert_eq!(zones.latency(Slot(2), Slot(1)), ms(10));
        assert_eq!(zones.latency(Slot(9), Slot(2)), ms(11));
        assert_eq!(Zones::new(&[], |_, _| ms(1)), None);
    }
}
