//! How JavaScript's event loop comes back: timers and promises of one connection, all through one closure. Dropping
//! it clears the timers and frees the closure.

use std::cell::RefCell;

use durable_sessions_client_core::TimerKind;
use js_sys::{Function, Promise};
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;

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

    const fn of(code: u32) -> Self {
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
    handler: Closure<dyn Fn(u32, u32, JsValue)>,
    timers: [RefCell<Option<JsValue>>; 2],
}

impl Wakeups {
    pub(super) fn new(woken: impl Fn(Wakeup, u32, JsValue) + 'static) -> Self {
        let handler = Closure::new(move |code: u32, turn: u32, value: JsValue| woken(Wakeup::of(code), turn, value));
        Self { handler, timers: [RefCell::default(), RefCell::default()] }
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
        let id = set_timeout(self.function(), (after_ms as f64).min(DELAY_MS_MAX), code);
        *self.timers[code as usize].borrow_mut() = Some(id);
    }

    pub(super) fn cancel_timer(&self, kind: TimerKind) {
        let id = self.timers[Wakeup::Timer(kind).code() as usize].borrow_mut().take();
        if let Some(id) = id {
            clear_timeout(&id);
        }
    }

    fn bound(&self, wakeup: Wakeup, turn: u32) -> Function {
        bind(self.function(), wakeup.code(), turn)
    }

    fn function(&self) -> &Function {
        self.handler.as_ref().unchecked_ref()
    }
}

impl Drop for Wakeups {
    fn drop(&mut self) {
        self.cancel_timer(TimerKind::Retry);
        self.cancel_timer(TimerKind::Silence);
    }
}
