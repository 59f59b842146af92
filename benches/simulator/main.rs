//! The simulator against theory, at full size: `cargo bench --bench simulator [-- TABLE…] [N]`,
//! of all tables or these, up to N nodes; with `--case TEXT` only cases whose name has TEXT in it,
//! with `--small` as the test runs it.
//! `simulations/VALIDATION.md` has the results.

mod validation;

use std::process::ExitCode;

use validation::{EXPERIMENTS, Size};

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let size = match args.iter().any(|arg| arg == "--small") {
        true => Size::Small,
        false => Size::Full,
    };
    let nodes_max = args.iter().find_map(|arg| arg.parse().ok());
    let mut flags = args.iter().skip_while(|arg| *arg != "--case");
    let text = flags.nth(1).map_or("", String::as_str);
    let names = EXPERIMENTS.map(|(name, _)| name);
    let wanted: Vec<_> = args
        .iter()
        .filter(|arg| names.contains(&arg.as_str()))
        .collect();
    let mut agrees = true;
    for (name, table) in EXPERIMENTS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| *wanted == name) {
            continue;
        }
        let table = table(size);
        println!("### {name}\n\n{table}");
        for case in &table.cases {
            if nodes_max.is_some_and(|max: u32| case.nodes > max) || !case.name.contains(text) {
                continue;
            }
            for row in (case.rows)() {
                println!("{row}");
                agrees &= row.agrees();
            }
        }
        println!();
    }
    match agrees {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
