//! The one validating parser: JSON text in, verdicts out, over the static tables. Must not know where text comes
//! from, nor what a verdict leads to.
//!
//! It is the only validator: the server runs it on appends and the browser on what it receives, so their verdicts
//! cannot drift. Beyond JSON (RFC 8259) it is strict about what readers disagree on: invalid UTF-8 is a syntax
//! error; escapes that are half of a surrogate pair, numbers of 1e308 and more in magnitude, nesting beyond 64, and
//! known fields that come twice (perhaps under two names) reject the event.

#[cfg(feature = "serde")]
mod excerpt;
mod expected;
mod number;
mod object;
mod reader;
mod string;
mod utf16;
mod value;
mod view;

pub(crate) use reader::word_at;
pub use string::utf8_len;
pub use utf16::{UTF16_SLACK_BYTES, encode_utf16};
pub use view::{EventKind, EventView, ObjectView, StringView};

use crate::custom::CustomEvents;
use crate::limits::TEXT_BYTES_MAX;
use crate::rejection::{Rejection, RejectionCode};
use crate::spec::StructSpec;
use reader::Reader;
use view::Scratch;

/// Reads messages; keep one and reuse it, then nothing is allocated per event.
#[derive(Debug, Default)]
pub struct Parser {
    scratch: Scratch,
    custom: CustomEvents,
}

/// What the parser says about one message.
#[derive(Debug)]
pub enum Verdict<'j, 'p> {
    /// A valid event.
    Event(EventView<'j, 'p>),
    /// JSON, but not a valid event.
    Rejected {
        /// Why.
        rejection: Rejection,
        /// The message's text.
        raw: &'j [u8],
    },
}

impl Parser {
    /// A parser of the catalogue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A parser of the catalogue and of an application's own event types.
    #[must_use]
    pub fn with_custom(custom: CustomEvents) -> Self {
        Self { scratch: Scratch::default(), custom }
    }

    /// Reads one JSON text: one event, or an array of events (one level). `visit` gets one verdict per message, in
    /// order; the result is their number.
    ///
    /// # Errors
    /// The text as a whole is not JSON. Nothing of it may be used then, the messages already visited included.
    pub fn parse_messages<'j>(
        &mut self,
        json: &'j [u8],
        visit: &mut dyn FnMut(Verdict<'j, '_>),
    ) -> Result<u32, Rejection> {
        if json.len() > TEXT_BYTES_MAX {
            return Err(too_long(json));
        }
        let mut reader = Reader::new(json, &mut self.scratch, &self.custom);
        reader.whitespace();
        let is_array = reader.peek() == b'[';
        let mut count = 0;
        if is_array {
            reader.at += 1;
            if reader.array_is_empty() {
                return reader.finish().map(|()| count);
            }
        }
        loop {
            let start = reader.at;
            let rejected = reader.message()?;
            let end = reader.at;
            let more = is_array && reader.array_goes_on()?;
            let view = EventView::new(json, start, end, reader.scratch, reader.custom);
            visit(match rejected {
                None => Verdict::Event(view),
                Some(rejection) => Verdict::Rejected { rejection, raw: view.raw() },
            });
            count += 1;
            if !more {
                return reader.finish().map(|()| count);
            }
        }
    }

    /// Reads one JSON text that is exactly one event.
    ///
    /// # Errors
    /// The text is not JSON, or not a valid event.
    pub fn parse_event<'j>(&mut self, json: &'j [u8]) -> Result<EventView<'j, '_>, Rejection> {
        if json.len() > TEXT_BYTES_MAX {
            return Err(too_long(json));
        }
        let mut reader = Reader::new(json, &mut self.scratch, &self.custom);
        reader.whitespace();
        let at = reader.at;
        let rejected = reader.message()?;
        let end = reader.at;
        reader.finish()?;
        match rejected {
            None => Ok(EventView::new(json, at, end, &self.scratch, &self.custom)),
            Some(rejection) => Err(rejection),
        }
    }

    /// Reads one JSON text that is exactly one object of this table, which need not be one of the catalogue. Half a
    /// surrogate pair reads as U+FFFD, and numbers have no range.
    ///
    /// # Errors
    /// The text is not JSON, or not such an object.
    pub fn parse_object<'j>(
        &mut self,
        json: &'j [u8],
        spec: &'static StructSpec,
    ) -> Result<ObjectView<'j, '_>, Rejection> {
        if json.len() > TEXT_BYTES_MAX {
            return Err(too_long(json));
        }
        let mut reader = Reader::new(json, &mut self.scratch, &self.custom);
        reader.whitespace();
        reader.single(spec)?;
        reader.finish()?;
        Ok(ObjectView::new(json, &self.scratch))
    }
}

#[cold]
#[cfg_attr(not(feature = "serde"), expect(unused_variables, reason = "no excerpt"))]
fn too_long(json: &[u8]) -> Rejection {
    Rejection {
        code: RejectionCode::Syntax,
        #[cfg(feature = "serde")]
        event_type: None,
        #[cfg(feature = "serde")]
        path: String::from("$"),
        expected: String::from("a text shorter than 4 GiB"),
        #[cfg(feature = "serde")]
        came: excerpt::excerpt(json, 0),
        at: 0,
        message_at: 0,
    }
}
