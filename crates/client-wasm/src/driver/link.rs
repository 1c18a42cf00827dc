//! The loop around the core: inputs in, outputs done, bytes through, one batch out per network chunk. Must not know
//! what any of them mean.
//!
//! Promises are awaited through one function per connection instead of futures: nothing is allocated per network
//! chunk, and no executor has to be shipped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use durable_sessions_client_core::{
    ConnectionState, Failure, Input, Millis, OpenRequest, Output, Subscription, TimerKind,
};
use js_sys::{Promise, Uint8Array};
use tsify::Tsify;
use wasm_bindgen::JsValue;

use super::exchange::{Exchange, Step};
use super::hooks::{ConnectionHooks, performance_now};
use super::options::Notice;
use super::wakeups::{Wakeup, Wakeups};
use super::{exchange, failure, notice};
use crate::batch::{Batch, BatchEncoder};

/// A network chunk is taken in pieces of this size at most: one huge chunk does not double the memory, and a string
/// that an application keeps, which an engine may have cut out of the text of its batch, keeps no more than this alive.
const PIECE_BYTES_MAX: u32 = 64 << 10;

pub(super) struct Link {
    hooks: ConnectionHooks,
    url: String,
    machine: RefCell<Machine>,
    wakeups: Wakeups,
    /// The request that may still report. A new number disowns the one before.
    turn: Cell<u32>,
    exchange: RefCell<Option<Exchange>>,
    /// Outputs are being done further up the stack; they will see what was added.
    settling: Cell<bool>,
}

struct Machine {
    subscription: Subscription,
    encoder: BatchEncoder,
    /// Where the parts of the batch are: address and length of `ascii`, `wide`, `open` and `words`, in this order.
    parts: [usize; 8],
}

impl Link {
    pub(super) fn new(hooks: ConnectionHooks, url: String, subscription: Subscription) -> Rc<Self> {
        let wakeups = Wakeups::new(hooks.wake());
        Rc::new(Self {
            hooks,
            url,
            machine: RefCell::new(Machine { subscription, encoder: BatchEncoder::new(), parts: [0; 8] }),
            wakeups,
            turn: Cell::new(0),
            exchange: RefCell::default(),
            settling: Cell::new(false),
        })
    }

    /// Something happened.
    pub(super) fn input(self: &Rc<Self>, input: Input) {
        self.machine.borrow_mut().subscription.handle(now(), input);
        self.settle();
    }

    /// Disowns and aborts the request under way.
    pub(super) fn drop_request(&self) {
        self.turn.set(self.turn.get().wrapping_add(1));
        let exchange = self.exchange.borrow_mut().take();
        if let Some(exchange) = exchange {
            exchange.abort(&self.wakeups);
        }
    }

    /// A timer has run down, or a promise has settled.
    pub(super) fn woken(self: &Rc<Self>, wakeup: Wakeup, turn: u32, value: JsValue) {
        match wakeup {
            Wakeup::Timer(kind) => self.input(Input::Timer(kind)),
            Wakeup::Resolved if turn == self.turn.get() => self.advance(value),
            // A fetch that does not listen to its signal still has to be let go.
            Wakeup::Resolved => exchange::discard(&value, &self.wakeups),
            Wakeup::Rejected if turn == self.turn.get() => {
                let failure = match self.step() {
                    Some(Step::Headers) => failure::token(&value),
                    _ => failure::network(&value),
                };
                self.end(Input::Failed(failure));
            }
            Wakeup::Rejected | Wakeup::Ignored => {}
        }
    }

    fn step(&self) -> Option<Step> {
        self.exchange.borrow().as_ref().map(Exchange::step)
    }

    /// Does all outputs, unless a caller up the stack is at it already and will do them.
    fn settle(self: &Rc<Self>) {
        if !self.settling.replace(true) {
            while let Some(output) = self.next_output() {
                self.perform(output);
            }
            self.settling.set(false);
        }
    }

    // A function of its own, so that the borrow ends before JavaScript is called.
    fn next_output(&self) -> Option<Output> {
        self.machine.borrow_mut().subscription.next_output()
    }

    fn perform(self: &Rc<Self>, output: Output) {
        match output {
            Output::Open(request) => self.open(request),
            Output::Abort => self.drop_request(),
            Output::SetTimer { kind, after_ms } => self.wakeups.set_timer(kind, after_ms),
            Output::CancelTimer(kind) => self.wakeups.cancel_timer(kind),
            other => {
                if let Some(notice) = notice::of(&other) {
                    self.notice(&notice);
                }
            }
        }
    }

    fn notice(&self, notice: &Notice) {
        if let Ok(notice) = notice.into_ts() {
            // The facade reports what its callbacks throw; whatever still comes through must not end the loop.
            let _ = self.hooks.notice(notice);
        }
    }

