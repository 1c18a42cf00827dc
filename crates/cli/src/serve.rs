//! `durable-sessions serve`: turns flags, environment and a file into a configuration, and runs the server.

mod descriptors;
mod identity;
mod log;
mod settings;
mod systemd;
mod telemetry;
mod value;

use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use durable_sessions_server::{
    AuthConfig, BoundServer, Certificates, CorsOrigins, Limits, RunError, Server, ServerConfig, StartError,
    StoreConfig, StoreOptions, UnknownEvents,
};
use tokio::signal::unix::{SignalKind, signal};

use settings::{LogFormat, StoreKind, UnknownEventsKind};
pub(crate) use settings::{ServeArgs, Settings};
use telemetry::Telemetry;

/// The default port of the protocol, on this machine only.
const LISTEN_DEFAULT: &str = "127.0.0.1:4437";
const DATA_DIR_DEFAULT: &str = "durable-sessions-data";

/// Why the server did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    ReadFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration file is not valid.
    #[error("the configuration file {} is not valid: {message}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with the key and the line.
        message: String,
    },
    /// Nobody could be told apart from anybody else.
    #[error(
        "refusing to start without authentication: give --token (or DURABLE_SESSIONS_TOKEN), or --jwt-secret, --jwt-keys, --jwks-url or --forward-auth-url, or --dev-no-auth for development on this machine"
    )]
    NoAuth,
    /// A setting with a value that makes no sense.
    #[error("{flag}: {reason}")]
    Value {
        /// Which.
        flag: &'static str,
        /// Why; holds no secrets.
        reason: String,
    },
    /// A token that would not be asked for.
    #[error("--token and --dev-no-auth exclude each other")]
    BothAuth,
    /// A data directory that would not be used.
    #[error("--data-dir and --store memory exclude each other: nothing would be written there")]
    MemoryWithDirectory,
    /// `--listen` names no address.
    #[error("cannot resolve the address {address}: {source}")]
    Resolve {
        /// What was given.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// `--log` is no filter.
    #[error("the log filter is not valid: {0}")]
    LogFilter(String),
    /// Asked for something that is a feature of the build, and not of this one.
    #[cfg(not(all(feature = "otlp", feature = "sentry")))]
    #[error("{flag}: this program was built without it; build with `--features {feature}`")]
    NotBuilt {
        /// Which setting.
        flag: &'static str,
        /// The feature that has it.
        feature: &'static str,
    },
    /// The process cannot hear signals.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// The server did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server stopped by itself.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl ServeError {
    /// Whether the same command may succeed later.
    #[must_use]
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, Self::Start(error) if error.is_retryable()) || matches!(self, Self::Run(_))
    }
}

/// Serves until SIGINT or SIGTERM; a second one does not wait for anybody.
///
/// # Errors
/// [`ServeError`].
pub(crate) async fn run(args: ServeArgs) -> Result<(), ServeError> {
    let settings = settings::merge(args)?;
    let telemetry = Telemetry::start(&settings)?;
    log::start(settings.log_format.unwrap_or_default(), settings.log.as_deref(), telemetry.listeners())?;
    let outcome = serve(&settings, &telemetry).await;
    // What is wrong with a setting is for who started the command, who reads it there.
    if let Err(error @ (ServeError::Start(_) | ServeError::Run(_))) = &outcome {
        tracing::error!(error_id = "serve-ended", %error, "the server did not start, or stopped by itself");
    }
    // Somebody who has asked twice waits for nothing.
    if !matches!(outcome, Ok(Stopped::AtOnce)) {
        telemetry.end().await;
    }
    outcome.map(drop)
}

/// How the server was stopped.
enum Stopped {
    InOrder,
    /// By a second signal.
    AtOnce,
}

