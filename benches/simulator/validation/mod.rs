//! The simulator held against theory: SWIM's own formulas, and how rumours spread.
//!
//! Each table is one experiment on worlds of the production node. The bench runs them at full
//! size, a test at a small one; `simulations/VALIDATION.md` has the results and what they mean.

mod accusations;
mod cluster;
mod detection;
mod load;
mod spreading;
mod table;
pub(crate) mod theory;
mod views;

pub(crate) use table::{Estimate, Row, Table};

/// How much is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Seconds of computing, for a test.
    Small,
    /// Minutes, up to 10,000 nodes.
    Full,
}

/// One table: its name and what makes it.
pub(crate) type Experiment = (&'static str, fn(Size) -> Table);

/// All of them.
pub(crate) const EXPERIMENTS: [Experiment; 5] = [
    ("detection", detection::table),
    ("load", load::table),
    ("accusations", accusations::table),
    ("spreading", spreading::table),
    ("views", views::table),
];
