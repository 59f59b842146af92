//! The scenarios that are part of the program.

/// Each with its name and its text.
pub(super) const BUILT_IN: [(&str, &str); 18] = [
    ("churn", include_str!("../../../simulations/churn.toml")),
    (
        "cold_start",
        include_str!("../../../simulations/cold_start.toml"),
    ),
    ("crash", include_str!("../../../simulations/crash.toml")),
    (
        "firewall",
        include_str!("../../../simulations/firewall.toml"),
    ),
    (
        "flip_flop",
        include_str!("../../../simulations/flip_flop.toml"),
    ),
    (
        "late_join",
        include_str!("../../../simulations/late_join.toml"),
    ),
    (
        "lossy_link",
        include_str!("../../../simulations/lossy_link.toml"),
    ),
    (
        "mass_crash",
        include_str!("../../../simulations/mass_crash.toml"),
    ),
    (
        "one_way_partition",
        include_str!("../../../simulations/one_way_partition.toml"),
    ),
    (
        "packet_loss_80",
        include_str!("../../../simulations/packet_loss_80.toml"),
    ),
    (
        "partition",
        include_str!("../../../simulations/partition.toml"),
    ),
    (
        "paused_member",
        include_str!("../../../simulations/paused_member.toml"),
    ),
    (
        "process_crash",
        include_str!("../../../simulations/process_crash.toml"),
    ),
    (
        "rejected_link",
        include_str!("../../../simulations/rejected_link.toml"),
    ),
    (
        "rolling_restart",
        include_str!("../../../simulations/rolling_restart.toml"),
    ),
    (
        "slow_member",
        include_str!("../../../simulations/slow_member.toml"),
    ),
    ("swarm", include_str!("../../../simulations/swarm.toml")),
    ("zones", include_str!("../../../simulations/zones.toml")),
];
