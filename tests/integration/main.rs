//! One test binary: linking once keeps the loop fast.

mod determinism; // the same seed gives the same run, to the byte
mod partitions; // every way back from isolation
mod properties; // whatever bytes and whatever happens
mod regressions; // bugs that the swarm found
mod stories; // one fault each, and what consumers hear of it
mod swarm; // many seeds, every promise
mod world; // a simulated cluster to tell stories in
