//! What a server is started with. Every limit has a name, a default and a defined outcome. Must not read files,
//! environment or command line.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use durable_sessions_schema::CustomEvents;
use durable_sessions_storage::{EmbeddedStore, MemoryStore, OpenError, StoreOptions, StreamStore};
use subtle::ConstantTimeEq as _;

use crate::access::EventPolicy;
use crate::identity::{IdentityConfig, InvalidIdentity};
use crate::quota::{Network, Rate};
use crate::request_tracing::RequestTracing;
use crate::retention::RetentionRule;
use crate::tls::TlsConfig;

/// Longest time that a chunk may wait for others.
pub(crate) const COALESCE_WINDOW_MAX: Duration = Duration::from_secs(1);

/// Configuration of one server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where streams live.
    pub store: StoreConfig,
    /// Who may come in.
    pub auth: AuthConfig,
    /// How callers prove who they are, beside the static token.
    pub identity: IdentityConfig,
    /// Which types of events a role in a session may write.
    pub event_policy: EventPolicy,
    /// Browser origins that may read answers.
    pub cors: CorsOrigins,
    /// Where callers and webhook receivers reach this server, behind a proxy: scheme, host and possibly a path, such
    /// as `https://streams.example`. Without it, `Location` and callback URLs begin as the caller reached it, over
    /// plain HTTP: headers that a proxy may have set are not trusted.
    pub public_url: Option<String>,
    /// TLS of the listening socket; without it, plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Proxies whose `X-Forwarded-For` is believed, for limits by address and audit records.
    pub trusted_proxies: Vec<Network>,
    /// Directory of a built web application, served at `/`.
    pub web_root: Option<PathBuf>,
    /// What is kept of streams, by their paths. The first rule whose pattern matches counts, together with what a
    /// stream itself asks for: of each limit the stricter one.
    pub retention: Vec<RetentionRule>,
    /// How often streams are looked at for what may go.
    pub retention_interval: Duration,
    /// How long a long-poll waits for data.
    pub long_poll_timeout: Duration,
    /// About how long an SSE answer lasts before the client is asked to come again; each one varies by a tenth.
    pub sse_max_age: Duration,
    /// Longest silence on an SSE answer; a comment is sent after it.
    pub heartbeat: Duration,
    /// What happens to written session events of types that are not in the catalogue.
    pub unknown_events: UnknownEvents,
    /// Event types of the application, registered by name; a name that ends in `*` stands for all that begin so.
    pub event_types: Vec<String>,
    /// Event types of the application with their shapes, which are checked like the catalogue's.
    pub custom_events: CustomEvents,
    /// After which silence a connection's presence is over.
    pub presence_ttl: Duration,
    /// How long a shutdown waits for requests in flight.
    pub shutdown_deadline: Duration,
    /// Over how much time clients are asked to spread their return when the server goes down.
    pub reconnect_spread: Duration,
    /// How long a subscriber may take nothing; then it is told where it was, and after as long again cut.
    pub subscriber_stall_max: Duration,
    /// An address of its own for `/metrics`, where no token is needed; `/metrics` beside the rest is for the
    /// administrator.
    pub metrics_listen: Option<SocketAddr>,
    /// Who follows requests beyond this process.
    pub request_tracing: Option<Arc<dyn RequestTracing>>,
    /// Wait after the first failure of a queued append; it doubles with each.
    pub queued_retry_first: Duration,
    /// Longest wait between two attempts at a queued append.
    pub queued_retry_longest: Duration,
    /// How long an append to a session that is not queued waits for those that were queued before it: 503 beyond.
    pub queued_wait_max: Duration,
    /// How long a chunk waits for others, to be stored as one message with them, in sessions that say nothing of their
    /// own; zero stores each by itself.
    pub coalesce_window: Duration,
    /// Bounds of everything else.
    pub limits: Limits,
    /// Bounds of the store.
    pub store_options: StoreOptions,
}

