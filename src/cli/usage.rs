//! What the command line's parser says: help as it is, errors as every other failure.

use std::process::ExitCode;

use anstream::ColorChoice;
use clap::error::ErrorKind;

use super::{Failure, Output};

/// Prints it and gives the process's exit code.
pub(super) fn end(error: &clap::Error) -> ExitCode {
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::DisplayVersion
    );
    if is_help {
        return match error.print().map_err(Failure::from) {
            Err(failure) if failure.is_told() => told(&failure),
            // Who closed the pipe has read enough.
            Ok(()) | Err(_) => u8::try_from(error.exit_code()).unwrap_or(2).into(),
        };
    }
    told(&failure(&error.render().to_string()))
}

fn told(failure: &Failure) -> ExitCode {
    Output::new(ColorChoice::Auto).failure(failure);
    failure.code().into()
}

/// The parser's text in our form: what it calls a tip is the hint, and comes last.
fn failure(text: &str) -> Failure {
    let text = text.trim().trim_start_matches("error: ");
    let (mut said, mut tips) = (Vec::new(), Vec::new());
    for paragraph in text.split("\n\n") {
        if paragraph.trim_start().starts_with("tip: ") {
            let lines = paragraph.lines().map(str::trim);
            tips.extend(lines.map(|line| line.trim_start_matches("tip: ")));
        } else if !paragraph.starts_with("For more information") {
            said.push(paragraph);
        }
    }
    let hint = match tips.is_empty() {
        true => "--help after the command shows what it takes".into(),
        false => tips.join("; "),
    };
    Failure::trouble(said.join("\n\n")).hint(hint)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn refused(line: &[&str]) -> (String, String) {
        let line = ["headcount"].iter().chain(line);
        let error = Cli::try_parse_from(line).unwrap_err();
        let failure = failure(&error.render().to_string());
        assert_eq!(failure.code(), 2);
        (failure.to_string(), failure.advice().unwrap().into())
    }

    #[test]
    fn a_tip_is_the_hint() {
        let (said, hint) = refused(&["agent", "--bnd", "x"]);
        assert!(said.starts_with("unexpected argument '--bnd'"), "{said}");
        assert!(!said.contains("tip:") && said.contains("Usage: "), "{said}");
        assert!(hint.contains("'--bind'"), "{hint}");
        assert!(refused(&["agnet"]).1.contains("'agent'"));
    }

    #[test]
    fn without_a_tip_the_help_is_the_hint() {
        let (said, hint) = refused(&["remove"]);
        assert!(said.contains("<NAME>"), "{said}");
        assert!(hint.contains("--help"), "{hint}");
    }
}
