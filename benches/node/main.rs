//! What our layer costs: `Node::handle` beside a bare foca, on equivalent packets, in one run.
//!
//! `ping` is a probe of a quiet cluster: one small packet in, one ack out. `full` is a packet with
//! as many updates as fit one of ours, none of them news, as most are while something spreads.
//! `talk` is whatever 16 peers say to a node, nearly all of it pings, in plain text and sealed.
//! `benches/README.md` has the numbers.

mod bare;
#[path = "../bare/mod.rs"]
mod foca_bare;
mod ours;
mod talk;

use std::{cell::RefCell, sync::Arc};

use divan::{AllocProfiler, Bencher, counter::ItemsCount};
use headcount::swim::{KEY_BYTES, Key, Keys};

/// What each packet allocates is counted, too.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const MEMBERS: [usize; 3] = [100, 1_000, 10_000];
/// Pings come from this many peers in turn: how soon foca finds a member in its list is luck.
const PEERS: usize = 16;

fn main() {
    divan::main();
}

#[divan::bench(args = MEMBERS)]
fn ping_headcount(bencher: Bencher<'_, '_>, members: usize) {
    let mut rig = ours::Rig::new(members);
    bencher.bench_local(|| rig.ping());
}

#[divan::bench(args = MEMBERS)]
fn ping_bare_foca(bencher: Bencher<'_, '_>, members: usize) {
    let mut rig = bare::Rig::new(members, 1);
    bencher.bench_local(|| rig.ping());
}

#[divan::bench(args = MEMBERS)]
fn full_headcount(bencher: Bencher<'_, '_>, members: usize) {
    let mut rig = ours::Rig::new(members);
    let updates = ItemsCount::new(rig.updates());
    bencher.counter(updates).bench_local(|| rig.full());
}

#[divan::bench(args = MEMBERS)]
fn full_bare_foca(bencher: Bencher<'_, '_>, members: usize) {
    let updates = ours::Rig::new(members).updates();
    let mut rig = bare::Rig::new(members, updates);
    bencher
        .counter(ItemsCount::new(updates))
        .bench_local(|| rig.full());
}

#[divan::bench(sample_size = 1, sample_count = 20_000)]
fn talk_plaintext(bencher: Bencher<'_, '_>) {
    talk(bencher, &Keys::default());
}

#[divan::bench(sample_size = 1, sample_count = 20_000)]
fn talk_sealed(bencher: Bencher<'_, '_>) {
    let key = Arc::new(Key::new(&[7; KEY_BYTES].into()));
    talk(bencher, &Keys::new(vec![key]).expect("one key"));
}

fn talk(bencher: Bencher<'_, '_>, keys: &Keys) {
    let talk = RefCell::new(talk::Talk::new(keys));
    bencher
        .with_inputs(|| talk.borrow_mut().next())
        .bench_local_refs(|said| talk.borrow_mut().hear(said));
}
