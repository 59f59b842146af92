//! How many others each node of a scenario knows.

use super::{File, Scenario, ScenarioError, Start};

/// Up to here every node knows every other unless told otherwise: foca's lists are n² in all.
const FULL_MAX: u32 = 10_000;
/// Neighbours of each node beyond.
const NEIGHBOURS: u32 = 128;
/// Neighbours that may be asked for.
const NEIGHBOURS_MIN: u32 = 8;
const NEIGHBOURS_MAX: u32 = 1_024;

impl Scenario {
    /// Neighbours of each node; `None` when everybody knows everybody.
    pub fn view(&self) -> Option<u32> {
        let nodes = self.nodes()?;
        let default = (nodes > FULL_MAX).then_some(NEIGHBOURS);
        let view = self.file.view.or(default);
        view.filter(|view| *view < nodes.saturating_sub(1))
    }

    /// The same with `view` neighbours for each node. As many as there are others, or more, means
    /// that everybody knows everybody.
    ///
    /// # Errors
    /// When that is too few, too many or odd, or the cluster does not stand when the scenario
    /// begins.
    pub fn with_view(mut self, view: u32) -> Result<Self, ScenarioError> {
        if self.file.swarm {
            return Err(self.refuse(format!("view = {view}: a swarm's nodes know each other")));
        }
        if self.file.plan.is_some() {
            return Err(self.refuse(format!("view = {view}: a plan's nodes know each other")));
        }
        self.file.view = Some(view);
        self.check()?;
        Ok(self)
    }

    pub(super) fn check_view(&self) -> Result<(), ScenarioError> {
        let Some(view) = self.view() else {
            return Ok(());
        };
        if !(NEIGHBOURS_MIN..=NEIGHBOURS_MAX).contains(&view) || view % 2 == 1 {
            let range = format!("{NEIGHBOURS_MIN} to {NEIGHBOURS_MAX}");
            return Err(self.refuse(format!("view = {view}: takes an even number, {range}")));
        }
        match &self.file {
            File {
                start: Start::AtOnce | Start::Cold,
                ..
            } => Err(self.refuse(format!(
                "view = {view}: neighbours are drawn for a cluster that stands, not for \
                 start = \"cold\" or \"at_once\""
            ))),
            _ => Ok(()),
        }
    }
}
