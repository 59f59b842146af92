//! What a run measures. Everything here is told what happens and decides nothing.

mod applications;
mod counts;
mod distribution;
mod meter;
mod outages;
mod rumours;
mod series;
mod traffic;
mod views;

pub use counts::Measures;
pub use distribution::{Distribution, Percentiles};
pub use outages::Outage;
pub use series::{Second, Series, Step};
pub use traffic::Traffic;

pub(super) use applications::{Applications, Hearer};
pub(super) use meter::Meter;
pub(super) use outages::Outages;
pub(super) use rumours::Rumours;
