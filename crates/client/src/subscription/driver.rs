//! Does what the subscription machine says: requests, timers, bytes in, items out. Decides nothing.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_client_core::{
    Failure, Live, LiveHead, LiveInput, LiveOutput, LiveRequest, LiveTimer, Millis, Output, ReadMode,
    ResponseHead,
};
use durable_sessions_protocol::{StreamPath, header};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, Response};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::collect::Collect;
use super::item::{Item, RetryNotice};
use crate::http::{self, Http};

/// So long may the words of a refusal take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) enum Command {
    Reconnect,
}

/// An answer's head, and its body if it is a success.
type Answer = Box<(LiveHead, Option<Response>)>;
type Request = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

/// What is under way.
enum Exchange {
    None,
    Request(Request),
    Body(Response),
}

/// What happened next.
enum Happening {
    Command(Command),
    Answered(Result<Answer, Failure>),
    Chunk(Result<Option<Bytes>, reqwest::Error>),
    Timer(LiveTimer),
    /// Nobody listens any more.
    Dropped,
}

/// When each timer runs down.
#[derive(Debug, Default)]
struct Alarms {
    retry: Option<Instant>,
    silence: Option<Instant>,
    stall: Option<Instant>,
}

impl Alarms {
    fn of(&mut self, kind: LiveTimer) -> &mut Option<Instant> {
        match kind {
            LiveTimer::Retry => &mut self.retry,
            LiveTimer::Silence => &mut self.silence,
            LiveTimer::Stall => &mut self.stall,
        }
    }
}

pub(super) struct Driver<C: Collect> {
    http: Arc<Http>,
    path: StreamPath,
    machine: Live<C::Content>,
    collector: C,
    items: mpsc::Sender<Item>,
    commands: mpsc::Receiver<Command>,
    exchange: Exchange,
    alarms: Alarms,
    epoch: Instant,
}

impl<C: Collect> Driver<C> {
    pub(super) fn new(
        http: Arc<Http>,
        path: StreamPath,
        machine: Live<C::Content>,
        collector: C,
        items: mpsc::Sender<Item>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            http,
            path,
            machine,
            collector,
            items,
            commands,
            exchange: Exchange::None,
            alarms: Alarms::default(),
            epoch: Instant::now(),
        }
    }

    pub(super) async fn run(mut self) {
        self.input(LiveInput::Subscribe);
        while self.settle().await {
            match self.next().await {
                Happening::Command(Command::Reconnect) => self.input(LiveInput::Reconnect),
                Happening::Answered(Ok(answer)) => {
                    let (head, body) = *answer;
                    self.exchange = body.map_or(Exchange::None, Exchange::Body);
                    self.input(LiveInput::Response(head));
                }
                Happening::Answered(Err(failure)) => self.fail(failure),
                Happening::Chunk(Ok(Some(chunk))) => {
                    self.machine.push(&chunk);
                    self.collector.drain(&mut self.machine, now(self.epoch));
                }
                Happening::Chunk(Ok(None)) => {
                    self.exchange = Exchange::None;
                    self.collector.body_ended(&mut self.machine, now(self.epoch));
                }
                Happening::Chunk(Err(error)) => self.fail(Failure::network(&http::describe(&error))),
                Happening::Timer(kind) => {
                    *self.alarms.of(kind) = None;
                    self.input(LiveInput::Timer(kind));
                }
                Happening::Dropped => break,
            }
        }
    }

    fn input(&mut self, input: LiveInput) {
        self.machine.handle(now(self.epoch), input);
    }

    fn fail(&mut self, failure: Failure) {
        self.exchange = Exchange::None;
        self.input(LiveInput::Failed(failure));
    }

    /// Does everything the machine asks for and hands over what was collected; false when there is nothing left to do.
    async fn settle(&mut self) -> bool {
        let mut closed = false;
        // What the bytes brought comes before what it changed.
        let mut items = self.collector.take();
        while let Some(output) = self.machine.next_output() {
            match output {
                LiveOutput::Open(request) => self.exchange = Exchange::Request(self.open(&request)),
                LiveOutput::Abort => self.exchange = Exchange::None,
                LiveOutput::SetTimer { kind, after_ms } => {
                    let at = Instant::now().checked_add(Duration::from_millis(after_ms));
                    *self.alarms.of(kind) = at;
                }
                LiveOutput::CancelTimer(kind) => *self.alarms.of(kind) = None,
                LiveOutput::FellBack(reason) => {
                    tracing::warn!(
                        id = "client.live_fallback",
                        reason = reason.code(),
                        "polling instead of SSE"
                    );
                    items.push(Item::FellBack(reason));
                }
                LiveOutput::Told(told) => {
                    closed |= told == Output::Closed;
                    items.extend(item(told));
                }
            }
        }
        for item in items {
            if self.items.send(item).await.is_err() {
                return false;
            }
        }
        !closed
    }

    async fn next(&mut self) -> Happening {
        let Self { exchange, items, commands, alarms, .. } = self;
        // Bytes come before timers: after the application kept us waiting, what has arrived meanwhile must be heard
        // before silence is concluded.
        tokio::select! {
            biased;
            () = items.closed() => Happening::Dropped,
            Some(command) = commands.recv() => Happening::Command(command),
            happening = progress(exchange) => happening,
            () = alarm(alarms.retry) => Happening::Timer(LiveTimer::Retry),
            () = alarm(alarms.silence) => Happening::Timer(LiveTimer::Silence),
            () = alarm(alarms.stall) => Happening::Timer(LiveTimer::Stall),
        }
    }

    fn open(&self, request: &LiveRequest) -> Request {
        let http = self.http.clone();
        let url = http.stream_url(&self.path, &request.query());
        let fresh = request.request.fresh_token;
        let is_sse = request.mode == ReadMode::Sse;
        Box::pin(async move {
            let mut request =
                http.authorised(Method::GET, url, fresh).await.map_err(|cause| Failure::token(&cause))?;
            if is_sse {
                request = request.header(ACCEPT, "text/event-stream");
            }
            let response = request.send().await.map_err(|error| Failure::network(&http::describe(&error)))?;
            let mut head = head_of(&response);
            if response.status().is_success() {
                return Ok(Box::new((head, Some(response))));
            }
            // Whether it is a refusal of SSE alone stands in its body. One that does not come says nothing.
            if let Ok(said) = tokio::time::timeout(REFUSAL_TIMEOUT, http::said(response)).await {
                head.offers_long_poll = said.offers_long_poll;
                let http::Said { refusal, .. } = said;
                tracing::debug!(
                    id = "client.read_refused",
                    status = refusal.status,
                    code = refusal.code,
                    "reading refused"
                );
            }
            Ok(Box::new((head, None)))
        })
    }
}

