//! What a rejection shows of its input: path and excerpt. Must not decide anything.

use super::string;
use crate::limits::{EXCERPT_BYTES_MAX, PATH_BYTES_MAX};
use crate::rejection::{push, push_decimal};

/// The value at `at`, cut short on a character boundary.
pub(super) fn excerpt(text: &[u8], at: usize) -> String {
    let rest = text.get(at..).unwrap_or_default();
    let end = value_end(rest);
    let long = end > EXCERPT_BYTES_MAX;
    let mut cut = rest.get(..end.min(EXCERPT_BYTES_MAX)).unwrap_or_default();
    let mut excerpt = String::new();
    while !cut.is_empty() {
        match core::str::from_utf8(cut) {
            Ok(valid) => {
                push(&mut excerpt, valid);
                break;
            }
            Err(error) => {
                let (valid, invalid) = cut.split_at_checked(error.valid_up_to()).unwrap_or_default();
                push(&mut excerpt, core::str::from_utf8(valid).unwrap_or_default());
                // A character that the cut has split is left out; anything else that is invalid is shown as such.
                let length = error.error_len().unwrap_or(invalid.len());
                if !(long && error.error_len().is_none()) {
                    push(&mut excerpt, "\u{fffd}");
                }
                cut = invalid.get(length..).unwrap_or_default();
            }
        }
    }
    if long {
        push(&mut excerpt, "…");
    }
    excerpt
}

/// Length of the value (or, inside a string, the escape) that `rest` starts with; all of it if that cannot be told.
fn value_end(rest: &[u8]) -> usize {
    if rest.first() == Some(&b'\\') {
        return rest.len().min(6);
    }
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        if at > EXCERPT_BYTES_MAX {
            break;
        }
        match byte {
            b'"' => {
                at = string_end(rest, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                if depth <= 1 {
                    return at + usize::from(depth == 1 || at == 0);
                }
                depth -= 1;
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return at.max(1),
            _ => {}
        }
        at += 1;
    }
    at.min(rest.len())
}

/// Position behind the string at `at`.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// `text`, cut short on a character boundary.
pub(super) fn shorten(text: &str) -> String {
    let mut end = text.len().min(PATH_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut short = String::new();
    push(&mut short, text.get(..end).unwrap_or_default());
    if end < text.len() {
        push(&mut short, "…");
    }
    short
}

#[derive(Clone, Copy)]
struct Level {
    is_object: bool,
    /// In an object: the next string is a key.
    at_key: bool,
    key: (usize, usize),
    index: usize,
}

/// The JSON path from the message at `start` to `at`, both in text that the grammar allows up to `at`. Walking there
/// again, once per rejection, is what keeps every path out of the way of accepted events.
pub(super) fn path(text: &[u8], start: usize, at: usize) -> String {
    let mut levels: Vec<Level> = Vec::new();
    let mut here = start;
    while here <= at {
        let Some(byte) = text.get(here) else { break };
        match byte {
            b'"' => {
                let end = string_end(text, here);
                if let Some(level) = levels.last_mut()
                    && level.at_key
                {
                    level.at_key = false;
                    level.key = (here, end);
                }
                here = end;
                continue;
            }
            b'{' | b'[' if here < at => {
                let is_object = *byte == b'{';
                levels.push(Level { is_object, at_key: is_object, key: (0, 0), index: 0 });
            }
            b'}' | b']' => {
                levels.pop();
            }
            b',' => {
                if let Some(level) = levels.last_mut() {
                    level.at_key = level.is_object;
                    level.index += 1;
                }
            }
            _ => {}
        }
        here += 1;
    }
    let mut path = String::from("$");
    for level in &levels {
        if level.is_object {
            push_key(&mut path, text.get(level.key.0..level.key.1).unwrap_or_default());
        } else {
            push(&mut path, "[");
            push_decimal(&mut path, level.index);
            push(&mut path, "]");
        }
    }
    shorten(&path)
}

fn push_key(path: &mut String, raw: &[u8]) {
    let key = string::decode_text(string::contents(raw));
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$');
    if plain {
        push(path, ".");
        push(path, &key);
    } else {
        // As it came, quotes and escapes included.
        push(path, "[");
        push(path, core::str::from_utf8(raw).unwrap_or_default());
        push(path, "]");
    }
}
