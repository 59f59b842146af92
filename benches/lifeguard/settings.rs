//! The configurations that are compared.

use headcount::swim::{Profile, Tuning};

/// A configuration of the paper's, or ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Setting {
    Swim,
    LhaProbe,
    LhaSuspicion,
    Buddy,
    /// All three, with this α and β.
    Lifeguard(f64, f64),
    /// Everything, as the `lan` profile has it.
    Ours,
    /// The same with another α and K.
    OursWith(f64, u8),
}

impl Setting {
    /// The columns of Tables IV to VI, and ours.
    pub(crate) const FAMILY: [Self; 6] = [
        Self::Swim,
        Self::LhaProbe,
        Self::LhaSuspicion,
        Self::Buddy,
        Self::Lifeguard(5.0, 6.0),
        Self::Ours,
    ];

    /// What the default was chosen from.
    pub(crate) const CHOICE: [Self; 6] = [
        Self::Swim,
        Self::OursWith(2.0, 3),
        Self::OursWith(2.5, 3),
        Self::OursWith(2.9, 2),
        Self::OursWith(2.9, 3),
        Self::OursWith(4.0, 3),
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Swim => "SWIM".into(),
            Self::LhaProbe => "LHA-Probe".into(),
            Self::LhaSuspicion => "LHA-Suspicion".into(),
            Self::Buddy => "Buddy System".into(),
            Self::Lifeguard(alpha, beta) => format!("Lifeguard α{alpha} β{beta}"),
            Self::Ours => "headcount".into(),
            Self::OursWith(alpha, k) => format!("headcount α{alpha} K{k}"),
        }
    }

    pub(crate) fn tuning(self) -> Tuning {
        let swim = swim();
        match self {
            Self::Swim => swim,
            Self::LhaProbe => Tuning {
                health_max: 8,
                ..swim
            },
            Self::LhaSuspicion => Tuning {
                patience_multiplier: 6.0,
                confirmations: 3,
                ..swim
            },
            Self::Buddy => Tuning {
                buddy: true,
                ..swim
            },
            Self::Lifeguard(alpha, beta) => Tuning {
                suspicion_multiplier: alpha,
                patience_multiplier: beta,
                confirmations: 3,
                health_max: 8,
                buddy: true,
                ..swim
            },
            Self::Ours => Tuning::new(Profile::Lan),
            Self::OursWith(alpha, confirmations) => Tuning {
                suspicion_multiplier: alpha,
                confirmations,
                ..Tuning::new(Profile::Lan)
            },
        }
    }
}

/// SWIM as memberlist has it, with α = 5.
fn swim() -> Tuning {
    Tuning {
        eager_sends: 0,
        suspicion_multiplier: 5.0,
        ..Tuning::swim(Profile::Lan)
    }
}
