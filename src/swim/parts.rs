//! `Parts`: which members an exchange of state is about. Two nodes that differ compare a sum for
//! each part of the members and tell only the parts whose sums differ.

use std::iter;

use serde::{Deserialize, Serialize};

use super::MemberId;

/// Members are compared in so many parts at most: their sums are less than a kilobyte.
const PARTS_MAX: usize = 64;
/// What is said of fewer members is hardly longer than a sum.
const MEMBERS_PER_PART: usize = 8;

/// Some of the parts in which all members are divided by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// How many there are, at most [`PARTS_MAX`].
    count: u8,
    /// One bit for each.
    chosen: u64,
}

impl Parts {
    /// Everybody.
    pub(super) const ALL: Self = Self {
        count: 1,
        chosen: 1,
    };

    /// In how many parts so many members are compared; one where it does not pay.
    pub(super) fn count_for(members: usize) -> usize {
        (members / MEMBERS_PER_PART).clamp(1, PARTS_MAX)
    }

    /// The parts whose sums differ; `None` when these are no sums of the same parts.
    pub(super) fn differing(ours: &[u64], theirs: &[u64]) -> Option<Self> {
        let count = u8::try_from(ours.len()).ok()?;
        let are_sums = Self::is_count(ours.len()) && theirs.len() == ours.len();
        are_sums.then_some(())?;
        let differs = |(_, (ours, theirs)): &(usize, (&u64, &u64))| ours != theirs;
        let differing = ours.iter().zip(theirs).enumerate().filter(differs);
        let chosen = differing.fold(0, |chosen, (part, _)| chosen | 1 << part);
        Some(Self { count, chosen })
    }

    /// The same members in `count` parts, if they are everybody.
    pub(super) fn split(self, count: usize) -> Self {
        match u8::try_from(count) {
            Ok(count) if self == Self::ALL && Self::is_count(count.into()) => Self {
                count,
                chosen: u64::MAX >> (PARTS_MAX - usize::from(count)),
            },
            _ => self,
        }
    }

    /// For each part the sum of what its members have.
    pub(super) fn sum(self, of_members: impl Iterator<Item = (MemberId, usize)>) -> Vec<usize> {
        let mut sums = vec![0; self.len()];
        for (id, size) in of_members {
            sums[part_of(id, self.len())] += size;
        }
        sums
    }

    /// Those of these parts that have no more than `most` together: the one that `first` is in, if
    /// it is one of them, and the others from the part `start` on. At least one.
    pub(super) fn within(
        self,
        most: usize,
        sizes: &[usize],
        (first, start): (MemberId, usize),
    ) -> Self {
        let around = (0..self.len()).map(|at| (start + at) % self.len());
        let order = iter::once(part_of(first, self.len())).chain(around);
        let (mut chosen, mut room) = (0, most);
        for part in order.filter(|part| self.chosen >> part & 1 == 1) {
            if chosen >> part & 1 == 1 {
                continue;
            }
            match room.checked_sub(sizes[part]) {
                Some(left) => room = left,
                None if chosen == 0 => room = 0,
                None => break,
            }
            chosen |= 1 << part;
        }
        Self { chosen, ..self }
    }

    /// How many parts there are, chosen or not. A peer may have said any number.
    fn len(self) -> usize {
        usize::from(self.count).clamp(1, PARTS_MAX)
    }

    /// Whether `count` may be a number of parts.
    pub(super) const fn is_count(count: usize) -> bool {
        matches!(count, 1..=PARTS_MAX)
    }

    /// Whether the member is in one of them.
    pub(super) fn cover(self, id: MemberId) -> bool {
        self.chosen >> part_of(id, self.len()) & 1 == 1
    }
}

/// The part that a member is in.
pub(super) fn part_of(id: MemberId, count: usize) -> usize {
    usize::try_from(id.0 % count as u64).expect("less than the count")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_differs_is_covered_and_nobody_else() {
        let sums = |changed: Option<u64>| {
            let mut sums = vec![0_u64; 64];
            for id in 0..1_000 {
                let part = &mut sums[part_of(MemberId(id), 64)];
                *part += id + u64::from(changed == Some(id)) * 7;
            }
            sums
        };
        for changed in 0..1_000 {
            let parts = Parts::differing(&sums(None), &sums(Some(changed))).unwrap();
            let covered: Vec<_> = (0..1_000).filter(|id| parts.cover(MemberId(*id))).collect();
            let expected = (0..1_000).filter(|id| id % 64 == changed % 64);
            assert_eq!(covered, expected.collect::<Vec<_>>());
        }
        let none = Parts::differing(&sums(None), &sums(None)).unwrap();
        assert!((0..1_000).all(|id| !none.cover(MemberId(id))));
        assert!((0..1_000).all(|id| Parts::ALL.cover(MemberId(id))));
    }

    #[test]
    fn sums_of_other_parts_are_refused() {
        for (ours, theirs) in [(0, 0), (1, 2), (64, 63), (65, 65)] {
            assert_eq!(Parts::differing(&vec![0; ours], &vec![0; theirs]), None);
        }
    }

    #[test]
    fn few_members_are_told_whole_and_many_in_sixty_four_parts() {
        let counts = [0, 15, 16, 100, 512, 100_000].map(Parts::count_for);
        assert_eq!(counts, [1, 1, 2, 12, 64, 64]);
        assert!(counts.into_iter().all(Parts::is_count));
    }

    #[test]
    fn no_number_of_parts_is_too_many_or_too_few() {
        for count in [0, 65, u8::MAX] {
            let chosen = u64::MAX;
            let parts = Parts { count, chosen };
            assert!((0..300).all(|id| parts.cover(MemberId(id))));
        }
    }
}
