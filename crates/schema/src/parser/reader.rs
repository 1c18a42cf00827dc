//! The parser's position in one text, and the way from a failure to a rejection. Must not know the grammar of
//! single values.

#[cfg(feature = "serde")]
use super::excerpt;
use super::expected::Expected;
use super::string;
use super::view::{EventKind, Place, Scratch, Span};
use crate::catalogue::ENVELOPE;
use crate::custom::CustomEvents;
#[cfg(feature = "serde")]
use crate::rejection::push;
use crate::rejection::{Rejection, RejectionCode};
use crate::spec::StructSpec;

/// Reads one message of one text.
pub(super) struct Reader<'j, 'p> {
    pub(super) text: &'j [u8],
    pub(super) at: usize,
    /// Only the grammar counts: set while the end of a rejected message is looked for.
    pub(super) lenient: bool,
    /// Of the string that [`string`](Self::string) read last: it is its own value, ASCII without escapes.
    pub(super) plain: bool,
    /// Of the same: it is not its own value.
    pub(super) escaped: bool,
    pub(super) scratch: &'p mut Scratch,
    pub(super) custom: &'p CustomEvents,
    failure: Failure,
}

/// The parser has recorded a failure and stops. It carries nothing, so that results stay in one register.
#[derive(Debug)]
pub(super) struct Stop;

pub(super) type Step = Result<(), Stop>;

struct Failure {
    code: RejectionCode,
    at: usize,
    expected: Expected,
}

/// The byte at `at`; 0, which stands for itself nowhere in JSON, at the end.
#[inline]
pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The eight bytes from `at` on, the first one lowest; zeros behind the end.
#[inline]
pub(crate) fn word_at(text: &[u8], at: usize) -> u64 {
    match text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => last_word_at(text, at),
    }
}

#[cold]
#[inline(never)]
fn last_word_at(text: &[u8], at: usize) -> u64 {
    (0..8).rev().fold(0, |word, i| word << 8 | u64::from(byte(text, at + i)))
}

/// The first position from `at` on that is no white space.
#[inline]
pub(super) fn skip_whitespace(text: &[u8], at: usize) -> usize {
    // One comparison where there is none, as nearly always.
    if byte(text, at) > b' ' { at } else { behind_whitespace(text, at) }
}

#[cold]
#[inline(never)]
fn behind_whitespace(text: &[u8], mut at: usize) -> usize {
    while matches!(byte(text, at), b' ' | b'\n' | b'\r' | b'\t') {
        at += 1;
    }
    at
}

impl<'j, 'p> Reader<'j, 'p> {
    pub(super) fn new(text: &'j [u8], scratch: &'p mut Scratch, custom: &'p CustomEvents) -> Self {
        let failure = Failure { code: RejectionCode::Syntax, at: 0, expected: Expected::Words("") };
        Self { text, at: 0, lenient: false, plain: false, escaped: false, scratch, custom, failure }
    }

