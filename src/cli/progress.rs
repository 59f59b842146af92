//! `Bar`: how far something is and how long it may take still, for whoever waits.

use std::time::Duration;

use indicatif::ProgressBar;

use super::Output;

/// A bar on a terminal, lines elsewhere.
#[derive(Debug, Default)]
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new(output: &Output) -> Self {
        Self(output.bar())
    }

    /// Whether there is a terminal to draw it on.
    pub(super) const fn is_drawn(&self) -> bool {
        self.0.is_some()
    }

    /// Says how far it is, from 0 to 1, and `text`.
    pub(super) fn say(&self, share: f64, text: String, output: &mut Output) {
        match &self.0 {
            Some(bar) => {
                bar.set_position(thousandths(share));
                bar.set_message(text);
            }
            None => output.talk(text),
        }
    }

    /// Takes it away for as long as `talk` prints something else.
    pub(super) fn aside(&self, talk: impl FnOnce()) {
        match &self.0 {
            Some(bar) => bar.suspend(talk),
            None => talk(),
        }
    }

    /// Takes it away.
    pub(super) fn end(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what is cut off is less than a thousandth"
)]
fn thousandths(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * 1000.0) as u64
}

/// How long it takes still if it goes on as it did; nothing while nobody can know.
pub(super) fn left(share: f64, spent: Duration) -> String {
    if share < 0.001 {
        return String::new();
    }
    let rest = spent.as_secs_f64() * (1.0 - share).max(0.0) / share;
    about(Duration::from_secs_f64(rest.ceil()).as_secs())
}

/// That it takes so many seconds still.
pub(super) fn about(seconds: u64) -> String {
    let rest = humantime::format_duration(Duration::from_secs(seconds));
    format!(", about {rest} left")
}
