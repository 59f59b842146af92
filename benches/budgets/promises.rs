//! What is promised.

use serde::Deserialize;

/// One promise.
#[derive(Debug, Deserialize)]
pub(crate) struct Promise {
    /// As `headcount bench --json` calls it.
    pub(crate) metric: String,
    pub(crate) what: String,
    /// In the metric's unit.
    pub(crate) most: f64,
}

/// All of them.
pub(crate) fn all() -> Vec<Promise> {
    #[derive(Deserialize)]
    struct Promises {
        promise: Vec<Promise>,
    }
    let promises: Promises = toml::from_str(include_str!("promises.toml")).expect("promises");
    promises.promise
}
