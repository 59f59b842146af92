//! Who knows whom where nobody can know everybody: a random regular graph.

use std::ops::ControlFlow;

use rand::{RngExt, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Exchanges of one edge that are tried before it is given up.
const ATTEMPTS_MAX: u32 = 1_000;

/// For each of `nodes` nodes its `degree` neighbours; whoever is somebody's neighbour has them as
/// neighbour, too. The union of `degree / 2` random cycles through all nodes: connected, and with
/// the expansion of a random regular graph (Bollobás 1988), so that news crosses it in the same
/// O(log n) rounds as the complete one.
///
/// `degree` must be even. Where a cycle runs along an edge that is there already and cannot be
/// turned away from it, which takes a small dense graph, two nodes have one neighbour less.
///
/// A large graph takes half a minute: `go_on` is asked before each cycle.
pub(super) fn random_regular(
    nodes: u32,
    degree: usize,
    rng: &mut Xoshiro256PlusPlus,
    go_on: &mut dyn FnMut() -> ControlFlow<()>,
) -> ControlFlow<(), Vec<Vec<u32>>> {
    let mut graph: Vec<Vec<u32>> = (0..nodes).map(|_| Vec::with_capacity(degree)).collect();
    let mut cycle: Vec<u32> = (0..nodes).collect();
    for _ in 0..degree / 2 {
        go_on()?;
        cycle.shuffle(rng);
        for at in 0..cycle.len() {
            let one = cycle[at];
            if let Some(other) = next_on_cycle(&graph, &mut cycle, at, rng) {
                graph[one as usize].push(other);
                graph[other as usize].push(one);
            }
        }
    }
    ControlFlow::Continue(graph)
}

/// Whom the cycle goes to from `at`: the next one, or, where that edge is there already, some
/// later one that changes places with it. The last step closes the cycle as it is.
fn next_on_cycle(
    graph: &[Vec<u32>],
    cycle: &mut [u32],
    at: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<u32> {
    let (one, next) = (cycle[at], (at + 1) % cycle.len());
    let is_new = |other: u32| one != other && !graph[one as usize].contains(&other);
    for _ in 0..ATTEMPTS_MAX {
        if is_new(cycle[next]) {
            return Some(cycle[next]);
        }
        if next == 0 {
            return None;
        }
        let other = rng.random_range(next..cycle.len());
        cycle.swap(next, other);
    }
    None
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn reachable(graph: &[Vec<u32>]) -> usize {
        let mut seen = vec![false; graph.len()];
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut seen[node as usize], true) {
                open.extend(&graph[node as usize]);
            }
        }
        seen.into_iter().filter(|seen| *seen).count()
    }

    #[test]
    fn neighbours_are_mutual_different_and_as_many_as_asked() {
        for (nodes, degree) in [(40, 8), (1_000, 128), (20_000, 16)] {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
            let mut go_on = || ControlFlow::Continue(());
            let graph = random_regular(nodes, degree, &mut rng, &mut go_on);
            let graph = graph.continue_value().expect("nobody broke it off");
            assert_eq!(reachable(&graph), nodes as usize);
            let mut edges = 0;
            for (one, others) in (0u32..).zip(&graph) {
                let mut unique = others.clone();
                unique.sort_unstable();
                unique.dedup();
                assert_eq!(unique.len(), others.len(), "a neighbour twice");
                assert!(!others.contains(&one));
                assert!(
                    others
                        .iter()
                        .all(|other| graph[*other as usize].contains(&one))
                );
                edges += others.len();
            }
            let asked = nodes as usize * degree;
            assert!(
                edges <= asked && edges * 100 >= asked * 99,
                "{edges} of {asked}"
            );
        }
    }

    #[test]
    fn whoever_waits_is_asked_before_each_cycle() {
        let mut asked = 0;
        let mut go_on = || {
            asked += 1;
            match asked {
                3 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        assert!(random_regular(40, 16, &mut rng, &mut go_on).is_break());
        assert_eq!(asked, 3);
    }
}