    /// The byte at the current position, or 0.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        byte(self.text, self.at)
    }

    /// The text from `start` to the current position.
    #[inline]
    pub(super) fn since(&self, start: usize) -> &'j [u8] {
        self.text.get(start..self.at).unwrap_or_default()
    }

    #[inline]
    pub(super) fn whitespace(&mut self) {
        self.at = skip_whitespace(self.text, self.at);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn fail(&mut self, code: RejectionCode, at: usize, expected: Expected) -> Stop {
        self.failure = Failure { code, at, expected };
        Stop
    }

    /// The text cannot be JSON from the current position on.
    #[cold]
    #[inline(never)]
    pub(super) fn syntax(&mut self, expected: &'static str) -> Stop {
        let at = self.at;
        self.fail(RejectionCode::Syntax, at, Expected::Words(expected))
    }

    /// After `[`: whether the array ends at once; moves behind it, or to its first element.
    pub(super) fn array_is_empty(&mut self) -> bool {
        self.whitespace();
        let empty = self.peek() == b']';
        self.at += usize::from(empty);
        empty
    }

    /// After an element: whether another follows; moves to it, or behind the array.
    pub(super) fn array_goes_on(&mut self) -> Result<bool, Rejection> {
        self.whitespace();
        match self.peek() {
            b',' => {
                self.at += 1;
                self.whitespace();
                Ok(true)
            }
            b']' => {
                self.at += 1;
                Ok(false)
            }
            _ => {
                let _ = self.syntax("a comma or the end of the array");
                Err(self.rejection(0))
            }
        }
    }

    /// The text must end here.
    #[inline]
    pub(super) fn finish(&mut self) -> Result<(), Rejection> {
        self.whitespace();
        if self.at == self.text.len() {
            return Ok(());
        }
        let _ = self.syntax("the end of the text");
        Err(self.rejection(0))
    }

    /// Reads one message and leaves its parts in the scratch. `Err` if the text is not JSON, `Some` if the message
    /// is not a valid event.
    pub(super) fn message(&mut self) -> Result<Option<Rejection>, Rejection> {
        let start = self.at;
        self.scratch.kind = EventKind::Unknown;
        // No payload is read of an event whose type is unknown.
        self.scratch.marks[Place::Payload as usize].seen = 0;
        self.scratch.extras.clear();
        self.scratch.envelope_extras.clear();
        if self.event().is_ok() {
            return Ok(None);
        }
        self.rejected(start)
    }

    /// The message that starts at `start` has failed: if it is JSON nevertheless, moves behind it.
    #[cold]
    #[inline(never)]
    fn rejected(&mut self, start: usize) -> Result<Option<Rejection>, Rejection> {
        if self.failure.code == RejectionCode::Syntax {
            return Err(self.rejection(start));
        }
        let cause = core::mem::replace(
            &mut self.failure,
            Failure { code: RejectionCode::Syntax, at: start, expected: Expected::Words("") },
        );
        self.at = start;
        self.lenient = true;
        if self.value(0).is_err() {
            return Err(self.rejection(start));
        }
        let end = self.at;
        self.failure = cause;
        #[cfg_attr(not(feature = "serde"), expect(unused_mut, reason = "says no type"))]
        let mut rejection = self.rejection(start);
        #[cfg(feature = "serde")]
        {
            rejection.event_type = self.event_type(start);
        }
        self.at = end;
        self.lenient = false;
        Ok(Some(rejection))
    }

    /// Reads an object that is no event.
    pub(super) fn single(&mut self, spec: &'static StructSpec) -> Result<(), Rejection> {
        let start = self.at;
        // Halves of surrogate pairs and numbers out of range are for events to refuse.
        self.lenient = true;
        self.scratch.extras.clear();
        let read = if self.peek() == b'{' {
            self.object(spec, Place::Payload, 1)
        } else {
            Err(self.fail(RejectionCode::WrongType, start, Expected::Words("an object")))
        };
        read.map_err(|Stop| self.rejection(start))
    }

    fn event(&mut self) -> Step {
        let start = self.at;
        if self.peek() != b'{' {
            return Err(self.fail(RejectionCode::WrongType, start, Expected::Words("an event (an object)")));
        }
        self.object(&ENVELOPE, Place::Envelope, 1)?;
        let end = self.at;
        self.late_payload()?;
        self.at = end;
        if let EventKind::Custom(index) = self.scratch.kind {
            self.custom_check(index)?;
        }
        Ok(())
    }

    fn custom_check(&mut self, index: crate::custom::CustomIndex) -> Step {
        let data = self.scratch.spans[crate::catalogue::DATA];
        match self.custom.entry(index).map(|entry| (entry.check)(data.of(self.text))) {
            Some(Err(_)) => Err(self.fail(RejectionCode::Custom, data.start as usize, Expected::Custom)),
            _ => Ok(()),
        }
    }

    /// The `type` of the event at `start`, which is known to be JSON, whatever else is wrong with it.
    #[cfg(feature = "serde")]
    fn event_type(&mut self, start: usize) -> Option<String> {
        self.at = start;
        if self.peek() != b'{' {
            return None;
        }
        self.at += 1;
        self.whitespace();
        while self.peek() == b'"' {
            let key = self.at;
            self.string().ok()?;
            let is_type = *string::decode(string::contents(self.since(key))) == *b"type";
            self.whitespace();
            self.at += 1;
            self.whitespace();
            let value = self.at;
            self.value(0).ok()?;
            if is_type {
                let raw = self.since(value);
                let is_string = raw.first() == Some(&b'"');
                return is_string.then(|| excerpt::shorten(&string::decode_text(string::contents(raw))));
            }
            self.whitespace();
            self.at += 1;
            self.whitespace();
        }
        None
    }

    /// The recorded failure as a rejection of the message that starts at `start`.
    #[cold]
    #[inline(never)]
    fn rejection(&mut self, start: usize) -> Rejection {
        let Failure { code, at, expected } = self.failure;
        let words = match expected {
            Expected::Custom => self.custom_words(),
            _ => expected.words(),
        };
        #[cfg(feature = "serde")]
        let (path, came) = match (code, expected) {
            (RejectionCode::Syntax, _) => (String::from("$"), excerpt::excerpt(self.text, at)),
            (_, Expected::Field(name)) => {
                let mut path = excerpt::path(self.text, start, at);
                push(&mut path, ".");
                push(&mut path, name.as_str());
                (path, String::new())
            }
            _ => (excerpt::path(self.text, start, at), excerpt::excerpt(self.text, at)),
        };
        Rejection {
            code,
            #[cfg(feature = "serde")]
            event_type: None,
            #[cfg(feature = "serde")]
            path,
            expected: words,
            #[cfg(feature = "serde")]
            came,
            at,
            message_at: start,
        }
    }

    fn custom_words(&self) -> String {
        let EventKind::Custom(index) = self.scratch.kind else { return String::new() };
        let data = self.scratch.spans[crate::catalogue::DATA].of(self.text);
        let words = self.custom.entry(index).and_then(|entry| (entry.check)(data).err());
        words.unwrap_or_default()
    }

    /// The table that the event's type, once read, selects.
    pub(super) fn select(&mut self, name: Span, escaped: bool) {
        let raw = string::contents(name.of(self.text));
        let decoded;
        let name = if escaped {
            decoded = string::decode(raw);
            &decoded
        } else {
            raw
        };
        self.scratch.kind = match crate::catalogue::lookup(name) {
            Some(index) => EventKind::Known(index),
            None => self.custom.find(name).map_or(EventKind::Unknown, EventKind::Custom),
        };
    }
}
