//! `Losses`: when members were lost, and whether it was many at once: then it is the network
//! between us that went, and not each of them.

use std::time::Duration;

use super::{
    Timestamp,
    damping::{CALM_AFTER, Unrest},
    roster::Standing,
};

/// What is lost within so many probe intervals may have one cause: the longest suspicion, about.
const TOGETHER_INTERVALS: u32 = 30;
/// A cut takes this share of a cluster, and two members at least.
const CUT_SHARE: usize = 8;

/// When members were lost.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// When a member last failed.
    pub(super) last_failure: Option<Timestamp>,
    together: Option<Together>,
    /// When the last cut began.
    cut: Option<Timestamp>,
    /// When the last one began that came out of calm.
    excused: Option<Timestamp>,
    /// When a member last came back from that one.
    healed: Option<Timestamp>,
    /// When members that are only suspected were last asked, as another came back.
    asked: Option<Timestamp>,
}

/// Members lost within a while.
#[derive(Clone, Copy, Debug)]
struct Together {
    since: Timestamp,
    count: usize,
}

/// What is lost within this may be lost together.
fn span(probe_interval: Duration) -> Duration {
    probe_interval * TOGETHER_INTERVALS
}

/// Whether a member that was given up is back.
pub(super) fn is_return(prior: &Standing, next: &Standing) -> bool {
    matches!(prior, Standing::Failed(_)) && matches!(next, Standing::Alive)
}

/// Whether a member that was well is lost now.
pub(super) fn is_loss(prior: &Standing, next: &Standing) -> bool {
    matches!(prior, Standing::Alive) && matches!(next, Standing::Suspect(_) | Standing::Failed(_))
}

impl Losses {
    /// One more of a cluster of `size` is lost, that was well since then.
    pub(super) fn note(
        &mut self,
        (since, now): (Timestamp, Timestamp),
        size: usize,
        probe_interval: Duration,
    ) {
        let lately = |together: &Together| now - together.since <= span(probe_interval);
        let together = match self.together.filter(lately) {
            // It was among them already, and came back.
            Some(together) if since >= together.since => return,
            Some(Together { since, count }) => Together {
                since,
                count: count + 1,
            },
            None => Together {
                since: now,
                count: 1,
            },
        };
        self.together = Some(together);
        if together.count >= (size / CUT_SHARE).max(2) && self.cut != Some(together.since) {
            let is_out_of_calm = self.cut.is_none_or(|cut| now - cut > CALM_AFTER);
            self.cut = Some(together.since);
            // A link that comes and goes excuses nobody but the first time.
            if is_out_of_calm {
                (self.excused, self.healed) = (self.cut, None);
            }
        }
    }

    /// A member that was lost `since` then is back. Whether it is time to ask others: a cut brings
    /// many back at once.
    pub(super) fn note_return(
        &mut self,
        (since, now): (Timestamp, Timestamp),
        probe_interval: Duration,
    ) -> bool {
        if self.excuse(since, probe_interval).is_some() {
            self.healed = Some(now);
        }
        let is_time = self.asked.is_none_or(|at| now - at >= probe_interval);
        if is_time {
            self.asked = Some(now);
        }
        is_time
    }

    /// The cut that excuses a member which is lost `since` then, if there is one.
    pub(super) fn excuse(&self, since: Timestamp, probe_interval: Duration) -> Option<Timestamp> {
        let span = span(probe_interval);
        // Suspicion comes before failure, and `since` is by the clock of whoever saw it first.
        let was_then = |cut: &Timestamp| cut.before(span) <= since && since <= *cut + span * 2;
        self.excused.filter(was_then)
    }

    /// Whether that one excused a member's return.
    pub(super) fn has_excused(&self, unrest: Unrest) -> bool {
        self.excused.is_some() && unrest.excused_by == self.excused
    }

    /// Whether what others hold of a member may be what the other side of a cut holds of ours, as
    /// the two have not met, or have just met.
    pub(super) fn has_other_side(&self, now: Timestamp, probe_interval: Duration) -> bool {
        let is_just = |healed| now - healed <= span(probe_interval);
        self.excused.is_some() && self.healed.is_none_or(is_just)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    /// Losses of a cluster of 32 at these seconds.
    fn losses(seconds: &[u64]) -> Losses {
        let mut losses = Losses::default();
        for second in seconds {
            losses.note((at(0), at(*second)), 32, INTERVAL);
        }
        losses
    }

    fn excuses(losses: &Losses, since: u64) -> bool {
        losses.excuse(at(since), INTERVAL).is_some()
    }

    #[test]
    fn an_eighth_within_a_while_is_a_cut() {
        let three = losses(&[100, 101, 102]);
        assert!(!excuses(&three, 101));
        let four = losses(&[100, 101, 102, 103]);
        assert!(excuses(&four, 100) && excuses(&four, 110));
        assert!(!excuses(&four, 300), "lost long after");
        let slow = losses(&[100, 120, 140, 160]);
        assert!(!excuses(&slow, 140));
    }

    #[test]
    fn two_of_a_few_are_a_cut_and_one_is_not() {
        let mut losses = Losses::default();
        losses.note((at(0), at(100)), 3, INTERVAL);
        assert!(!excuses(&losses, 100));
        losses.note((at(0), at(101)), 3, INTERVAL);
        assert!(excuses(&losses, 100));
    }

    #[test]
    fn the_first_seconds_count_as_all_others() {
        assert!(excuses(&losses(&[1, 2, 3, 4]), 3));
    }

    #[test]
    fn one_that_comes_and_goes_is_one() {
        let mut losses = losses(&[100]);
        for second in 101..110 {
            losses.note((at(second), at(second)), 3, INTERVAL);
        }
        assert!(!excuses(&losses, 105));
    }

    #[test]
    fn a_second_cut_soon_after_is_no_excuse() {
        let again = losses(&[100, 100, 100, 100, 200, 200, 200, 200]);
        assert!(excuses(&again, 100) && !excuses(&again, 200));
        let later = losses(&[100, 100, 100, 100, 800, 800, 800, 800]);
        assert!(excuses(&later, 800));
        let for_ever: Vec<_> = (1..9).flat_map(|cut| [300 * cut; 4]).collect();
        assert!(!excuses(&losses(&for_ever), 2_400), "never calm");
    }

    #[test]
    fn the_other_side_has_its_say_until_the_two_have_met() {
        assert!(!losses(&[100]).has_other_side(at(101), INTERVAL));
        let mut losses = losses(&[100, 100, 100, 100]);
        losses.note_return((at(300), at(301)), INTERVAL);
        assert!(
            losses.has_other_side(at(500), INTERVAL),
            "that one was lost by itself"
        );
        losses.note_return((at(110), at(500)), INTERVAL);
        assert!(losses.has_other_side(at(501), INTERVAL));
        assert!(!losses.has_other_side(at(600), INTERVAL));
    }
}
