//! Does what the subscription machine says: requests, timers, bytes in, items out. Decides nothing.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_client_core::{
    Failure, Input, Millis, OpenRequest, Output, ResponseHead, Subscription as Machine, TimerKind,
};
use durable_sessions_protocol::{StreamPath, header};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, Response};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::item::{Collector, Item, RetryNotice};
use crate::http::{self, Http};

#[derive(Debug)]
pub(super) enum Command {
    Reconnect,
}

type Request = Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send>>;

/// What is under way.
enum Exchange {
    None,
    Request(Request),
    Body(Response),
}

/// What happened next.
enum Happening {
    Command(Command),
    Answered(Result<Response, Failure>),
    Chunk(Result<Option<Bytes>, reqwest::Error>),
    Timer(TimerKind),
    /// Nobody listens any more.
    Dropped,
}

pub(super) struct Driver {
    http: Arc<Http>,
    path: StreamPath,
    machine: Machine,
    collector: Collector,
    items: mpsc::Sender<Item>,
    commands: mpsc::Receiver<Command>,
    exchange: Exchange,
    retry_at: Option<Instant>,
    silent_at: Option<Instant>,
    epoch: Instant,
}

impl Driver {
    pub(super) fn new(
        http: Arc<Http>,
        path: StreamPath,
        machine: Machine,
        items: mpsc::Sender<Item>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            http,
            path,
            machine,
            collector: Collector::default(),
            items,
            commands,
            exchange: Exchange::None,
            retry_at: None,
            silent_at: None,
            epoch: Instant::now(),
        }
    }

    pub(super) async fn run(mut self) {
        self.machine.handle(self.now(), Input::Subscribe);
        while self.settle().await {
            match self.next().await {
                Happening::Command(Command::Reconnect) => self.input(Input::Reconnect),
                Happening::Answered(Ok(response)) => {
                    let head = head_of(&response);
                    self.exchange = Exchange::Body(response);
                    self.input(Input::Response(head));
                }
                Happening::Answered(Err(failure)) => self.end(Input::Failed(failure)),
                Happening::Chunk(Ok(Some(chunk))) => {
                    self.machine.push(&chunk);
                    self.machine.drain(self.now(), &mut self.collector);
                }
                Happening::Chunk(Ok(None)) => self.end(Input::BodyEnded),
                Happening::Chunk(Err(error)) => {
                    self.end(Input::Failed(Failure::network(&http::describe(&error))));
                }
                Happening::Timer(kind) => {
                    *self.timer(kind) = None;
                    self.input(Input::Timer(kind));
                }
                Happening::Dropped => break,
            }
        }
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        self.machine.handle(now, input);
    }

    fn end(&mut self, input: Input) {
        self.exchange = Exchange::None;
        self.input(input);
    }

    fn timer(&mut self, kind: TimerKind) -> &mut Option<Instant> {
        match kind {
            TimerKind::Retry => &mut self.retry_at,
            TimerKind::Silence => &mut self.silent_at,
        }
    }

    /// Does everything the machine asks for and hands over what was collected; false when there is nothing left to do.
    async fn settle(&mut self) -> bool {
        let mut closed = false;
        // What the bytes brought comes before what it changed.
        let mut items = std::mem::take(&mut self.collector.items);
        while let Some(output) = self.machine.next_output() {
            match output {
                Output::Open(request) => self.exchange = Exchange::Request(self.open(&request)),
                Output::Abort => self.exchange = Exchange::None,
                Output::SetTimer { kind, after_ms } => {
                    let at = Instant::now().checked_add(Duration::from_millis(after_ms));
                    *self.timer(kind) = at;
                }
                Output::CancelTimer(kind) => *self.timer(kind) = None,
                Output::State(state) => items.push(Item::State(state)),
                Output::RetryScheduled { attempt, delay_ms, cause } => {
                    tracing::info!(
                        id = "client.reconnect",
                        attempt,
                        delay_ms,
                        cause = cause.code(),
                        "connection failed"
                    );
                    let delay = Duration::from_millis(delay_ms);
                    items.push(Item::Retry(RetryNotice { attempt, delay, cause }));
                }
                Output::Error(error) => items.push(Item::Error(error)),
                Output::Reconnected => items.push(Item::Reconnected),
                Output::Disconnected => items.push(Item::Disconnected),
                Output::Lost(info) => {
                    tracing::error!(
                        id = "client.lost",
                        attempts = info.attempts,
                        cause = info.cause.code(),
                        count = info.count,
                        "subscription lost"
                    );
                    items.push(Item::Lost(info));
                }
                Output::Closed => {
                    closed = true;
                    items.push(Item::Closed);
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
        let Self { exchange, items, commands, retry_at, silent_at, .. } = self;
        // Bytes come before timers: after the application kept us waiting, what has arrived meanwhile must be heard
        // before silence is concluded.
        tokio::select! {
            biased;
            () = items.closed() => Happening::Dropped,
            Some(command) = commands.recv() => Happening::Command(command),
            happening = progress(exchange) => happening,
            () = alarm(*retry_at) => Happening::Timer(TimerKind::Retry),
            () = alarm(*silent_at) => Happening::Timer(TimerKind::Silence),
        }
    }

    fn open(&self, request: &OpenRequest) -> Request {
        let http = self.http.clone();
        let url = http.stream_url(&self.path, &request.query());
        let fresh = request.fresh_token;
        Box::pin(async move {
            let request =
                http.authorised(Method::GET, url, fresh).await.map_err(|cause| Failure::token(&cause))?;
            let request = request.header(ACCEPT, "text/event-stream");
            request.send().await.map_err(|error| Failure::network(&http::describe(&error)))
        })
    }
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

fn head_of(response: &Response) -> ResponseHead {
    let headers = response.headers();
    let text = |name: &str| http::header(headers, name).map(str::to_owned);
    ResponseHead {
        status: response.status().as_u16(),
        content_type: text(CONTENT_TYPE.as_str()),
        data_encoding: text(header::STREAM_SSE_DATA_ENCODING),
        retry_after_ms: http::retry_after(headers),
        first_offset: text(header::STREAM_FIRST_OFFSET),
        message_count: http::number(headers, header::STREAM_MESSAGE_COUNT),
    }
}
