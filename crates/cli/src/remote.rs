//! The server, as the commands see it: one place for addresses, patience, and what its refusals mean to a person.

use std::fmt::Display;
use std::time::Duration;

use durable_sessions_client::protocol::{ContentType, InvalidProducer, OffsetToken, StreamPath};
use durable_sessions_client::schema::SessionId;
use durable_sessions_client::{
    ApiKeyError, AppendError, BackupDownload, Client, CreateError, CreateOptions, DeadLetterError,
    DeadLetterPage, DeleteError, Fork, From as ReadFrom, HeadError, ListError, LiveModes, MetricsError,
    NewApiKey, Page, ReadError, ReconnectConfig, Refusal, SessionFilter, SessionSummary, SubscribeOptions,
    Swept, Unreachable,
};

use crate::appender::Appender;
use crate::args::{Connection, Target};
use crate::event_ids::EventIds;
use crate::failure::Failure;
use crate::follow::Follower;

/// First and longest delay between two attempts, in milliseconds. A server on its way up is found soon.
const FIRST_DELAY_MS: u32 = 100;
const LONGEST_DELAY_MS: u32 = 2_000;
/// Waiting for a connection that nothing refuses; it counts beside the delays.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of events that may wait for acknowledgement.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// Sessions asked for at a time.
const SESSIONS_PER_PAGE: u32 = 500;
/// Dead letters asked for at a time.
const DEAD_LETTERS_PER_PAGE: u32 = 500;

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    client: Client,
    url: String,
}

/// The stream of a session.
pub(crate) fn session_path(id: &str) -> Result<StreamPath, Failure> {
    let id: SessionId = id.parse().map_err(|_| Failure::Usage {
        argument: "--session",
        reason: format!("'{id}' is no session id: 1 to 100 of A-Z a-z 0-9 _ -"),
    })?;
    Ok(Client::session(&id))
}

impl Target {
    /// The stream that was named. clap sees to it that exactly one is.
    pub(crate) fn path(&self) -> Result<StreamPath, Failure> {
        match (&self.session, &self.stream) {
            (Some(id), _) => session_path(id),
            (None, Some(path)) => path.parse().map_err(|reason| Failure::Usage {
                argument: "--stream",
                reason: format!("'{path}': {reason}"),
            }),
            (None, None) => {
                Err(Failure::Usage { argument: "--session", reason: "give this or --stream".to_owned() })
            }
        }
    }

    /// Another stream of the same kind.
    pub(crate) fn sibling(&self, name: &str) -> Result<StreamPath, Failure> {
        let sibling = match self.session {
            Some(_) => Self { session: Some(name.to_owned()), stream: None },
            None => Self { session: None, stream: Some(name.to_owned()) },
        };
        sibling.path().map_err(|failure| match failure {
            Failure::Usage { reason, .. } => Failure::Usage { argument: "--source", reason },
            other => other,
        })
    }

    /// Whether it holds session events, which are always JSON.
    pub(crate) const fn is_session(&self) -> bool {
        self.session.is_some()
    }
}

/// What a stream holds whose server does not say so: the protocol's default.
fn type_of(content_type: Option<ContentType>) -> ContentType {
    content_type.unwrap_or_else(ContentType::octet_stream)
}

/// Tries again for about `patience`: the delays double up to a limit, and their sum is what counts.
fn retry_for(patience: Duration) -> ReconnectConfig {
    let mut attempts = 0;
    let (mut delay_ms, mut waited) = (FIRST_DELAY_MS, Duration::ZERO);
    while waited < patience && attempts < u32::MAX {
        waited = waited.saturating_add(Duration::from_millis(delay_ms.into()));
        delay_ms = (delay_ms * 2).min(LONGEST_DELAY_MS);
        attempts += 1;
    }
    ReconnectConfig {
        enabled: true,
        initial_delay_ms: FIRST_DELAY_MS,
        max_delay_ms: LONGEST_DELAY_MS,
        backoff_multiplier: 2.0,
        max_attempts: attempts,
        // One person's command line is no herd, and without jitter the patience is what was asked for.
        jitter: false,
    }
}

impl Remote {
    /// A server that is tried for as long as the user said.
    pub(crate) fn new(connection: &Connection) -> Result<Self, Failure> {
        Self::with_patience(connection, connection.retry_for)
    }

