//! The scenarios that are part of the program.

/// A scenario of the folder `simulations`: name and text.
macro_rules! built_in {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../simulations/", $name, ".toml")),
        )
    };
}

/// By name.
pub(super) const BUILT_IN: [(&str, &str); 24] = [
    built_in!("announced_restarts"),
    built_in!("application_death"),
    built_in!("churn"),
    built_in!("cold_start"),
    built_in!("crash"),
    built_in!("firewall"),
    built_in!("flip_flop"),
    built_in!("join_at_once"),
    built_in!("late_join"),
    built_in!("lossy_link"),
    built_in!("mass_crash"),
    built_in!("new_addresses"),
    built_in!("one_way_partition"),
    built_in!("packet_loss_80"),
    built_in!("partition"),
    built_in!("paused_member"),
    built_in!("process_crash"),
    built_in!("rejected_link"),
    built_in!("restart_of_all"),
    built_in!("rolling_restart"),
    built_in!("slow_member"),
    built_in!("swarm"),
    built_in!("user_events"),
    built_in!("zones"),
];
