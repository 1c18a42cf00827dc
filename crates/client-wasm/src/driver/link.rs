//! The loop around the core: inputs in, outputs done, bytes through, one batch out per network chunk. Must not know
//! what any of them mean.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use durable_sessions_client_core::{
    ConnectionState, Failure, Input, Millis, OpenRequest, Output, Subscription, SubscriptionError,
    TimerKind,
};
use js_sys::{Reflect, Uint8Array};
use tsify::Tsify;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, ReadableStreamDefaultReader};

use super::hooks::{ConnectionHooks, performance_now};
use super::options::Notice;
use super::timers::Timers;
use super::{failure, request};
use crate::batch::BatchEncoder;

/// A network chunk is taken in pieces of this size at most, so that one huge chunk does not double the memory.
const PIECE_BYTES_MAX: u32 = 4 << 20;

pub(super) struct Link {
    hooks: ConnectionHooks,
    url: String,
    machine: RefCell<Machine>,
    timers: Timers,
    /// The request that may still report. A new number disowns the one before.
    turn: Cell<u32>,
    abort: RefCell<Option<AbortController>>,
    /// Outputs are being done further up the stack; they will see what was added.
    settling: Cell<bool>,
}

struct Machine {
    subscription: Subscription,
    encoder: BatchEncoder,
}

impl Link {
    pub(super) fn new(hooks: ConnectionHooks, url: String, subscription: Subscription) -> Rc<Self> {
        Rc::new_cyclic(|link: &Weak<Self>| {
            let link = link.clone();
            Self {
                hooks,
                url,
                machine: RefCell::new(Machine { subscription, encoder: BatchEncoder::new() }),
                timers: Timers::new(move |kind| {
                    if let Some(link) = link.upgrade() {
                        link.input(Input::Timer(kind));
                    }
                }),
                turn: Cell::new(0),
                abort: RefCell::default(),
                settling: Cell::new(false),
            }
        })
    }

    /// Something happened.
    pub(super) fn input(self: &Rc<Self>, input: Input) {
        self.machine.borrow_mut().subscription.handle(now(), input);
        self.settle();
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
            Output::SetTimer { kind, after_ms } => self.timers.set(kind, after_ms),
            Output::CancelTimer(kind) => self.timers.cancel(kind),
            Output::State(state) => self.notice(&Notice::State { state: state.as_str() }),
            Output::RetryScheduled { attempt, delay_ms, cause } => {
                self.notice(&Notice::Retry { attempt, delay_ms: delay_ms as f64, cause: cause.to_string() });
            }
            Output::Error(error) => self.notice(&Notice::Error {
                code: error.code(),
                message: error.to_string(),
                status: match error {
                    SubscriptionError::Refused { status } => Some(status),
                    _ => None,
                },
            }),
            Output::Reconnected => self.notice(&Notice::Reconnected),
            Output::Disconnected => self.notice(&Notice::Disconnected),
            Output::Lost(info) => {
                self.notice(&Notice::Lost { attempts: info.attempts, cause: info.cause.to_string() });
            }
            Output::Closed => self.notice(&Notice::Closed),
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
        self.notice(&Notice::Opening { attempt: request.attempt });
        if self.turn.get() != turn {
            return;
        }
        let link = Rc::clone(self);
        spawn_local(async move {
            let outcome = link.exchange(turn, &request).await;
            if link.turn.get() == turn {
                link.input(match outcome {
                    Ok(()) => Input::BodyEnded,
                    Err(failure) => Input::Failed(failure),
                });
            }
        });
    }

    /// Disowns and aborts the request under way.
    pub(super) fn drop_request(&self) {
        self.turn.set(self.turn.get().wrapping_add(1));
        let controller = self.abort.borrow_mut().take();
        if let Some(controller) = controller {
            controller.abort();
        }
    }

    /// One request from its headers to the end of its body. Returns early when it was disowned.
    async fn exchange(self: &Rc<Self>, turn: u32, open: &OpenRequest) -> Result<(), Failure> {
        let headers = request::headers(&self.hooks, open.fresh_token).await?;
        if self.turn.get() != turn {
            return Ok(());
        }
        let controller = AbortController::new().map_err(|thrown| failure::network(&thrown))?;
        let signal = controller.signal();
        *self.abort.borrow_mut() = Some(controller);
        let response = request::open(&self.hooks, &self.url, open, &headers, &signal).await?;
        if self.turn.get() != turn {
            return Ok(());
        }
        self.input(Input::Response(request::head(&response)));
        match request::reader(&response) {
            Some(reader) if self.turn.get() == turn => self.pump(turn, &reader).await,
            _ => Ok(()),
        }
    }

    async fn pump(self: &Rc<Self>, turn: u32, reader: &ReadableStreamDefaultReader) -> Result<(), Failure> {
        let value_key = JsValue::from_str("value");
        loop {
            let step = JsFuture::from(reader.read()).await.map_err(|thrown| failure::network(&thrown))?;
            if self.turn.get() != turn {
                // A body that does not listen to the signal still has to be let go.
                let _ = reader.cancel();
                return Ok(());
            }
            let value = Reflect::get(&step, &value_key).map_err(|thrown| failure::network(&thrown))?;
            // `value` is undefined only when the body has ended.
            if value.is_undefined() {
                return Ok(());
            }
            let Ok(chunk) = value.dyn_into::<Uint8Array>() else {
                return Err(Failure::network("the body holds something else than bytes"));
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
        }
    }

    /// Takes one piece of the body and delivers what it completes.
    fn receive(self: &Rc<Self>, piece: &Uint8Array) {
        let len = piece.length() as usize;
        {
            let mut machine = self.machine.borrow_mut();
            let Machine { subscription, encoder } = &mut *machine;
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
        let (text_ptr, text_len, words_ptr, words_len) = {
            let mut machine = self.machine.borrow_mut();
            let batch = machine.encoder.finish();
            (batch.text.as_ptr() as usize, batch.text.len(), batch.words.as_ptr() as usize, batch.words.len())
        };
        // The addresses stay good during the call: nothing writes to the encoder before the next piece arrives, and
        // pieces arrive from the event loop only.
        let _ = self.hooks.batch(text_ptr, text_len, words_ptr, words_len, len);
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