async fn serve(settings: &Settings, telemetry: &Telemetry) -> Result<Stopped, ServeError> {
    let mut stop = Signals::listen().map_err(ServeError::Signals)?;
    let mut config = configuration(settings).await?;
    config.request_tracing = telemetry.request_tracing();
    descriptors::raise(&config.limits);
    // Without TLS a hangup is what it always was: the end of a process whose terminal is gone.
    let hangup = config.tls.is_some().then(|| signal(SignalKind::hangup())).transpose();
    let hangup = hangup.map_err(ServeError::Signals)?;
    let description = describe(&config);
    let server = tokio::select! {
        biased;
        // Nothing is served yet. The thread that opens the store ends with the process: it may at any moment.
        () = stop.heard() => return Ok(Stopped::InOrder),
        bound = Server::bind(config) => bound?,
    };
    announce(&server, &description, settings.log_format.unwrap_or_default());
    let renewing = renew_certificates(hangup.zip(server.certificates()));
    let (mut first, second) = stop.split();
    let watchdog = systemd::start(&server);
    let stopping = async move {
        first.heard().await;
        systemd::stopping();
    };
    let running = async {
        let outcome = server.run(stopping).await;
        drop(watchdog);
        outcome
    };
    tokio::select! {
        biased;
        outcome = running => {
            outcome?;
            Ok(Stopped::InOrder)
        }
        never = renewing => match never {},
        () = second => {
            tracing::warn!(error_id = "stopped-hard", "second signal: stopping without waiting");
            Ok(Stopped::AtOnce)
        }
    }
}

/// Reads the certificate again at every SIGHUP.
async fn renew_certificates(
    heard: Option<(tokio::signal::unix::Signal, Certificates)>,
) -> std::convert::Infallible {
    let Some((mut hangup, certificates)) = heard else { return std::future::pending().await };
    while hangup.recv().await.is_some() {
        let certificates = certificates.clone();
        match tokio::task::spawn_blocking(move || certificates.reload()).await {
            Ok(Ok(())) => tracing::info!("the certificate was read again"),
            Ok(Err(error)) => {
                let message = "the certificate was not read again; the old one stays";
                tracing::error!(error_id = "certificate-not-renewed", %error, message);
            }
            Err(_) => return std::future::pending().await,
        }
    }
    std::future::pending().await
}

async fn configuration(settings: &Settings) -> Result<ServerConfig, ServeError> {
    let auth = identity::auth(settings)?;
    let store = match (settings.store.unwrap_or_default(), &settings.data_dir) {
        (StoreKind::Memory, Some(_)) => return Err(ServeError::MemoryWithDirectory),
        (StoreKind::Memory, None) => StoreConfig::Memory,
        (StoreKind::Embedded, dir) => {
            StoreConfig::Embedded { dir: dir.clone().unwrap_or_else(|| Path::new(DATA_DIR_DEFAULT).into()) }
        }
    };
    let listen = resolve(settings.listen.as_deref().unwrap_or(LISTEN_DEFAULT)).await?;
    let mut config = ServerConfig::new(listen, store, auth);
    if let Some(address) = &settings.metrics_listen {
        config.metrics_listen = Some(resolve(address).await?);
    }
    config.identity = identity::identity(settings)?;
    identity::event_policy(settings, &mut config.event_policy);
    config.tls = identity::tls(settings)?;
    if let Some(proxies) = &settings.trusted_proxies {
        config.trusted_proxies = proxies.iter().map(|proxies| proxies.0).collect();
    }
    config.web_root.clone_from(&settings.web_root);
    config.public_url.clone_from(&settings.public_url);
    if let Some(rules) = &settings.retention {
        config.retention = rules.iter().map(|rule| rule.0.clone()).collect();
    }
    if let Some(origins) = &settings.cors_origin {
        config.cors = if origins.iter().any(|origin| origin == "*") {
            CorsOrigins::Any
        } else {
            CorsOrigins::List(origins.clone())
        };
    }
    config.unknown_events = match settings.unknown_events.unwrap_or_default() {
        UnknownEventsKind::Accept => UnknownEvents::Accept,
        UnknownEventsKind::AcceptRegistered => UnknownEvents::AcceptRegistered,
        UnknownEventsKind::Reject => UnknownEvents::Reject,
    };
    config.event_types = settings.event_type.clone().unwrap_or_default();
    for (value, field) in [
        (settings.long_poll_timeout, &mut config.long_poll_timeout),
        (settings.sse_max_age, &mut config.sse_max_age),
        (settings.heartbeat, &mut config.heartbeat),
        (settings.presence_ttl, &mut config.presence_ttl),
        (settings.retention_interval, &mut config.retention_interval),
        (settings.shutdown_deadline, &mut config.shutdown_deadline),
        (settings.reconnect_spread, &mut config.reconnect_spread),
        (settings.subscriber_stall_max, &mut config.subscriber_stall_max),
        (settings.queued_retry_first, &mut config.queued_retry_first),
        (settings.queued_retry_longest, &mut config.queued_retry_longest),
        (settings.queued_wait_max, &mut config.queued_wait_max),
        (settings.coalesce_window, &mut config.coalesce_window),
        (settings.header_read_timeout, &mut config.limits.header_read_timeout),
        (settings.body_read_timeout, &mut config.limits.body_read_timeout),
    ] {
        if let Some(span) = value {
            *field = span.0;
        }
    }
    limits(settings, &mut config.limits);
    store_options(settings, &mut config.store_options);
    Ok(config)
}

