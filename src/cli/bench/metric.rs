//! `Metric`: what is measured. Of all of them, less is better.

/// What is measured, in the order in which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Metric {
    Bootstrap,
    BootstrapCpu,
    Cpu,
    Memory,
    Bytes,
    Packets,
    DatagramBytes,
    Datagrams,
    Event,
    CrashSuspected,
    CrashFirst,
    CrashLast,
    Rejoin,
    Restart,
    Leave,
    PauseFailures,
    PauseTellers,
    Heal,
    Harness,
}

impl Metric {
    /// All of them.
    pub(super) const ALL: [Self; 19] = [
        Self::Bootstrap,
        Self::BootstrapCpu,
        Self::Cpu,
        Self::Memory,
        Self::Bytes,
        Self::Packets,
        Self::DatagramBytes,
        Self::Datagrams,
        Self::Event,
        Self::CrashSuspected,
        Self::CrashFirst,
        Self::CrashLast,
        Self::Rejoin,
        Self::Restart,
        Self::Leave,
        Self::PauseFailures,
        Self::PauseTellers,
        Self::Heal,
        Self::Harness,
    ];

    /// Its name in JSON, which ends with the unit.
    pub(super) const fn key(self) -> &'static str {
        self.words().0
    }

    /// What is measured.
    pub(super) const fn what(self) -> &'static str {
        self.words().1
    }

    /// What it is measured in; empty for what is counted.
    pub(super) const fn unit(self) -> &'static str {
        self.words().2
    }

    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Bootstrap => ("bootstrap_ms", "every consumer lists everybody", "ms"),
            Self::BootstrapCpu => (
                "bootstrap_cpu_ms",
                "what that cost all agents together",
                "ms",
            ),
            Self::Cpu => ("steady_cpu_s_per_min", "at rest: CPU of an agent", "s/min"),
            Self::Memory => ("steady_rss_mib", "at rest: memory of an agent", "MiB"),
            Self::Bytes => (
                "steady_bytes_per_s",
                "at rest: bytes of an agent on the wire",
                "/s",
            ),
            Self::Packets => (
                "steady_packets_per_s",
                "at rest: packets of an agent on the wire",
                "/s",
            ),
            Self::DatagramBytes => (
                "steady_datagram_bytes_per_s",
                "at rest: bytes it says that it sends",
                "/s",
            ),
            Self::Datagrams => (
                "steady_datagrams_per_s",
                "at rest: datagrams it says that it sends",
                "/s",
            ),
            Self::Event => ("event_last_ms", "user event: last consumer told", "ms"),
            Self::CrashSuspected => (
                "crash_suspect_ms",
                "kill -9: first consumer told suspect",
                "ms",
            ),
            Self::CrashFirst => (
                "crash_first_ms",
                "kill -9: first consumer told failed",
                "ms",
            ),
            Self::CrashLast => ("crash_last_ms", "kill -9: last consumer told failed", "ms"),
            Self::Rejoin => (
                "rejoin_last_ms",
                "started again: last consumer told join",
                "ms",
            ),
            Self::Restart => (
                "restart_last_ms",
                "killed and started at once: last told restart",
                "ms",
            ),
            Self::Leave => ("leave_last_ms", "leave: last consumer told", "ms"),
            Self::PauseFailures => ("pause_failures", "stopped for 5 s: false failures told", ""),
            Self::PauseTellers => (
                "pause_tellers",
                "stopped for 5 s: agents that told them",
                "",
            ),
            Self::Heal => (
                "heal_ms",
                "two halves meet again: every consumer lists all",
                "ms",
            ),
            Self::Harness => (
                "harness_error_ms",
                "harness: from a line written to its time",
                "ms",
            ),
        }
    }
}
