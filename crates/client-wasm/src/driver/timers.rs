//! The timers of one connection, over `setTimeout`. Dropping them clears them.

use std::cell::RefCell;

use durable_sessions_client_core::TimerKind;
use js_sys::Function;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;

use super::hooks::{clear_timeout, set_timeout};

/// Longest delay `setTimeout` takes; a longer one would fire at once.
const DELAY_MS_MAX: f64 = i32::MAX as f64;

/// One slot per kind of timer, and the one closure that all of them call.
pub(super) struct Timers {
    handler: Closure<dyn Fn(u32)>,
    running: [RefCell<Option<JsValue>>; 2],
}

impl Timers {
    pub(super) fn new(fired: impl Fn(TimerKind) + 'static) -> Self {
        let handler = Closure::new(move |slot: u32| {
            fired(if slot == 0 { TimerKind::Retry } else { TimerKind::Silence });
        });
        Self { handler, running: [RefCell::default(), RefCell::default()] }
    }

    /// Replaces a running timer of the same kind.
    pub(super) fn set(&self, kind: TimerKind, after_ms: u64) {
        self.cancel(kind);
        let handler: &Function = self.handler.as_ref().unchecked_ref();
        let id = set_timeout(handler, (after_ms as f64).min(DELAY_MS_MAX), slot(kind) as u32);
        *self.running[slot(kind)].borrow_mut() = Some(id);
    }

    pub(super) fn cancel(&self, kind: TimerKind) {
        let id = self.running[slot(kind)].borrow_mut().take();
        if let Some(id) = id {
            clear_timeout(&id);
        }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.cancel(TimerKind::Retry);
        self.cancel(TimerKind::Silence);
    }
}

fn slot(kind: TimerKind) -> usize {
    match kind {
        TimerKind::Retry => 0,
        TimerKind::Silence => 1,
    }
}
