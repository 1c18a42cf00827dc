//! Any JSON value. Must not know tables.

use super::expected::Expected;
use super::reader::{Reader, Step};
use crate::limits::DEPTH_MAX;
use crate::rejection::RejectionCode;

/// The kinds of the open containers, one bit each: objects are 1. Sixty-four of them fit in one word; deeper ones,
/// which only the lenient pass over a rejected message meets, spill.
#[derive(Default)]
struct Nesting {
    word: u64,
    depth: u32,
    spill: Vec<u64>,
}

impl Nesting {
    #[inline]
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.spill.push(self.word);
        }
        self.word = self.word << 1 | u64::from(is_object);
        self.depth += 1;
    }

    #[inline]
    fn pop(&mut self) {
        self.word >>= 1;
        self.depth -= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.word = self.spill.pop().unwrap_or(0);
        }
    }

    fn in_object(&self) -> bool {
        self.word & 1 == 1
    }
}

impl Reader<'_, '_> {
    /// Reads the value at the current position, which stands `depth` containers deep, and moves behind it. Not
    /// recursive: hostile nesting costs one bit per level.
    pub(super) fn value(&mut self, depth: u32) -> Step {
        let mut nesting = Nesting::default();
        loop {
            self.whitespace();
            match self.peek() {
                open @ (b'{' | b'[') => {
                    let is_object = open == b'{';
                    if depth + nesting.depth >= DEPTH_MAX && !self.lenient {
                        let at = self.at;
                        let expected = Expected::Words("at most 64 levels of nesting");
                        return Err(self.fail(RejectionCode::TooDeep, at, expected));
                    }
                    nesting.push(is_object);
                    self.at += 1;
                    self.whitespace();
                    // In ASCII the closing bracket of either kind is the opening one plus 2.
                    if self.peek() != open + 2 {
                        if is_object {
                            self.key_and_colon()?;
                        }
                        continue;
                    }
                    self.at += 1;
                    nesting.pop();
                }
                b'"' => {
                    self.string()?;
                }
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                _ => return Err(self.syntax("a JSON value")),
            }
            // A value has ended; so may the containers around it.
            loop {
                if nesting.depth == 0 {
                    return Ok(());
                }
                self.whitespace();
                let in_object = nesting.in_object();
                match self.peek() {
                    b',' => {
                        self.at += 1;
                        if in_object {
                            self.whitespace();
                            self.key_and_colon()?;
                        }
                        break;
                    }
                    b'}' if in_object => {}
                    b']' if !in_object => {}
                    _ => return Err(self.syntax("a comma or the end of the object or array")),
                }
                self.at += 1;
                nesting.pop();
            }
        }
    }

    pub(super) fn literal(&mut self, word: &'static [u8]) -> Step {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.syntax("true, false or null"));
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn key_and_colon(&mut self) -> Step {
        self.string()?;
        self.colon()
    }

    /// Reads the colon after a key and moves to the value.
    #[inline]
    pub(super) fn colon(&mut self) -> Step {
        self.whitespace();
        if self.peek() != b':' {
            return Err(self.syntax("a colon"));
        }
        self.at += 1;
        self.whitespace();
        Ok(())
    }
}
