//! Lifeguard's experiments again (Dadgar, Phillips, Currey 2017, §V): 128 nodes, of which C at a
//! time neither send nor receive for D, once (threshold) or again and again with I between
//! (interval). `cargo bench --bench lifeguard [-- threshold|interval|mixes|choice] [REPEATS]`.
//!
//! `simulations/VALIDATION.md` has the results, and what differs from the paper's set-up.

#[path = "../arguments/mod.rs"]
mod arguments;
mod experiment;
mod grid;
mod settings;
mod tables;

use arguments::Arguments;
use settings::Setting;

const TABLES: [&str; 4] = ["threshold", "interval", "mixes", "choice"];

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() {
    let arguments = Arguments::read("table", &TABLES);
    let repeats = arguments.number(0).unwrap_or(1);
    let wanted = |name| arguments.wants(name);
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
}
