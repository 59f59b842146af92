//! `Application`: what becomes of the program beside a node.

use serde::{Deserialize, Serialize};

use crate::swim::AppStatus;

/// Why applications end in simulations.
const REASON: &str = "killed by signal 9";

/// What becomes of the application beside a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Application {
    /// It ends.
    Down,
    /// It starts.
    Up,
}

impl Application {
    /// The word in scenarios and reports.
    pub(in crate::simulator) const fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }

    pub(in crate::simulator) fn status(self) -> AppStatus {
        match self {
            Self::Down => AppStatus::down(REASON),
            Self::Up => AppStatus::Up,
        }
    }
}
