//! Hosts whose address changes under a node that runs.

use super::*;

const EVERYWHERE: &str = "0.0.0.0:7946";
/// Where the host of the last of the few goes.
const NEW: &str = "10.0.1.3:7946";

/// Four, of whom the last has this address.
fn four(last: &str) -> Few {
    let mut all: Vec<_> = (0..4)
        .map(|at| settings(&format!("n{at}"), at, 1, at as u64))
        .collect();
    all[3].address = last.parse().unwrap();
    let mut few = Few::of(all);
    few.meet();
    assert_eq!(few.node(3).address(), address(3));
    few
}

/// Its host is elsewhere from now on, and nobody where it was.
fn readdress(few: &mut Few) {
    few.translated = Some((3, NEW.parse().unwrap()));
    few.vacated = Some(address(3));
    few.run(Duration::from_secs(60));
}

#[test]
fn whose_address_nobody_configured_follows_the_one_that_others_see() {
    let mut few = four(EVERYWHERE);
    readdress(&mut few);
    let new: SocketAddr = NEW.parse().unwrap();
    assert_eq!(few.node(3).address(), new);
    for at in 0..3 {
        let members: Vec<_> = few.node(at).members().collect();
        assert_eq!(members.len(), 4, "at n{at}");
        assert!(
            members
                .iter()
                .all(|member| member.state == MemberState::Alive)
        );
        let moved = members.iter().find(|member| member.card.name == "n3");
        assert_eq!(moved.unwrap().card.address, new, "at n{at}");
    }
    assert_eq!(
        few.node(3).life().generation(),
        2,
        "one move, one generation"
    );
    let quiet = few.changes.iter().map(Vec::len).sum::<usize>();
    few.run(Duration::from_secs(60));
    assert_eq!(few.changes.iter().map(Vec::len).sum::<usize>(), quiet);
}

#[test]
fn a_configured_address_stays() {
    let mut few = four("10.0.0.3:7946");
    readdress(&mut few);
    assert_eq!(few.node(3).address(), address(3));
}

#[test]
fn who_is_reached_where_it_is_does_not_follow_a_translation() {
    let mut few = four(EVERYWHERE);
    few.translated = Some((3, NEW.parse().unwrap()));
    let seeds = [0, 1, 2].map(address);
    few.input(3, Input::Join(&seeds));
    few.run(Duration::from_secs(60));
    assert_eq!(few.node(3).address(), address(3));
}
