//! Turns the core's outputs into notices, `Notice` in `pkg/src/wasm/durable_sessions.d.ts`. Never on the path of an
//! event; must not know who reads them.

use durable_sessions_client_core::{Cause, Output, SubscriptionError, TimerKind};

use serde::Serialize;
use tsify::Tsify;

/// What the driver tells besides batches. One flat tuple of texts and numbers for all kinds, put into words by the facade: a tagged enum
/// with sentences made here would cost more code than the state machine.
#[derive(Debug, Default, Serialize, Tsify)]
pub struct Notice(
    /// To be done: `open`, `abort`, `timer`. To be told: `state`, `retry`, `error`, `lost`, `reconnected`,
    /// `disconnected`, `closed`.
    pub &'static str,
    /// The state's word, the stable code of an error, or which timer: `retry` or `silence`.
    pub &'static str,
    /// The stable code of what failed, if something did.
    pub &'static str,
    /// Consecutive attempts.
    pub f64,
    /// `open`: 1 if the last token was refused. `timer`: in how many milliseconds, or -1 to cancel it. `retry`: the
    /// delay in milliseconds. `error`: messages known to be missing, or -1.
    pub f64,
    /// The HTTP status that caused it, or 0.
    pub f64,
    /// `open`: the query. Otherwise what the network, the token provider or the server said.
    pub String,
);

/// What the facade hears of an output.
pub(super) fn of(output: &Output) -> Notice {
    match output {
        Output::Open(request) => {
            let fresh = f64::from(u8::from(request.fresh_token));
            Notice("open", "", "", f64::from(request.attempt), fresh, 0.0, request.query())
        }
        Output::Abort => plain("abort", ""),
        Output::SetTimer { kind, after_ms } => timer(*kind, *after_ms as f64),
        Output::CancelTimer(kind) => timer(*kind, -1.0),
        Output::State(state) => plain("state", state.as_str()),
        Output::RetryScheduled { attempt, delay_ms, cause } => {
            caused("retry", "", cause, *attempt, *delay_ms as f64)
        }
        Output::Error(error) => match error {
            SubscriptionError::AttemptsExhausted { attempts, cause, .. } => {
                caused("error", error.code(), cause, *attempts, 0.0)
            }
            SubscriptionError::NotReconnecting { cause } => caused("error", error.code(), cause, 0, 0.0),
            SubscriptionError::Refused { status } => {
                Notice("error", error.code(), "HTTP_STATUS", 0.0, 0.0, f64::from(*status), String::new())
            }
            SubscriptionError::HistoryTrimmed { first, missing } => {
                let missing = missing.map_or(-1.0, |missing| missing as f64);
                Notice("error", error.code(), "", 0.0, missing, 0.0, first.as_str().to_owned())
            }
        },
        Output::Lost(info) => caused("lost", "", &info.cause, info.attempts, 0.0),
        Output::Reconnected => plain("reconnected", ""),
        Output::Disconnected => plain("disconnected", ""),
        Output::Closed => plain("closed", ""),
    }
}

fn timer(kind: TimerKind, number: f64) -> Notice {
    let word = match kind {
        TimerKind::Retry => "retry",
        TimerKind::Silence => "silence",
    };
    Notice("timer", word, "", 0.0, number, 0.0, String::new())
}

fn plain(kind: &'static str, word: &'static str) -> Notice {
    Notice(kind, word, "", 0.0, 0.0, 0.0, String::new())
}

fn caused(kind: &'static str, word: &'static str, cause: &Cause, attempt: u32, number: f64) -> Notice {
    let (status, detail) = match cause {
        Cause::Network(detail)
        | Cause::Token(detail)
        | Cause::ContentType(detail)
        | Cause::Interrupted(detail) => (0, detail.as_str().to_owned()),
        Cause::Status(status) => (*status, String::new()),
        Cause::NoContent | Cause::EndedEarly | Cause::CutMidFrame | Cause::Silence | Cause::TrimmedAgain => {
            (0, String::new())
        }
    };
    Notice(kind, word, cause.code(), f64::from(attempt), number, f64::from(status), detail)
}
