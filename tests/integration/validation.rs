//! The simulator held against theory, at a small size: what `cargo bench --bench simulator`
//! measures at full size for `simulations/VALIDATION.md`.

#[expect(dead_code, reason = "the full size is the bench's")]
#[path = "../../benches/simulator/validation/mod.rs"]
mod experiments;

use std::f64::consts::E;

use experiments::{EXPERIMENTS, Row, Size, theory};

/// Runs one experiment; every row must agree with its theory.
#[track_caller]
fn agrees(wanted: &str) {
    let experiment = EXPERIMENTS.iter().find(|(name, _)| *name == wanted);
    let (_, table) = experiment.expect("an experiment of that name");
    let table = table(Size::Small);
    assert!(!table.rows.is_empty());
    assert!(table.rows.iter().all(Row::agrees), "\n{table}");
}

#[test]
fn crashes_are_detected_when_swim_says() {
    agrees("detection");
}

#[test]
fn a_quiet_cluster_sends_two_datagrams_a_period() {
    agrees("load");
}

#[test]
fn lost_packets_accuse_as_often_as_swim_says() {
    agrees("accusations");
}

#[test]
fn rumours_spread_as_fast_as_theory_allows() {
    agrees("spreading");
}

#[test]
fn nodes_that_keep_neighbours_behave_as_those_that_keep_everybody() {
    agrees("views");
}

/// What makes the tables worth something: a wrong number is seen.
#[test]
fn a_wrong_theory_does_not_agree() {
    let (_, table) = EXPERIMENTS[2];
    let mut rows = table(Size::Small).rows;
    // Loss 10 %, one helper; the fourth leg of an indirect probe forgotten.
    rows[2].theory = (1.0 - 0.9_f64.powi(2)) * (1.0 - 0.9_f64.powi(3));
    assert!(!rows[2].agrees(), "{:?}", rows[2]);
}

#[track_caller]
fn near(computed: f64, expected: f64) {
    let apart = (computed - expected).abs() / expected;
    assert!(apart < 0.01, "{computed} is not {expected}");
}

#[test]
fn formulas_give_the_numbers_of_the_papers() {
    near(theory::periods_round_robin(100_000), E / (E - 1.0));
    near(theory::time_round_robin(100_000), 1.0);
    // Two members: the other one pings in every period, on average half a period after the crash.
    near(theory::periods_round_robin(1), 1.0);
    near(theory::time_round_robin(1), 0.5);
    let within_detection = |loss: f64, k| theory::false_accusation(1.0 - loss, k) * E / (E - 1.0);
    near(within_detection(0.05, 3), 9.83e-4);
    near(within_detection(0.1, 1), 0.103);
    // Two nodes, one send a round: a round.
    near(theory::spreading(2, 1.0), 1.0);
    near(theory::residue(3.0), 0.0595);
    near(theory::synchronous(1_000, 3.0), 7.285);
    // Six of a thousand runs with foca's own cap of 12 missed somebody.
    near(1.0 - theory::reaches_all(1_000, 12.0), 0.00613);
}
