//! Every setting of the server, once: its flag, its environment variable and its key in the configuration file.

use std::path::PathBuf;

use serde::Deserialize;

use super::ServeError;
use super::value::{Proxies, RateLimit, Rule, SecretText, Size, Span, Token};

/// Arguments of `serve`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServeArgs {
    /// TOML file with settings: the keys are the names of the flags. Flags and environment go before it
    #[arg(long, env = "DURABLE_SESSIONS_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// All other settings.
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Which engine keeps the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreKind {
    /// On disk, synced before every acknowledgement
    #[default]
    Embedded,
    /// In memory, gone with the process
    Memory,
}

/// What happens to session events of types that are not in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnknownEventsKind {
    /// Stored as they are
    #[default]
    Accept,
    /// Stored when the type begins with x- or is among --event-type, else refused
    AcceptRegistered,
    /// Refused
    Reject,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For machines
    Json,
}

/// Defines the settings and how two sources of them are laid over each other.
macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $type:ty,)*) => {
        /// What flags, environment or a file say; whatever none of them says has a default.
        #[derive(Debug, Clone, Default, Deserialize, clap::Args)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub(crate) struct Settings {
            $($(#[$attribute])* pub(crate) $name: Option<$type>,)*
        }

        impl Settings {
            /// These settings, and those of `other` where these are silent.
            fn or(self, other: Self) -> Self {
                Self { $($name: self.$name.or(other.$name),)* }
            }
        }
    };
}

