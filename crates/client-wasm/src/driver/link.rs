//! Runs the machine: inputs in, notices out, bytes through, one batch out per piece. Must not know what any of them
//! mean.

use std::cell::{Cell, RefCell};

use durable_sessions_client_core::{ConnectionState, Input, Millis, Output, Subscription, TimerKind};
use js_sys::Uint8Array;
use tsify::Tsify;

use super::hooks::ConnectionHooks;
use super::notice;
use crate::batch::{Batch, BatchEncoder};

pub(super) struct Link {
    hooks: ConnectionHooks,
    /// Boxed: it is large, and moving it field by field is code.
    machine: RefCell<Box<Machine>>,
    /// Outputs are being told further up the stack; what was added will be told there.
    settling: Cell<bool>,
}

struct Machine {
    subscription: Subscription,
    encoder: BatchEncoder,
    /// Where the parts of the batch are: address and length of `ascii`, `wide`, `open`, `late` and `words`, in this order.
    parts: [usize; 10],
}

impl Link {
    pub(super) fn new(hooks: ConnectionHooks, subscription: Subscription) -> Self {
        let machine = Box::new(Machine { subscription, encoder: BatchEncoder::new(), parts: [0; 10] });
        Self { hooks, machine: RefCell::new(machine), settling: Cell::new(false) }
    }

    /// Something happened.
    pub(super) fn input(&self, input: Input) {
        let now = self.now();
        self.machine.borrow_mut().subscription.handle(now, input);
        self.settle();
    }

    /// Tells all outputs, unless a caller up the stack is at it already and will.
    fn settle(&self) {
        if !self.settling.replace(true) {
            while let Some(output) = self.next_output() {
                self.tell(output);
            }
            self.settling.set(false);
        }
    }

    fn now(&self) -> Millis {
        Millis(self.hooks.now() as u64)
    }

    // A function of its own, so that the borrow ends before JavaScript is called.
    fn next_output(&self) -> Option<Output> {
        self.machine.borrow_mut().subscription.next_output()
    }

    fn tell(&self, output: Output) {
        if let Ok(notice) = notice::of(output).into_ts() {
            // The facade reports what its callbacks throw; whatever still comes through must not end the machine.
            let _ = self.hooks.notice(notice);
        }
    }

    /// Takes one piece of the body and delivers what it completes.
    pub(super) fn receive(&self, piece: &Uint8Array) {
        let len = piece.length() as usize;
        let now = self.now();
        let parts = {
            let mut machine = self.machine.borrow_mut();
            let Machine { subscription, encoder, parts } = &mut **machine;
            encoder.clear();
            piece.copy_to(&mut subscription.spare(len)[..len]);
            subscription.filled(len);
            subscription.drain(now, encoder);
            let Batch { ascii, wide, open, late, words } = encoder.finish();
            for (i, text) in [ascii, wide, open, late].into_iter().enumerate() {
                (parts[2 * i], parts[2 * i + 1]) = (text.as_ptr() as usize, text.len());
            }
            (parts[8], parts[9]) = (words.as_ptr() as usize, words.len());
            parts.as_ptr() as usize
        };
        // 'connected' comes before the events that made it so, the end after the last of them. What callbacks ask for
        // meanwhile is done when all of this piece has been delivered.
        self.settling.set(true);
        let mut held = None;
        while let Some(output) = self.next_output() {
            if !comes_before_events(&output) {
                held = Some(output);
                break;
            }
            self.tell(output);
        }
        // The addresses stay good during the call: nothing writes to the encoder before the next piece arrives, and
        // pieces arrive from the event loop only.
        let _ = self.hooks.batch(parts, len);
        if let Some(held) = held {
            self.tell(held);
        }
        self.settling.set(false);
        self.settle();
    }
}

fn comes_before_events(output: &Output) -> bool {
    match output {
        Output::State(state) => *state == ConnectionState::Connected,
        Output::Reconnected | Output::SetTimer { .. } | Output::CancelTimer(TimerKind::Retry) => true,
        _ => false,
    }
}
