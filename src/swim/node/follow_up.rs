//! One exchange more after members came: gossip is chance, and whoever missed one should not wait
//! for the next exchange in turn.

use std::time::Duration;

use rand::RngExt;

use super::Node;
use crate::swim::{Timestamp, timers::Alarm};

/// After news of members, one exchange more comes when gossip is over, which takes a small cluster
/// less long, and a share for each member later: for one newcomer the cluster makes at most fifty a
/// second together, for many as many times more.
const FOLLOW_UP: Duration = Duration::from_millis(8);
const FOLLOW_UP_MIN: Duration = Duration::from_millis(200);
const FOLLOW_UP_MAX: Duration = Duration::from_secs(1);
const FOLLOW_UP_SHARE: Duration = Duration::from_millis(20);

/// One exchange more, as members came.
#[derive(Clone, Copy, Debug)]
pub(super) struct FollowUp {
    since: Timestamp,
    /// 0 to 1: whose turn it is among all who heard the same news.
    luck: f64,
    /// How many came.
    news: u32,
}

impl FollowUp {
    fn at(self, cluster_size: usize) -> Timestamp {
        let members = cluster_size as f64;
        let gossip = FOLLOW_UP
            .mul_f64(members)
            .clamp(FOLLOW_UP_MIN, FOLLOW_UP_MAX);
        let share = FOLLOW_UP_SHARE.mul_f64(members / f64::from(self.news));
        self.since + gossip + share.mul_f64(self.luck)
    }
}

impl Node {
    /// A member came: gossip is chance, and whoever missed one should not wait for the next
    /// exchange in turn.
    pub(super) fn follow_up(&mut self) {
        match &mut self.follow_up {
            Some(due) => due.news += 1,
            None => {
                let (since, luck) = (self.now, self.rng.random_range(0.0..1.0));
                self.follow_up = Some(FollowUp {
                    since,
                    luck,
                    news: 1,
                });
                self.schedule(FOLLOW_UP_MIN, Alarm::FollowUp);
            }
        }
    }

    /// The same for whoever learned of members by an exchange: gossip passed it by, and may have
    /// more than once, so that it is the first in turn.
    pub(super) fn follow_up_soon(&mut self) {
        self.follow_up();
        if let Some(due) = &mut self.follow_up {
            due.luck = 0.0;
        }
    }

    /// Exchanges once more, or looks again later: what came meanwhile may have hastened it.
    pub(super) fn follow_up_if_due(&mut self) {
        let Some(due) = &self.follow_up else {
            return;
        };
        let at = due.at(self.cluster_size());
        if at <= self.now {
            self.follow_up = None;
            self.exchange_at_random();
        } else {
            let look = at.min(self.now + FOLLOW_UP_MAX);
            self.timers.schedule(look, Alarm::FollowUp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long after the first news the exchange is due that comes last of all nodes'.
    fn last(news: u32, cluster_size: usize) -> Duration {
        let due = FollowUp {
            since: Timestamp::ZERO,
            luck: 1.0,
            news,
        };
        due.at(cluster_size) - Timestamp::ZERO
    }

    #[test]
    fn one_newcomer_costs_fifty_exchanges_a_second_and_many_are_heard_of_sooner() {
        let [one, many] = [1, 1_000].map(|news| last(news, 1_000).as_millis());
        assert_eq!((one, many), (21_000, 1_020));
    }
}
