use super::*;
use crate::swim::{Evidence, Life, MemberId, doubt::Doubt};

const ACCUSATION: Accusation = Accusation {
    by: MemberId(9),
    evidence: Evidence::ProbeTimeout,
};
const FAILED: Standing = Standing::Failed(ACCUSATION);

fn suspect() -> Standing {
    Standing::Suspect(Doubt::open(ACCUSATION))
}

fn left() -> Standing {
    Standing::Left {
        reason: "upgrade".into(),
    }
}

fn record(life: Life, incarnation: u16, standing: Standing) -> Record {
    Record {
        incarnation,
        standing,
        ..Record::alive(life)
    }
}

/// Steps between two standings of one life and incarnation.
fn within_one_life(prior: Option<Standing>, next: Standing) -> Vec<Step> {
    let life = Life::first(3);
    let prior = prior.map(|standing| record(life, 0, standing));
    steps(prior.as_ref(), &record(life, 0, next))
}

#[test]
fn every_transition_within_one_life() {
    use Standing::{Alive, Removed};
    let (failed, gone) = (Some(MemberState::Failed), Some(MemberState::Left));
    let join = |previous| Step::Join { previous };
    let table: Vec<(Option<Standing>, Standing, Vec<Step>)> = vec![
        (None, Alive, vec![join(None)]),
        (None, suspect(), vec![join(None), Step::Suspect]),
        (None, FAILED, vec![Step::Failed]),
        (None, left(), vec![Step::Left]),
        (None, Removed, vec![]),
        (Some(Alive), Alive, vec![]),
        (Some(Alive), suspect(), vec![Step::Suspect]),
        (Some(Alive), FAILED, vec![Step::Suspect, Step::Failed]),
        (Some(Alive), left(), vec![Step::Left]),
        (Some(Alive), Removed, vec![Step::Removed]),
        (Some(suspect()), Alive, vec![Step::Refuted]),
        (Some(suspect()), suspect(), vec![]),
        (Some(suspect()), FAILED, vec![Step::Failed]),
        (Some(suspect()), left(), vec![Step::Left]),
        (Some(suspect()), Removed, vec![Step::Removed]),
        (Some(FAILED), Alive, vec![join(failed)]),
        (Some(FAILED), suspect(), vec![join(failed), Step::Suspect]),
        (Some(FAILED), FAILED, vec![]),
        (Some(FAILED), left(), vec![Step::Left]),
        (Some(FAILED), Removed, vec![Step::Removed]),
        (Some(left()), Alive, vec![join(gone)]),
        (Some(left()), FAILED, vec![Step::Failed]),
        (Some(left()), left(), vec![]),
        (Some(left()), Removed, vec![Step::Removed]),
        (Some(Removed), Alive, vec![join(None)]),
        (Some(Removed), FAILED, vec![]),
        (Some(Removed), left(), vec![]),
        (Some(Removed), Removed, vec![]),
    ];
    for (prior, next, expected) in table {
        let found = within_one_life(prior.clone(), next.clone());
        assert_eq!(found, expected, "{prior:?} → {next:?}");
    }
}

#[test]
fn a_new_generation_of_an_active_member_is_one_restart() {
    let next = record(Life::first(4), 0, Standing::Alive);
    for standing in [Standing::Alive, suspect()] {
        let prior = record(Life::first(3), 2, standing);
        assert_eq!(
            steps(Some(&prior), &next),
            [Step::Restart {
                previous_generation: 3
            }]
        );
    }
}

#[test]
fn a_renewal_answers_an_accusation_and_is_otherwise_an_update() {
    let next = record(Life::first(3).next(), 0, Standing::Alive);
    let from = |standing| steps(Some(&record(Life::first(3), 0, standing)), &next);
    assert_eq!(from(suspect()), [Step::Refuted]);
    assert_eq!(from(Standing::Alive), [Step::Update]);
}

#[test]
fn a_raised_incarnation_is_told_even_when_nothing_else_changed() {
    let prior = record(Life::first(3), 0, Standing::Alive);
    let next = record(Life::first(3), 1, Standing::Alive);
    assert_eq!(steps(Some(&prior), &next), [Step::Update]);
}

#[test]
fn a_goodbye_wins_over_a_failure_and_a_removal_over_both() {
    let goodbye = Claim::Left {
        reason: "upgrade".into(),
    };
    let failure = Claim::Failed(ACCUSATION);
    let next = |claim: Option<&Claim>, prior| {
        let heard = claim.map(|claim| (claim, Timestamp::ZERO));
        down(heard, Some(&prior), ACCUSATION)
    };
    assert_eq!(next(Some(&goodbye), FAILED), left());
    assert_eq!(next(Some(&failure), left()), left());
    assert_eq!(next(Some(&Claim::Removed), left()), Standing::Removed);
    assert_eq!(next(Some(&failure), Standing::Alive), FAILED);
    assert_eq!(next(None, Standing::Alive), FAILED);
}

#[test]
fn a_confirmed_failure_keeps_its_first_accuser() {
    let later = Accusation {
        by: MemberId(8),
        evidence: Evidence::HeldFailed,
    };
    let heard = (&Claim::Failed(later), Timestamp::ZERO);
    let failed = down(Some(heard), Some(&FAILED), later);
    assert_eq!(failed, FAILED);
}
