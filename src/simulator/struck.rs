//! Whom faults strike: the bad nodes of a run.

use std::{collections::BTreeSet, time::Duration};

use super::{Fault, Rule, Slot};

/// Everybody whom any of `faults` strikes, in order. Of a partition it is all but the first side;
/// who is only healed, or starts, is struck by nothing.
pub(super) fn struck(faults: &[(Duration, Fault)]) -> Vec<Slot> {
    let mut struck = BTreeSet::new();
    for (_, fault) in faults {
        match fault {
            Fault::Announce(slot, _)
            | Fault::Crash(slot)
            | Fault::Kill(slot)
            | Fault::Leave(slot)
            | Fault::Pause(slot, _)
            | Fault::Restart(slot, ..)
            | Fault::Choke(slot, _)
            | Fault::Slow(slot, _)
            | Fault::Block { to: slot, .. } => {
                struck.insert(*slot);
            }
            Fault::Impose(_, rule) => struck.extend(Rule::singled_out(rule)),
            Fault::Partition(sides) => {
                let slots = (0..).map(Slot).zip(sides);
                struck.extend(slots.filter(|(_, side)| **side > 0).map(|(slot, _)| slot));
            }
            Fault::App(..)
            | Fault::Conditions(_)
            | Fault::Event(_)
            | Fault::Heal
            | Fault::Lift(_)
            | Fault::Remove(..)
            | Fault::Resume(_)
            | Fault::Start(_)
            | Fault::Tags(..) => {}
        }
    }
    struck.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Effect, Machines, RuleId},
        *,
    };

    #[test]
    fn victims_are_struck_and_bystanders_are_not() {
        let rule = Rule {
            from: Machines::all(),
            to: Machines::only([Slot(4)]),
            effect: Effect::BLOCK,
        };
        let faults = [
            Fault::Start(Slot(0)),
            Fault::Crash(Slot(2)),
            Fault::Impose(RuleId(0), rule),
            Fault::Partition(vec![0, 1, 0, 0, 0, 0, 1]),
            Fault::Heal,
        ];
        let faults = faults.map(|fault| (Duration::ZERO, fault));
        let struck: Vec<_> = struck(&faults).into_iter().map(Slot::index).collect();
        assert_eq!(struck, [1, 2, 4, 6]);
    }
}
