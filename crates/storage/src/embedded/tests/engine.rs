//! The engine alone against a naive map: random commits, reads and reopenings, in segments so small that memory and
//! the tree always share the keys.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::super::disk::Disk;
use super::super::logged::{LoggedEngine, Sizes};
use super::super::{COMPLETE_SEGMENTS_MAX, Directory};
use crate::engine::{Engine, Entries, Writes};

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(Vec<u8>, Option<u8>)>, bool),
    Scan(Vec<u8>, Vec<u8>, usize),
    Reopen,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (1..3u8, 0..300u64).prop_map(|(p, s)| [&[p; 9][..], &s.to_be_bytes()].concat()),
        1 => prop::collection::vec(1..4u8, 1..12),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let change = (key(), prop::option::weighted(0.8, any::<u8>()));
    prop_oneof![
        6 => (prop::collection::vec(change, 1..60), any::<bool>()).prop_map(|(changes, sync)| Step::Commit(changes, sync)),
        6 => (key(), key(), 1..400usize).prop_map(|(from, to, limit)| Step::Scan(from, to, limit)),
        1 => Just(Step::Reopen),
    ]
}

fn open(dir: &std::path::Path) -> LoggedEngine {
    let sizes = Sizes {
        segment_bytes_max: 4_000,
        complete_segments_max: COMPLETE_SEGMENTS_MAX,
        cache_bytes: 1 << 20,
        free_bytes_min: 0,
    };
    LoggedEngine::open(Directory::lock(dir).unwrap(), sizes, &Disk::default()).unwrap()
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn check(engine: &LoggedEngine, model: &Model, from: &[u8], to: &[u8], limit: usize) {
    let expected: Vec<_> = model.iter().filter(|(key, _)| &key[..] >= from && &key[..] < to).collect();
    let mut found = Vec::new();
    engine
        .scan(from, to, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
    let found: Vec<_> = found.iter().map(|(key, value)| (key, value)).collect();
    assert_eq!(found, expected[..limit.min(expected.len())]);
    let last = engine.last(from, to).unwrap();
    let last = last.as_ref().map(|(key, value)| (key.clone(), value.to_vec()));
    assert_eq!(last, expected.last().map(|(key, value)| ((*key).clone(), (*value).clone())));
    assert_eq!(engine.get(from).unwrap().as_deref(), model.get(from).map(Vec::as_slice));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_engine_is_a_sorted_map_that_survives(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path());
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Commit(changes, sync) => {
                    let mut writes = Writes::default();
                    for (key, value) in changes {
                        match value {
                            Some(value) => {
                                writes.put(&key, |to| to.extend([value; 20]));
                                model.insert(key, vec![value; 20]);
                            }
                            None => {
                                writes.delete(&key);
                                model.remove(&key);
                            }
                        }
                    }
                    engine.commit(&writes, sync).unwrap();
                }
                Step::Scan(from, to, limit) => check(&engine, &model, &from, &to, limit),
                Step::Reopen => {
                    engine.close();
                    engine = open(dir.path());
                    check(&engine, &model, &[], &[255], usize::MAX);
                }
            }
        }
        check(&engine, &model, &[], &[255], usize::MAX);
        engine.close();
    }
}

