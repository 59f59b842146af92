//! Lifeguard's experiments again (Dadgar, Phillips, Currey 2017, §V): 128 nodes, of which C at a
//! time neither send nor receive for D, once (threshold) or again and again with I between
//! (interval). `cargo bench --bench lifeguard [-- threshold|interval|mixes|choice] [REPEATS]`.
//!
//! `simulations/VALIDATION.md` has the results, and what differs from the paper's set-up.

mod experiment;
mod grid;
mod settings;
mod tables;

use std::process::ExitCode;

use settings::Setting;

const TABLES: [&str; 4] = ["threshold", "interval", "mixes", "choice"];

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its results"
)]
fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args = args.iter().filter(|arg| *arg != "--bench");
    let (numbers, names): (Vec<_>, Vec<_>) = args.partition(|arg| arg.parse::<u64>().is_ok());
    if let Some(unknown) = names.iter().find(|name| !TABLES.contains(&name.as_str())) {
        eprintln!(
            "error: no table {unknown:?}\nhint: one of {}",
            TABLES.join(", ")
        );
        return ExitCode::from(2);
    }
    let repeats = numbers.first().and_then(|repeats| repeats.parse().ok());
    let repeats = repeats.unwrap_or(1);
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| *wanted == name);
    println!("{repeats} repeats of each point; the paper made 10\n");
    if wanted("threshold") {
        println!("{}", tables::threshold(&Setting::FAMILY, repeats));
    }
    if wanted("interval") {
        println!("{}", tables::interval(&Setting::FAMILY, repeats));
    }
    if wanted("mixes") {
        println!("{}", tables::mixes(repeats));
    }
    if wanted("choice") {
        println!("{}", tables::threshold(&Setting::CHOICE, repeats));
        println!("{}", tables::interval(&Setting::CHOICE, repeats));
    }
    ExitCode::SUCCESS
}
