//! `Position`: where in which run of an agent a consumer is.

use std::{fmt, str::FromStr};

/// One run of an agent. Numbers of different epochs have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// Where a consumer was: everything of `epoch` up to `seq` is known to it. Written `EPOCH:SEQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The run of the agent.
    pub epoch: Epoch,
    /// The last number it knows.
    pub seq: u64,
}

/// The text is not a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not EPOCH:SEQ as a stream gave it, like 5f0c2a9be1d47c33:42")]
pub struct InvalidPosition(String);

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.epoch, self.seq)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let parse = || {
            let (epoch, seq) = text.split_once(':')?;
            let epoch = Epoch(u64::from_str_radix(epoch, 16).ok()?);
            let seq = seq.parse().ok()?;
            Some(Self { epoch, seq })
        };
        parse().ok_or_else(|| InvalidPosition(text.into()))
    }
}