/// The tree had to be opened again, and that failed once: reads of what is only there fail until it works.
#[test]
fn a_tree_that_could_not_be_opened_again_is_tried_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let mut writes = Writes::default();
    let commit = |writes: &mut Writes, n: u8| {
        writes.clear();
        writes.put(&[7, n], |value| value.extend([n; 3_000]));
        engine.commit(writes, true)
    };
    let until = |what: &str, is_so: &mut dyn FnMut() -> bool| {
        let began = std::time::Instant::now();
        while !is_so() {
            assert!(began.elapsed() < std::time::Duration::from_secs(30), "{what}: not in 30 seconds");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    };
    for n in 0..10 {
        commit(&mut writes, n).unwrap();
    }
    let in_tree = || engine.recent().unwrap().get(&[7, 0]).unwrap().is_none();
    until("the first segment is in the tree", &mut || in_tree());

    let (tree, aside) = (dir.path().join(Directory::TREE), dir.path().join("aside"));
    std::fs::rename(&tree, &aside).unwrap();
    std::fs::write(&tree, b"no directory").unwrap();
    engine.reopen_tree().unwrap_err();
    assert!(engine.get(&[7, 0]).is_err());
    // Appends go on for as long as the log may grow; the handover notices that there is no tree.
    let mut n = 10;
    while commit(&mut writes, n).is_ok() {
        n += 1;
        assert!(n < 100);
    }
    std::fs::remove_file(&tree).unwrap();
    std::fs::rename(&aside, &tree).unwrap();
    until("the tree is open", &mut || engine.get(&[7, 0]).is_ok());
    until("the log goes on", &mut || engine.recover().is_ok());
    commit(&mut writes, n).unwrap();
    assert_eq!(engine.get(&[7, 0]).unwrap().unwrap(), [0; 3_000][..]);
    engine.close();
    let engine = open(dir.path());
    for n in 0..=n {
        assert_eq!(engine.get(&[7, n]).unwrap().unwrap(), [n; 3_000][..]);
    }
}

#[test]
fn what_is_not_synced_waits_in_bounded_memory_and_closing_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let mut writes = Writes::default();
    let key = |n: u8| [7, n];
    for n in 0..200 {
        writes.clear();
        writes.put(&key(n), |value| value.extend([1; 20_000]));
        engine.commit(&writes, false).unwrap();
        assert!(engine.deferred_bytes() <= (1 << 20) + 30_000);
    }
    assert!(engine.deferred_bytes() > 0);
    engine.close();
    assert!(engine.commit(&writes, true).is_err() && engine.get(&key(0)).is_err());
    let engine = open(dir.path());
    for n in 0..200 {
        assert_eq!(engine.get(&key(n)).unwrap().unwrap().len(), 20_000);
    }
}

#[test]
fn an_opening_that_fails_gives_the_directory_back() {
    let dir = tempfile::tempdir().unwrap();
    {
        let engine = open(dir.path());
        let mut writes = Writes::default();
        writes.put(crate::layout::KEY_FORMAT, |value| value.extend_from_slice(&9u32.to_le_bytes()));
        engine.commit(&writes, true).unwrap();
        engine.close();
    }
    for _ in 0..2 {
        let refused = crate::EmbeddedStore::open(dir.path(), crate::StoreOptions::default()).unwrap_err();
        assert!(matches!(refused, crate::OpenError::Format { .. }), "{refused}");
    }
}

#[test]
fn the_last_entry_is_found_below_any_number_of_deletions() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let key = |n: u64| [&[1; 9][..], &n.to_be_bytes()].concat();
    let commit = |keys: std::ops::Range<u64>, value: Option<&[u8]>| {
        for n in keys {
            let mut writes = Writes::default();
            match value {
                Some(value) => writes.put(&key(n), |out| out.extend_from_slice(value)),
                None => writes.delete(&key(n)),
            }
            engine.commit(&writes, false).unwrap();
        }
        engine.commit(&Writes::default(), true).unwrap();
    };
    let last = || engine.last(&key(0), &key(9_999)).unwrap().map(|(key, _)| key);
    commit(0..1_000, Some(b"v"));
    // Multiples of the part that is taken at a time among them.
    for left in [999, 744, 743, 488, 487, 100, 1] {
        commit(left..1_000, None);
        assert_eq!(last(), Some(key(left - 1)), "{left} are left");
    }
    commit(0..1, None);
    assert_eq!(last(), None);
    commit(500..501, Some(b"new"));
    assert_eq!(last(), Some(key(500)));
    engine.close();
}
