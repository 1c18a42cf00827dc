//! Which live mode is used, and when that changes. Must not know positions or attempts.

use super::io::{FallbackReason, LiveHead};
use crate::Millis;
use crate::cause::Detail;

/// Which live modes may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LiveModes {
    /// SSE, and polling where that does not work.
    #[default]
    Auto,
    /// SSE alone.
    Sse,
    /// Polling alone.
    LongPoll,
}

/// How a live subscription chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveConfig {
    /// Which modes may be used.
    pub modes: LiveModes,
    /// How long an SSE answer may bring nothing, counted from the request and again from the answer's head. Servers send
    /// a control event at once.
    pub stall_ms: u64,
    /// After so long of polling SSE is tried again; 0 for never.
    pub sse_again_ms: u64,
    /// How long a poll may go without an answer. Servers choose their own timeout, usually 30 s.
    pub poll_silence_ms: u64,
    /// Largest answer to a poll.
    pub page_bytes_max: usize,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            modes: LiveModes::Auto,
            stall_ms: 8_000,
            sse_again_ms: 300_000,
            poll_silence_ms: 90_000,
            page_bytes_max: 64 << 20,
        }
    }
}

/// Where the choice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// SSE works, or has not been tried.
    Sse,
    /// SSE does not work; whether polling does is not known yet.
    Trying,
    /// Polling works.
    Polling,
}

#[derive(Debug)]
pub(super) struct Modes {
    config: LiveConfig,
    choice: Choice,
    sse_again_at: Option<Millis>,
}

impl Modes {
    pub(super) const fn new(config: LiveConfig) -> Self {
        let choice = match config.modes {
            LiveModes::Auto | LiveModes::Sse => Choice::Sse,
            LiveModes::LongPoll => Choice::Polling,
        };
        Self { config, choice, sse_again_at: None }
    }

    #[cfg(test)]
    pub(super) const fn choice(&self) -> Choice {
        self.choice
    }

    /// Whether the next request asks for SSE.
    pub(super) fn wants_sse(&mut self, now: Millis) -> bool {
        if self.choice == Choice::Polling && self.sse_again_at.is_some_and(|at| now >= at) {
            self.choice = Choice::Sse;
        }
        self.choice == Choice::Sse
    }

    /// Whether SSE may be given up.
    pub(super) const fn may_fall_back(&self) -> bool {
        matches!((self.config.modes, self.choice), (LiveModes::Auto, Choice::Sse))
    }

    /// Why this answer to a request for SSE means that polling is to be tried. Other refusals would be the same for a
    /// poll.
    pub(super) fn objection(&self, answer: &LiveHead) -> Option<FallbackReason> {
        if !self.may_fall_back() {
            return None;
        }
        let head = &answer.head;
        match head.status {
            200 if is_event_stream(head.content_type.as_deref()) => None,
            200 | 204 => {
                let claimed = head.content_type.as_deref().unwrap_or_default();
                Some(FallbackReason::NotAnEventStream(Detail::new(claimed)))
            }
            400 | 405 | 406 | 415 | 501 => Some(FallbackReason::Refused(head.status)),
            429 | 503 if answer.offers_long_poll => Some(FallbackReason::TooManyConnections),
            _ => None,
        }
    }

    pub(super) fn fall_back(&mut self, now: Millis) {
        self.choice = Choice::Trying;
        self.sse_again_at = match self.config.sse_again_ms {
            0 => None,
            after_ms => Some(Millis(now.0.saturating_add(after_ms))),
        };
    }

    /// A poll was answered as it should be.
    pub(super) fn poll_works(&mut self) {
        if self.choice == Choice::Trying {
            self.choice = Choice::Polling;
        }
    }

    /// A poll failed. Unless polling has worked before, it was not SSE that was the trouble.
    pub(super) fn poll_failed(&mut self) {
        if self.choice == Choice::Trying {
            self.choice = Choice::Sse;
        }
    }

    /// The application starts anew.
    pub(super) fn start_over(&mut self) {
        *self = Self::new(self.config);
    }
}

/// Bytes: the searching and trimming of `str` know all of Unicode, which is code in the browser package.
pub(super) fn essence(content_type: Option<&str>) -> &[u8] {
    let claimed = content_type.unwrap_or_default().as_bytes();
    claimed.split(|&b| b == b';').next().unwrap_or_default().trim_ascii()
}

fn is_event_stream(content_type: Option<&str>) -> bool {
    essence(content_type).eq_ignore_ascii_case(b"text/event-stream")
}
