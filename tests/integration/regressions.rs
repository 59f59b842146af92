//! Bugs that were fixed, each a scenario in `simulations/regressions` named by its symptom.

use std::{fs, ops::ControlFlow, path::Path};

use headcount::simulator::Scenario;

/// A bug seldom shows with every seed.
const SEEDS: u64 = 3;

#[test]
fn no_bug_that_was_fixed_is_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/regressions");
    let files = fs::read_dir(folder).expect("a folder");
    let mut complaints = Vec::new();
    for file in files {
        let path = file.expect("readable").path();
        let name = path.file_name().expect("a file").to_string_lossy();
        let text = fs::read_to_string(&path).expect("readable");
        let scenario = Scenario::parse(&name, &text).unwrap_or_else(|error| panic!("{error}"));
        for seed in 1..=SEEDS {
            let outcome = scenario.run(seed, &mut |_, _| ControlFlow::Continue(()));
            let broken = outcome.run.violations.iter().map(ToString::to_string);
            let seen = broken.chain(outcome.missed);
            complaints.extend(seen.map(|seen| format!("{name} --seed {seed}: {seen}")));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
