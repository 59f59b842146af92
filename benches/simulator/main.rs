//! The simulator against theory, at full size. `cargo bench --bench simulator [-- TABLE…]`; with
//! `--small` as the test runs it. `simulations/VALIDATION.md` has the results.

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
    let wanted: Vec<_> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let mut agrees = true;
    for (name, table) in EXPERIMENTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name) {
            let table = table(size);
            println!("### {name}\n\n{table}");
            agrees &= table.rows.iter().all(validation::Row::agrees);
        }
    }
    match agrees {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
