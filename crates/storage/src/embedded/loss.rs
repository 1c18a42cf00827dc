//! What a damaged log has lost, as far as what is around the damage tells. Must not change anything.
//!
//! Rows say where they begin, so a stream that has rows on both sides of the damage shows what is missing between. A
//! stream of which nothing follows shows nothing.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::tree::Tree;
use crate::engine::decode;
use crate::layout::{StreamRecord, TAG_ROW, TAG_STREAM, id_key, key_first, key_id, read_row, row_key};

/// Streams that are told one by one.
const STREAMS_MAX: usize = 20;

/// Groups of a log on both sides of its first damage.
#[derive(Default)]
pub(super) struct Sides {
    pub(super) before: Vec<Bytes>,
    pub(super) after: Vec<Bytes>,
}

/// Each stream with what it misses, and how many more there are.
pub(super) fn describe(tree: &Tree, sides: &Sides) -> String {
    let mut names: HashMap<u64, String> = HashMap::new();
    let mut ends: HashMap<u64, u64> = HashMap::new();
    for write in sides.before.iter().flat_map(|group| decode(group)) {
        note_name(&mut names, write.key, write.value);
        if let Some((id, _, end)) = row(write.key, write.value) {
            ends.insert(id, end);
        }
    }
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    for write in sides.after.iter().flat_map(|group| decode(group)) {
        note_name(&mut names, write.key, write.value);
        if let Some((id, first, _)) = row(write.key, write.value) {
            next.entry(id).or_insert(first);
        }
    }
    let mut told = Vec::new();
    for (id, first) in next {
        let end = ends.get(&id).copied().unwrap_or_else(|| end_in_tree(tree, id));
        if first > end {
            let name = names.remove(&id).or_else(|| name_in_tree(tree, id));
            let name = name.unwrap_or_else(|| format!("number {id}"));
            told.push(format!("positions {end} to {} of stream {name}", first - 1));
        }
    }
    if told.is_empty() {
        return "nothing that later appends would show".into();
    }
    let more = told.len().saturating_sub(STREAMS_MAX);
    told.truncate(STREAMS_MAX);
    let more = if more > 0 { format!(", and of {more} more streams") } else { String::new() };
    format!("{}{more}", told.join(", "))
}

/// The stream of a row, and where the row begins and ends.
fn row(key: &[u8], value: Option<&[u8]>) -> Option<(u64, u64, u64)> {
    if key.first() != Some(&TAG_ROW) {
        return None;
    }
    let first = key_first(key)?;
    let units = read_row(key, &Bytes::copy_from_slice(value?)).ok()?.batch.units();
    Some((key_id(key)?, first, first + units))
}

fn note_name(names: &mut HashMap<u64, String>, key: &[u8], value: Option<&[u8]>) {
    if key.first() == Some(&TAG_STREAM)
        && let Some((id, value)) = key_id(key).zip(value)
        && let Ok(record) = StreamRecord::read(key, value)
    {
        names.insert(id, record.path.to_string());
    }
}

fn end_in_tree(tree: &Tree, id: u64) -> u64 {
    let last = tree.range(&row_key(id, 0), &row_key(id, u64::MAX)).next_back();
    last.and_then(|entry| {
        let (key, value) = entry.ok()?;
        Some(row(&key, Some(&value))?.2)
    })
    .unwrap_or(0)
}

fn name_in_tree(tree: &Tree, id: u64) -> Option<String> {
    let key = id_key(TAG_STREAM, id);
    let value = tree.get(&key).ok()??;
    Some(StreamRecord::read(&key, &value).ok()?.path.to_string())
}
