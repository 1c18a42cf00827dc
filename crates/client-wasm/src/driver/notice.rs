//! Turns the core's outputs into notices, `Notice` in `pkg/src/wasm/durable_sessions.d.ts`. Never on the path of an
//! event; must not know who reads them.

use durable_sessions_client_core::{Cause, Output, SubscriptionError, TimerKind};

use serde::Serialize;
use tsify::Tsify;

/// What the driver tells besides batches. Numbers for all that is one of a few, which the facade names and puts into
/// words: names that cross would stand in the module as well as in JavaScript.
#[derive(Debug, Default, Serialize, Tsify)]
pub struct Notice(
    /// Kind (`kind`), word, cause (`cause`), attempts, number and HTTP status (or 0); see [`of`].
    pub [f64; 6],
    /// What the network, the token provider or the server said; where to read from.
    pub String,
    /// The echo for caches of a request.
    pub String,
);

/// The numbers of the kinds; `pkg/src/driver.ts` has the same.
mod kind {
    /// To be done. Word: 1 if the last token was refused. The texts: the offset, the echo.
    pub(super) const OPEN: u8 = 0;
    /// To be done.
    pub(super) const ABORT: u8 = 1;
    /// To be done. Word: the signal to send when it has run down; number: in how many milliseconds, or -1 to cancel it.
    pub(super) const TIMER: u8 = 2;
    /// Word: the state, in the order of `ConnectionState`.
    pub(super) const STATE: u8 = 3;
    /// Number: the delay in milliseconds.
    pub(super) const RETRY: u8 = 4;
    /// Word: which, in the order of `SubscriptionError`, where the status says more; number: messages known to be
    /// missing, or -1.
    pub(super) const ERROR: u8 = 5;
    pub(super) const LOST: u8 = 6;
    pub(super) const RECONNECTED: u8 = 7;
    pub(super) const DISCONNECTED: u8 = 8;
    pub(super) const CLOSED: u8 = 9;
}

/// What the facade hears of an output.
pub(super) fn of(output: Output) -> Notice {
    match output {
        Output::Open(request) => Notice(
            numbers(kind::OPEN, request.fresh_token.into(), request.attempt, 0.0),
            request.offset,
            request.live_cursor.unwrap_or_default(),
        ),
        Output::Abort => plain(kind::ABORT, 0, 0.0),
        Output::SetTimer { kind, after_ms } => plain(kind::TIMER, signal(kind), after_ms as f64),
        Output::CancelTimer(kind) => plain(kind::TIMER, signal(kind), -1.0),
        Output::State(state) => plain(kind::STATE, state as u8, 0.0),
        Output::RetryScheduled { attempt, delay_ms, cause } => {
            caused(numbers(kind::RETRY, 0, attempt, delay_ms as f64), cause)
        }
        Output::Error(error) => match error {
            SubscriptionError::AttemptsExhausted { attempts, cause, .. } => {
                caused(numbers(kind::ERROR, 0, attempts, 0.0), cause)
            }
            SubscriptionError::Refused { status } => {
                caused(numbers(kind::ERROR, 1, 0, 0.0), Cause::Status(status))
            }
            SubscriptionError::NotReconnecting { cause } => caused(numbers(kind::ERROR, 2, 0, 0.0), cause),
            SubscriptionError::HistoryTrimmed { first, missing } => {
                let missing = missing.map_or(-1.0, |missing| missing as f64);
                Notice(numbers(kind::ERROR, 3, 0, missing), first.into(), String::new())
            }
        },
        Output::Lost(info) => caused(numbers(kind::LOST, 0, info.attempts, 0.0), info.cause),
        Output::Reconnected => plain(kind::RECONNECTED, 0, 0.0),
        Output::Disconnected => plain(kind::DISCONNECTED, 0, 0.0),
        Output::Closed => plain(kind::CLOSED, 0, 0.0),
    }
}

/// What [`Connection::signal`](super::Connection::signal) takes for it.
const fn signal(timer: TimerKind) -> u8 {
    match timer {
        TimerKind::Retry => 5,
        TimerKind::Silence => 6,
    }
}

fn numbers(kind: u8, word: u8, attempt: u32, number: f64) -> [f64; 6] {
    [f64::from(kind), f64::from(word), 0.0, f64::from(attempt), number, 0.0]
}

fn plain(kind: u8, word: u8, number: f64) -> Notice {
    Notice(numbers(kind, word, 0, number), String::new(), String::new())
}

/// The number of the cause is its place in `CAUSES` of `pkg/src/wording.ts`.
fn caused(mut numbers: [f64; 6], cause: Cause) -> Notice {
    let (code, status, detail) = match cause {
        Cause::Network(detail) => (1, 0, detail.into()),
        Cause::Token(detail) => (2, 0, detail.into()),
        Cause::Status(status) => (3, status, String::new()),
        Cause::NoContent => (4, 0, String::new()),
        Cause::ContentType(detail) => (5, 0, detail.into()),
        Cause::EndedEarly => (6, 0, String::new()),
        Cause::CutMidFrame => (7, 0, String::new()),
        Cause::Interrupted(detail) => (8, 0, detail.into()),
        Cause::Silence => (9, 0, String::new()),
        Cause::TrimmedAgain => (10, 0, String::new()),
    };
    (numbers[2], numbers[5]) = (f64::from(code), f64::from(status));
    Notice(numbers, detail, String::new())
}