settings! {
    /// Address to listen on; port 0 lets the system choose [default: 127.0.0.1:4437]
    #[arg(long, env = "DURABLE_SESSIONS_LISTEN", value_name = "HOST:PORT")]
    listen: String,
    /// Where streams are kept [default: embedded]
    #[arg(long, env = "DURABLE_SESSIONS_STORE")]
    store: StoreKind,
    /// Directory of the embedded store [default: durable-sessions-data]
    #[arg(long, env = "DURABLE_SESSIONS_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
    /// Bearer token that every request must carry (better given in the environment: command lines can be seen)
    #[arg(long, env = "DURABLE_SESSIONS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Token,
    /// Secret of JSON Web Tokens signed with HS256, at least 32 bytes
    #[arg(long, env = "DURABLE_SESSIONS_JWT_SECRET", hide_env_values = true, value_name = "SECRET", help_heading = "Identity")]
    jwt_secret: SecretText,
    /// File with public keys of JSON Web Tokens: PEM (RSA, P-256, Ed25519), or a JSON Web Key Set
    #[arg(long, env = "DURABLE_SESSIONS_JWT_KEYS", value_name = "FILE", help_heading = "Identity")]
    jwt_keys: PathBuf,
    /// Where the public keys of JSON Web Tokens are, as a JSON Web Key Set
    #[arg(long, env = "DURABLE_SESSIONS_JWKS_URL", value_name = "URL", help_heading = "Identity")]
    jwks_url: String,
    /// The issuer that JSON Web Tokens must have
    #[arg(long, env = "DURABLE_SESSIONS_JWT_ISSUER", value_name = "TEXT", help_heading = "Identity")]
    jwt_issuer: String,
    /// The audience that JSON Web Tokens must have; needed with public keys
    #[arg(long, env = "DURABLE_SESSIONS_JWT_AUDIENCE", value_name = "TEXT", help_heading = "Identity")]
    jwt_audience: String,
    /// How far the clock of who signs tokens may differ [default: 30s]
    #[arg(long, env = "DURABLE_SESSIONS_JWT_LEEWAY", value_name = "DURATION", help_heading = "Identity")]
    jwt_leeway: Span,
    /// URL of the application that is asked who a request comes from
    #[arg(long, env = "DURABLE_SESSIONS_FORWARD_AUTH_URL", value_name = "URL", help_heading = "Identity")]
    forward_auth_url: String,
    /// How long its answers are good for the same credentials, method and path [default: 10s]
    #[arg(long, env = "DURABLE_SESSIONS_FORWARD_AUTH_TTL", value_name = "DURATION", help_heading = "Identity")]
    forward_auth_ttl: Span,
    /// How long a stream token can be used [default: 5m]
    #[arg(long, env = "DURABLE_SESSIONS_STREAM_TOKEN_TTL", value_name = "DURATION", help_heading = "Identity")]
    stream_token_ttl: Span,
    /// How long the cookie can be used [default: 12h]
    #[arg(long, env = "DURABLE_SESSIONS_COOKIE_TTL", value_name = "DURATION", help_heading = "Identity")]
    cookie_ttl: Span,
    /// Types of events that viewers may write, where * ends a prefix [default: presence:*]
    #[arg(long, env = "DURABLE_SESSIONS_VIEWER_EVENTS", value_delimiter = ',', value_name = "TYPE", help_heading = "Identity")]
    viewer_events: Vec<String>,
    /// The same of participants [default: presence:*,chunk,terminal:input,approval:requested,x-*]
    #[arg(long, env = "DURABLE_SESSIONS_PARTICIPANT_EVENTS", value_delimiter = ',', value_name = "TYPE", help_heading = "Identity")]
    participant_events: Vec<String>,
    /// The same of operators [default: *]
    #[arg(long, env = "DURABLE_SESSIONS_OPERATOR_EVENTS", value_delimiter = ',', value_name = "TYPE", help_heading = "Identity")]
    operator_events: Vec<String>,
    /// The same of owners [default: *]
    #[arg(long, env = "DURABLE_SESSIONS_OWNER_EVENTS", value_delimiter = ',', value_name = "TYPE", help_heading = "Identity")]
    owner_events: Vec<String>,
    /// PEM file with the certificate for TLS, and the intermediate ones after it
    #[arg(long, env = "DURABLE_SESSIONS_TLS_CERT", value_name = "FILE")]
    tls_cert: PathBuf,
    /// PEM file with its private key
    #[arg(long, env = "DURABLE_SESSIONS_TLS_KEY", value_name = "FILE")]
    tls_key: PathBuf,
    /// Addresses or networks of proxies whose X-Forwarded-For is believed
    #[arg(long, env = "DURABLE_SESSIONS_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORK")]
    trusted_proxies: Vec<Proxies>,
    /// Let everybody in; only on a loopback address
    #[arg(long, env = "DURABLE_SESSIONS_DEV_NO_AUTH", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    dev_no_auth: bool,
    /// Where this server is reached from outside, for Location, callback and key URLs behind a proxy [default: http and the Host of the caller]
    #[arg(long, env = "DURABLE_SESSIONS_PUBLIC_URL", value_name = "URL")]
    public_url: String,
    /// Directory of a built web application, served at /
    #[arg(long, env = "DURABLE_SESSIONS_WEB_ROOT", value_name = "DIR")]
    web_root: PathBuf,
    /// Browser origins that may read answers, or * for all [default: pages of this machine]
    #[arg(long, env = "DURABLE_SESSIONS_CORS_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// What is kept of streams: PATTERN=LIMITS, where * in the pattern is one segment of a path and ** any number, and limits are such as age:30d,count:100000,bytes:1GiB, or none. The first pattern that matches counts; repeat it, or separate with semicolons
    #[arg(long, env = "DURABLE_SESSIONS_RETENTION", value_delimiter = ';', value_name = "RULE")]
    retention: Vec<Rule>,
    /// How often streams are looked at for what may go [default: 30s]
    #[arg(long, env = "DURABLE_SESSIONS_RETENTION_INTERVAL", value_name = "DURATION")]
    retention_interval: Span,
    /// How long a long-poll waits [default: 30s]
    #[arg(long, env = "DURABLE_SESSIONS_LONG_POLL_TIMEOUT", value_name = "DURATION")]
    long_poll_timeout: Span,
    /// About how long an SSE answer lasts before the client comes again [default: 1m]
    #[arg(long, env = "DURABLE_SESSIONS_SSE_MAX_AGE", value_name = "DURATION")]
    sse_max_age: Span,
    /// Longest silence on an SSE answer [default: 15s]
    #[arg(long, env = "DURABLE_SESSIONS_HEARTBEAT", value_name = "DURATION")]
    heartbeat: Span,
    /// What happens to session events of types that are not in the catalogue [default: accept]
    #[arg(long, env = "DURABLE_SESSIONS_UNKNOWN_EVENTS")]
    unknown_events: UnknownEventsKind,
    /// Event types of the application, for --unknown-events accept-registered; one that ends in * stands for all that begin so
    #[arg(long, env = "DURABLE_SESSIONS_EVENT_TYPE", value_delimiter = ',', value_name = "TYPE")]
    event_type: Vec<String>,
    /// After which silence a connection's presence is over [default: 1m]
    #[arg(long, env = "DURABLE_SESSIONS_PRESENCE_TTL", value_name = "DURATION")]
    presence_ttl: Span,
    /// How long a shutdown waits for requests in flight [default: 10s]
    #[arg(long, env = "DURABLE_SESSIONS_SHUTDOWN_DEADLINE", value_name = "DURATION")]
    shutdown_deadline: Span,
    /// Over how much time clients are asked to spread their return at a shutdown [default: 5s]
    #[arg(long, env = "DURABLE_SESSIONS_RECONNECT_SPREAD", value_name = "DURATION")]
    reconnect_spread: Span,
    /// An address of its own for /metrics, where no token is needed
    #[arg(long, env = "DURABLE_SESSIONS_METRICS_LISTEN", value_name = "HOST:PORT")]
    metrics_listen: String,
    /// First wait of a queued append that failed; it doubles with each failure [default: 200ms]
    #[arg(long, env = "DURABLE_SESSIONS_QUEUED_RETRY_FIRST", value_name = "DURATION")]
    queued_retry_first: Span,
    /// Longest wait between two attempts at a queued append [default: 30s]
    #[arg(long, env = "DURABLE_SESSIONS_QUEUED_RETRY_LONGEST", value_name = "DURATION")]
    queued_retry_longest: Span,
    /// How long an append to a session that is not queued waits for those that were queued before it [default: 5s]
    #[arg(long, env = "DURABLE_SESSIONS_QUEUED_WAIT_MAX", value_name = "DURATION")]
    queued_wait_max: Span,
    /// How long a chunk waits for others, to be stored as one event with them, up to 1s; 0s stores each by itself. Sessions that were created with coalesceMs have their own [default: 0s]
    #[arg(long, env = "DURABLE_SESSIONS_COALESCE_WINDOW", value_name = "DURATION")]
    coalesce_window: Span,
    /// How log lines look, and the line about the address [default: text]
    #[arg(long, env = "DURABLE_SESSIONS_LOG_FORMAT")]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a filter by module [default: info]
    #[arg(long, env = "DURABLE_SESSIONS_LOG", value_name = "FILTER")]
    log: String,
    /// OpenTelemetry collector that traces go to, over OTLP/HTTP, such as http://localhost:4318 (feature otlp)
    #[arg(long, env = "DURABLE_SESSIONS_OTLP_ENDPOINT", value_name = "URL", help_heading = "Telemetry")]
    otlp_endpoint: String,
    /// DSN of the Sentry project that errors go to (feature sentry)
    #[arg(long, env = "DURABLE_SESSIONS_SENTRY_DSN", hide_env_values = true, value_name = "DSN", help_heading = "Telemetry")]
    sentry_dsn: SecretText,
    /// Environment that Sentry shows errors under [default: production]
    #[arg(long, env = "DURABLE_SESSIONS_SENTRY_ENVIRONMENT", value_name = "NAME", help_heading = "Telemetry")]
    sentry_environment: String,
    /// Largest request body [default: 8MiB]
    #[arg(long, env = "DURABLE_SESSIONS_BODY_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    body_bytes_max: Size,
    /// Most messages in one append [default: 100000]
    #[arg(long, env = "DURABLE_SESSIONS_APPEND_MESSAGES_MAX", value_name = "N", help_heading = "Limits")]
    append_messages_max: usize,
    /// About how much one catch-up answer holds [default: 1MiB]
    #[arg(long, env = "DURABLE_SESSIONS_PAGE_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    page_bytes_max: Size,
    /// About how much one SSE event read from storage holds [default: 256KiB]
    #[arg(long, env = "DURABLE_SESSIONS_SSE_PAGE_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    sse_page_bytes_max: Size,
    /// Encoded frames kept per stream with subscribers [default: 1MiB]
    #[arg(long, env = "DURABLE_SESSIONS_RING_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    ring_bytes_max: Size,
    /// Encoded frames kept for all streams together [default: 128MiB]
    #[arg(long, env = "DURABLE_SESSIONS_RINGS_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    rings_bytes_max: Size,
    /// SSE answers open at once [default: 10000]
    #[arg(long, env = "DURABLE_SESSIONS_SSE_SUBSCRIBERS_MAX", value_name = "N", help_heading = "Limits")]
    sse_subscribers_max: usize,
    /// SSE answers open at once for one identity [default: 1000]
    #[arg(long, env = "DURABLE_SESSIONS_SSE_SUBSCRIBERS_PER_IDENTITY_MAX", value_name = "N", help_heading = "Limits")]
    sse_subscribers_per_identity_max: usize,
    /// Requests of one identity, as 100/s, 6000/m or 100/s,burst:500, or off; the static token is not counted [default: 500/s,burst:1000]
    #[arg(long, env = "DURABLE_SESSIONS_REQUESTS_PER_IDENTITY", value_name = "RATE", help_heading = "Limits")]
    requests_per_identity: RateLimit,
    /// Requests from one address, or off [default: 2000/s,burst:4000]
    #[arg(long, env = "DURABLE_SESSIONS_REQUESTS_PER_ADDRESS", value_name = "RATE", help_heading = "Limits")]
    requests_per_address: RateLimit,
    /// Events appended to one session, or off [default: off]
    #[arg(long, env = "DURABLE_SESSIONS_EVENTS_PER_SESSION", value_name = "RATE", help_heading = "Limits")]
    events_per_session: RateLimit,
    /// Largest event of a session [default: 1MiB]
    #[arg(long, env = "DURABLE_SESSIONS_EVENT_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    event_bytes_max: Size,
    /// Streams and sessions of one identity that are neither closed nor gone; the static token is not counted [default: 100000]
    #[arg(long, env = "DURABLE_SESSIONS_OPEN_STREAMS_PER_IDENTITY_MAX", value_name = "N", help_heading = "Limits")]
    open_streams_per_identity_max: usize,
    /// Connections open at once [default: 16384]
    #[arg(long, env = "DURABLE_SESSIONS_CONNECTIONS_MAX", value_name = "N", help_heading = "Limits")]
    connections_max: usize,
    /// Largest request head [default: 32KiB]
    #[arg(long, env = "DURABLE_SESSIONS_HEAD_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    head_bytes_max: Size,
    /// Longest request target [default: 4KiB]
    #[arg(long, env = "DURABLE_SESSIONS_URL_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    url_bytes_max: Size,
    /// How long a request head may take, idle time of the connection included [default: 75s]
    #[arg(long, env = "DURABLE_SESSIONS_HEADER_READ_TIMEOUT", value_name = "DURATION", help_heading = "Limits")]
    header_read_timeout: Span,
    /// How long a request body may take [default: 60s]
    #[arg(long, env = "DURABLE_SESSIONS_BODY_READ_TIMEOUT", value_name = "DURATION", help_heading = "Limits")]
    body_read_timeout: Span,
    /// Subscriptions there may be [default: 1000]
    #[arg(long, env = "DURABLE_SESSIONS_SUBSCRIPTIONS_MAX", value_name = "N", help_heading = "Limits")]
    subscriptions_max: usize,
    /// Streams one subscription may link [default: 1000]
    #[arg(long, env = "DURABLE_SESSIONS_SUBSCRIPTION_STREAMS_MAX", value_name = "N", help_heading = "Limits")]
    subscription_streams_max: usize,
    /// Webhooks called at once [default: 64]
    #[arg(long, env = "DURABLE_SESSIONS_WEBHOOK_CALLS_MAX", value_name = "N", help_heading = "Limits")]
    webhook_calls_max: usize,
    /// How long a subscriber may take nothing before it is cut [default: 30s]
    #[arg(long, env = "DURABLE_SESSIONS_SUBSCRIBER_STALL_MAX", value_name = "DURATION", help_heading = "Limits")]
    subscriber_stall_max: Span,
    /// Bodies of requests under way, over all of them [default: 256MiB]
    #[arg(long, env = "DURABLE_SESSIONS_BODIES_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    bodies_bytes_max: Size,
    /// What may wait for slow readers, over all of them [default: 256MiB]
    #[arg(long, env = "DURABLE_SESSIONS_UNSENT_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    unsent_bytes_max: Size,
    /// How often an append is tried while the store takes nothing [default: 5]
    #[arg(long, env = "DURABLE_SESSIONS_APPEND_ATTEMPTS_MAX", value_name = "N", help_heading = "Limits")]
    append_attempts_max: u32,
    /// Appends that wait for the store between two attempts [default: 1024]
    #[arg(long, env = "DURABLE_SESSIONS_APPEND_RETRIES_MAX", value_name = "N", help_heading = "Limits")]
    append_retries_max: usize,
    /// Queued appends that have not reached their streams [default: 10000]
    #[arg(long, env = "DURABLE_SESSIONS_QUEUED_APPENDS_MAX", value_name = "N", help_heading = "Limits")]
    queued_appends_max: usize,
    /// The same in bytes [default: 256MiB]
    #[arg(long, env = "DURABLE_SESSIONS_QUEUED_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    queued_bytes_max: Size,
    /// How often a queued append is tried before it becomes a dead letter [default: 10]
    #[arg(long, env = "DURABLE_SESSIONS_QUEUED_ATTEMPTS_MAX", value_name = "N", help_heading = "Limits")]
    queued_attempts_max: u32,
    /// Dead letters that are kept [default: 10000]
    #[arg(long, env = "DURABLE_SESSIONS_DEAD_LETTERS_MAX", value_name = "N", help_heading = "Limits")]
    dead_letters_max: usize,
    /// Chunks that wait for others, over all sessions [default: 64MiB]
    #[arg(long, env = "DURABLE_SESSIONS_COALESCE_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    coalesce_bytes_max: Size,
    /// Sessions there may be [default: 1000000]
    #[arg(long, env = "DURABLE_SESSIONS_SESSIONS_MAX", value_name = "N", help_heading = "Limits")]
    sessions_max: usize,
    /// Members one session may have [default: 256]
    #[arg(long, env = "DURABLE_SESSIONS_SESSION_MEMBERS_MAX", value_name = "N", help_heading = "Limits")]
    session_members_max: usize,
    /// Newest events of a session among which a repeated event id is recognised [default: 4096]
    #[arg(long, env = "DURABLE_SESSIONS_EVENT_IDS_MAX", value_name = "N", help_heading = "Limits")]
    event_ids_max: usize,
    /// Event ids remembered over all sessions [default: 500000]
    #[arg(long, env = "DURABLE_SESSIONS_EVENT_IDS_CACHED_MAX", value_name = "N", help_heading = "Limits")]
    event_ids_cached_max: usize,
    /// Users present in one session [default: 200]
    #[arg(long, env = "DURABLE_SESSIONS_PRESENCE_USERS_MAX", value_name = "N", help_heading = "Limits")]
    presence_users_max: usize,
    /// Connections present in all sessions [default: 50000]
    #[arg(long, env = "DURABLE_SESSIONS_PRESENCE_CONNECTIONS_MAX", value_name = "N", help_heading = "Limits")]
    presence_connections_max: usize,
    /// Connections that one user of one project is present by, in all sessions [default: 1000]
    #[arg(long, env = "DURABLE_SESSIONS_PRESENCE_CONNECTIONS_PER_USER_MAX", value_name = "N", help_heading = "Limits")]
    presence_connections_per_user_max: usize,
    /// What the memory store may hold [default: 1GiB]
    #[arg(long, env = "DURABLE_SESSIONS_MEMORY_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    memory_bytes_max: Size,
    /// Recent rows kept in memory over all streams [default: 64MiB]
    #[arg(long, env = "DURABLE_SESSIONS_TAIL_WINDOW_BYTES", value_name = "BYTES", help_heading = "Limits")]
    tail_window_bytes: Size,
    /// Appends that may wait for the store [default: 16384]
    #[arg(long, env = "DURABLE_SESSIONS_QUEUE_LEN_MAX", value_name = "N", help_heading = "Limits")]
    queue_len_max: usize,
    /// The same in bytes [default: 64MiB]
    #[arg(long, env = "DURABLE_SESSIONS_QUEUE_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    queue_bytes_max: Size,
    /// Appends that share one sync [default: 4096]
    #[arg(long, env = "DURABLE_SESSIONS_GROUP_LEN_MAX", value_name = "N", help_heading = "Limits")]
    group_len_max: usize,
    /// The same in bytes [default: 16MiB]
    #[arg(long, env = "DURABLE_SESSIONS_GROUP_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    group_bytes_max: Size,
    /// Recent rows kept in memory of one stream [default: 8MiB]
    #[arg(long, env = "DURABLE_SESSIONS_TAIL_WINDOW_STREAM_BYTES", value_name = "BYTES", help_heading = "Limits")]
    tail_window_stream_bytes: Size,
    /// Producers whose state is kept in memory [default: 100000]
    #[arg(long, env = "DURABLE_SESSIONS_PRODUCERS_CACHED_MAX", value_name = "N", help_heading = "Limits")]
    producers_cached_max: usize,
    /// What is kept of one session or subscription beside its events [default: 256KiB]
    #[arg(long, env = "DURABLE_SESSIONS_ATTRIBUTES_BYTES_MAX", value_name = "BYTES", help_heading = "Limits")]
    attributes_bytes_max: Size,
    /// Longest Stream-Seq [default: 1KiB]
    #[arg(long, env = "DURABLE_SESSIONS_STREAM_SEQ_LEN_MAX", value_name = "BYTES", help_heading = "Limits")]
    stream_seq_len_max: Size,
    /// Reads of the embedded store at once [default: 16]
    #[arg(long, env = "DURABLE_SESSIONS_ENGINE_READS_MAX", value_name = "N", help_heading = "Limits")]
    engine_reads_max: usize,
    /// One segment of the embedded store's log; four are in memory at most [default: 32MiB]
    #[arg(long, env = "DURABLE_SESSIONS_LOG_SEGMENT_BYTES", value_name = "BYTES", help_heading = "Limits")]
    log_segment_bytes: Size,
    /// The embedded store's cache [default: 32MiB]
    #[arg(long, env = "DURABLE_SESSIONS_BLOCK_CACHE_BYTES", value_name = "BYTES", help_heading = "Limits")]
    block_cache_bytes: Size,
    /// Free space on the disk below which appends are refused as full [default: 64MiB]
    #[arg(long, env = "DURABLE_SESSIONS_DISK_FREE_BYTES_MIN", value_name = "BYTES", help_heading = "Limits")]
    disk_free_bytes_min: Size,
    /// How often the embedded store tries to go on after a commit that failed, before it has to be opened again [default: 60]
    #[arg(long, env = "DURABLE_SESSIONS_RECOVERY_ATTEMPTS_MAX", value_name = "N", help_heading = "Limits")]
    recovery_attempts_max: u32,
    /// How often expired streams are looked for [default: 5s]
    #[arg(long, env = "DURABLE_SESSIONS_SWEEP_INTERVAL", value_name = "DURATION", help_heading = "Limits")]
    sweep_interval: Span,
}