impl ServerConfig {
    /// The defaults around the three things that have none.
    #[must_use]
    pub fn new(listen: SocketAddr, store: StoreConfig, auth: AuthConfig) -> Self {
        Self {
            listen,
            store,
            auth,
            identity: IdentityConfig::default(),
            event_policy: EventPolicy::default(),
            cors: CorsOrigins::Loopback,
            public_url: None,
            tls: None,
            trusted_proxies: Vec::new(),
            web_root: None,
            retention: Vec::new(),
            retention_interval: Duration::from_secs(30),
            long_poll_timeout: Duration::from_secs(30),
            sse_max_age: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            unknown_events: UnknownEvents::Accept,
            event_types: Vec::new(),
            custom_events: CustomEvents::new(),
            presence_ttl: Duration::from_secs(60),
            shutdown_deadline: Duration::from_secs(10),
            reconnect_spread: Duration::from_secs(5),
            subscriber_stall_max: Duration::from_secs(30),
            metrics_listen: None,
            request_tracing: None,
            queued_retry_first: Duration::from_millis(200),
            queued_retry_longest: Duration::from_secs(30),
            queued_wait_max: Duration::from_secs(5),
            coalesce_window: Duration::ZERO,
            limits: Limits::default(),
            store_options: StoreOptions::default(),
        }
    }

    /// Whether browsers reach this server over TLS.
    pub(crate) fn is_reached_over_tls(&self) -> bool {
        match &self.public_url {
            Some(url) => url.starts_with("https:"),
            None => self.tls.is_some(),
        }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`InvalidConfig`].
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        match &self.auth {
            AuthConfig::DevNoAuth if !self.listen.ip().is_loopback() => {
                return Err(InvalidConfig::NoAuthBeyondLoopback(self.listen));
            }
            AuthConfig::Token(secret) if !secret.is_presentable() => return Err(InvalidConfig::Token),
            AuthConfig::Credentials if self.identity.is_empty() => return Err(InvalidConfig::NoCredentials),
            // Everybody is the administrator: credentials would look as if they meant something.
            AuthConfig::DevNoAuth if !self.identity.is_empty() => return Err(InvalidConfig::CredentialsOpen),
            AuthConfig::DevNoAuth | AuthConfig::Token(_) | AuthConfig::Credentials => {}
        }
        self.identity.validate()?;
        if let Some(url) = &self.public_url
            && !is_base_url(url)
        {
            return Err(InvalidConfig::PublicUrl);
        }
        for (name, duration) in [
            ("long-poll timeout", self.long_poll_timeout),
            ("retention interval", self.retention_interval),
            ("SSE maximum age", self.sse_max_age),
            ("heartbeat", self.heartbeat),
            ("subscriber stall maximum", self.subscriber_stall_max),
            ("first wait of queued appends", self.queued_retry_first),
            ("longest wait of queued appends", self.queued_retry_longest),
            ("wait for queued appends", self.queued_wait_max),
            ("presence TTL", self.presence_ttl),
            ("header read timeout", self.limits.header_read_timeout),
            ("body read timeout", self.limits.body_read_timeout),
        ] {
            if duration.is_zero() || duration > Duration::from_secs(24 * 3600) {
                return Err(InvalidConfig::Duration(name));
            }
        }
        if self.coalesce_window > COALESCE_WINDOW_MAX {
            return Err(InvalidConfig::CoalesceWindow);
        }
        let limits = &self.limits;
        for (name, value) in [
            ("body_bytes_max", limits.body_bytes_max),
            ("append_messages_max", limits.append_messages_max),
            ("page_bytes_max", limits.page_bytes_max),
            ("sse_page_bytes_max", limits.sse_page_bytes_max),
            ("ring_bytes_max", limits.ring_bytes_max),
            ("rings_bytes_max", limits.rings_bytes_max),
            ("sse_subscribers_max", limits.sse_subscribers_max),
            ("sse_subscribers_per_identity_max", limits.sse_subscribers_per_identity_max),
            ("event_bytes_max", limits.event_bytes_max),
            ("open_streams_per_identity_max", limits.open_streams_per_identity_max),
            ("connections_max", limits.connections_max),
            ("head_bytes_max", limits.head_bytes_max),
            ("webhook_calls_max", limits.webhook_calls_max),
            ("bodies_bytes_max", limits.bodies_bytes_max),
            ("unsent_bytes_max", limits.unsent_bytes_max),
            ("append_attempts_max", limits.append_attempts_max as usize),
            ("queued_appends_max", limits.queued_appends_max),
            ("queued_bytes_max", limits.queued_bytes_max),
            ("queued_attempts_max", limits.queued_attempts_max as usize),
            ("dead_letters_max", limits.dead_letters_max),
            ("coalesce_bytes_max", limits.coalesce_bytes_max),
            ("sessions_max", limits.sessions_max),
            ("session_members_max", limits.session_members_max),
            ("event_ids_max", limits.event_ids_max),
            ("event_ids_cached_max", limits.event_ids_cached_max),
            ("presence_users_max", limits.presence_users_max),
            ("presence_connections_max", limits.presence_connections_max),
            ("presence_connections_per_user_max", limits.presence_connections_per_user_max),
            ("queue_len_max", self.store_options.queue_len_max),
            ("group_len_max", self.store_options.group_len_max),
            ("engine_reads_max", self.store_options.engine_reads_max),
        ] {
            if value == 0 {
                return Err(InvalidConfig::Zero(name));
            }
        }
        if limits.head_bytes_max < 8192 {
            return Err(InvalidConfig::HeadBytes);
        }
        Ok(())
    }
}

