//! What one log segment holds, in memory and in order of keys. Must not know files, nor what keys mean.
//!
//! Most keys come in one shape: 17 bytes, of which the last eight ascend under the same first nine (the rows of one
//! stream). These go to the end of a vector, which costs a hash and a push where a tree would cost a search and an
//! allocation. All others go into a tree. Values stay where they are, in the groups as the log has them.

use std::collections::BTreeMap;
use std::ops::{Bound, Deref};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::engine::decode;

/// The changes of one segment: the newest for each key.
#[derive(Default)]
pub(super) struct Recent {
    groups: Vec<Bytes>,
    ascending: FxHashMap<Prefix, Vec<(u64, Place)>>,
    /// Keys of another shape, and those that came late. No key is here and in `ascending`: one that came late stays
    /// below the end of its run, which never gets shorter.
    others: BTreeMap<Box<[u8]>, Place>,
}

const PREFIX_LEN: usize = 9;
/// Prefixes between two keys that are looked for one by one.
const PROBED_MAX: u64 = 512;
const SHORT_LEN: usize = PREFIX_LEN + 8;
type Prefix = [u8; PREFIX_LEN];

/// Where a value is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    group: u32,
    start: u32,
    /// Or [`DELETED`].
    len: u32,
}

const DELETED: u32 = u32::MAX;

/// A key, most often without memory of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key<'r> {
    Short([u8; SHORT_LEN]),
    Other(&'r [u8]),
}

impl Deref for Key<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(key) => key,
            Self::Other(key) => key,
        }
    }
}

fn short(prefix: Prefix, suffix: u64) -> Key<'static> {
    let mut key = [0; SHORT_LEN];
    key[..PREFIX_LEN].copy_from_slice(&prefix);
    key[PREFIX_LEN..].copy_from_slice(&suffix.to_be_bytes());
    Key::Short(key)
}

fn split(key: &[u8]) -> Option<(Prefix, u64)> {
    let key: &[u8; SHORT_LEN] = key.try_into().ok()?;
    let (prefix, suffix) = key.split_first_chunk::<PREFIX_LEN>()?;
    Some((*prefix, u64::from_be_bytes(suffix.try_into().ok()?)))
}

impl Recent {
    /// Adds a group's changes; they replace older ones.
    pub(super) fn add(&mut self, group: Bytes) {
        let number = self.groups.len() as u32;
        let start_of = |part: &[u8]| (part.as_ptr().addr() - group.as_ptr().addr()) as u32;
        for write in decode(&group) {
            let place = match write.value {
                Some(value) => Place { group: number, start: start_of(value), len: value.len() as u32 },
                None => Place { group: number, start: 0, len: DELETED },
            };
            self.put(write.key, place);
        }
        self.groups.push(group);
    }