    fn open(self: &Rc<Self>, request: OpenRequest) {
        self.drop_request();
        let turn = self.turn.get();
        self.notice(&notice::opening(request.attempt));
        if self.turn.get() != turn {
            return;
        }
        let headers = self.hooks.headers(request.fresh_token);
        *self.exchange.borrow_mut() = Some(Exchange::new(request, self.wakeups.pair(turn)));
        match headers {
            Ok(headers) => self.await_promise(&headers),
            Err(thrown) => self.end(Input::Failed(failure::token(&thrown))),
        }
    }

    fn await_promise(&self, promise: &Promise) {
        if let Some(exchange) = &*self.exchange.borrow() {
            exchange.wait_for(promise);
        }
    }

    /// The promise that the exchange waited for has come true.
    fn advance(self: &Rc<Self>, value: JsValue) {
        let outcome = match self.step() {
            Some(Step::Headers) => self.send(&value),
            Some(Step::Answer) => self.answered(value),
            Some(Step::Body) => self.read(&value),
            None => return,
        };
        match outcome {
            Ok(Some(promise)) => self.await_promise(&promise),
            Ok(None) => {}
            Err(failure) => self.end(Input::Failed(failure)),
        }
    }

    fn send(&self, headers: &JsValue) -> Result<Option<Promise>, Failure> {
        match &mut *self.exchange.borrow_mut() {
            Some(exchange) => exchange.send(&self.hooks, &self.url, headers).map(Some),
            None => Ok(None),
        }
    }

    fn answered(self: &Rc<Self>, answer: JsValue) -> Result<Option<Promise>, Failure> {
        let turn = self.turn.get();
        let response = exchange::response(answer)?;
        self.input(Input::Response(exchange::head(&response)));
        if self.turn.get() != turn {
            return Ok(None);
        }
        let next = match &mut *self.exchange.borrow_mut() {
            Some(exchange) => exchange.begin_body(&response),
            None => return Ok(None),
        };
        if next.is_none() {
            self.end(Input::BodyEnded);
        }
        Ok(next)
    }

    fn read(self: &Rc<Self>, step: &JsValue) -> Result<Option<Promise>, Failure> {
        let turn = self.turn.get();
        let Some(chunk) = exchange::chunk(step)? else {
            self.end(Input::BodyEnded);
            return Ok(None);
        };
        let mut from = 0;
        while from < chunk.length() && self.turn.get() == turn {
            let to = chunk.length().min(from.saturating_add(PIECE_BYTES_MAX));
            if to - from == chunk.length() {
                self.receive(&chunk);
            } else {
                self.receive(&chunk.subarray(from, to));
            }
            from = to;
        }
        if self.turn.get() != turn {
            return Ok(None);
        }
        Ok(self.exchange.borrow().as_ref().and_then(Exchange::read))
    }

    /// The request is over, one way or the other.
    fn end(self: &Rc<Self>, input: Input) {
        self.turn.set(self.turn.get().wrapping_add(1));
        self.exchange.borrow_mut().take();
        self.input(input);
    }

    /// Takes one piece of the body and delivers what it completes.
    fn receive(self: &Rc<Self>, piece: &Uint8Array) {
        let len = piece.length() as usize;
        {
            let mut machine = self.machine.borrow_mut();
            let Machine { subscription, encoder, .. } = &mut *machine;
            encoder.clear();
            piece.copy_to(&mut subscription.spare(len)[..len]);
            subscription.filled(len);
            subscription.drain(now(), encoder);
        }
        // 'connected' comes before the events that made it so, the end after the last of them. What callbacks ask for
        // meanwhile is done when all of this piece has been delivered.
        self.settling.set(true);
        let mut held = None;
        while let Some(output) = self.next_output() {
            if !comes_before_events(&output) {
                held = Some(output);
                break;
            }
            self.perform(output);
        }
        let parts = {
            let mut machine = self.machine.borrow_mut();
            let Machine { encoder, parts, .. } = &mut *machine;
            let Batch { ascii, wide, open, words } = encoder.finish();
            for (i, text) in [ascii, wide, open].into_iter().enumerate() {
                (parts[2 * i], parts[2 * i + 1]) = (text.as_ptr() as usize, text.len());
            }
            (parts[6], parts[7]) = (words.as_ptr() as usize, words.len());
            parts.as_ptr() as usize
        };
        // The addresses stay good during the call: nothing writes to the encoder before the next piece arrives, and
        // pieces arrive from the event loop only.
        let _ = self.hooks.batch(parts, len);
        if let Some(held) = held {
            self.perform(held);
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

fn now() -> Millis {
    Millis(performance_now() as u64)
}