/// Whether paths can be put behind a URL.
fn is_base_url(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// Unauthenticated access would be open to the network.
    #[error("running without authentication is only allowed on a loopback address, not on {0}")]
    NoAuthBeyondLoopback(SocketAddr),
    /// Nobody could ever come in.
    #[error("without a static token, callers need JSON Web Tokens or forward-auth")]
    NoCredentials,
    /// Credentials that nobody would be asked for.
    #[error("running without authentication excludes JSON Web Tokens and forward-auth")]
    CredentialsOpen,
    /// How callers prove who they are makes no sense.
    #[error(transparent)]
    Identity(#[from] InvalidIdentity),
    /// A token no client could send.
    #[error("the token must have 1 to 512 visible ASCII characters without spaces")]
    Token,
    /// A public URL that paths cannot be put behind.
    #[error("the public URL must be http or https, with a host and without credentials, query or fragment")]
    PublicUrl,
    /// A duration is zero or longer than a day.
    #[error("{0} must be more than zero and at most a day")]
    Duration(&'static str),
    /// A limit of nothing.
    #[error("the limit {0} must not be zero")]
    Zero(&'static str),
    /// Writers would wait too long.
    #[error("the window for coalescing must be at most a second")]
    CoalesceWindow,
    /// Below what the HTTP parser needs.
    #[error("the limit head_bytes_max must be at least 8192")]
    HeadBytes,
}

/// Which engine keeps the streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// On disk, synced before every acknowledgement.
    Embedded {
        /// Its directory, created when missing.
        dir: PathBuf,
    },
    /// In memory: gone with the process.
    Memory,
}

impl StoreConfig {
    /// The one place that knows engines by name.
    pub(crate) fn open(&self, options: StoreOptions) -> Result<Arc<dyn StreamStore>, OpenError> {
        Ok(match self {
            Self::Embedded { dir } => Arc::new(EmbeddedStore::open(dir, options)?),
            Self::Memory => Arc::new(MemoryStore::open(options)?),
        })
    }
}

/// How callers prove who they are.
#[derive(Debug, Clone)]
pub enum AuthConfig {
    /// One static bearer token, whose bearer is the subject `admin`, beside what [`ServerConfig::identity`] says.
    Token(Secret),
    /// Only what [`ServerConfig::identity`] says.
    Credentials,
    /// Everyone is `admin`. Loopback addresses only.
    DevNoAuth,
}

/// A secret that is compared in constant time and never printed.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(secret.as_bytes().into())
    }

    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        self.0.ct_eq(presented).into()
    }

    fn is_presentable(&self) -> bool {
        (1..=512).contains(&self.0.len()) && self.0.iter().all(u8::is_ascii_graphic)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Browser origins that may use the server from another origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Pages served by this machine itself: `http(s)://localhost`, `127.0.0.1` and `[::1]` on any port.
    Loopback,
    /// Every origin. Answers stay protected by the bearer token: the cookie does not count there.
    Any,
    /// Exactly these, such as `https://app.example`.
    List(Vec<String>),
}

