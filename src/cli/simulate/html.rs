//! The report as a page with plots.

use maud::{Markup, html};

use super::{
    super::page::{Page, facts, measures},
    plots,
    show::{self, Shown, Verdict},
};

/// The whole page.
pub(super) fn page(shown: &Shown<'_>) -> String {
    let rows: Vec<_> = show::measures(shown.report())
        .iter()
        .map(show::Measure::row)
        .collect();
    let page = Page {
        title: format!("{} · headcount simulate", shown.scenario.name()),
        head: html! {
            h1 { (shown.scenario.name()) }
            (verdict(shown))
        },
        main: html! {
            @for plot in plots::all(shown) { (plot) }
            section {
                h2 { "Measures" }
                (measures(&["", "count", "p50", "p99", "max"], &rows))
            }
            section { h2 { "Totals" } (facts(totals(shown))) }
            section { h2 { "Settings" } (facts(show::settings(shown.args, shown.scenario))) }
        },
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

fn totals(shown: &Shown<'_>) -> Vec<(&'static str, String)> {
    let mut totals = show::totals(shown.report());
    totals.push(("speed", shown.speed()));
    totals
}
