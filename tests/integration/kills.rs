//! Twenty real agents on hosts of their own beside twenty simulated ones: a few of the kills that
//! `cargo bench --bench agents` makes by the hundred for `simulations/VALIDATION.md`.

#[path = "../../benches/agents/real.rs"]
mod real;
#[path = "../../benches/agents/simulated.rs"]
mod simulated;

use headcount::swim::{Profile, Tuning};
use real::Noticed;

const AGENTS: usize = 20;
const KILLS: usize = 2;

/// What no luck and no starved machine may change: helpers of a refused probe have their time, and
/// so has whoever starts the process again.
fn check(noticed: &Noticed) {
    let tuning = Tuning::new(Profile::Lan);
    let helpers = tuning.probe_timeout / 4;
    assert!(noticed.suspected >= helpers.mul_f64(0.95), "{noticed:?}");
    let restart = tuning.probe_interval.mul_f64(0.99);
    assert!(
        noticed.detected >= noticed.suspected + restart,
        "{noticed:?}"
    );
    assert!(noticed.known >= noticed.detected, "{noticed:?}");
}

#[test]
fn killed_agents_are_noticed_as_in_the_simulator() {
    let Some(mut cluster) = real::Cluster::start(AGENTS, 1) else {
        return;
    };
    let mut twin = simulated::Cluster::start(AGENTS, 1);
    for _ in 0..KILLS {
        check(&cluster.kill_one());
        check(&twin.kill_one());
    }
}