/// Bounds of memory, time and number; hitting one has a defined answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body: 413 beyond.
    pub body_bytes_max: usize,
    /// Most messages in one append: 413 beyond.
    pub append_messages_max: usize,
    /// About how much one catch-up answer holds; the client asks again for the rest.
    pub page_bytes_max: usize,
    /// The same for one SSE data event read from storage.
    pub sse_page_bytes_max: usize,
    /// Encoded frames kept per stream with subscribers; who lags beyond reads from storage.
    pub ring_bytes_max: usize,
    /// The same for all streams together; over it each keeps its newest frame only.
    pub rings_bytes_max: usize,
    /// SSE answers open at once: 503 `TOO_MANY_CONNECTIONS` beyond.
    pub sse_subscribers_max: usize,
    /// Of them, answers of one identity: 429 `TOO_MANY_CONNECTIONS` beyond.
    pub sse_subscribers_per_identity_max: usize,
    /// Requests of one identity: 429 `RATE_LIMITED` beyond; `None` does not count them.
    pub requests_per_identity: Option<Rate>,
    /// The same from one address, or one /64 of IPv6.
    pub requests_per_address: Option<Rate>,
    /// Events appended to one session or agent: 429 `RATE_LIMITED` beyond.
    pub events_per_session: Option<Rate>,
    /// Largest event of a session or agent: 413 beyond.
    pub event_bytes_max: usize,
    /// Streams and sessions that one identity has created and that are neither closed nor gone: 429 `TOO_MANY_STREAMS`
    /// beyond.
    pub open_streams_per_identity_max: usize,
    /// Connections open at once; more wait in the listen queue of the system.
    pub connections_max: usize,
    /// Largest request head: 431 beyond.
    pub head_bytes_max: usize,
    /// Longest request target: 414 beyond.
    pub url_bytes_max: usize,
    /// How long a client may take to send a request head, idle time between requests included.
    pub header_read_timeout: Duration,
    /// How long a client may take to send a request body: 408 beyond.
    pub body_read_timeout: Duration,
    /// Subscriptions there may be: 507 beyond.
    pub subscriptions_max: usize,
    /// Streams one subscription may link: 507 beyond, and a matching stream that is new is not followed. The
    /// store bounds the bytes of a subscription as well.
    pub subscription_streams_max: usize,
    /// Webhooks called at once; more wait.
    pub webhook_calls_max: usize,
    /// Bodies of requests under way, over all of them; one of unknown length counts as the largest there may be: 503
    /// beyond.
    pub bodies_bytes_max: usize,
    /// What may wait for readers that are slower than their streams, over all of them; who needs more is cut.
    pub unsent_bytes_max: usize,
    /// How often an append is tried while the store takes nothing, before it is answered.
    pub append_attempts_max: u32,
    /// Appends that wait for the store between two attempts; one more is answered at once.
    pub append_retries_max: usize,
    /// Queued appends that have not reached their streams: 503 beyond.
    pub queued_appends_max: usize,
    /// The same in bytes, as they are spooled.
    pub queued_bytes_max: usize,
    /// How often a queued append is tried before it becomes a dead letter.
    pub queued_attempts_max: u32,
    /// Dead letters kept; beyond, what cannot be delivered stays in the queue.
    pub dead_letters_max: usize,
    /// What may wait in windows of coalescing sessions, over all of them: 503 beyond.
    pub coalesce_bytes_max: usize,
    /// Sessions there may be: 507 beyond.
    pub sessions_max: usize,
    /// Members one session may have: 409 `TOO_MANY_MEMBERS` beyond. They are in the row, which changes as a whole.
    pub session_members_max: usize,
    /// Newest events of a session among which an event id is recognised as written before; older ones are not.
    pub event_ids_max: usize,
    /// Event ids remembered over all sessions; those of sessions not written to lately are read again when needed.
    pub event_ids_cached_max: usize,
    /// Users present in one session: 429 beyond.
    pub presence_users_max: usize,
    /// Connections present in all sessions: 429 beyond.
    pub presence_connections_max: usize,
    /// Connections that one user of one project is present by, in all sessions: 429 beyond.
    pub presence_connections_per_user_max: usize,
}

