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
    Store::open(dir, owner()).unwrap()
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
        let stored: Option<Generation> = page::read(&dir, &owner()).unwrap();
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
    let aside = dir.join(kind).with_extension("aside");
    assert_eq!(fs::read(&aside).unwrap(), bytes);
    fs::remove_file(aside).unwrap();
    let found = (generation, store.peers.clone());
    for (kind, bytes) in held {
        fs::write(dir.join(kind), bytes).unwrap();
    }
    found
}

#[test]
fn somebody_elses_file_that_is_called_as_our_lock_is_kept() {
    let (temp, _) = remembering();
    let [lock, aside] = ["lock", "lock.aside"].map(|name| temp.path().join(name));
    fs::write(&lock, "my lock notes\n").unwrap();
    let (store, generation) = open(temp.path());
    assert_eq!(generation, 8);
    assert_eq!(fs::read(&aside).unwrap(), b"my lock notes\n");
    drop(store);
    fs::remove_file(&aside).unwrap();
    drop(open(temp.path()));
    assert!(!aside.exists(), "ours is taken as it is");
}

#[test]
fn the_memory_of_another_member_is_put_aside_and_costs_no_start() {
    for (cluster, name) in [("blue", "n2"), ("green", "n1")] {
        let (temp, _) = remembering();
        let page = fs::read(temp.path().join("generation")).unwrap();
        let other = Owner {
            cluster: cluster.into(),
            name: name.into(),
        };
        let (store, generation) = Store::open(temp.path(), other).unwrap();
        assert_eq!((generation, &store.peers), (1, &Peers::default()));
        let files = ["generation", "generation.aside", "lock", "peers.aside"];
        assert_eq!(names(temp.path()), files);
        assert_eq!(fs::read(temp.path().join(files[1])).unwrap(), page);
    }
}

#[test]
fn a_second_agent_is_refused_until_the_first_is_gone() {
    let (temp, peers) = remembering();
    let (first, _) = open(temp.path());
    let refused = Store::open(temp.path(), owner()).unwrap_err();
    let words = format!("process {}", std::process::id());
    assert!(refused.to_string().contains(&words), "{refused}");
    drop(first);
    let (third, generation) = open(temp.path());
    assert_eq!((generation, &third.peers), (9, &peers));
}

#[test]
fn a_directory_that_was_removed_under_us_is_made_and_taken_anew() {
    let (temp, peers) = remembering();
    let dir = temp.path();
    let (mut store, generation) = open(dir);
    for is_made in [false, true] {
        fs::remove_dir_all(dir).unwrap();
        if is_made {
            fs::create_dir(dir).unwrap();
        }
        store.keep(generation, peers.clone()).unwrap();
        assert_eq!(names(dir), ["generation", "lock", "peers"], "{is_made}");
        let refused = Store::open(dir, owner()).unwrap_err();
        assert!(matches!(refused, Error::DataDirInUse { .. }), "{refused}");
    }
    drop(store);
    let (next, generation) = open(dir);
    assert_eq!((generation, next.peers), (9, peers));
}

#[test]
fn a_directory_that_somebody_else_took_meanwhile_is_not_written_to() {
    let (temp, peers) = remembering();
    let dir = temp.path();
    let (mut store, generation) = open(dir);
    fs::remove_dir_all(dir).unwrap();
    let (other, others) = open(dir);
    let untaken = store.keep(generation, peers.clone()).unwrap_err();
    assert!(matches!(untaken, Untaken::Held(_)), "{untaken}");
    let stored: Option<Generation> = page::read(dir, &owner()).unwrap();
    assert_eq!(stored.unwrap().generation, others);
    drop(other);
    store.keep(generation, peers).unwrap();
    assert_eq!(names(dir), ["generation", "lock", "peers"]);
}

#[test]
fn a_path_that_leads_through_a_file_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    for dir in [file.join("below"), file] {
        let refused = Store::open(&dir, owner()).unwrap_err();
        assert!(matches!(refused, Error::DataDir { .. }), "{refused}");
    }
}

#[test]
fn a_directory_that_cannot_be_taken_does_not_stop_the_start_and_is_used_once_it_can_be() {
    let (temp, peers) = remembering();
    let lock = temp.path().join("lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let (mut store, generation) = open(temp.path());
    assert_eq!((generation, store.peers.clone()), (8, peers.clone()));
    store.keep(8, peers.clone()).unwrap_err();
    fs::remove_dir(&lock).unwrap();
    store.keep(8, peers).unwrap();
    drop(store);
    assert_eq!(open(temp.path()).1, 9);
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

#[test]
fn what_can_neither_be_used_nor_put_aside_is_not_written_over() {
    let (temp, peers) = remembering();
    fs::write(temp.path().join("generation"), "notes").unwrap();
    let asides = (1..16).map(|number| format!("generation.aside.{number}"));
    let asides: Vec<_> = asides.chain(["generation.aside".into()]).collect();
    for aside in &asides {
        fs::create_dir(temp.path().join(aside)).unwrap();
    }
    let (mut store, generation) = open(temp.path());
    assert_eq!((generation, &store.peers), (1, &peers));
    store.keep(2, peers.clone()).unwrap_err();
    let held = || fs::read(temp.path().join("generation")).unwrap();
    assert_eq!(held(), b"notes");
    fs::remove_dir(temp.path().join(&asides[3])).unwrap();
    store.keep(2, peers).unwrap();
    assert_ne!(held(), b"notes");
    assert_eq!(fs::read(temp.path().join(&asides[3])).unwrap(), b"notes");
}
