//! One test binary: linking once keeps the loop fast.

mod determinism;
mod swarm;
mod world;