fn limits(settings: &Settings, limits: &mut Limits) {
    for (value, field) in [
        (settings.body_bytes_max, &mut limits.body_bytes_max),
        (settings.page_bytes_max, &mut limits.page_bytes_max),
        (settings.sse_page_bytes_max, &mut limits.sse_page_bytes_max),
        (settings.ring_bytes_max, &mut limits.ring_bytes_max),
        (settings.rings_bytes_max, &mut limits.rings_bytes_max),
        (settings.head_bytes_max, &mut limits.head_bytes_max),
        (settings.url_bytes_max, &mut limits.url_bytes_max),
        (settings.bodies_bytes_max, &mut limits.bodies_bytes_max),
        (settings.unsent_bytes_max, &mut limits.unsent_bytes_max),
        (settings.queued_bytes_max, &mut limits.queued_bytes_max),
        (settings.event_bytes_max, &mut limits.event_bytes_max),
        (settings.coalesce_bytes_max, &mut limits.coalesce_bytes_max),
    ] {
        if let Some(size) = value {
            *field = size.0;
        }
    }
    for (value, field) in [
        (settings.requests_per_identity, &mut limits.requests_per_identity),
        (settings.requests_per_address, &mut limits.requests_per_address),
        (settings.events_per_session, &mut limits.events_per_session),
    ] {
        if let Some(limit) = value {
            *field = limit.0;
        }
    }
    for (value, field) in [
        (settings.sse_subscribers_per_identity_max, &mut limits.sse_subscribers_per_identity_max),
        (settings.session_members_max, &mut limits.session_members_max),
        (settings.open_streams_per_identity_max, &mut limits.open_streams_per_identity_max),
        (settings.append_messages_max, &mut limits.append_messages_max),
        (settings.sse_subscribers_max, &mut limits.sse_subscribers_max),
        (settings.connections_max, &mut limits.connections_max),
        (settings.subscriptions_max, &mut limits.subscriptions_max),
        (settings.subscription_streams_max, &mut limits.subscription_streams_max),
        (settings.webhook_calls_max, &mut limits.webhook_calls_max),
        (settings.append_retries_max, &mut limits.append_retries_max),
        (settings.queued_appends_max, &mut limits.queued_appends_max),
        (settings.dead_letters_max, &mut limits.dead_letters_max),
        (settings.sessions_max, &mut limits.sessions_max),
        (settings.event_ids_max, &mut limits.event_ids_max),
        (settings.event_ids_cached_max, &mut limits.event_ids_cached_max),
        (settings.presence_users_max, &mut limits.presence_users_max),
        (settings.presence_connections_max, &mut limits.presence_connections_max),
        (settings.presence_connections_per_user_max, &mut limits.presence_connections_per_user_max),
    ] {
        if let Some(number) = value {
            *field = number;
        }
    }
    for (value, field) in [
        (settings.append_attempts_max, &mut limits.append_attempts_max),
        (settings.queued_attempts_max, &mut limits.queued_attempts_max),
    ] {
        if let Some(number) = value {
            *field = number;
        }
    }
}