    /// A server that is tried for this long.
    pub(crate) fn with_patience(connection: &Connection, patience: Duration) -> Result<Self, Failure> {
        let retry = retry_for(patience);
        let mut builder = Client::builder(connection.url.as_str())
            .stream_root(&connection.stream_root)
            .reconnect(retry)
            .retry(retry)
            .connect_timeout(CONNECT_TIMEOUT);
        if let Some(token) = &connection.token {
            let token = token.reveal();
            if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                let reason = "a token is not empty and has no spaces or control characters".to_owned();
                return Err(Failure::Usage { argument: "--token", reason });
            }
            builder = builder.token(token);
        }
        let client = builder
            .build()
            .map_err(|reason| Failure::Usage { argument: "--url", reason: reason.to_string() })?;
        // What is shown must not show a password in the URL.
        let url = connection.url.origin().ascii_serialization();
        Ok(Self { client, url })
    }

    /// Creates a stream, or finds it there.
    pub(crate) async fn create(&self, path: &StreamPath, options: &CreateOptions) -> Result<(), Failure> {
        match self.client.create_with(path, options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failure("create", path, &error)),
        }
    }

    /// Creates a stream that continues another one, and says where it ends.
    pub(crate) async fn fork(&self, path: &StreamPath, fork: Fork) -> Result<Option<OffsetToken>, Failure> {
        let source = fork.source.clone();
        match self.client.fork(path, fork).await {
            Ok(created) => Ok(created.tail),
            Err(error @ CreateError::NotFound(_)) => Err(self.failure("fork", &source, &error)),
            Err(error) => Err(self.failure("create", &format_args!("{path} as a fork of {source}"), &error)),
        }
    }

    /// Makes sure that a stream is there and open, and says what it holds. With `create`, a missing one is made.
    pub(crate) async fn check_writable(
        &self,
        path: &StreamPath,
        create: Option<&ContentType>,
    ) -> Result<ContentType, Failure> {
        match (self.client.head(path).await, create) {
            (Ok(head), _) if head.closed => Err(Failure::Refused {
                what: format!("cannot append to {path}"),
                reason: "it is closed".to_owned(),
            }),
            (Ok(head), _) => Ok(type_of(head.content_type)),
            (Err(HeadError::NotFound(_)), Some(content_type)) => {
                let content_type = content_type.clone();
                let options =
                    CreateOptions { content_type: Some(content_type.clone()), ..CreateOptions::default() };
                self.create(path, &options).await?;
                Ok(content_type)
            }
            (Err(error), _) => Err(self.failure("append to", path, &error)),
        }
    }

    /// Makes sure that a stream is there, and says what it holds.
    pub(crate) async fn check_exists(&self, path: &StreamPath) -> Result<ContentType, Failure> {
        match self.client.head(path).await {
            Ok(head) => Ok(type_of(head.content_type)),
            Err(error) => Err(self.failure("read", path, &error)),
        }
    }

    /// Whether a stream holds anything.
    pub(crate) async fn has_messages(&self, path: &StreamPath) -> Result<bool, Failure> {
        let head = self.client.head(path).await.map_err(|error| self.failure("look at", path, &error))?;
        match head.message_count {
            Some(count) => Ok(count > 0),
            None => Ok(!self.page(path, &ReadFrom::Start).await?.is_empty()),
        }
    }

    /// Appends to a stream, each event once; an outage is sat out for `patience`, or for ever.
    pub(crate) fn appender(
        &self,
        path: &StreamPath,
        content_type: ContentType,
        patience: Option<Duration>,
        waiting_max: usize,
    ) -> Result<Appender, Failure> {
        // The id is this run's alone, so the server takes a batch for a repetition only when it is one.
        let ids = EventIds::random("cli")?;
        let id = ids.prefix().parse().map_err(|reason: InvalidProducer| Failure::Refused {
            what: format!("cannot append to {path}"),
            reason: reason.to_string(),
        })?;
        let retry = match patience {
            Some(patience) => retry_for(patience),
            None => ReconnectConfig { max_attempts: u32::MAX, ..retry_for(Duration::ZERO) },
        };
        let builder = self
            .client
            .producer_builder(path, id)
            .content_type(content_type)
            .retry(retry)
            .outbox_max(waiting_max, WAITING_BYTES_MAX);
        Ok(Appender::start(builder, path.clone(), self.url.clone()))
    }

    /// Follows the messages of a JSON stream.
    pub(crate) fn follow(&self, path: &StreamPath, from: ReadFrom, live: LiveModes) -> Follower {
        let options = SubscribeOptions { from, live: Some(live), ..SubscribeOptions::default() };
        Follower::new(self.client.subscribe(path, options), path.clone(), self.url.clone())
    }

    /// Follows a stream that is not JSON, as it is.
    pub(crate) fn follow_bytes(
        &self,
        path: &StreamPath,
        content_type: &ContentType,
        from: ReadFrom,
        live: LiveModes,
    ) -> Follower {
        let options = SubscribeOptions { from, live: Some(live), ..SubscribeOptions::default() };
        Follower::new(self.client.follow(path, content_type, options), path.clone(), self.url.clone())
    }

    /// Reads one page.
    pub(crate) async fn page(&self, path: &StreamPath, from: &ReadFrom) -> Result<Page, Failure> {
        self.client.read(path, from).await.map_err(|error| self.failure("read", path, &error))
    }

    /// Closes a stream.
    pub(crate) async fn close(&self, path: &StreamPath) -> Result<(), Failure> {
        match self.client.close(path).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failure("close", path, &error)),
        }
    }

    /// Deletes a stream.
    pub(crate) async fn delete(&self, path: &StreamPath) -> Result<(), Failure> {
        self.client.delete(path).await.map_err(|error| self.failure("delete", path, &error))
    }

    /// Begins to copy all that the server holds.
    pub(crate) async fn backup(&self) -> Result<BackupDownload, Failure> {
        self.client.backup().await.map_err(|error| self.failure("copy", &self.url, &error))
    }

    /// An answer that broke off.
    pub(crate) fn broken(&self, what: &str, reason: &Unreachable) -> Failure {
        Failure::Unreachable { what: what.to_owned(), reason: reason.to_string(), url: self.url.clone() }
    }

    /// All sessions that the caller may read.
    pub(crate) async fn sessions(&self) -> Result<Vec<SessionSummary>, Failure> {
        let mut filter = SessionFilter { cursor: None, limit: Some(SESSIONS_PER_PAGE) };
        let mut sessions = Vec::new();
        loop {
            let page = self.client.sessions(&filter).await.map_err(|error| match error {
                ListError::NoList(refusal) => {
                    Failure::NoList { url: self.url.clone(), status: refusal.status }
                }
                error => self.failure("list", &"the sessions", &error),
            })?;
            sessions.extend(page.sessions);
            match page.next {
                Some(next) => filter.cursor = Some(next),
                None => return Ok(sessions),
            }
        }
    }

    /// All metrics as the server writes them.
    pub(crate) async fn metrics(&self) -> Result<String, Failure> {
        self.client.metrics().await.map_err(|error| self.failure("read", &"the metrics", &error))
    }

    /// Dead letters after a cursor, oldest first.
    pub(crate) async fn dead_letters(&self, after: Option<&str>) -> Result<DeadLetterPage, Failure> {
        let page = self.client.dead_letters(after, DEAD_LETTERS_PER_PAGE).await;
        page.map_err(|error| self.failure("list", &"the dead letters", &error))
    }

    /// One dead letter with its payload.
    pub(crate) async fn dead_letter(
        &self,
        id: &str,
    ) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
        let letter = self.client.dead_letter(id).await;
        letter.map_err(|error| self.failure("show", &format_args!("dead letter {id}"), &error))
    }

    /// Queues one dead letter again, or the oldest of all.
    pub(crate) async fn redrive(&self, id: Option<&str>) -> Result<Swept, Failure> {
        let swept = self.client.redrive_dead_letters(id).await;
        swept.map_err(|error| self.failure("redrive", &letters(id), &error))
    }

    /// Deletes one dead letter, or the oldest of all.
    pub(crate) async fn purge(&self, id: Option<&str>) -> Result<Swept, Failure> {
        let swept = self.client.purge_dead_letters(id).await;
        swept.map_err(|error| self.failure("purge", &letters(id), &error))
    }

    /// Makes an API key.
    pub(crate) async fn create_key(&self, key: &NewApiKey) -> Result<serde_json::Value, Failure> {
        self.client.create_api_key(key).await.map_err(|error| self.failure("make", &"a key", &error))
    }

    /// All API keys that the caller may see.
    pub(crate) async fn keys(&self) -> Result<Vec<serde_json::Value>, Failure> {
        self.client.api_keys().await.map_err(|error| self.failure("list", &"the keys", &error))
    }

    /// Ends an API key.
    pub(crate) async fn revoke_key(&self, id: &str) -> Result<(), Failure> {
        let key = format!("the key {id}");
        self.client.revoke_api_key(id).await.map_err(|error| self.failure("revoke", &key, &error))
    }

    fn failure(&self, verb: &str, object: &dyn Display, error: &impl Refusing) -> Failure {
        let what = format!("cannot {verb} {object}");
        match error.refusal() {
            _ if error.is_retryable() => {
                Failure::Unreachable { what, reason: error.to_string(), url: self.url.clone() }
            }
            None => Failure::Refused { what, reason: error.to_string() },
            Some(refusal) => Failure::Refused { what, reason: format!("{error}{}", advice(refusal.status)) },
        }
    }
}

