//! The one place that prints: data on standard output, talk on standard error.

use std::{
    fmt::Display,
    io::{self, Stderr, Stdout, Write},
};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Failure;
use crate::swim::is_unseen;

/// Both streams, each coloured only if whoever looks at it wants that.
#[derive(Debug)]
pub(super) struct Output {
    out: AutoStream<Stdout>,
    err: AutoStream<Stderr>,
}

impl Output {
    /// `Auto` colours terminals unless `NO_COLOR` is set.
    pub(super) fn new(color: ColorChoice) -> Self {
        Self {
            out: AutoStream::new(io::stdout(), color),
            err: AutoStream::new(io::stderr(), color),
        }
    }

    /// Whether lines for people are coloured.
    pub(super) fn is_colored(&self) -> bool {
        self.err.current_choice() != ColorChoice::Never
    }

    /// One line of data, seen at once.
    pub(super) fn data(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.out, "{line}")?;
        self.out.flush()?;
        Ok(())
    }

    /// One line for people. Who closed standard error does not want to know.
    pub(super) fn talk(&mut self, line: impl Display) {
        let _ = writeln!(self.err, "{line}");
    }

    /// A bar of thousandths on standard error, if that is a terminal.
    pub(super) fn bar(&self) -> Option<ProgressBar> {
        let target = ProgressDrawTarget::stderr();
        let style = ProgressStyle::with_template("{bar:30} {msg}").ok()?;
        (!target.is_hidden())
            .then(|| ProgressBar::with_draw_target(Some(1000), target).with_style(style))
    }

    /// A failure and what to do about it.
    pub(super) fn failure(&mut self, failure: &Failure) {
        self.problem("error", failure);
        if let Some(hint) = failure.advice() {
            self.talk(format_args!(
                "\n{}",
                labelled("hint", AnsiColor::Cyan, hint)
            ));
        }
    }

    fn problem(&mut self, label: &str, text: impl Display) {
        self.talk(labelled(label, AnsiColor::Red, text));
    }
}

/// Whether whoever read standard output is gone.
pub(super) fn is_unread() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let answered = poll(&mut asked, Some(&Timespec::default()));
    answered.is_ok() && asked[0].revents().intersects(PollFlags::ERR)
}

fn labelled(label: &str, color: AnsiColor, text: impl Display) -> String {
    let style = Style::new().bold().fg_color(Some(color.into()));
    format!("{style}{label}:{style:#} {text}")
}

/// The colour of a state or of the change that led to it. The word always stands beside it.
pub(super) fn style(word: &str) -> Style {
    let color = match word {
        "alive" | "join" | "refuted" | "healed" | "recovered" => AnsiColor::Green,
        "suspect" | "isolated" | "degraded" => AnsiColor::Yellow,
        "failed" | "conflict" => AnsiColor::Red,
        "restart" | "update" => AnsiColor::Cyan,
        "left" | "removed" => AnsiColor::BrightBlack,
        _ => return Style::new(),
    };
    Style::new().fg_color(Some(color.into()))
}

/// Bold.
pub(super) fn strong(text: impl Display) -> String {
    let style = Style::new().bold();
    format!("{style}{text}{style:#}")
}

/// Text from elsewhere as it can be shown: what would move the cursor or other letters, and what
/// nobody would see, is spelled out.
pub(super) fn shown(text: &str) -> String {
    let spell = |c: char| match is_unseen(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(spell).collect()
}
