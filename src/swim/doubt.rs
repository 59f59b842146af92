//! `Doubt`: an open accusation and the clock that ends it (Lifeguard §IV-B).
//!
//! The clock starts with the most patience and loses some with each further member that accuses
//! independently, because an accuser may be at fault itself and several hardly are. Every node
//! that hears of a suspicion runs the clock, not only the accuser.

use std::{sync::Arc, time::Duration};

use super::{Evidence, MemberId, Timestamp, roster::Accusation};

/// How long a suspicion may last, by how many members confirm it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// With all the confirmations that count.
    pub min: Duration,
    /// With none.
    pub max: Duration,
    /// K: more confirmations change nothing.
    pub confirmations: usize,
    /// What ends it sooner, if anything does.
    pub refusals: Option<Refusals>,
}

/// How members that a suspect's host refused end the suspicion sooner: the host lives and says that
/// the process is gone, which silence never says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// So many different members, never one alone.
    pub enough: usize,
    /// Since the suspicion began: time for whoever starts the process again.
    pub span: Duration,
}

impl Patience {
    /// The time of a suspicion that `confirmed` members confirmed beside the first accuser:
    /// max − (max − min) · log(C + 1) / log(K + 1), at least min.
    pub fn after(&self, confirmed: usize) -> Duration {
        if confirmed >= self.confirmations {
            return self.min;
        }
        // Not the platform's, whose last bit differs: deadlines must be the same everywhere.
        let log = |count: usize| libm::log((count + 1) as f64);
        let spent = (self.max - self.min).mul_f64(log(confirmed) / log(self.confirmations));
        self.max - spent
    }
}

/// A member that is accused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Each from another member; the first is the one that consumers are told. Never empty; the
    /// confirmations that count and a few refusals follow. Shared, as records are copied whenever
    /// somebody repeats what is known.
    accusations: Arc<Vec<Accusation>>,
    since: Timestamp,
    /// When it is confirmed unless it is refuted.
    pub(super) deadline: Timestamp,
    /// The same, whoever was refused.
    patient: Timestamp,
}

impl Doubt {
    /// Somebody accuses whom nobody accused.
    pub(super) fn new(first: Accusation, now: Timestamp, patience: &Patience) -> Self {
        let span = match first.evidence {
            // Somebody's clock has run out already.
            Evidence::HeldFailed => patience.min,
            _ => patience.after(0),
        };
        Self {
            accusations: Arc::new(vec![first]),
            since: now,
            deadline: now + span,
            patient: now + span,
        }
    }

    /// What consumers are told.
    pub(super) fn first(&self) -> Accusation {
        self.accusations[0]
    }

    /// Whether a further accusation would change anything: its author did not accuse before, and
    /// not enough others did.
    pub(super) fn takes(&self, by: Accusation, patience: &Patience) -> bool {
        let counts = self.accusations.len() <= patience.confirmations
            || (by.evidence == Evidence::Refused && self.lacks_refusals(patience));
        counts && !self.is_by(by.by)
    }

    /// Whether this member accuses.
    pub(super) fn is_by(&self, member: MemberId) -> bool {
        self.accusations.iter().any(|known| known.by == member)
    }

    /// Whether nobody else accuses.
    pub(super) fn is_only_by(&self, member: MemberId) -> bool {
        self.accusations.len() == 1 && self.is_by(member)
    }

    /// Accusers that were refused.
    pub(super) fn refusals(&self) -> usize {
        let refused = |known: &&Accusation| known.evidence == Evidence::Refused;
        self.accusations.iter().filter(refused).count()
    }

    /// Whether one more refusal would end the suspicion sooner, or bring that nearer.
    pub(super) fn lacks_refusals(&self, patience: &Patience) -> bool {
        let refusals = patience.refusals;
        refusals.is_some_and(|refusals| self.refusals() < refusals.enough)
    }

    /// Whether refusals end it before its time.
    pub(super) fn is_hastened(&self) -> bool {
        self.deadline < self.patient
    }

    /// Refusals are not believed: it takes its time.
    pub(super) const fn slow_down(&mut self) {
        self.deadline = self.patient;
    }

    /// Takes a further accusation, unless it changes nothing. It does not end the suspicion before
    /// `earliest`.
    pub(super) fn confirm(&mut self, by: Accusation, patience: &Patience, earliest: Timestamp) {
        if self.takes(by, patience) {
            let deadline = self.since + patience.after(self.accusations.len());
            Arc::make_mut(&mut self.accusations).push(by);
            self.patient = self.patient.min(deadline.max(earliest));
            self.deadline = self.deadline.min(self.patient);
            self.hasten(by, patience, earliest);
        }
    }

    fn hasten(&mut self, by: Accusation, patience: &Patience, earliest: Timestamp) {
        if let Some(Refusals { enough, span }) = patience.refusals
            && by.evidence == Evidence::Refused
            && self.refusals() >= enough
        {
            self.deadline = self.deadline.min((self.since + span).max(earliest));
        }
    }

    /// Lets the clock stand for `span`.
    pub(super) fn hold(&mut self, span: Duration) {
        self.since = self.since + span;
        self.deadline = self.deadline + span;
        self.patient = self.patient + span;
    }

    /// The clock begins again.
    pub(super) fn begin_anew(&mut self, now: Timestamp) {
        self.hold(now - self.since);
    }

