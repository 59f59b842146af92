//! Cards that a directory has otherwise: those of two processes that had one generation.

use std::sync::Arc;

use super::Gate;
use crate::swim::{
    Card,
    directory::{GENERATIONS_KEPT, Handle},
};

impl Gate {
    /// Keeps a card that the directory has otherwise, of as many generations as that one does.
    pub(super) fn keep_own(&mut self, handle: Handle, card: Card) {
        self.cards.insert((handle, card.generation), Arc::new(card));
        let mut of_it = self.cards.range((handle, 0)..=(handle, u32::MAX));
        if let Some((oldest, _)) = of_it.next()
            && of_it.count() >= GENERATIONS_KEPT
        {
            let oldest = *oldest;
            self.cards.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swim::{Directory, MemberId, Scope, Tags};

    #[test]
    fn many_generations_of_one_member_take_bounded_memory() {
        let card = |generation| Card {
            id: MemberId::new("blue", "n1"),
            name: "n1".into(),
            generation,
            address: "10.0.0.1:7946".parse().unwrap(),
            tags: Tags::default(),
        };
        let mut gate = Gate::new("blue".into(), Directory::new(), Scope::Everyone, card(1));
        for generation in 1..=100 {
            gate.keep_own(7, card(generation));
            gate.keep_own(8, card(generation));
        }
        let kept: Vec<_> = gate.cards.keys().copied().collect();
        assert_eq!(kept.len(), 2 * GENERATIONS_KEPT);
        assert_eq!(kept[0], (7, 101 - u32::try_from(GENERATIONS_KEPT).unwrap()));
    }
}