fn store_options(settings: &Settings, options: &mut StoreOptions) {
    for (value, field) in [
        (settings.memory_bytes_max, &mut options.memory_bytes_max),
        (settings.log_segment_bytes, &mut options.log_segment_bytes),
        (settings.block_cache_bytes, &mut options.block_cache_bytes),
        (settings.disk_free_bytes_min, &mut options.disk_free_bytes_min),
    ] {
        if let Some(size) = value {
            *field = size.0 as u64;
        }
    }
    for (value, field) in [
        (settings.tail_window_bytes, &mut options.tail_window_bytes),
        (settings.tail_window_stream_bytes, &mut options.tail_window_stream_bytes),
        (settings.queue_bytes_max, &mut options.queue_bytes_max),
        (settings.group_bytes_max, &mut options.group_bytes_max),
        (settings.attributes_bytes_max, &mut options.attributes_bytes_max),
        (settings.stream_seq_len_max, &mut options.stream_seq_len_max),
    ] {
        if let Some(size) = value {
            *field = size.0;
        }
    }
    for (value, field) in [
        (settings.queue_len_max, &mut options.queue_len_max),
        (settings.group_len_max, &mut options.group_len_max),
        (settings.producers_cached_max, &mut options.producers_cached_max),
        (settings.engine_reads_max, &mut options.engine_reads_max),
    ] {
        if let Some(number) = value {
            *field = number;
        }
    }
    if let Some(number) = settings.recovery_attempts_max {
        options.recovery_attempts_max = number;
    }
    if let Some(span) = settings.sweep_interval {
        options.sweep_interval = span.0;
    }
}

/// A socket address, or a name with a port.
async fn resolve(address: &str) -> Result<SocketAddr, ServeError> {
    let failed = |source| ServeError::Resolve { address: address.to_owned(), source };
    let mut found = tokio::net::lookup_host(address).await.map_err(failed)?;
    found.next().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

fn describe(config: &ServerConfig) -> Description {
    let (store, data_dir) = match &config.store {
        StoreConfig::Embedded { dir } => ("embedded", Some(dir.display().to_string())),
        StoreConfig::Memory => ("memory", None),
    };
    let identity = &config.identity;
    let ways = [
        ("token", matches!(config.auth, AuthConfig::Token(_))),
        ("jwt", identity.jwt.is_some()),
        ("forward-auth", identity.forward_auth.is_some()),
    ];
    let auth = match config.auth {
        AuthConfig::DevNoAuth => "none".to_owned(),
        AuthConfig::Token(_) | AuthConfig::Credentials => {
            let ways: Vec<_> = ways.into_iter().filter_map(|(way, is_open)| is_open.then_some(way)).collect();
            ways.join(", ")
        }
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    Description { store, data_dir, auth, scheme }
}

struct Description {
    store: &'static str,
    data_dir: Option<String>,
    auth: String,
    scheme: &'static str,
}

/// The one line on standard output: scripts that let the system choose the port read it from here.
fn announce(server: &BoundServer, description: &Description, format: LogFormat) {
    let Description { store, data_dir, auth, scheme } = description;
    let url = format!("{scheme}://{}", server.local_addr());
    let line = match format {
        LogFormat::Json => serde_json::json!({
            "event": "listening",
            "url": url,
            "pid": std::process::id(),
            "store": store,
            "dataDir": data_dir,
            "auth": auth,
            "metrics": server.metrics_addr().map(|address| format!("http://{address}/metrics")),
            "version": env!("CARGO_PKG_VERSION"),
        })
        .to_string(),
        LogFormat::Text => {
            let place = data_dir.as_ref().map(|dir| format!(" in {dir}")).unwrap_or_default();
            format!("listening on {url} (store: {store}{place}, auth: {auth})")
        }
    };
    let mut out = io::stdout().lock();
    // Nobody has to read it.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// SIGINT and SIGTERM, heard from before the store opens.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn heard(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// The first signal, and a future of the second.
    fn split(mut self) -> (FirstSignal, impl Future<Output = ()>) {
        let (tell, told) = tokio::sync::oneshot::channel();
        let second = async move {
            self.heard().await;
            let _ = tell.send(());
            self.heard().await;
        };
        (FirstSignal(Some(told)), second)
    }
}

struct FirstSignal(Option<tokio::sync::oneshot::Receiver<()>>);

impl FirstSignal {
    async fn heard(&mut self) {
        match self.0.take() {
            Some(told) => {
                let _ = told.await;
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests;
