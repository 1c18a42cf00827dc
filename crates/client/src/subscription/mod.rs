//! Following a stream: the handle that applications hold. Must not decide anything; the machine does.

mod collect;
mod driver;
mod item;

use std::pin::Pin;
use std::task::{Context, Poll};

use durable_sessions_client_core::{
    Batches, Events, From, Live, LiveConfig, LiveModes, ReconnectConfig, SubscriptionConfig,
};
use durable_sessions_protocol::{ContentType, StreamPath};
use durable_sessions_schema::Parser;
use futures::Stream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use item::{BadFrame, Checkpoint, EventItem, Item, RejectedItem, RetryNotice};

use crate::Client;
use crate::http;

/// Items read ahead of the application; when so many wait, the connection is no longer read.
const ITEMS_AHEAD_MAX: usize = 256;

/// How to follow a stream.
#[derive(Debug, Default)]
pub struct SubscribeOptions {
    /// Where to start.
    pub from: From,
    /// When and how often to reconnect; the client's own configuration unless given.
    pub reconnect: Option<ReconnectConfig>,
    /// Which live modes may be used; as the client is configured unless given.
    pub live: Option<LiveModes>,
    /// A parser that knows the application's own events.
    pub parser: Option<Parser>,
}

/// A stream being followed. Dropping it ends it, whatever is under way.
///
/// The items end after [`Item::Closed`]. After [`Item::Lost`], and where reconnecting is off after the
/// [`Item::Error`] that says so, they wait for [`reconnect`](Self::reconnect), so an application that does not want
/// that stops there.
#[derive(Debug)]
pub struct Subscription {
    items: mpsc::Receiver<Item>,
    commands: mpsc::Sender<driver::Command>,
    task: AbortHandle,
}

impl Client {
    /// Follows the events of a stream of JSON. Returns at once; must be called within a tokio runtime.
    #[must_use]
    pub fn subscribe(&self, path: &StreamPath, mut options: SubscribeOptions) -> Subscription {
        let parser = options.parser.take().unwrap_or_default();
        let (config, live) = self.configs(options);
        let machine = durable_sessions_client_core::Subscription::with_parser(config, http::seed(), parser);
        let machine = Live::new(machine, Events::default(), live);
        self.start(path, machine, item::Collector::default())
    }

    /// Follows any stream as it is: [`Item::Batch`] after [`Item::Batch`]. What it holds, [`head`](Self::head) says.
    /// Returns at once; must be called within a tokio runtime.
    ///
    /// Text comes byte for byte by long-poll only; by SSE its line ends are all LF, since SSE has no other.
    #[must_use]
    pub fn follow(
        &self,
        path: &StreamPath,
        content_type: &ContentType,
        options: SubscribeOptions,
    ) -> Subscription {
        let (config, live) = self.configs(options);
        let batches = Batches::new(config.frame_bytes_max);
        let machine = durable_sessions_client_core::Subscription::new(config, http::seed());
        let machine = Live::new(machine, batches, live);
        self.start(path, machine, collect::Pages::new(content_type.is_json()))
    }

    fn configs(&self, options: SubscribeOptions) -> (SubscriptionConfig, LiveConfig) {
        let config = SubscriptionConfig {
            reconnect: options.reconnect.unwrap_or(self.http.reconnect),
            silence_ms: u64::try_from(self.http.silence.as_millis()).unwrap_or(u64::MAX),
            frame_bytes_max: self.http.frame_bytes_max,
            from: options.from,
        };
        let live = LiveConfig { modes: options.live.unwrap_or(self.http.live.modes), ..self.http.live };
        (config, live)
    }

    fn start<C: collect::Collect>(
        &self,
        path: &StreamPath,
        machine: Live<C::Content>,
        collector: C,
    ) -> Subscription {
        let (sender, items) = mpsc::channel(ITEMS_AHEAD_MAX);
        // One waiting command is enough: reconnecting twice at once is reconnecting once.
        let (commands, receiver) = mpsc::channel(1);
        let driver =
            driver::Driver::new(self.http.clone(), path.clone(), machine, collector, sender, receiver);
        let task = tokio::spawn(driver.run()).abort_handle();
        Subscription { items, commands, task }
    }
}

impl Subscription {
    /// The next item, or `None` after the end. Cancelling this loses nothing.
    pub async fn next(&mut self) -> Option<Item> {
        self.items.recv().await
    }

    /// Opens a new connection at once, also after [`Item::Lost`].
    pub fn reconnect(&self) {
        // A full channel holds the same wish already, and a closed one belongs to a stream read to its end.
        let _ = self.commands.try_send(driver::Command::Reconnect);
    }
}

impl Stream for Subscription {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.items.poll_recv(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}
