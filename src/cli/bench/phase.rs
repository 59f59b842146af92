//! `Phase`: what happens to the agents, one thing after the other.

use std::time::Duration;

use crate::nearest::nearest;

/// A part of a repetition, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Bootstrap,
    Steady,
    Event,
    Crash,
    Restart,
    Leave,
    Pause,
    Partition,
}

impl Phase {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::Bootstrap,
        Self::Steady,
        Self::Event,
        Self::Crash,
        Self::Restart,
        Self::Leave,
        Self::Pause,
        Self::Partition,
    ];

    /// What it is called on the command line.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Steady => "steady",
            Self::Event => "event",
            Self::Crash => "crash",
            Self::Restart => "restart",
            Self::Leave => "leave",
            Self::Pause => "pause",
            Self::Partition => "partition",
        }
    }

    /// How long it goes on when the command line says `time`; nothing for what lasts as long as it
    /// lasts.
    pub(super) fn lasts(self, time: Duration) -> Duration {
        match self {
            // Times to a first probe are spread so widely that a median wants many of them.
            Self::Crash => time * 3,
            Self::Steady => time,
            Self::Restart | Self::Leave => time / 2,
            Self::Event => time / 4,
            Self::Bootstrap | Self::Pause | Self::Partition => Duration::ZERO,
        }
    }
}

/// Reads the name of one.
pub(super) fn parse(name: &str) -> Result<Phase, String> {
    let mut all = Phase::ALL.into_iter();
    all.find(|phase| phase.as_str() == name).ok_or_else(|| {
        let names = Phase::ALL.map(Phase::as_str);
        let likely = nearest(name, names);
        let likely = likely.map_or_else(String::new, |likely| format!("did you mean {likely}? "));
        let names = names.join(", ");
        format!("no phase is called that; {likely}There are {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_have_names_and_others_are_told_the_nearest() {
        for phase in Phase::ALL {
            assert_eq!(parse(phase.as_str()), Ok(phase));
        }
        let said = parse("crahs").unwrap_err();
        assert!(said.contains("did you mean crash?"), "{said}");
        let said = parse("xyz").unwrap_err();
        assert!(said.contains("that; There are bootstrap"), "{said}");
    }
}
