//! Does what the producer machine says: requests, timers, reports. Decides nothing.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use durable_sessions_client_core::{
    AppendAnswer, AppendError as Fault, AppendRequest, Failure, FlushMark, Millis, Producer as Machine,
    ProducerInput, ProducerOutput, ProducerTimer,
};
use durable_sessions_protocol::{ContentType, ProducerSeq, StreamPath, header};
use futures::StreamExt as _;
use futures::future::{AbortHandle, Abortable, Aborted};
use futures::stream::FuturesUnordered;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use super::body::Announced;
use super::{Observer, ProducerError, ProducerReport};
use crate::http::{self, Http};

type Waiter = oneshot::Sender<Result<(), Fault>>;
type Answered = (ProducerSeq, Result<AppendAnswer, Failure>);
type Request = Abortable<Pin<Box<dyn Future<Output = Answered> + Send>>>;

/// What the handle and the driver share. The lock is held for a step of the machine, never across an await.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The machine has outputs.
    work: Notify,
    /// The outbox has shrunk.
    pub(super) room: Notify,
    epoch: Instant,
}

#[derive(Debug)]
struct State {
    machine: Machine,
    waiters: Vec<(FlushMark, Waiter)>,
    /// The task is gone, so nothing will ever be sent or answered.
    stopped: bool,
}

