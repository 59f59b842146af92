//! Settings of a scenario: a profile's numbers, and what is said otherwise.

use std::time::Duration;

use super::{Overrides, Profiled, values::Time};
use crate::swim::{Profile, Tuning};

impl From<Profiled> for Profile {
    fn from(profiled: Profiled) -> Self {
        match profiled {
            Profiled::Lan => Self::Lan,
            Profiled::Local => Self::Local,
            Profiled::Wan => Self::Wan,
        }
    }
}

impl Overrides {
    /// The numbers of `profile` but for these.
    pub(super) fn over(&self, profile: Profile) -> Tuning {
        let base = Tuning::new(profile);
        let time = |given: Option<Time>, base: Duration| given.map_or(base, |time| time.0);
        Tuning {
            probe_interval: time(self.probe_interval, base.probe_interval),
            probe_timeout: time(self.probe_timeout, base.probe_timeout),
            fanout: self.fanout.map_or(base.fanout, |fanout| fanout as usize),
            gossip_interval: time(self.gossip_interval, base.gossip_interval),
            suspicion_multiplier: self
                .suspicion_multiplier
                .unwrap_or(base.suspicion_multiplier),
            eager_sends: self.eager_sends.unwrap_or(base.eager_sends),
            transmit_multiplier: self.transmit_multiplier.unwrap_or(base.transmit_multiplier),
            exchange_interval: time(self.exchange_interval, base.exchange_interval),
            reconnect_interval: time(self.reconnect_interval, base.reconnect_interval),
            forget_after: time(self.forget_after, base.forget_after),
        }
    }

    /// The profile and the overrides that give `tuning`, with no more overrides than needed.
    pub(super) fn of(tuning: &Tuning) -> (Profile, Self) {
        let profiles = [Profile::Lan, Profile::Local, Profile::Wan];
        let is = |profile: &Profile| Tuning::new(*profile) == *tuning;
        let profile = profiles.into_iter().find(is).unwrap_or_default();
        (profile, Self::between(&Tuning::new(profile), tuning))
    }

    fn between(base: &Tuning, tuning: &Tuning) -> Self {
        let time = |base, other| (base != other).then_some(Time(other));
        let (fanout, transmit) = (tuning.fanout, tuning.transmit_multiplier);
        let fanout = u32::try_from(fanout).ok().filter(|_| fanout != base.fanout);
        let suspicion = tuning.suspicion_multiplier;
        Self {
            probe_interval: time(base.probe_interval, tuning.probe_interval),
            probe_timeout: time(base.probe_timeout, tuning.probe_timeout),
            fanout,
            gossip_interval: time(base.gossip_interval, tuning.gossip_interval),
            suspicion_multiplier: (suspicion != base.suspicion_multiplier).then_some(suspicion),
            eager_sends: (tuning.eager_sends != base.eager_sends).then_some(tuning.eager_sends),
            transmit_multiplier: (transmit != base.transmit_multiplier).then_some(transmit),
            exchange_interval: time(base.exchange_interval, tuning.exchange_interval),
            reconnect_interval: time(base.reconnect_interval, tuning.reconnect_interval),
            forget_after: time(base.forget_after, tuning.forget_after),
        }
    }
}