/// What the application gets of what the machine tells.
fn item(told: Output) -> Option<Item> {
    Some(match told {
        Output::State(state) => Item::State(state),
        Output::RetryScheduled { attempt, delay_ms, cause } => {
            tracing::info!(
                id = "client.reconnect",
                attempt,
                delay_ms,
                cause = cause.code(),
                "connection failed"
            );
            Item::Retry(RetryNotice { attempt, delay: Duration::from_millis(delay_ms), cause })
        }
        Output::Error(error) => Item::Error(error),
        Output::Reconnected => Item::Reconnected,
        Output::Disconnected => Item::Disconnected,
        Output::Lost(info) => {
            tracing::error!(
                id = "client.lost",
                attempts = info.attempts,
                cause = info.cause.code(),
                count = info.count,
                "subscription lost"
            );
            Item::Lost(info)
        }
        Output::Closed => Item::Closed,
        // The live machine keeps these to itself.
        Output::Open(_) | Output::Abort | Output::SetTimer { .. } | Output::CancelTimer(_) => return None,
    })
}

fn now(epoch: Instant) -> Millis {
    Millis(u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX))
}

async fn progress(exchange: &mut Exchange) -> Happening {
    match exchange {
        Exchange::None => pending().await,
        Exchange::Request(request) => Happening::Answered(request.await),
        Exchange::Body(response) => Happening::Chunk(response.chunk().await),
    }
}

async fn alarm(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

fn head_of(response: &Response) -> LiveHead {
    let headers = response.headers();
    let text = |name: &str| http::header(headers, name).map(str::to_owned);
    LiveHead {
        head: ResponseHead {
            status: response.status().as_u16(),
            content_type: text(CONTENT_TYPE.as_str()),
            data_encoding: text(header::STREAM_SSE_DATA_ENCODING),
            retry_after_ms: http::retry_after(headers),
            first_offset: text(header::STREAM_FIRST_OFFSET),
            message_count: http::number(headers, header::STREAM_MESSAGE_COUNT),
        },
        next_offset: text(header::STREAM_NEXT_OFFSET),
        live_cursor: text(header::STREAM_CURSOR),
        up_to_date: http::is_true(headers, header::STREAM_UP_TO_DATE),
        closed: http::is_true(headers, header::STREAM_CLOSED),
        offers_long_poll: false,
    }
}