/// Flags and environment (clap has laid the first over the second), then the file.
pub(super) fn merge(args: ServeArgs) -> Result<Settings, ServeError> {
    let Some(path) = args.config else { return Ok(args.settings) };
    let text = std::fs::read_to_string(&path)
        .map_err(|source| ServeError::ReadFile { path: path.clone(), source })?;
    let file = parse(&text).map_err(|message| ServeError::File { path, message })?;
    Ok(args.settings.or(file))
}

fn parse(text: &str) -> Result<Settings, String> {
    // The long form of the error quotes the line, which may be the one with the token.
    toml::from_str(text).map_err(|why| {
        let line = why.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        match line {
            Some(line) => format!("line {line}: {}", why.message()),
            None => why.message().to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: ServeArgs,
    }

    #[test]
    fn every_flag_has_a_key_and_a_variable() {
        let command = <Command as clap::CommandFactory>::command();
        let mut flags = 0;
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "config") {
            let Some(flag) = argument.get_long() else { continue };
            flags += 1;
            let expected = format!("DURABLE_SESSIONS_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(expected.as_str()));
            // A value of a wrong type proves that the key is known.
            let error = parse(&format!("{flag} = {{}}\n")).unwrap_err();
            assert!(!error.contains("unknown field"), "{flag}: {error}");
        }
        assert!(flags > 20, "{flags}");
    }

    #[test]
    fn unknown_keys_are_named_and_the_token_is_not_shown() {
        let error = parse("listen = \"127.0.0.1:0\"\nlong-pol-timeout = \"2s\"\n").unwrap_err();
        assert!(error.contains("long-pol-timeout") && error.starts_with("line 2"), "{error}");
        let error = parse("token = \"s3cret\" x\n").unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
        let settings = parse("token = \"s3cret\"\nbody-bytes-max = \"2MiB\"\nqueue-len-max = 7\n").unwrap();
        assert!(!format!("{settings:?}").contains("s3cret"));
        assert_eq!((settings.body_bytes_max, settings.queue_len_max), (Some(Size(2 << 20)), Some(7)));
    }

    #[test]
    fn retention_rules_keep_their_order() {
        let flags = ["serve", "--retention", "a=age:1d,count:5; b/**=none", "--retention", "c=bytes:1KiB"];
        let rules = Command::parse_from(flags).args.settings.retention.unwrap();
        let expected = ["a=age:24h,count:5", "b/**=none", "c=bytes:1024"];
        assert_eq!(rules, expected.map(|rule| rule.parse::<Rule>().unwrap()));
        let file = parse("retention = [\"a=count:5,age:1d\", \"b/**=none\", \"c=bytes:1KiB\"]\n").unwrap();
        assert_eq!(file.retention, Some(rules));
        let error = parse("retention = [\"a=age:30\"]\n").unwrap_err();
        assert!(error.contains("line 1") && error.contains("age:30d"), "{error}");
        assert!(Command::try_parse_from(["serve", "--retention", "a//b=none"]).is_err());
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let command = Command::parse_from(["serve", "--long-poll-timeout", "2s", "--dev-no-auth"]);
        let file = parse("long-poll-timeout = \"9s\"\nheartbeat = \"3s\"\ndev-no-auth = false\n").unwrap();
        let merged = command.args.settings.or(file);
        assert_eq!(merged.long_poll_timeout, "2s".parse().ok());
        assert_eq!(merged.heartbeat, "3s".parse().ok());
        assert_eq!(merged.dev_no_auth, Some(true));
    }
}
