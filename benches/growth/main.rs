//! How cost grows with the cluster: real agents at rest, and simulated ones beyond what one
//! machine runs. `cargo bench --bench growth [-- LARGEST] [agents|simulator]`, by default up to
//! 10,000 nodes. As root, for bytes and packets of agents.
//!
//! Prints a table with what fits each column best, n to some power, and writes
//! `target/growth.svg`.

#[path = "../arguments/mod.rs"]
mod arguments;
mod fit;
mod plot;
#[path = "../program/mod.rs"]
mod program;
mod sources;

use std::{fs, path::Path};

use arguments::Arguments;
use plot::Series;
use sources::Source;

const LARGEST: u64 = 10_000;

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() {
    let arguments = Arguments::read("source", &["agents", "simulator"]);
    let largest = arguments.number(0).unwrap_or(LARGEST);
    let mut all = Vec::new();
    for source in [Source::Agents, Source::Simulator] {
        if arguments.wants(source.name()) {
            let series = source.measure(largest);
            println!("{}", table(source, &series));
            all.extend(series);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/growth.svg");
    fs::write(&path, plot::svg(&all)).expect("target can be written to");
    println!("plotted in {}", path.display());
}

/// A row for each size, and the fits below.
fn table(source: Source, series: &[Series]) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut heads = vec![source.name().to_owned()];
    heads.extend(series.iter().map(|series| series.what.to_owned()));
    let mut text = row(heads.clone());
    text.push_str(&row(vec!["---:".into(); heads.len()]));
    for (index, (size, _)) in series[0].points.iter().enumerate() {
        let mut cells = vec![size.to_string()];
        cells.extend(series.iter().map(|series| number(series.points[index].1)));
        text.push_str(&row(cells));
    }
    let mut fits = vec!["fit".to_owned()];
    fits.extend(
        series
            .iter()
            .map(|series| match fit::power(&series.points) {
                Some((factor, power)) => format!("{} · n^{power:.2}", number(factor)),
                None => String::new(),
            }),
    );
    text.push_str(&row(fits));
    text
}

fn number(number: f64) -> String {
    match number {
        number if !number.is_finite() => String::new(),
        number if number < 10.0 => format!("{number:.3}"),
        number => format!("{number:.0}"),
    }
}