    fn put(&mut self, key: &[u8], place: Place) {
        if let Some((prefix, suffix)) = split(key) {
            let run = self.ascending.entry(prefix).or_default();
            if run.last().is_none_or(|(last, _)| *last < suffix) {
                run.push((suffix, place));
                return;
            }
            if let Ok(at) = run.binary_search_by_key(&suffix, |(suffix, _)| *suffix) {
                run[at].1 = place;
                return;
            }
        }
        match self.others.get_mut(key) {
            Some(old) => *old = place,
            None => drop(self.others.insert(key.into(), place)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The place of a key's newest change.
    pub(super) fn find(&self, key: &[u8]) -> Option<Place> {
        if let Some((prefix, suffix)) = split(key)
            && let Some(run) = self.ascending.get(&prefix)
            && let Ok(at) = run.binary_search_by_key(&suffix, |(suffix, _)| *suffix)
        {
            return Some(run[at].1);
        }
        self.others.get(key).copied()
    }

    /// The value at a place; `None` when the change is a deletion.
    pub(super) fn value(&self, place: Place) -> Option<&[u8]> {
        let start = place.start as usize;
        (place.len != DELETED).then(|| &self.groups[place.group as usize][start..start + place.len as usize])
    }

    /// As [`Recent::value`], in memory that outlives the segment: copied, unless the value is large and most of its
    /// group, which it then keeps.
    pub(super) fn owned_value(&self, place: Place) -> Option<Bytes> {
        const SHARE_BYTES_MIN: usize = 32 << 10;
        let value = self.value(place)?;
        let group = &self.groups[place.group as usize];
        let is_shared = value.len() >= SHARE_BYTES_MIN && value.len() * 2 >= group.len();
        Some(if is_shared { group.slice_ref(value) } else { Bytes::copy_from_slice(value) })
    }

    /// Changes with `from <= key < to` in ascending order. When more than one prefix lies in between, all prefixes
    /// are looked at.
    pub(super) fn range<'r>(
        &'r self,
        from: &'r [u8],
        to: &'r [u8],
    ) -> impl Iterator<Item = (Key<'r>, Place)> {
        let ascending = self.prefixes(from, to).into_iter().flat_map(move |prefix| {
            let run = self.ascending.get(&prefix).map_or(&[][..], Vec::as_slice);
            let start = run.partition_point(|(suffix, _)| short(prefix, *suffix)[..] < *from);
            let inside = run[start..].iter().take_while(move |(suffix, _)| short(prefix, *suffix)[..] < *to);
            inside.map(move |(suffix, place)| (short(prefix, *suffix), *place))
        });
        let others =
            (from < to).then(|| self.others.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))));
        let others = others.into_iter().flatten().map(|(key, place)| (Key::Other(key), *place));
        merged(vec![Box::new(ascending) as Ascending<'r>, Box::new(others)])
            .map(|(key, place, _)| (key, place))
    }

    /// The last change with `from <= key < to`.
    pub(super) fn last(&self, from: &[u8], to: &[u8]) -> Option<(Key<'_>, Place)> {
        let mut last: Option<(Key<'_>, Place)> = None;
        for prefix in self.prefixes(from, to).into_iter().rev() {
            let run = self.ascending.get(&prefix).map_or(&[][..], Vec::as_slice);
            let end = run.partition_point(|(suffix, _)| short(prefix, *suffix)[..] < *to);
            let found = run[..end].last().map(|(suffix, place)| (short(prefix, *suffix), *place));
            last = found.filter(|(key, _)| **key >= *from);
            if last.is_some() {
                break;
            }
        }
        if from < to {
            let others =
                self.others.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))).next_back();
            if let Some((key, place)) = others.filter(|(key, _)| last.is_none_or(|(last, _)| ***key > *last))
            {
                last = Some((Key::Other(key), *place));
            }
        }
        last
    }

    /// Prefixes that may have keys with `from <= key < to`, in order.
    fn prefixes(&self, from: &[u8], to: &[u8]) -> Vec<Prefix> {
        if let Some(prefix) = from.first_chunk::<PREFIX_LEN>()
            && successor(*prefix).is_some_and(|next| *to <= next[..])
        {
            return vec![*prefix];
        }
        // Where only few can be, they are looked for; to look at all there are and to sort them costs far more.
        if let (Some((head, first)), Some((last_head, last))) = (number(from), number(to))
            && head == last_head
            && last.checked_sub(first).is_some_and(|more| more < PROBED_MAX)
        {
            let prefixes = (first..=last).map(|number| prefix(head, number));
            return prefixes
                .filter(|prefix| prefix[..] < *to && self.ascending.contains_key(prefix))
                .collect();
        }
        let lowest = &from[..from.len().min(PREFIX_LEN)];
        let mut prefixes: Vec<_> = self
            .ascending
            .keys()
            .filter(|prefix| prefix[..] >= *lowest && prefix[..] < *to)
            .copied()
            .collect();
        prefixes.sort_unstable();
        prefixes
    }
}

/// How a key starts, as a byte and the number behind it.
fn number(key: &[u8]) -> Option<(u8, u64)> {
    let (head, rest) = key.split_first()?;
    Some((*head, u64::from_be_bytes(*rest.first_chunk()?)))
}

fn prefix(head: u8, number: u64) -> Prefix {
    let mut prefix = [head; PREFIX_LEN];
    prefix[1..].copy_from_slice(&number.to_be_bytes());
    prefix
}

fn successor(mut prefix: Prefix) -> Option<Prefix> {
    for byte in prefix.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(prefix);
        }
    }
    None
}

/// Changes in ascending order of their keys.
pub(super) type Ascending<'r> = Box<dyn Iterator<Item = (Key<'r>, Place)> + 'r>;

