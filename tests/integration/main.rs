//! Everything that is tested from outside: one binary, so that it links once.

mod agents; // what a cluster of real processes tells its consumers
mod api; // the local API as any program meets it
mod bad_input; // junk datagrams, mistyped flags, unusable places
mod bad_requests; // HTTP that nobody should send
mod cli; // output, exit codes, the demo
mod clusters; // who may be in a cluster, and what a consumer's copy is worth
mod determinism; // one seed is one history
mod namespaces; // partitions by iptables
mod readme; // what the README shows is what the program does
mod restarts; // what stays the same member, whatever changes around it
mod support; // real agents, their API and streams
mod swarm; // seeds of joins, crashes, restarts, leaves and partitions
mod tidy; // the code's own rules
mod world; // the network model the swarm runs on
