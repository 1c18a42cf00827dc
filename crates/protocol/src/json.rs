//! The little JSON that the protocol itself needs: a linear syntax check, and the splitting of an append into
//! messages (PROTOCOL.md section 9.1). Must not know any schema, and never changes a byte of a message.

use core::ops::Range;

use crate::swar::find_string_stop;

/// Deepest nesting of one message. What is deeper is refused rather than left to overflow a reader's stack.
pub const JSON_DEPTH_MAX: u32 = 128;

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {at}: {problem}")]
pub struct JsonError {
    /// Byte position in the text.
    pub at: usize,
    /// What is wrong there.
    pub problem: JsonProblem,
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// The text ends inside a value, or is empty.
    #[error("unexpected end of the text")]
    End,
    /// Something other than a value.
    #[error("expected a value")]
    Value,
    /// An object key must be a string.
    #[error("expected a string as object key")]
    Key,
    /// A key without its colon.
    #[error("expected ':'")]
    Colon,
    /// Neither the next element nor the end of the container.
    #[error("expected ',' or the end of the array or object")]
    Separator,
    /// A malformed number.
    #[error("malformed number")]
    Number,
    /// A control character inside a string.
    #[error("control character in a string")]
    ControlCharacter,
    /// An escape JSON does not know.
    #[error("malformed escape sequence")]
    Escape,
    /// Not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// Nesting over [`JSON_DEPTH_MAX`].
    #[error("nested deeper than {JSON_DEPTH_MAX} levels")]
    Depth,
    /// Something follows the value.
    #[error("unexpected text after the value")]
    Trailing,
    /// Longer than 2^32 - 1 bytes.
    #[error("longer than 4 GiB")]
    TooLong,
}

/// The messages of one append, joined by one `,` each, every message byte-identical to what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// Where the joined messages are.
    pub joined: Joined,
    /// End of each message in the joined bytes, ascending. Empty for `[]`.
    pub ends: Vec<u32>,
}

/// Joined messages, copied only when white space stood between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// A part of the body as it came.
    Range(Range<usize>),
    /// A copy without the insignificant white space around messages.
    Rebuilt(Vec<u8>),
}

impl Messages {
    /// The joined bytes, given the body they were split from.
    #[must_use]
    pub fn joined<'a>(&'a self, body: &'a [u8]) -> &'a [u8] {
        match &self.joined {
            Joined::Range(range) => body.get(range.clone()).unwrap_or_default(),
            Joined::Rebuilt(copy) => copy,
        }
    }
}

/// Splits the body of an append into messages: an array is flattened by one level, anything else is one message.
/// Linear in the body, which is checked to be JSON and never serialised again.
///
/// # Errors
/// [`JsonError`] when the body is not one JSON text.
pub fn split_messages(body: &[u8]) -> Result<Messages, JsonError> {
    if u32::try_from(body.len()).is_err() {
        return Err(JsonError { at: 0, problem: JsonProblem::TooLong });
    }
    let mut scanner = Scanner::new(body)?;
    scanner.white_space();
    if scanner.peek() != Some(b'[') {
        let range = scanner.value()?;
        scanner.finish()?;
        return Ok(Messages { ends: vec![range.len() as u32], joined: Joined::Range(range) });
    }
    scanner.at += 1;
    let mut split = Split { body, start: 0, next: 0, copy: None, ends: Vec::new() };
    scanner.white_space();
    if scanner.peek() == Some(b']') {
        scanner.at += 1;
    } else {
        loop {
            scanner.white_space();
            let message = scanner.value()?;
            split.add(message);
            scanner.white_space();
            match scanner.peek() {
                Some(b',') => scanner.at += 1,
                Some(b']') => break scanner.at += 1,
                Some(_) => return Err(scanner.error(JsonProblem::Separator)),
                None => return Err(scanner.error(JsonProblem::End)),
            }
        }
    }
    scanner.finish()?;
    let joined = match split.copy {
        Some(copy) => Joined::Rebuilt(copy),
        None => Joined::Range(split.start..split.next),
    };
    Ok(Messages { joined, ends: split.ends })
}

