//! A way in for fuzzers: files of the data directory.

use super::{Generation, Owner, page, peers::Peers};

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
        assert!(format!("{held:?}").contains("generation"));
    }
}
