//! `Measures`: what a run counted.

/// What a run counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Inputs handled by all nodes.
    pub events: u64,
    /// Changes told by all nodes.
    pub changes: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the frames on streams.
    pub stream_bytes: u64,
    /// Streams dialled.
    pub streams: u64,
    /// `failed` told of a process that was running, or paused.
    pub false_failures: u64,
    /// The part of them about a process that had been healthy for a minute: not paused, not slow,
    /// not singled out by a rule.
    pub false_failures_of_healthy: u64,
    /// The part of those that were told by a process that had been healthy for a minute, too.
    pub false_failures_at_healthy: u64,
    /// `failed` told of a process that had left, or announced its restart and is not back.
    pub departed_failed: u64,
    /// `restart` told.
    pub restarts: u64,
    /// Processes that stopped for a conflict.
    pub conflicts: u64,
    /// Times that a process outlived a false failure with a new life.
    pub renewals: u64,
}
