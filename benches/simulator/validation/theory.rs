//! What the papers say, as formulas.

/// Mean protocol periods until one of `others` first pings a crashed member, each one member a
/// period: e/(e−1) in a large group (SWIM §3.1, targets at random). In a small one it is less,
/// because targets are chosen round-robin and shuffled after each pass (§4.3).
pub(crate) fn periods_round_robin(others: u32) -> f64 {
    let survival = |(open, _): (f64, f64)| open.powf(others.into());
    unpinged(others).map(survival).sum()
}

/// Mean time, in periods, until somebody first pings a crashed member, when everybody's periods
/// begin at another moment: 1 in a large group, as of others independent Poisson processes.
pub(crate) fn time_round_robin(others: u32) -> f64 {
    let power = f64::from(others) + 1.0;
    let integral = |(open, falling): (f64, f64)| {
        (open.powf(power) - (open - falling).max(0.0).powf(power)) / (power * falling)
    };
    unpinged(others).map(integral).sum()
}

/// For each whole number of periods after a crash, the chance that one member has not pinged the
/// crashed one by then, and by how much it falls within the period that follows.
///
/// Positions in two passes are independent, so the gap between two pings of one member is
/// `others − J + J'` with J and J' uniform in 1 to `others`; the rest of the gap at a random
/// moment follows from renewal theory.
fn unpinged(others: u32) -> impl Iterator<Item = (f64, f64)> {
    let m = f64::from(others);
    let gap_at_least = move |k: f64| match k <= m {
        true => 1.0 - (k - 1.0) * k / (2.0 * m * m),
        false => (2.0 * m - k) * (2.0 * m - k + 1.0) / (2.0 * m * m),
    };
    let mut open = 1.0;
    (1..2 * others).map(move |k| {
        let falling = gap_at_least(f64::from(k)) / m;
        let before = open;
        open -= falling;
        (before, falling)
    })
}

/// Chance that a probe of a live member fails: the direct way there and back, and each of
/// `helpers` ways of four legs, lose a packet; `delivered` is the chance that one arrives.
///
/// SWIM §3.1 prints it times e/(e−1), because it asks within the mean detection time, which is so
/// many periods, and not within one.
pub(crate) fn false_accusation(delivered: f64, helpers: i32) -> f64 {
    (1.0 - delivered.powi(2)) * (1.0 - delivered.powi(4)).powi(helpers)
}

/// Mean rounds until a rumour that one of `nodes` has reaches all, when each who has it tells
/// `sends` random others a round, at moments that have nothing to do with each other: with i
/// informed the next is reached after (n−1)/(sends·i·(n−i)).
pub(crate) fn spreading(nodes: u32, sends: f64) -> f64 {
    let n = f64::from(nodes);
    2.0 * (n - 1.0) / (n * sends) * harmonic(n - 1.0)
}

/// Share that hears nothing when everybody who hears of a rumour tells `sends` others once, at
/// once: s = e^(−sends·(1−s)), Demers 1987 §1.4.
pub(crate) fn residue(sends: f64) -> f64 {
    (0..100).fold(0.5, |share, _| f64::exp(-sends * (1.0 - share)))
}

/// Mean rounds until the last of `left` hears it, when all others have it and tell `sends` others
/// a round.
pub(crate) fn last_of(left: f64, sends: f64) -> f64 {
    harmonic(left.max(1.0)) / sends
}

/// Chance that a rumour reaches all of `nodes` when each who hears it tells it `sends` times:
/// each is missed with e^(−sends), Demers 1987 §1.4.
pub(crate) fn reaches_all(nodes: u32, sends: f64) -> f64 {
    f64::exp(-f64::from(nodes) * f64::exp(-sends))
}

/// Synchronous rounds of `fanout` pushes until all know: log_{1+f} n + ln n / f (Pittel).
pub(crate) fn synchronous(nodes: u32, fanout: f64) -> f64 {
    let n = f64::from(nodes);
    n.ln() / (1.0 + fanout).ln() + n.ln() / fanout
}

/// 1 + 1/2 + … + 1/n, between whole numbers by Euler's approximation.
fn harmonic(n: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    n.ln() + EULER + 1.0 / (2.0 * n) - 1.0 / (12.0 * n * n)
}