/// Checks that `text` is one JSON text.
///
/// # Errors
/// [`JsonError`] when it is not.
pub fn check(text: &[u8]) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(text)?;
    scanner.white_space();
    scanner.value()?;
    scanner.finish()
}

/// Collects messages, copying from the first gap on.
struct Split<'a> {
    body: &'a [u8],
    start: usize,
    next: usize,
    copy: Option<Vec<u8>>,
    ends: Vec<u32>,
}

impl Split<'_> {
    fn add(&mut self, message: Range<usize>) {
        if self.ends.is_empty() {
            (self.start, self.next) = (message.start, message.start);
        } else if self.copy.is_none() && message.start != self.next + 1 {
            let mut copy = Vec::with_capacity(self.body.len() - self.start);
            copy.extend_from_slice(&self.body[self.start..self.next]);
            self.copy = Some(copy);
        }
        match &mut self.copy {
            Some(copy) => {
                copy.push(b',');
                copy.extend_from_slice(&self.body[message]);
                self.ends.push(copy.len() as u32);
            }
            None => {
                self.next = message.end;
                self.ends.push((message.end - self.start) as u32);
            }
        }
    }
}

/// A cursor over a text known to be UTF-8.
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        match core::str::from_utf8(bytes) {
            Ok(_) => Ok(Self { bytes, at: 0 }),
            Err(error) => Err(JsonError { at: error.valid_up_to(), problem: JsonProblem::Utf8 }),
        }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn error(&self, problem: JsonProblem) -> JsonError {
        let problem = if self.at >= self.bytes.len() { JsonProblem::End } else { problem };
        JsonError { at: self.at, problem }
    }

    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }

    pub(crate) fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Nothing but white space may follow.
    pub(crate) fn finish(&mut self) -> Result<(), JsonError> {
        self.white_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(JsonError { at: self.at, problem: JsonProblem::Trailing }),
        }
    }

    /// One value, from here; containers are followed without recursion.
    pub(crate) fn value(&mut self) -> Result<Range<usize>, JsonError> {
        let start = self.at;
        let mut depth = 0u32;
        // One bit per open container: 1 for an object.
        let mut objects = 0u128;
        'value: loop {
            self.white_space();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == JSON_DEPTH_MAX {
                        return Err(self.error(JsonProblem::Depth));
                    }
                    let object = open == b'{';
                    self.at += 1;
                    self.white_space();
                    if !self.eat(if object { b'}' } else { b']' }) {
                        depth += 1;
                        objects = objects << 1 | u128::from(object);
                        if object {
                            self.key()?;
                        }
                        continue 'value;
                    }
                }
                Some(b'"') => self.string().map(drop)?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                _ => return Err(self.error(JsonProblem::Value)),
            }
            loop {
                if depth == 0 {
                    return Ok(start..self.at);
                }
                self.white_space();
                let object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if object {
                            self.white_space();
                            self.key()?;
                        }
                        continue 'value;
                    }
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    _ => return Err(self.error(JsonProblem::Separator)),
                }
                self.at += 1;
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    /// A key with its colon; the range is the raw contents between the quotes.
    pub(crate) fn key(&mut self) -> Result<Range<usize>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error(JsonProblem::Key));
        }
        let key = self.string()?;
        self.white_space();
        if !self.eat(b':') {
            return Err(self.error(JsonProblem::Colon));
        }
        Ok(key)
    }

    /// A string, from its opening quote; the range is what stands between the quotes.
    pub(crate) fn string(&mut self) -> Result<Range<usize>, JsonError> {
        self.at += 1;
        let start = self.at;
        loop {
            let Some(stop) = find_string_stop(&self.bytes[self.at..]) else {
                self.at = self.bytes.len();
                return Err(self.error(JsonProblem::End));
            };
            self.at += stop;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(start..self.at - 1);
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.error(JsonProblem::ControlCharacter)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return Err(self.error(JsonProblem::Escape));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.error(JsonProblem::Escape)),
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.error(JsonProblem::Value));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.error(JsonProblem::Number)) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
