//! How JavaScript's event loop comes back: timers and promises of one connection, all through one function of the
//! facade's. That function does nothing once the connection is freed, which a closure of ours could not: a promise
//! that settles late would call into nothing. Dropping this clears the timers.

use std::cell::RefCell;

use durable_sessions_client_core::TimerKind;
use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;

use super::hooks::{bind, clear_timeout, set_timeout, then};

/// Longest delay `setTimeout` takes; a longer one would fire at once.
const DELAY_MS_MAX: f64 = i32::MAX as f64;

/// Why the loop comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wakeup {
    Timer(TimerKind),
    /// A promise came true.
    Resolved,
    /// A promise failed.
    Rejected,
    /// A promise nobody waits for, whose failure must not count as unhandled.
    Ignored,
}

impl Wakeup {
    const fn code(self) -> u32 {
        match self {
            Self::Timer(TimerKind::Retry) => 0,
            Self::Timer(TimerKind::Silence) => 1,
            Self::Resolved => 2,
            Self::Rejected => 3,
            Self::Ignored => 4,
        }
    }

    /// What the facade passes back.
    pub(super) const fn of(code: u32) -> Self {
        match code {
            0 => Self::Timer(TimerKind::Retry),
            1 => Self::Timer(TimerKind::Silence),
            2 => Self::Resolved,
            3 => Self::Rejected,
            _ => Self::Ignored,
        }
    }
}

/// The two callbacks of a request's promises.
pub(super) struct Pair {
    resolved: Function,
    rejected: Function,
}

impl Pair {
    pub(super) fn wait_for(&self, promise: &Promise) {
        then(promise, &self.resolved, &self.rejected);
    }
}

pub(super) struct Wakeups {
    wake: Function,
    timers: [RefCell<Option<JsValue>>; 2],
}

impl Wakeups {
    pub(super) fn new(wake: Function) -> Self {
        Self { wake, timers: [RefCell::default(), RefCell::default()] }
    }

    /// Callbacks that carry the number of the request they belong to.
    pub(super) fn pair(&self, turn: u32) -> Pair {
        Pair { resolved: self.bound(Wakeup::Resolved, turn), rejected: self.bound(Wakeup::Rejected, turn) }
    }

    /// Keeps a failure of `promise` from being reported as unhandled.
    pub(super) fn ignore(&self, promise: &Promise) {
        let ignored = self.bound(Wakeup::Ignored, 0);
        then(promise, &ignored, &ignored);
    }

    /// Replaces a running timer of the same kind.
    pub(super) fn set_timer(&self, kind: TimerKind, after_ms: u64) {
        self.cancel_timer(kind);
        let code = Wakeup::Timer(kind).code();
        let id = set_timeout(&self.wake, (after_ms as f64).min(DELAY_MS_MAX), code, 0);
        *self.timers[code as usize].borrow_mut() = Some(id);
    }

    pub(super) fn cancel_timer(&self, kind: TimerKind) {
        let id = self.timers[Wakeup::Timer(kind).code() as usize].borrow_mut().take();
        if let Some(id) = id {
            clear_timeout(&id);
        }
    }

    fn bound(&self, wakeup: Wakeup, turn: u32) -> Function {
        bind(&self.wake, wakeup.code(), turn)
    }
}

impl Drop for Wakeups {
    fn drop(&mut self) {
        self.cancel_timer(TimerKind::Retry);
        self.cancel_timer(TimerKind::Silence);
    }
}
