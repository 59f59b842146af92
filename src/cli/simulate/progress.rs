//! `Progress`: how far a simulation is and how long it may take still, for whoever waits.

use std::time::Duration;

use super::{
    super::{
        Output,
        moment::Stopwatch,
        progress::{Bar, left},
    },
    show,
    work::{Job, Reached},
};
use crate::simulator::Phase;

/// A terminal's bar is drawn this often.
const DRAWN_EVERY: Duration = Duration::from_millis(200);
/// Where there is no terminal a line is printed this often.
const PRINTED_EVERY: Duration = Duration::from_secs(5);

/// A bar on a terminal, lines elsewhere.
#[derive(Debug)]
pub(super) struct Progress {
    seeds: u64,
    /// Virtual time of one seed; more when views take long to become equal. `None`: the seed
    /// draws it.
    each: Option<Duration>,
    /// Virtual time in which a warm cluster forms.
    forms: Duration,
    bar: Bar,
    began: Stopwatch,
}

impl Progress {
    pub(super) fn begin(job: &Job, output: &Output) -> Self {
        Self {
            seeds: job.count,
            each: job.scenario.planned(),
            forms: job.scenario.forming(),
            bar: Bar::new(output),
            began: Stopwatch::start(),
        }
    }

    /// How often to say something.
    pub(super) const fn every(&self) -> Duration {
        match self.bar.is_drawn() {
            true => DRAWN_EVERY,
            false => PRINTED_EVERY,
        }
    }

    /// Says how far the work is.
    pub(super) fn say(&self, done: u64, reached: Option<Reached>, output: &mut Output) {
        let spent = self.began.elapsed();
        let (share, text) = match (self.seeds, reached) {
            (1, Some(reached)) => self.of_one(reached, spent),
            _ => self.of_many(done, spent),
        };
        self.bar.say(share, text, output);
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        self.bar.end();
    }

    fn of_many(&self, done: u64, spent: Duration) -> (f64, String) {
        let all = self.seeds;
        let share = done as f64 / all as f64;
        (
            share,
            format!("{done} of {all} seeds{}", left(share, spent)),
        )
    }

    /// What a warm cluster costs is that its nodes start, one after the other.
    fn of_forming(&self, virtual_time: Duration, spent: Duration) -> (f64, String) {
        let share = virtual_time.div_duration_f64(self.forms).clamp(0.0, 1.0);
        let (percent, seconds) = (share * 100.0, spent.as_secs_f64());
        let left = left(share, spent);
        (
            share,
            format!("the cluster forms, {percent:.0} %, {seconds:.0} s{left}"),
        )
    }

    fn of_one(&self, reached: Reached, spent: Duration) -> (f64, String) {
        if reached.phase == Phase::Forming {
            return self.of_forming(reached.virtual_time, spent);
        }
        let (now, speed) = (reached.virtual_time.as_secs_f64(), speed(reached));
        let Some(all) = self.each.map(|all| all.as_secs_f64()) else {
            return (0.0, format!("{now:.0} virtual s{speed}"));
        };
        match reached.phase {
            Phase::Liveness => (
                1.0,
                format!("{now:.0} virtual s, views become and stay equal{speed}"),
            ),
            _ => {
                let share = now / all;
                let left = left(share, reached.running);
                (
                    share,
                    format!("{now:.0} of {all:.0} virtual s{speed}{left}"),
                )
            }
        }
    }
}

fn speed(reached: Reached) -> String {
    let times = reached.virtual_time.as_secs_f64() / reached.running.as_secs_f64().max(1e-3);
    format!(", {} × real time", show::speed(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(seeds: u64) -> Progress {
        Progress {
            seeds,
            each: Some(Duration::from_secs(80)),
            forms: Duration::from_secs(4),
            bar: Bar::default(),
            began: Stopwatch::start(),
        }
    }

    #[test]
    fn many_seeds_are_counted() {
        let (share, text) = progress(40).of_many(10, Duration::from_secs(30));
        assert_eq!(
            (share, text.as_str()),
            (0.25, "10 of 40 seeds, about 1m 30s left")
        );
        let (_, text) = progress(40).of_many(0, Duration::from_secs(30));
        assert_eq!(text, "0 of 40 seeds");
    }

    #[test]
    fn one_run_is_measured_from_when_the_cluster_stands() {
        let (one, spent) = (progress(1), Duration::from_secs(30));
        let text = |phase, seconds| {
            let reached = Reached {
                phase,
                virtual_time: Duration::from_secs(seconds),
                running: Duration::from_secs(10),
            };
            one.of_one(reached, spent)
        };
        let expected = "the cluster forms, 25 %, 30 s, about 1m 30s left";
        assert_eq!(text(Phase::Forming, 1), (0.25, expected.into()));
        assert_eq!(text(Phase::Forming, 0).1, "the cluster forms, 0 %, 30 s");
        let expected = "20 of 80 virtual s, 2.0 × real time, about 30s left";
        assert_eq!(text(Phase::Safety, 20), (0.25, expected.into()));
        let expected = "90 virtual s, views become and stay equal, 9.0 × real time";
        assert_eq!(text(Phase::Liveness, 90).1, expected);
    }
}
