//! A report as one page that needs nothing but a browser: no network, no file beside it.
//!
//! Everything on it is put there by `maud`, which escapes: names and paths are what a user typed.

mod plot;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(super) use plot::{About, Axis, Drawn, Mark, Plot, Series};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");
/// The browser itself refuses to load anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// What a page is made of.
#[derive(Debug)]
pub(super) struct Page {
    /// What the browser calls it.
    pub(super) title: String,
    /// What it says of itself above everything.
    pub(super) head: Markup,
    /// Figures and sections.
    pub(super) main: Markup,
}

impl Page {
    /// The whole text of it.
    pub(super) fn into_string(self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header { (self.head) }
                    main { (self.main) }
                    footer { "headcount " (env!("CARGO_PKG_VERSION")) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }
}

/// A table of numbers, the first field of each row being what they are of.
pub(super) fn measures(head: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        table.measures {
            thead { tr { @for label in head { th { (label) } } } }
            tbody { @for row in rows { (measure(row)) } }
        }
    }
}

fn measure(row: &[String]) -> Markup {
    html! {
        tr {
            @if let Some((label, numbers)) = row.split_first() {
                th scope="row" { (label) }
                @for number in numbers { td { (number) } }
            }
        }
    }
}

/// A table of what there is one of.
pub(super) fn facts(rows: Vec<(&'static str, String)>) -> Markup {
    html! {
        table {
            tbody {
                @for (key, value) in rows { tr { th scope="row" { (key) } td { (value) } } }
            }
        }
    }
}
