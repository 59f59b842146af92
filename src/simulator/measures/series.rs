//! `Series`: how a run went, second by second, and many runs side by side.

/// One second of virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Processes that run at its end.
    pub running: u32,
    /// Datagrams sent in it.
    pub messages: u64,
    /// Bytes sent in it, in datagrams and on streams.
    pub bytes: u64,
    /// Different views that there are at its end. A view is who is there, alive or suspect.
    pub views: u32,
}

/// The same second of one or more runs, or some that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Seconds in it.
    seconds: u64,
    running: u64,
    messages: u64,
    bytes: u64,
    views: u64,
    views_max: u32,
}

/// The seconds of all runs, those since the same time in one step.
#[derive(Clone, Debug, Default)]
pub struct Series(Vec<Step>);

impl Series {
    /// Takes in one more run.
    pub fn add(&mut self, seconds: &[Second]) {
        let steps = self.0.len().max(seconds.len());
        self.0.resize(steps, Step::default());
        for (step, second) in self.0.iter_mut().zip(seconds) {
            step.merge(&Step::of(second));
        }
    }

    /// All of it in at most `max` steps of equal length, with that length in seconds.
    pub fn steps(&self, max: usize) -> (usize, Vec<Step>) {
        let length = self.0.len().div_ceil(max.max(1)).max(1);
        let merged = self.0.chunks(length).map(|chunk| {
            let mut all = Step::default();
            chunk.iter().for_each(|step| all.merge(step));
            all
        });
        (length, merged.collect())
    }
}

impl Step {
    const fn of(second: &Second) -> Self {
        Self {
            seconds: 1,
            running: second.running as u64,
            messages: second.messages,
            bytes: second.bytes,
            views: second.views as u64,
            views_max: second.views,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.running += other.running;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.views += other.views;
        self.views_max = self.views_max.max(other.views_max);
    }

    /// Datagrams that a node sent in a second, the mean.
    pub fn messages_per_node_per_s(&self) -> f64 {
        mean(self.messages, self.running)
    }

    /// Bytes that a node sent in a second, the mean.
    pub fn bytes_per_node_per_s(&self) -> f64 {
        mean(self.bytes, self.running)
    }

    /// Different views, the mean over runs and seconds.
    pub fn views(&self) -> f64 {
        mean(self.views, self.seconds)
    }

    /// The most views in any run and second.
    pub const fn views_max(&self) -> u32 {
        self.views_max
    }
}

fn mean(sum: u64, count: u64) -> f64 {
    match count {
        0 => 0.0,
        _ => sum as f64 / count as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn second(running: u32, messages: u64, views: u32) -> Second {
        Second {
            running,
            messages,
            bytes: 10 * messages,
            views,
        }
    }

    #[test]
    fn runs_of_different_lengths_lie_on_each_other() {
        let mut series = Series::default();
        series.add(&[second(2, 4, 1), second(2, 8, 3)]);
        series.add(&[second(6, 4, 2)]);
        let (length, steps) = series.steps(10);
        assert_eq!((length, steps.len()), (1, 2));
        assert_eq!(steps[0].messages_per_node_per_s(), 1.0);
        assert_eq!((steps[0].views(), steps[0].views_max()), (1.5, 2));
        assert_eq!(steps[1].bytes_per_node_per_s(), 40.0);
    }

    #[test]
    fn a_long_run_has_few_steps_and_loses_nothing() {
        let mut series = Series::default();
        series.add(&[second(1, 3, 1); 1001]);
        let (length, steps) = series.steps(100);
        assert_eq!((length, steps.len()), (11, 91));
        assert_eq!(steps.iter().map(|step| step.messages).sum::<u64>(), 3003);
        assert_eq!(steps[90].messages_per_node_per_s(), 3.0);
    }

    #[test]
    fn nothing_has_no_steps() {
        assert_eq!(Series::default().steps(10), (1, Vec::new()));
    }
}
