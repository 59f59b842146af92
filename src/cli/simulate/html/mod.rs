//! The report as one page that needs nothing but a browser: no network, no file beside it.
//!
//! Everything on it is put there by `maud`, which escapes: names and paths are what a user typed.

mod plot;
mod plots;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::show::{self, Shown, Verdict};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");
/// The browser itself refuses to load anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The whole page.
pub(super) fn page(shown: &Shown<'_>) -> String {
    let title = format!("{} · headcount simulate", shown.scenario.name());
    let plots = plots::all(shown);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (shown.scenario.name()) }
                    (verdict(shown))
                }
                main {
                    @for plot in &plots { (plot) }
                    section { h2 { "Measures" } (measures(shown)) }
                    section { h2 { "Totals" } (rows(totals(shown))) }
                    section { h2 { "Settings" } (rows(show::settings(shown.args, shown.scenario))) }
                }
                footer { "headcount " (env!("CARGO_PKG_VERSION")) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn verdict(shown: &Shown<'_>) -> Markup {
    let class = match shown.verdict() {
        Verdict::Failed => "failed",
        Verdict::Interrupted => "interrupted",
        Verdict::Passed => "passed",
    };
    html! {
        div class={ "verdict " (class) } {
            @for line in shown.conclusion() { p { (line) } }
        }
        p.command { code { (made_by(shown)) } }
    }
}

/// The line that makes all of this again.
fn made_by(shown: &Shown<'_>) -> String {
    let command = shown.command(shown.args.seed);
    match shown.args.seeds {
        1 => command.to_string(),
        count => format!("{command} --seeds {count}"),
    }
}

fn measures(shown: &Shown<'_>) -> Markup {
    html! {
        table.measures {
            thead { tr { th {} th { "count" } th { "p50" } th { "p99" } th { "max" } } }
            tbody {
                @for measure in show::measures(shown.report()) {
                    tr {
                        th scope="row" { (measure.label) }
                        @for cell in measure.cells() { td { (cell) } }
                    }
                }
            }
        }
    }
}

fn totals(shown: &Shown<'_>) -> Vec<(&'static str, String)> {
    let mut totals = show::totals(shown.report());
    totals.push(("speed", shown.speed()));
    totals
}

fn rows(rows: Vec<(&'static str, String)>) -> Markup {
    html! {
        table {
            tbody {
                @for (key, value) in rows { tr { th scope="row" { (key) } td { (value) } } }
            }
        }
    }
}
