//! Hosts whose address changes under a node that runs.

use super::*;
use crate::swim::MemberView;

const EVERYWHERE: &str = "0.0.0.0:7946";

/// As many, of whom the last has this address.
fn few(count: usize, last: &str) -> Few {
    let mut all: Vec<_> = (0..count)
        .map(|at| settings(&format!("n{at}"), at, 1, at as u64))
        .collect();
    all[count - 1].address = last.parse().unwrap();
    let mut few = Few::of(all);
    few.meet();
    assert_eq!(few.node(count - 1).address(), address(count - 1));
    few
}

/// The last one's host is elsewhere from now on, and nobody where it was.
fn readdress(few: &mut Few) {
    let last = few.nodes.len() - 1;
    few.translated = Some((last, new_address(last)));
    few.vacated = Some(address(last));
    few.run(Duration::from_secs(120));
}

/// Another one at which the few deliver to the same node.
fn new_address(at: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, u8::try_from(at).unwrap()], 7946))
}

#[test]
fn whose_address_nobody_configured_follows_the_one_that_others_see() {
    for count in [2, 4] {
        let mut few = few(count, EVERYWHERE);
        readdress(&mut few);
        let last = few.node(count - 1);
        assert_eq!(last.address(), new_address(count - 1), "of {count}");
        assert_eq!(last.life().generation(), 2, "one move, one generation");
        let told = few.changes.iter().map(Vec::len).collect::<Vec<_>>();
        few.run(Duration::from_secs(120));
        for (at, told) in told.into_iter().enumerate() {
            let members: Vec<_> = few.node(at).members().collect();
            assert_eq!(members.len(), count, "at n{at}");
            let alive = |member: &MemberView| member.state == MemberState::Alive;
            assert!(members.iter().all(alive), "at n{at}");
            let moved = few.node(at).member(&format!("n{}", count - 1)).unwrap();
            assert_eq!(moved.card.address, new_address(count - 1), "at n{at}");
            let since = few.changes[at][told..].iter().map(Change::kind);
            assert!(
                since.clone().all(|kind| kind == "recovered"),
                "{:?}",
                since.collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn a_configured_address_stays() {
    let mut few = few(4, "10.0.0.3:7946");
    readdress(&mut few);
    assert_eq!(few.node(3).address(), address(3));
}

#[test]
fn who_is_reached_where_it_is_does_not_follow_a_translation() {
    let mut few = few(4, EVERYWHERE);
    few.translated = Some((3, new_address(3)));
    let seeds = [0, 1, 2].map(address);
    few.input(3, Input::Join(&seeds));
    few.run(Duration::from_secs(60));
    assert_eq!(few.node(3).address(), address(3));
}