/// Joins several sources into one in ascending order, with the number of the source each entry is from. Of equal
/// keys the one of the first source counts, and the others are passed over.
pub(super) fn merged(sources: Vec<Ascending<'_>>) -> impl Iterator<Item = (Key<'_>, Place, usize)> {
    let mut sources: Vec<_> = sources.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let mut least: Option<(Key<'_>, usize)> = None;
        for (number, source) in sources.iter_mut().enumerate() {
            if let Some((key, _)) = source.peek()
                && least.is_none_or(|(least, _)| **key < *least)
            {
                least = Some((*key, number));
            }
        }
        let (least, number) = least?;
        let (key, place) = sources[number].next()?;
        for source in &mut sources[number + 1..] {
            source.next_if(|(key, _)| **key == *least);
        }
        Some((key, place, number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Writes;
    use proptest::prelude::*;

    /// Keys that are near each other: of the common shape under a few prefixes, shorter and longer ones.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let prefix = prop_oneof![Just([1u8; 9]), Just([1, 1, 1, 1, 1, 1, 1, 1, 2]), Just([255; 9])];
        prop_oneof![
            8 => (prefix.clone(), 0..12u64).prop_map(|(p, s)| [&p[..], &s.to_be_bytes()].concat()),
            1 => prefix.clone().prop_map(|p| p.to_vec()),
            1 => (prefix, prop::collection::vec(0..3u8, 1..12)).prop_map(|(p, s)| [&p[..], &s].concat()),
            1 => prop::collection::vec(0..3u8, 1..4),
        ]
    }

    fn group(changes: &[(Vec<u8>, Option<u8>)]) -> Bytes {
        let mut writes = Writes::default();
        for (key, value) in changes {
            match value {
                Some(value) => writes.put(key, |to| to.push(*value)),
                None => writes.delete(key),
            }
        }
        Bytes::copy_from_slice(writes.encoded())
    }

    type Model = BTreeMap<Vec<u8>, Option<u8>>;
    type Groups = Vec<Vec<(Vec<u8>, Option<u8>)>>;

    fn groups() -> impl Strategy<Value = Groups> {
        prop::collection::vec(prop::collection::vec((key(), any::<Option<u8>>()), 0..20), 0..4)
    }

    fn filled(groups: &Groups) -> (Recent, Model) {
        let (mut recent, mut model) = (Recent::default(), Model::new());
        for changes in groups {
            recent.add(group(changes));
            model.extend(changes.iter().cloned());
        }
        (recent, model)
    }

    fn read(recent: &Recent, entry: (Key<'_>, Place)) -> (Vec<u8>, Option<u8>) {
        let value = recent.value(entry.1).map(|value| value[0]);
        assert_eq!(recent.owned_value(entry.1).map(|value| value[0]), value);
        (entry.0.to_vec(), value)
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map(groups in groups(), bounds in prop::collection::vec((key(), key()), 1..10)) {
            let (recent, model) = filled(&groups);
            for (from, to) in bounds.into_iter().chain([(Vec::new(), vec![255; 20])]) {
                prop_assert_eq!(
                    recent.find(&from).map(|place| recent.value(place).map(|value| value[0])),
                    model.get(&from).copied()
                );
                let expected: Vec<_> = model
                    .iter()
                    .filter(|(key, _)| **key >= from && **key < to)
                    .map(|(key, value)| (key.clone(), *value))
                    .collect();
                let found: Vec<_> = recent.range(&from, &to).map(|entry| read(&recent, entry)).collect();
                prop_assert_eq!(&found, &expected);
                let last = recent.last(&from, &to).map(|entry| read(&recent, entry));
                prop_assert_eq!(last.as_ref(), expected.last());
            }
        }

        #[test]
        fn of_several_the_first_counts(old in groups(), new in groups()) {
            let ((old, mut model), (new, newer)) = (filled(&old), filled(&new));
            model.extend(newer);
            let (low, high) = (&[][..], &[255; 20][..]);
            let sources: Vec<Ascending<'_>> = vec![Box::new(new.range(low, high)), Box::new(old.range(low, high))];
            let found: Model = merged(sources)
                .map(|(key, place, number)| read([&new, &old][number], (key, place)))
                .collect();
            prop_assert_eq!(found, model);
        }
    }

    #[test]
    fn small_values_do_not_keep_their_group() {
        let mut writes = Writes::default();
        writes.put(b"small", |to| to.push(1));
        writes.put(b"large", |to| to.resize(40_000, 2));
        let mut recent = Recent::default();
        let group = Bytes::copy_from_slice(writes.encoded());
        let range = group.as_ptr_range();
        recent.add(group);
        let inside =
            |key: &[u8]| range.contains(&recent.owned_value(recent.find(key).unwrap()).unwrap().as_ptr());
        assert!(!inside(b"small") && inside(b"large"));
    }
}
