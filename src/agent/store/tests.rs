//! What the data directory remembers, and what it survives.

use std::fs;

use tempfile::TempDir;

use super::*;

fn owner() -> Owner {
    Owner {
        cluster: "blue".into(),
        name: "n1".into(),
    }
}

fn open(dir: &Path) -> (Store, u32) {
    Store::open(dir, owner())
}

/// A directory that remembers generation 7 and two peers.
fn remembering() -> (TempDir, Peers) {
    let temp = tempfile::tempdir().unwrap();
    let text = r#"{"peers":[{"name":"n2","address":"10.0.0.2:7946","seen":7200},
        {"name":"n3","address":"[2001:db8::3]:7946","seen":3600}]}"#;
    let peers: Peers = serde_json::from_str(text).unwrap();
    let (mut store, _) = open(temp.path());
    store.keep(7, peers.clone()).unwrap();
    (temp, peers)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_start_is_one_more_and_is_stored_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("a/b");
    for start in 1..4 {
        let (_store, generation) = open(&dir);
        assert_eq!(generation, start);
        let stored: Option<Generation> = page::read(&dir, &owner());
        assert_eq!(stored.unwrap().generation, start);
    }
    assert_eq!(names(&dir), ["generation", "lock"]);
}

#[test]
fn a_raised_generation_is_kept_and_never_lowered() {
    let (temp, peers) = remembering();
    let (mut store, generation) = open(temp.path());
    assert_eq!(generation, 8);
    assert_eq!(store.addresses(), peers.addresses());
    store.keep(20, peers.clone()).unwrap();
    store.keep(3, peers).unwrap();
    drop(store);
    assert_eq!(open(temp.path()).1, 21);
}

/// Every way in which a disk can give back less or other than it was given.
#[test]
fn a_torn_or_damaged_file_is_put_aside_and_the_other_is_used() {
    let (temp, peers) = remembering();
    for kind in ["generation", "peers"] {
        let path = temp.path().join(kind);
        let whole = fs::read(&path).unwrap();
        let torn = (0..whole.len()).map(|length| whole[..length].to_vec());
        let flipped = (0..whole.len() * 8).step_by(61).map(|bit| {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        for bytes in torn.chain(flipped) {
            let held = remembered(temp.path(), kind, &bytes);
            let expected = match kind {
                "generation" => (1, peers.clone()),
                _ => (8, Peers::default()),
            };
            assert_eq!(held, expected, "{kind} {bytes:?}");
        }
    }
}

/// What a start finds when one file holds `bytes` and the other is as [`remembering`] left it.
fn remembered(dir: &Path, kind: &str, bytes: &[u8]) -> (u32, Peers) {
    let held = ["generation", "peers"].map(|kind| (kind, fs::read(dir.join(kind)).unwrap()));
    fs::write(dir.join(kind), bytes).unwrap();
    let (store, generation) = open(dir);
    assert_eq!(
        fs::read(dir.join(kind).with_extension("damaged")).unwrap(),
        bytes
    );
    let found = (generation, store.peers.clone());
    for (kind, bytes) in held {
        fs::write(dir.join(kind), bytes).unwrap();
    }
    found
}

#[test]
fn the_directory_of_another_member_is_put_aside() {
    let (temp, _) = remembering();
    for (cluster, name) in [("blue", "n2"), ("green", "n1")] {
        let other = Owner {
            cluster: cluster.into(),
            name: name.into(),
        };
        let (store, generation) = Store::open(temp.path(), other);
        assert_eq!((generation, store.addresses()), (1, Vec::new()));
    }
}

#[test]
fn a_second_agent_runs_without_the_store_until_the_first_is_gone() {
    let (temp, peers) = remembering();
    let (first, _) = open(temp.path());
    let (mut second, generation) = open(temp.path());
    assert_eq!((generation, second.addresses()), (1, Vec::new()));
    let refused = second.keep(1, Peers::default()).unwrap_err();
    assert_eq!(refused.to_string(), "a running agent holds it");
    drop(first);
    second.take().unwrap();
    assert_eq!(second.addresses(), peers.addresses());
    second.keep(1, peers.clone()).unwrap();
    drop(second);
    let (mut third, generation) = open(temp.path());
    assert_eq!(generation, 9, "8 was the first one's and greater");
    third.keep(12, peers).unwrap();
    drop(third);
    assert_eq!(open(temp.path()).1, 13);
}

#[test]
fn an_unusable_directory_does_not_stop_the_start_and_is_used_once_it_can_be() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    let dir = file.join("below");
    let (mut store, generation) = open(&dir);
    assert_eq!(generation, 1);
    store.keep(1, Peers::default()).unwrap_err();
    fs::remove_file(&file).unwrap();
    store.keep(1, Peers::default()).unwrap();
    drop(store);
    assert_eq!(open(&dir).1, 2);
}

#[test]
fn what_was_being_written_at_a_kill_is_swept_away() {
    let (temp, peers) = remembering();
    fs::write(temp.path().join(".generation.Ab3x9Z.tmp"), "head").unwrap();
    fs::write(temp.path().join("notes"), "not ours").unwrap();
    let (store, generation) = open(temp.path());
    assert_eq!((generation, store.peers), (8, peers));
    assert_eq!(names(temp.path()), ["generation", "lock", "notes", "peers"]);
}
