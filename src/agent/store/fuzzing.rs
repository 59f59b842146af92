//! A way in for fuzzers: files of the data directory.

use super::{Generation, Owner, next_generation, page, peers::Peers};
use crate::swim::Life;

/// The inside of a page whose sum fits, of either kind.
pub(crate) fn page(data: &[u8]) {
    let owner = Owner {
        cluster: "default".into(),
        name: "n1".into(),
    };
    if let Some(peers) = page::forged::<Peers>(&owner, data) {
        let addresses = peers.addresses();
        assert!(addresses.len() <= data.len());
    }
    if let Some(held) = page::forged::<Generation>(&owner, data) {
        let next = next_generation(held.generation);
        assert!((1..=Life::GENERATION_MAX).contains(&next));
    }
}
