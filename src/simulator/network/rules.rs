//! `Rule`: what is different between some machines and others, in one direction.

use std::{fmt, ops::Not};

use serde::{Deserialize, Serialize};

use super::{super::Slot, Latency, Mtu, conditions::deserialize_share};

/// A number that tells a rule from all others of its world, chosen by whoever imposes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub u32);

/// What is different for everything on its way from some machines to others. Rules add up:
/// losses are independent of each other, the last latency counts, and the smallest limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule<N = Slot> {
    /// Who sends.
    #[serde(default = "Machines::all", skip_serializing_if = "Machines::are_all")]
    pub from: Machines<N>,
    /// Who should receive it.
    #[serde(default = "Machines::all", skip_serializing_if = "Machines::are_all")]
    pub to: Machines<N>,
    /// What happens to it.
    pub effect: Effect,
}

/// What a rule does; [`Effect::default`] is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Effect {
    /// Share that is lost beside what is lost anyway, 0 to 1. At 1 nothing arrives, and streams
    /// between these machines break at once.
    #[serde(deserialize_with = "deserialize_share")]
    pub loss: f64,
    /// How long it takes, instead of what it takes otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// The largest packet that arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// Whether nothing arrives and the sender is told so, as by a firewall that rejects: datagrams
    /// are answered by ICMP port unreachable, dials by a reset.
    #[serde(skip_serializing_if = "Not::not")]
    pub reject: bool,
    /// What it happens to; to everything if that is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Cargo>,
}

/// What a network carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cargo {
    /// UDP.
    Datagrams,
    /// TCP.
    Streams,
}

impl Effect {
    /// Nothing arrives.
    pub const BLOCK: Self = Self {
        loss: 1.0,
        latency: None,
        mtu: None,
        reject: false,
        only: None,
    };

    /// Whether it changes nothing.
    pub(in crate::simulator) fn is_nothing(&self) -> bool {
        let only = self.only;
        *self
            == Self {
                only,
                ..Self::default()
            }
    }
}

impl Rule {
    pub(super) fn applies(&self, from: Slot, to: Slot, cargo: Cargo) -> bool {
        self.from.contains(from)
            && self.to.contains(to)
            && self.effect.only.is_none_or(|only| only == cargo)
    }

    /// Machines that have it worse than all others, towards all others; nobody is where only
    /// the way between some and some is worse.
    pub(in crate::simulator) fn singled_out(&self) -> impl Iterator<Item = Slot> + '_ {
        let named = match (&self.from.0, &self.to.0) {
            (Some(named), None) | (None, Some(named)) => named.as_slice(),
            _ => &[],
        };
        named.iter().copied()
    }
}

impl<N> Rule<N> {
    /// The same with every machine called as `to` says, or the first error of it.
    ///
    /// # Errors
    /// What `to` does not know.
    pub fn try_map<M: Ord, E>(self, mut to: impl FnMut(N) -> Result<M, E>) -> Result<Rule<M>, E> {
        Ok(Rule {
            from: self.from.try_map(&mut to)?,
            to: self.to.try_map(&mut to)?,
            effect: self.effect,
        })
    }
}

/// Some machines, or all there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Machines<N = Slot>(Option<Vec<N>>);

impl<N> Machines<N> {
    /// All machines, those included that are still to come.
    pub const fn all() -> Self {
        Self(None)
    }

    const fn are_all(&self) -> bool {
        self.0.is_none()
    }

    fn try_map<M: Ord, E>(self, to: impl FnMut(N) -> Result<M, E>) -> Result<Machines<M>, E> {
        let Some(machines) = self.0 else {
            return Ok(Machines::all());
        };
        let mapped: Result<Vec<_>, _> = machines.into_iter().map(to).collect();
        mapped.map(Machines::only)
    }
}

impl<N: Ord> Machines<N> {
    /// These machines.
    pub fn only(machines: impl IntoIterator<Item = N>) -> Self {
        let mut machines: Vec<_> = machines.into_iter().collect();
        machines.sort_unstable();
        machines.dedup();
        Self(Some(machines))
    }

    fn contains(&self, machine: N) -> bool {
        let among = |machines: &Vec<N>| machines.binary_search(&machine).is_ok();
        self.0.as_ref().is_none_or(among)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = self.latency.map(|latency| format!("latency {latency}"));
        let mtu = self.mtu.map(|mtu| format!("mtu {mtu}"));
        let loss = (self.loss > 0.0).then(|| format!("loss {}", self.loss));
        let reject = self.reject.then(|| "reject".into());
        let only = self.only.map(|only| match only {
            Cargo::Datagrams => "only datagrams".into(),
            Cargo::Streams => "only streams".into(),
        });
        let all = [loss, latency, mtu, reject, only];
        let all: Vec<_> = all.into_iter().flatten().collect();
        formatter.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_applies_one_way_and_to_whom_it_names() {
        let rule = Rule {
            from: Machines::all(),
            to: Machines::only([Slot(7), Slot(2)]),
            effect: Effect::BLOCK,
        };
        let applies = |rule: &Rule, from, to| {
            [Cargo::Datagrams, Cargo::Streams]
                .map(|cargo| rule.applies(Slot(from), Slot(to), cargo))
        };
        assert_eq!(applies(&rule, 0, 2), [true; 2]);
        assert_eq!(applies(&rule, 2, 7), [true; 2]);
        assert_eq!(applies(&rule, 2, 0), [false; 2]);
        let effect = Effect {
            only: Some(Cargo::Datagrams),
            ..Effect::BLOCK
        };
        let firewall = Rule {
            effect,
            ..rule.clone()
        };
        assert_eq!(applies(&firewall, 0, 2), [true, false]);
        assert_eq!(rule.singled_out().collect::<Vec<_>>(), [Slot(2), Slot(7)]);
    }
}
