//! `Losses`: when members were lost, and whether it was many at once: then it is the network
//! between us that went, and not each of them.

use std::{collections::BTreeSet, time::Duration};

use super::{Timestamp, damping::Unrest, directory::Handle, roster::Standing};

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
    cut: Option<Cut>,
    /// When members that are only suspected were last asked, as another came back.
    asked: Option<Timestamp>,
}

/// Members lost within a while that are lost still.
#[derive(Debug)]
struct Together {
    since: Timestamp,
    lost: BTreeSet<Handle>,
}

/// The last time that many were lost at once.
#[derive(Debug)]
struct Cut {
    /// By this it is known.
    began: Timestamp,
    /// When it last took somebody.
    latest: Timestamp,
    /// When a member last came back from it.
    healed: Option<Timestamp>,
}

/// What is lost within this may be lost together.
fn span(probe_interval: Duration) -> Duration {
    probe_interval * TOGETHER_INTERVALS
}

pub(super) const fn is_lost(standing: &Standing) -> bool {
    matches!(standing, Standing::Suspect(_) | Standing::Failed(_))
}

/// Whether a member that was given up is back.
pub(super) const fn is_return(prior: &Standing, next: &Standing) -> bool {
    matches!(prior, Standing::Failed(_)) && matches!(next, Standing::Alive)
}

/// Whether a member that was well is lost now.
pub(super) const fn is_loss(prior: &Standing, next: &Standing) -> bool {
    matches!(prior, Standing::Alive) && is_lost(next)
}

impl Losses {
    /// One more of a cluster of `size` is lost.
    pub(super) fn note(
        &mut self,
        member: Handle,
        now: Timestamp,
        size: usize,
        probe_interval: Duration,
    ) {
        let lately = |together: &Together| now - together.since <= span(probe_interval);
        let mut together = self.together.take().filter(lately).unwrap_or(Together {
            since: now,
            lost: BTreeSet::new(),
        });
        together.lost.insert(member);
        if together.lost.len() >= (size / CUT_SHARE).max(2) {
            self.note_cut(together.since, now, probe_interval);
        }
        self.together = Some(together);
    }

    /// Many are lost at once, by the last cut or by another.
    fn note_cut(&mut self, since: Timestamp, now: Timestamp, probe_interval: Duration) {
        let last = self.cut_behind(now, probe_interval);
        self.cut = Some(Cut {
            began: last.unwrap_or(since),
            latest: now,
            healed: None,
        });
    }

    /// That one is lost no longer: who come and go one by one are no cut.
    pub(super) fn note_found(&mut self, member: Handle) {
        if let Some(together) = &mut self.together {
            together.lost.remove(&member);
        }
    }

    /// A member that was lost `since` then is back.
    pub(super) fn note_return(
        &mut self,
        since: Timestamp,
        now: Timestamp,
        probe_interval: Duration,
    ) {
        if self.cut_behind(since, probe_interval).is_some()
            && let Some(cut) = &mut self.cut
        {
            cut.healed = Some(now);
        }
    }

    /// Whether it is time to ask those who are only suspected, once an interval.
    pub(super) fn is_time_to_ask(&mut self, now: Timestamp, probe_interval: Duration) -> bool {
        let is_time = self.asked.is_none_or(|at| now - at >= probe_interval);
        if is_time {
            self.asked = Some(now);
        }
        is_time
    }

    /// The cut that may have taken a member which is lost `since` then.
    pub(super) fn cut_behind(
        &self,
        since: Timestamp,
        probe_interval: Duration,
    ) -> Option<Timestamp> {
        let cut = self.cut.as_ref()?;
        let span = span(probe_interval);
        // Suspicion comes before failure, and `since` is by the clock of whoever saw it first.
        let times = cut.began.before(span)..=cut.latest + span * 2;
        times.contains(&since).then_some(cut.began)
    }

    /// Whether a member of that unrest came back from the last cut.
    pub(super) fn has_taken(&self, unrest: Unrest) -> bool {
        let cut = self.cut.as_ref();
        cut.is_some_and(|cut| unrest.is_back_from(cut.began))
    }

    /// Whether what others hold of a member may be what the other side of a cut holds of ours, as
    /// the two have not met, or have just met.
    pub(super) fn has_other_side(&self, now: Timestamp, probe_interval: Duration) -> bool {
        let is_just = |healed| now - healed <= span(probe_interval);
        let cut = self.cut.as_ref();
        cut.is_some_and(|cut| cut.healed.is_none_or(is_just))
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
        for (member, second) in (0..).zip(seconds) {
            losses.note(member, at(*second), 32, INTERVAL);
        }
        losses
    }

    fn is_cut(losses: &Losses, since: u64) -> bool {
        losses.cut_behind(at(since), INTERVAL).is_some()
    }

    #[test]
    fn an_eighth_within_a_while_is_a_cut() {
        let three = losses(&[100, 101, 102]);
        assert!(!is_cut(&three, 101));
        let four = losses(&[100, 101, 102, 103]);
        assert!(is_cut(&four, 100) && is_cut(&four, 110));
        assert!(!is_cut(&four, 300), "lost long after");
        let slow = losses(&[100, 120, 140, 160]);
        assert!(!is_cut(&slow, 140));
    }

    #[test]
    fn two_of_a_few_are_a_cut_and_one_is_not() {
        let mut losses = Losses::default();
        losses.note(1, at(100), 3, INTERVAL);
        assert!(!is_cut(&losses, 100));
        losses.note(2, at(101), 3, INTERVAL);
        assert!(is_cut(&losses, 100));
    }

    #[test]
    fn the_first_seconds_count_as_all_others() {
        assert!(is_cut(&losses(&[1, 2, 3, 4]), 3));
    }

    #[test]
    fn who_come_and_go_one_by_one_are_no_cut() {
        let mut losses = Losses::default();
        for (member, second) in (0..).zip(100..110) {
            losses.note(member, at(second), 3, INTERVAL);
            losses.note(member, at(second), 3, INTERVAL);
            losses.note_found(member);
        }
        assert!(!is_cut(&losses, 105));
        losses.note(20, at(111), 3, INTERVAL);
        losses.note_found(1);
        losses.note(21, at(112), 3, INTERVAL);
        assert!(is_cut(&losses, 111), "another one was found");
    }

    #[test]
    fn a_cut_that_goes_on_taking_members_is_one_and_a_minute_later_there_is_another() {
        let cut = |losses: &Losses, since| losses.cut_behind(at(since), INTERVAL);
        let one = losses(&[100, 100, 100, 100, 140, 140, 140, 140]);
        assert_eq!(cut(&one, 140), Some(at(100)));
        assert_eq!(cut(&one, 164), Some(at(100)), "failed, after a suspicion");
        let two = losses(&[100, 100, 100, 100, 158, 159, 160, 161]);
        assert_eq!(cut(&two, 160), Some(at(158)));
    }

    #[test]
    fn the_other_side_has_its_say_until_the_two_have_met() {
        assert!(!losses(&[100]).has_other_side(at(101), INTERVAL));
        let mut losses = losses(&[100, 100, 100, 100]);
        losses.note_return(at(300), at(301), INTERVAL);
        assert!(
            losses.has_other_side(at(500), INTERVAL),
            "that one was lost by itself"
        );
        losses.note_return(at(110), at(500), INTERVAL);
        assert!(losses.has_other_side(at(501), INTERVAL));
        assert!(!losses.has_other_side(at(600), INTERVAL));
        for member in 10..14 {
            losses.note(member, at(150), 32, INTERVAL);
        }
        assert!(losses.has_other_side(at(600), INTERVAL), "lost once more");
    }
}