    /// Further accusations that were taken, oldest first.
    pub(super) fn confirmations(&self) -> &[Accusation] {
        &self.accusations[1..]
    }
}

#[cfg(test)]
impl Doubt {
    /// For tests to which the clock is nothing.
    pub(super) fn open(first: Accusation) -> Self {
        let patience = super::Tuning::new(super::Profile::Lan).patience(3);
        Self::new(first, Timestamp::ZERO, &patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accusation(by: u64) -> Accusation {
        Accusation {
            by: MemberId(by),
            evidence: Evidence::ProbeTimeout,
        }
    }

    /// n = 128, α = 5, β = 6, K = 3 (Lifeguard §V-C).
    const PATIENCE: Patience = Patience {
        min: Duration::from_millis(10_540),
        max: Duration::from_millis(63_240),
        confirmations: 3,
        refusals: Some(Refusals {
            enough: 3,
            span: Duration::from_secs(1),
        }),
    };

    fn refused(by: u64) -> Accusation {
        Accusation {
            evidence: Evidence::Refused,
            ..accusation(by)
        }
    }

    /// The deadline after these accusations, all of them at once.
    fn deadline(accusations: &[Accusation]) -> Timestamp {
        let mut doubt = Doubt::new(accusations[0], Timestamp::ZERO, &PATIENCE);
        for accusation in &accusations[1..] {
            doubt.confirm(*accusation, &PATIENCE, Timestamp::ZERO);
        }
        doubt.deadline
    }

    #[test]
    fn three_who_were_refused_end_it_soon_and_fewer_do_not() {
        let second = Timestamp::ZERO + Duration::from_secs(1);
        assert_eq!(
            deadline(&[1, 2].map(refused)),
            Timestamp::ZERO + PATIENCE.after(1)
        );
        assert_eq!(
            deadline(&[1, 2, 2].map(refused)),
            Timestamp::ZERO + PATIENCE.after(1)
        );
        assert_eq!(deadline(&[1, 2, 3].map(refused)), second);
        let mixed = [accusation(1), refused(2), refused(3)];
        assert_eq!(deadline(&mixed), Timestamp::ZERO + PATIENCE.after(2));
        // The silent ones do not take the places of those who were refused.
        let crowd = [1, 2, 3, 4].map(accusation);
        let late = [5, 6, 7].map(refused);
        assert_eq!(
            deadline(&[crowd, crowd].concat()),
            Timestamp::ZERO + PATIENCE.min
        );
        assert_eq!(deadline(&[&crowd[..], &late].concat()), second);
    }

    #[test]
    fn refusals_that_are_not_believed_leave_the_usual_time() {
        let mut doubt = Doubt::new(refused(1), Timestamp::ZERO, &PATIENCE);
        for by in [2, 3] {
            doubt.confirm(refused(by), &PATIENCE, Timestamp::ZERO);
        }
        assert!(doubt.is_hastened());
        doubt.slow_down();
        assert!(!doubt.is_hastened());
        assert_eq!(doubt.deadline, Timestamp::ZERO + PATIENCE.after(2));
    }

    #[test]
    fn patience_shrinks_as_the_paper_has_it() {
        let seconds: Vec<_> = (0..5).map(|c| PATIENCE.after(c).as_secs_f64()).collect();
        let expected = [63.24, 36.89, 21.47, 10.54, 10.54];
        for (ours, theirs) in seconds.iter().zip(expected) {
            assert!((ours - theirs).abs() < 0.01, "{seconds:?}");
        }
    }

    #[test]
    fn nobody_confirms_twice_and_no_more_than_enough() {
        let mut doubt = Doubt::new(accusation(1), Timestamp::ZERO, &PATIENCE);
        for by in [1, 2, 3, 2, 4, 5] {
            doubt.confirm(accusation(by), &PATIENCE, Timestamp::ZERO);
        }
        assert_eq!(doubt.deadline, Timestamp::ZERO + PATIENCE.min);
        assert_eq!(doubt.first(), accusation(1));
        assert_eq!(doubt.confirmations(), [2, 3, 4].map(accusation));
    }

    #[test]
    fn a_confirmation_leaves_the_suspect_time_for_a_word_and_takes_none_back() {
        let mut doubt = Doubt::new(accusation(1), Timestamp::ZERO, &PATIENCE);
        let late = Timestamp::ZERO + Duration::from_secs(50);
        doubt.confirm(accusation(2), &PATIENCE, late);
        assert_eq!(doubt.deadline, late);
        let later = Timestamp::ZERO + Duration::from_secs(60);
        doubt.confirm(accusation(3), &PATIENCE, later);
        assert_eq!(doubt.deadline, late);
    }

    #[test]
    fn what_somebody_confirmed_already_takes_the_least_patience() {
        let held = Accusation {
            evidence: Evidence::HeldFailed,
            ..accusation(1)
        };
        let doubt = Doubt::new(held, Timestamp::ZERO, &PATIENCE);
        assert_eq!(doubt.deadline, Timestamp::ZERO + PATIENCE.min);
    }

    #[test]
    fn without_confirmations_to_wait_for_patience_is_fixed() {
        let patience = Patience {
            confirmations: 0,
            ..PATIENCE
        };
        assert_eq!(patience.after(0), patience.min);
    }
}