fn letters(id: Option<&str>) -> String {
    id.map_or_else(|| "the dead letters".to_owned(), |id| format!("dead letter {id}"))
}

/// What a person can do about a refusal.
pub(crate) fn advice(status: u16) -> &'static str {
    match status {
        401 => "; give the server's token with --token or DURABLE_SESSIONS_TOKEN",
        404 => "; `durable-sessions create` makes a new one",
        _ => "",
    }
}

/// What the client's errors have in common.
trait Refusing: Display {
    fn refusal(&self) -> Option<&Refusal>;
    /// Nothing was said about what was asked for: no answer, or a fault or overload of the server.
    fn is_retryable(&self) -> bool;
}

macro_rules! refusing {
    ($($error:ident)*) => {
        $(impl Refusing for $error {
            fn refusal(&self) -> Option<&Refusal> {
                self.refusal()
            }

            fn is_retryable(&self) -> bool {
                self.is_retryable()
            }
        })*
    };
}

refusing! {
    ApiKeyError AppendError CreateError DeadLetterError DeleteError HeadError ListError MetricsError ReadError
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_the_sum_of_the_delays() {
        for (patience_ms, attempts) in [(0, 0), (1, 1), (100, 1), (101, 2), (1_000, 4), (60_000, 34)] {
            let config = retry_for(Duration::from_millis(patience_ms));
            assert_eq!(config.max_attempts, attempts, "{patience_ms} ms");
        }
    }
}
