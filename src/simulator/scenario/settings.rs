//! Settings of a scenario: a profile's numbers, and what is said otherwise.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Profiled, values::Time};
use crate::swim::{Profile, Tuning};

/// Settings other than the profile's. What they mean is at [`Tuning`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Overrides {
    probe_interval: Option<Time>,
    probe_timeout: Option<Time>,
    fanout: Option<u32>,
    gossip_interval: Option<Time>,
    pub(super) eager_sends: Option<u8>,
    suspicion_multiplier: Option<f64>,
    patience_multiplier: Option<f64>,
    confirmations: Option<u8>,
    health_max: Option<u8>,
    buddy: Option<bool>,
    last_calls: Option<bool>,
    corroborate: Option<bool>,
    self_doubt: Option<bool>,
    damping: Option<bool>,
    transmit_multiplier: Option<u32>,
    exchange_interval: Option<Time>,
    reconnect_interval: Option<Time>,
    forget_after: Option<Time>,
    stream_probes: Option<bool>,
    refused_confirms: Option<bool>,
}

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
    /// Says what is out of its range, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        let ranges = [
            ("fanout", self.fanout.map(f64::from), 1.0, 32.0),
            ("eager_sends", self.eager_sends.map(f64::from), 0.0, 3.0),
            (
                "suspicion_multiplier",
                self.suspicion_multiplier,
                1.0,
                100.0,
            ),
            ("patience_multiplier", self.patience_multiplier, 1.0, 100.0),
            (
                "confirmations",
                self.confirmations.map(f64::from),
                0.0,
                16.0,
            ),
            ("health_max", self.health_max.map(f64::from), 0.0, 32.0),
            (
                "transmit_multiplier",
                self.transmit_multiplier.map(f64::from),
                1.0,
                32.0,
            ),
        ];
        for (key, value, min, max) in ranges {
            if let Some(value) = value.filter(|value| !(min..=max).contains(value)) {
                return Err(format!("settings.{key} = {value}: takes {min} to {max}"));
            }
        }
        Ok(())
    }

    /// The numbers of `profile` but for these.
    pub(super) fn over(&self, profile: Profile) -> Tuning {
        let base = Tuning::new(profile);
        let time = |given: Option<Time>, base: Duration| given.map_or(base, |time| time.0);
        Tuning {
            probe_interval: time(self.probe_interval, base.probe_interval),
            probe_timeout: time(self.probe_timeout, base.probe_timeout),
            fanout: self.fanout.map_or(base.fanout, |fanout| fanout as usize),
            gossip_interval: time(self.gossip_interval, base.gossip_interval),
            eager_sends: self.eager_sends.unwrap_or(base.eager_sends),
            suspicion_multiplier: self
                .suspicion_multiplier
                .unwrap_or(base.suspicion_multiplier),
            patience_multiplier: self.patience_multiplier.unwrap_or(base.patience_multiplier),
            confirmations: self.confirmations.unwrap_or(base.confirmations),
            health_max: self.health_max.unwrap_or(base.health_max),
            buddy: self.buddy.unwrap_or(base.buddy),
            last_calls: self.last_calls.unwrap_or(base.last_calls),
            corroborate: self.corroborate.unwrap_or(base.corroborate),
            self_doubt: self.self_doubt.unwrap_or(base.self_doubt),
            damping: self.damping.unwrap_or(base.damping),
            transmit_multiplier: self.transmit_multiplier.unwrap_or(base.transmit_multiplier),
            exchange_interval: time(self.exchange_interval, base.exchange_interval),
            reconnect_interval: time(self.reconnect_interval, base.reconnect_interval),
            forget_after: time(self.forget_after, base.forget_after),
            stream_probes: self.stream_probes.unwrap_or(base.stream_probes),
            refused_confirms: self.refused_confirms.unwrap_or(base.refused_confirms),
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
        Self {
            probe_interval: time(base.probe_interval, tuning.probe_interval),
            probe_timeout: time(base.probe_timeout, tuning.probe_timeout),
            fanout: other(&base.fanout, &fanout).and_then(|fanout| u32::try_from(fanout).ok()),
            gossip_interval: time(base.gossip_interval, tuning.gossip_interval),
            eager_sends: other(&base.eager_sends, &tuning.eager_sends),
            suspicion_multiplier: other(&base.suspicion_multiplier, &tuning.suspicion_multiplier),
            patience_multiplier: other(&base.patience_multiplier, &tuning.patience_multiplier),
            confirmations: other(&base.confirmations, &tuning.confirmations),
            health_max: other(&base.health_max, &tuning.health_max),
            buddy: other(&base.buddy, &tuning.buddy),
            last_calls: other(&base.last_calls, &tuning.last_calls),
            corroborate: other(&base.corroborate, &tuning.corroborate),
            self_doubt: other(&base.self_doubt, &tuning.self_doubt),
            damping: other(&base.damping, &tuning.damping),
            transmit_multiplier: other(&base.transmit_multiplier, &transmit),
            exchange_interval: time(base.exchange_interval, tuning.exchange_interval),
            reconnect_interval: time(base.reconnect_interval, tuning.reconnect_interval),
            forget_after: time(base.forget_after, tuning.forget_after),
            stream_probes: (tuning.stream_probes != base.stream_probes)
                .then_some(tuning.stream_probes),
            refused_confirms: (tuning.refused_confirms != base.refused_confirms)
                .then_some(tuning.refused_confirms),
        }
    }
}

/// What is not as in the profile.
fn other<T: Copy + PartialEq>(base: &T, given: &T) -> Option<T> {
    (base != given).then_some(*given)
}
