//! Where a subscription delivers what it reads. The sink is given, so that the browser can build its batches and
//! the native client its typed events from the same pass over the text.

use durable_sessions_schema::{EventView, Rejection};

use super::control::MalformedControl;

/// Receives what a subscription reads, in order. Numbers are counts of messages from the start of the stream, up
/// to and including the one they come with.
pub trait EventSink {
    /// A valid event.
    fn event(&mut self, view: &EventView<'_, '_>, count: u64);
    /// A valid event that is told in passing: it is not stored, has no number of its own and never comes again. `count`
    /// is that of the last message delivered. Only who asks for such events gets any.
    fn ephemeral(&mut self, _view: &EventView<'_, '_>, _count: u64) {}
    /// A message that is no valid event. It counts, and reading goes on.
    fn rejected(&mut self, rejection: &Rejection, raw: &[u8], count: u64);
    /// Something that could not be read as messages at all. `count` is that of the last message delivered.
    fn bad_frame(&mut self, problem: &FrameProblem<'_>, count: u64);
    /// Everything up to here is settled: a reader that starts at `cursor` gets what comes after it.
    fn control(&mut self, cursor: &str, count: u64, up_to_date: bool, closed: bool);
    /// A frame begins; it may turn out not to be JSON.
    fn checkpoint(&mut self);
    /// Everything since the last checkpoint must be forgotten.
    fn rollback(&mut self);
}

/// Why a frame gave no messages.
#[derive(Debug)]
pub enum FrameProblem<'a> {
    /// The frame is not JSON. None of its messages was delivered.
    Syntax {
        /// Where and how.
        rejection: &'a Rejection,
        /// The frame's text.
        raw: &'a [u8],
    },
    /// The frame is larger than the cap and was dropped.
    TooLarge {
        /// The cap.
        frame_bytes_max: usize,
    },
    /// A control event that cannot be read. The cursor stays where it was.
    Control {
        /// What is wrong with it.
        problem: MalformedControl,
        /// The frame's text.
        raw: &'a [u8],
    },
    /// What was told in passing is no valid event.
    Ephemeral {
        /// Where and how.
        rejection: &'a Rejection,
        /// The event's text.
        raw: &'a [u8],
    },
    /// The server counts messages that it never sent.
    Missing {
        /// How many.
        messages: u64,
    },
}

impl FrameProblem<'_> {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "INVALID_JSON",
            Self::TooLarge { .. } => "FRAME_TOO_LARGE",
            Self::Control { .. } => "INVALID_CONTROL",
            Self::Ephemeral { .. } => "INVALID_EVENT",
            Self::Missing { .. } => "MESSAGES_MISSING",
        }
    }
}
