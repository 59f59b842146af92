//! A whole cluster's bad day, drawn from one seed; and made small when it ends badly.

mod draft;
mod plan;
mod shrink;
mod vices;
mod whims;

pub use plan::{CONVERGENCE_MAX, Plan};
pub use shrink::Shrunk;
