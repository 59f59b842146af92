//! Everything that is tested from outside: one binary, so that it links once.

mod access; // who may use the local API, and what for
mod addresses; // where agents are, say that they are, and are seen
mod agents; // what a cluster of real processes tells its consumers
mod announced; // restarts that were announced, and those that were not kept
mod api; // the local API as any program meets it
mod applications; // leases, and what everybody hears when one ends
mod attacks; // one in front of a sealed agent, who hears and sends everything
mod bad_input; // junk datagrams, mistyped flags, unusable places
mod bad_requests; // HTTP that nobody should send
mod bench; // real agents measured, beside Serf where it is installed
mod boot; // under systemd as process 1
mod children; // the application as a child of the agent
mod cli; // output, exit codes, the demo
mod client; // the library that programs in Rust use
mod clusters; // who may be in a cluster, and what a consumer's copy is worth
mod containers; // PID namespaces: who is process 1 there, and whose number is whose
mod descriptors; // of files: how many, whose, and when there are none
mod determinism; // the same seed gives the same run, to the byte
mod events; // user events and tags, by HTTP and by the command line
mod evidence; // what a suspicion says of what was seen
mod examples; // the programs in examples, each through the death of its agent
mod hostile_http; // clients that nobody should write, in numbers
mod interruptions; // streams cut off while agents come and go
mod kills; // real agents beside simulated ones
mod memory; // what an agent remembers from one start to the next
mod namespaces; // partitions of real agents by iptables
mod network; // bad networks and slow processes
mod outputs; // commands and files that follow the members
mod partitions; // every way back from isolation
mod properties; // whatever bytes and whatever happens
mod readers; // HAProxy, nginx and Prometheus, who read such files
mod readme; // what the README shows is what the program does
mod regressions; // bugs that the swarm found
mod reload; // what a running agent takes up at SIGHUP
mod restarts; // what stays the same member, whatever changes around it
mod scenarios; // what a scenario may say, and what not
mod sealing; // gossip with a key, and who is kept out
mod seeds; // ways to find a cluster
mod service; // under what looks like systemd
mod simulate; // scenarios from the command line
mod simulate_files; // its page and its trace
mod stories; // one fault each, and what consumers hear of it
mod support; // real agents, their API and streams
mod swarm; // many seeds, every promise
mod threads; // an agent that gets no more of them
mod tidy; // the code's own rules
mod validation; // the simulator against theory
mod views; // nodes that know only some of the others
mod world; // a simulated cluster to tell stories in
