//! Damping: a member that keeps failing and coming back is one unstable member, not a hundred
//! events. Each return within a while must last longer before consumers are told of it, as routers
//! damp a route that flaps (RFC 2439). The protocol itself knows of the return at once.

use std::time::Duration;

use super::{
    MemberId, Timestamp, Tuning,
    doubt::Doubt,
    roster::{Record, Standing},
};

/// After this long without another return a member is as good as any.
const CALM_AFTER: Duration = Duration::from_secs(600);
/// The second return is held back for eight probe intervals, each further one twice as long.
const HOLD_INTERVALS: u32 = 8;
const DOUBLINGS_MAX: u8 = 3;

impl Tuning {
    /// For how long consumers may not be told of a return: 64 probe intervals, if at all.
    pub fn longest_hold(&self) -> Duration {
        match self.damping {
            true => self.probe_interval * (HOLD_INTERVALS << DOUBLINGS_MAX),
            false => Duration::ZERO,
        }
    }
}

/// How often a member came back lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unrest {
    returns: u8,
    last: Timestamp,
    /// Who had accused it the last time.
    accuser: Option<MemberId>,
    /// The cut that it came back from last.
    cut: Option<Timestamp>,
}

impl Unrest {
    pub(super) const CALM: Self = Self {
        returns: 0,
        last: Timestamp::ZERO,
        accuser: None,
        cut: None,
    };

    /// It is back from `lost`, to which it came by a cut or by itself. A cut excuses it, unless it
    /// came back from that one already, or from another within a while: so does a link that comes
    /// and goes. What one accuser says again and again, and nobody else, speaks against the
    /// accuser and is not counted.
    #[must_use]
    pub(super) fn back_from(self, lost: &Standing, cut: Option<Timestamp>, now: Timestamp) -> Self {
        let Some(accuser) = lost.accusation().map(|accusation| accusation.by) else {
            return self;
        };
        let is_first = |cut| self.cut.is_none_or(|last| cut - last > CALM_AFTER);
        let unrest = Self {
            cut: cut.or(self.cut),
            ..self
        };
        if cut.is_some_and(is_first) || Some(accuser) == self.accuser && !is_shared(lost) {
            return unrest;
        }
        let returns = match now - self.last < CALM_AFTER {
            true => self.returns.saturating_add(1),
            false => 1,
        };
        Self {
            returns,
            last: now,
            accuser: Some(accuser),
            ..unrest
        }
    }

    /// Whether it came back from that cut.
    pub(super) fn is_back_from(self, cut: Timestamp) -> bool {
        self.cut == Some(cut)
    }

    /// Whether a return was counted since `earlier`.
    pub(super) fn counts_more_than(self, earlier: Self) -> bool {
        (self.returns, self.last) != (earlier.returns, earlier.last)
    }

    /// How long the last return must last; the first is believed at once.
    pub(super) fn hold(self, probe_interval: Duration) -> Duration {
        match self.returns {
            0 | 1 => Duration::ZERO,
            returns => probe_interval * (HOLD_INTERVALS << (returns - 2).min(DOUBLINGS_MAX)),
        }
    }
}

/// Whether more than one member held it lost.
fn is_shared(lost: &Standing) -> bool {
    let confirmed = |doubt: &Doubt| !doubt.confirmations().is_empty();
    lost.doubt().is_none_or(confirmed)
}

/// What consumers go on to hold of a member that is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) told: Box<Record>,
    pub(super) until: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::{Evidence, roster::Accusation};

    const INTERVAL: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    fn accusation(by: u64) -> Accusation {
        Accusation {
            by: MemberId(by),
            evidence: Evidence::ProbeTimeout,
        }
    }

    fn suspect(by: u64) -> Standing {
        Standing::Suspect(Doubt::open(accusation(by)))
    }

    #[test]
    fn each_return_is_held_back_longer_up_to_a_limit() {
        let failed = Standing::Failed(accusation(1));
        let mut unrest = Unrest::CALM;
        let holds = (1..8).map(|minute| {
            unrest = unrest.back_from(&failed, None, at(60 * minute));
            unrest.hold(INTERVAL).as_secs()
        });
        assert_eq!(holds.collect::<Vec<_>>(), [0, 8, 16, 32, 64, 64, 64]);
    }

    #[test]
    fn calm_is_rewarded() {
        let failed = Standing::Failed(accusation(1));
        let restless = Unrest::CALM
            .back_from(&failed, None, at(1))
            .back_from(&failed, None, at(2));
        let later = restless.back_from(&failed, None, at(602));
        assert_eq!(later.hold(INTERVAL), Duration::ZERO);
    }

    #[test]
    fn a_single_accuser_makes_nobody_unstable_and_two_do() {
        let by_one = (1..9).fold(Unrest::CALM, |unrest, second| {
            unrest.back_from(&suspect(1), None, at(second))
        });
        assert_eq!(by_one.hold(INTERVAL), Duration::ZERO);
        let by_two = by_one.back_from(&suspect(2), None, at(9));
        assert_eq!(by_two.hold(INTERVAL), INTERVAL * 8);
    }

    #[test]
    fn a_cut_excuses_once() {
        let failed = Standing::Failed(accusation(1));
        let restless = Unrest::CALM.back_from(&failed, None, at(1));
        let excused = restless.back_from(&failed, Some(at(20)), at(40));
        assert!(!excused.counts_more_than(restless));
        let again = excused.back_from(&failed, Some(at(20)), at(50));
        assert!(again.counts_more_than(excused));
        assert_eq!(again.hold(INTERVAL), INTERVAL * 8);
    }

    #[test]
    fn a_link_that_comes_and_goes_excuses_once_until_it_is_calm() {
        let failed = Standing::Failed(accusation(1));
        let mut unrest = Unrest::CALM;
        let mut returns = |second| {
            unrest = unrest.back_from(&failed, Some(at(second)), at(second + 50));
            unrest.returns
        };
        assert_eq!([300, 600, 900, 1_200].map(&mut returns), [0, 1, 2, 3]);
        assert_eq!(returns(2_000), 3, "excused again");
    }

    #[test]
    fn who_left_was_not_lost() {
        let left = Standing::Left {
            reason: String::new(),
        };
        assert_eq!(Unrest::CALM.back_from(&left, None, at(1)), Unrest::CALM);
    }

    #[test]
    fn who_was_never_lost_keeps_its_excuse() {
        let seen = Unrest::CALM.back_from(&Standing::Alive, Some(at(1)), at(2));
        assert_eq!(seen, Unrest::CALM);
    }
}