impl Shared {
    pub(super) fn new(machine: Machine) -> Self {
        Self {
            state: Mutex::new(State { machine, waiters: Vec::new(), stopped: false }),
            work: Notify::new(),
            room: Notify::new(),
            epoch: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The machine has no step that panics half way; a poisoned lock changes nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn append(&self, json: &[u8]) -> Result<u64, ProducerError> {
        let mut state = self.lock();
        if state.stopped {
            return Err(ProducerError::Stopped);
        }
        let number = state.machine.append(self.now(), json)?;
        drop(state);
        self.work.notify_one();
        Ok(number)
    }

    pub(super) fn flush(&self, waiter: Waiter) {
        let mut state = self.lock();
        if state.stopped {
            // Dropping the sender tells.
            return;
        }
        // Callers that gave up waiting leave their senders behind.
        state.waiters.retain(|(_, waiter)| !waiter.is_closed());
        let mark = state.machine.flush();
        state.waiters.push((mark, waiter));
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn pending(&self) -> usize {
        self.lock().machine.pending()
    }

    pub(super) fn retry_now(&self) {
        self.handle(ProducerInput::RetryNow);
        self.work.notify_one();
    }

    fn handle(&self, input: ProducerInput) {
        self.lock().machine.handle(self.now(), input);
    }

    fn next_output(&self) -> Option<ProducerOutput> {
        self.lock().machine.next_output()
    }

    fn flushed(&self, mark: FlushMark, result: &Result<(), Fault>) {
        let mut state = self.lock();
        let (done, waiting) = std::mem::take(&mut state.waiters).into_iter().partition(|(m, _)| *m <= mark);
        state.waiters = waiting;
        drop(state);
        let done: Vec<(FlushMark, Waiter)> = done;
        for (_, waiter) in done {
            // Whoever stopped waiting does not want to know.
            let _ = waiter.send(result.clone());
        }
    }
}

pub(super) struct Driver {
    http: Arc<Http>,
    path: StreamPath,
    shared: Arc<Shared>,
    content_type: ContentType,
    observer: Option<Observer>,
    requests: FuturesUnordered<Request>,
    /// How to drop a request. As many as there are requests, which the machine bounds.
    aborts: Vec<(ProducerSeq, AbortHandle)>,
    retry_at: Option<Instant>,
    timeout_at: Option<Instant>,
}

impl Drop for Driver {
    /// The task ends with its handle, but also with its runtime or by a panic of the observer: whoever waits then must
    /// not wait for ever.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.waiters.clear();
        drop(state);
        self.shared.room.notify_waiters();
    }
}

/// What happened next.
enum Happening {
    Work,
    Answered(Answered),
    Timer(ProducerTimer),
}

impl Driver {
    pub(super) fn new(
        http: Arc<Http>,
        path: StreamPath,
        shared: Arc<Shared>,
        content_type: ContentType,
        observer: Option<Observer>,
    ) -> Self {
        Self {
            http,
            path,
            shared,
            content_type,
            observer,
            requests: FuturesUnordered::new(),
            aborts: Vec::new(),
            retry_at: None,
            timeout_at: None,
        }
    }

    /// Runs until the handle is dropped, which aborts it.
    pub(super) async fn run(mut self) {
        loop {
            while let Some(output) = self.shared.next_output() {
                self.perform(output);
            }
            match self.next().await {
                Happening::Work => {}
                Happening::Answered((seq, result)) => {
                    self.aborts.retain(|(number, _)| *number != seq);
                    self.shared.handle(match result {
                        Ok(answer) => ProducerInput::Answer { seq, answer },
                        Err(failure) => ProducerInput::Failed { seq, failure },
                    });
                }
                Happening::Timer(kind) => {
                    *self.timer(kind) = None;
                    self.shared.handle(ProducerInput::Timer(kind));
                }
            }
        }
    }

    async fn next(&mut self) -> Happening {
        let Self { shared, requests, retry_at, timeout_at, .. } = self;
        tokio::select! {
            biased;
            answered = answer(requests) => Happening::Answered(answered),
            () = alarm(*timeout_at) => Happening::Timer(ProducerTimer::Timeout),
            () = alarm(*retry_at) => Happening::Timer(ProducerTimer::Retry),
            () = shared.work.notified() => Happening::Work,
        }
    }

    fn timer(&mut self, kind: ProducerTimer) -> &mut Option<Instant> {
        match kind {
            ProducerTimer::Retry => &mut self.retry_at,
            ProducerTimer::Timeout => &mut self.timeout_at,
        }
    }

    fn perform(&mut self, output: ProducerOutput) {
        match output {
            ProducerOutput::Send(append) => {
                let seq = append.claim.seq;
                let (abort, registration) = AbortHandle::new_pair();
                self.requests.push(Abortable::new(self.send(append), registration));
                self.aborts.push((seq, abort));
            }
            ProducerOutput::Abort(seq) => {
                for (_, abort) in self.aborts.extract_if(.., |(number, _)| *number == seq) {
                    abort.abort();
                }
            }
            ProducerOutput::SetTimer { kind, after_ms } => {
                let at = Instant::now().checked_add(Duration::from_millis(after_ms));
                *self.timer(kind) = at;
            }
            ProducerOutput::CancelTimer(kind) => *self.timer(kind) = None,
            ProducerOutput::Acked { messages, at } => {
                self.shared.room.notify_waiters();
                self.report(&ProducerReport::Acked { messages, at });
            }
            ProducerOutput::Failed { messages, error } => {
                self.shared.room.notify_waiters();
                tracing::error!(
                    id = "client.append_failed",
                    first = messages.start,
                    count = messages.end - messages.start,
                    code = error.code(),
                    "messages were not appended"
                );
                self.report(&ProducerReport::Failed { messages, error });
            }
            ProducerOutput::Flushed { mark, result } => self.shared.flushed(mark, &result),
            ProducerOutput::RetryScheduled { attempt, delay_ms, cause } => {
                tracing::info!(
                    id = "client.append_retry",
                    attempt,
                    delay_ms,
                    cause = cause.code(),
                    "append failed"
                );
                let delay = Duration::from_millis(delay_ms);
                self.report(&ProducerReport::Retry { attempt, delay, cause });
            }
        }
    }

    fn report(&self, report: &ProducerReport) {
        if let Some(observer) = &self.observer {
            observer(report);
        }
    }

    fn send(&self, append: AppendRequest) -> Pin<Box<dyn Future<Output = Answered> + Send>> {
        let http = self.http.clone();
        let url = http.stream_url(&self.path, "");
        let content_type = self.content_type.clone();
        let seq = append.claim.seq;
        let shared = self.shared.clone();
        let body = Announced::new(append.body.into(), move || {
            shared.handle(ProducerInput::Sent { seq });
            shared.work.notify_one();
        });
        // Ids may hold any letters; header values are bytes.
        let id = HeaderValue::from_bytes(append.claim.id.as_str().as_bytes());
        let answer = async move {
            let id = id.map_err(|_| Failure::network("the producer id does not fit into a header"))?;
            let request = http
                .authorised(Method::POST, url, append.fresh_token)
                .await
                .map_err(|cause| Failure::token(&cause))?
                .header(CONTENT_TYPE, content_type.as_str())
                .header(header::PRODUCER_ID, id)
                .header(header::PRODUCER_EPOCH, append.claim.epoch.number())
                .header(header::PRODUCER_SEQ, append.claim.seq.number())
                .body(reqwest::Body::wrap(body));
            let response = request.send().await.map_err(|error| Failure::network(&http::describe(&error)))?;
            Ok(answer_of(response).await)
        };
        Box::pin(async move { (seq, answer.await) })
    }
}

/// The next answer, passing over requests that were dropped.
async fn answer(requests: &mut FuturesUnordered<Request>) -> Answered {
    loop {
        match requests.next().await {
            Some(Ok(answered)) => return answered,
            Some(Err(Aborted)) => {}
            None => return pending().await,
        }
    }
}

async fn alarm(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

async fn answer_of(response: Response) -> AppendAnswer {
    let headers = response.headers();
    let answer = AppendAnswer {
        status: response.status().as_u16(),
        next_offset: http::header(headers, header::STREAM_NEXT_OFFSET).map(str::to_owned),
        closed: http::is_true(headers, header::STREAM_CLOSED),
        producer_epoch: http::number(headers, header::PRODUCER_EPOCH),
        expected_seq: http::number(headers, header::PRODUCER_EXPECTED_SEQ),
        retry_after_ms: http::retry_after(headers),
    };
    if !response.status().is_success() {
        // Reading the short rest keeps the connection usable.
        let refusal = http::refusal(response).await;
        tracing::debug!(
            id = "client.append_answer",
            status = refusal.status,
            code = refusal.code,
            "append refused"
        );
    }
    answer
}