/// What happens to written session events of types that are neither in the catalogue nor among
/// [`ServerConfig::custom_events`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownEvents {
    /// They are stored as they are.
    #[default]
    Accept,
    /// Those whose type begins with `x-`, or is among [`ServerConfig::event_types`], are stored; others are refused.
    AcceptRegistered,
    /// They are refused.
    Reject,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 << 20,
            append_messages_max: 100_000,
            page_bytes_max: 1 << 20,
            sse_page_bytes_max: 256 << 10,
            ring_bytes_max: 1 << 20,
            rings_bytes_max: 128 << 20,
            sse_subscribers_max: 10_000,
            sse_subscribers_per_identity_max: 1_000,
            requests_per_identity: Rate::per_second(500).ok(),
            requests_per_address: Rate::per_second(2_000).ok(),
            events_per_session: None,
            event_bytes_max: 1 << 20,
            open_streams_per_identity_max: 100_000,
            connections_max: 16_384,
            head_bytes_max: 32 << 10,
            url_bytes_max: 4096,
            header_read_timeout: Duration::from_secs(75),
            body_read_timeout: Duration::from_secs(60),
            subscriptions_max: 1_000,
            subscription_streams_max: 1_000,
            webhook_calls_max: 64,
            bodies_bytes_max: 256 << 20,
            unsent_bytes_max: 256 << 20,
            append_attempts_max: 5,
            append_retries_max: 1_024,
            queued_appends_max: 10_000,
            queued_bytes_max: 256 << 20,
            queued_attempts_max: 10,
            dead_letters_max: 10_000,
            coalesce_bytes_max: 64 << 20,
            sessions_max: 1_000_000,
            session_members_max: 256,
            event_ids_max: 4_096,
            event_ids_cached_max: 500_000,
            presence_users_max: 200,
            presence_connections_max: 50_000,
            presence_connections_per_user_max: 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_auth_needs_a_loopback_address() {
        let open = |listen: &str| {
            ServerConfig::new(listen.parse().unwrap(), StoreConfig::Memory, AuthConfig::DevNoAuth).validate()
        };
        assert_eq!(open("127.0.0.1:0"), Ok(()));
        assert_eq!(open("[::1]:0"), Ok(()));
        assert!(matches!(open("0.0.0.0:4437"), Err(InvalidConfig::NoAuthBeyondLoopback(_))));
    }

    #[test]
    fn a_store_that_could_do_nothing_is_refused() {
        let of = |change: fn(&mut StoreOptions)| {
            let listen = "127.0.0.1:0".parse().unwrap();
            let mut config = ServerConfig::new(listen, StoreConfig::Memory, AuthConfig::DevNoAuth);
            change(&mut config.store_options);
            config.validate()
        };
        assert_eq!(of(|options| options.queue_len_max = 0), Err(InvalidConfig::Zero("queue_len_max")));
        assert_eq!(of(|options| options.group_len_max = 0), Err(InvalidConfig::Zero("group_len_max")));
        assert_eq!(of(|options| options.engine_reads_max = 0), Err(InvalidConfig::Zero("engine_reads_max")));
        // Sizes that only cost speed may be.
        assert_eq!(of(|options| options.tail_window_bytes = 0), Ok(()));
    }

    #[test]
    fn a_public_url_is_a_base() {
        let with = |url: &str| {
            let listen = "127.0.0.1:0".parse().unwrap();
            let config = ServerConfig::new(listen, StoreConfig::Memory, AuthConfig::DevNoAuth);
            ServerConfig { public_url: Some(url.to_owned()), ..config }.validate()
        };
        for good in ["https://streams.example", "https://a.example/base/", "http://127.0.0.1:8080"] {
            assert_eq!(with(good), Ok(()), "{good}");
        }
        for bad in ["", "streams.example", "ftp://a", "https://u@a", "https://a/?q", "https://a/#f"] {
            assert_eq!(with(bad), Err(InvalidConfig::PublicUrl), "{bad}");
        }
    }

    #[test]
    fn secrets_are_compared_whole_and_never_printed() {
        let secret = Secret::new("s3cret");
        assert!(secret.matches(b"s3cret"));
        for wrong in ["", "s3cre", "s3crets", "S3CRET"] {
            assert!(!secret.matches(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{secret:?}").contains("s3cret"));
        for bad in ["", "a b", "caf\u{e9}"] {
            let auth = AuthConfig::Token(Secret::new(bad));
            let config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), StoreConfig::Memory, auth);
            assert_eq!(config.validate(), Err(InvalidConfig::Token), "{bad}");
        }
    }
}
