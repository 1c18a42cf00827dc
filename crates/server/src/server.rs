//! Starting, accepting, and stopping.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use durable_sessions_storage::{DegradedCause, OpenError, ReadError, StoreHealth, StreamStore};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::app::{App, Gauge, Jitter};
use crate::byte_budget::ByteBudget;
use crate::coalesce::Coalescer;
use crate::config::{InvalidConfig, ServerConfig};
use crate::connection;
use crate::cors::Cors;
use crate::fanout::Fanout;
use crate::gate::Gate;
use crate::identity::Authenticator;
use crate::metrics::{self, Metrics};
use crate::presence::{self, Presence};
use crate::quota::{OpenStreams, Quota};
use crate::request_id::RequestIds;
use crate::retention;
use crate::router::router;
use crate::seldom::seldom;
use crate::session::{Directory, EventIds, EventRules};
use crate::spool::{self, Spool};
use crate::starting;
use crate::static_files::StaticFiles;
use crate::subscriptions::Subscriptions;
use crate::tls::{Certificates, TlsConfig, TlsError};

/// Connections at a time to the address of metrics.
const METRICS_CONNECTIONS_MAX: usize = 64;
/// Summaries made at a time: each parses a whole session.
const SUMMARIES_MAX: usize = 4;
/// How long accepting pauses when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What is left of the shutdown deadline for connections that had to be cut.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// Entry point of the library.
#[derive(Debug)]
pub struct Server;

/// A server that listens, and begins to answer when it is run.
pub struct BoundServer {
    listener: TcpListener,
    local_addr: SocketAddr,
    /// For `/metrics` without a token, if it was asked for.
    metrics: Option<(TcpListener, SocketAddr)>,
    app: Arc<App>,
    drain: watch::Sender<bool>,
    tls: Option<(TlsAcceptor, Certificates)>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The directory of the web application cannot be read.
    #[error("cannot serve files from {}: {source}", path.display())]
    WebRoot {
        /// Which directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store did not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Certificate and key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store opened, but its subscriptions cannot be read.
    #[error("cannot read the subscriptions: {0}")]
    Subscriptions(#[source] ReadError),
    /// The store opened, but not the queued appends of an earlier run.
    #[error("cannot open the queued appends: {0}")]
    Queued(String),
    /// The store opened, but its sessions cannot be read.
    #[error("cannot read the sessions: {0}")]
    Sessions(#[source] ReadError),
}

impl StartError {
    /// Whether starting again may succeed without a change of the configuration.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Listen { .. } | Self::Store(OpenError::Locked { .. }))
    }
}

/// Why a server stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The listening socket failed for good.
    #[error("cannot accept connections any more: {0}")]
    Accept(#[source] io::Error),
}

impl Server {
    /// Opens the store and begins to listen. Connections are answered once [`BoundServer::run`] is called.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(config: ServerConfig) -> Result<BoundServer, StartError> {
        config.validate()?;
        let static_files = match &config.web_root {
            Some(path) => Some(
                StaticFiles::open(path)
                    .map_err(|source| StartError::WebRoot { path: path.clone(), source })?,
            ),
            None => None,
        };
        let tls = config.tls.as_ref().map(TlsConfig::acceptor).transpose()?;
        // Before the store: a second server with the same command line fails on its port, not on a lock.
        let (listener, local_addr) = listen(config.listen).await?;
        let metrics = match config.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let (drain, draining) = watch::channel(false);
        let (place, options) = (config.store.clone(), config.store_options.clone());
        let opening = tokio::task::spawn_blocking(move || place.open(options));
        let app = starting::answer_while(&listener, async {
            let store =
                opening.await.unwrap_or_else(|_| Err(OpenError::Engine("opening it panicked".into())))?;
            Self::assemble(config, store, static_files, draining).await
        })
        .await?;
        Ok(BoundServer { listener, local_addr, metrics, app: Arc::new(app), drain, tls })
    }

    /// Everything around a store.
    pub(crate) async fn assemble(
        config: ServerConfig,
        store: Arc<dyn StreamStore>,
        static_files: Option<StaticFiles>,
        draining: watch::Receiver<bool>,
    ) -> Result<App, StartError> {
        let subscriptions = Subscriptions::open(&config, store.clone(), draining.clone())
            .await
            .map_err(StartError::Subscriptions)?;
        let authenticator = Authenticator::new(&config, store.clone());
        let spool = Spool::new(&config);
        spool.open_if_used().await.map_err(|error| StartError::Queued(error.to_string()))?;
        let limits = &config.limits;
        let sessions = Directory::open(&*store, limits.sessions_max).await.map_err(StartError::Sessions)?;
        let open_streams = OpenStreams::open(&*store, limits.open_streams_per_identity_max)
            .await
            .map_err(StartError::Sessions)?;
        let presence = Presence::new(config.presence_ttl, limits);
        presence.take_up(&sessions, config.store_options.clock.now_ms());
        Ok(App {
            authenticator,
            fanout: Fanout::new(limits.ring_bytes_max, limits.rings_bytes_max),
            cors: Cors::new(config.cors.clone()),
            request_ids: RequestIds::new(),
            static_files,
            subscribers: Gauge::new(limits.sse_subscribers_max),
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            unsent: ByteBudget::new(limits.unsent_bytes_max),
            bodies: ByteBudget::new(limits.bodies_bytes_max),
            retrying: Semaphore::new(limits.append_retries_max),
            behind_queued: Semaphore::new(limits.append_retries_max),
            summing: Semaphore::new(SUMMARIES_MAX),
            spool: Arc::new(spool),
            metrics: Metrics::new(),
            quota: Quota::new(limits),
            open_streams,
            jitter: Jitter::new(),
            subscriptions,
            sessions,
            presence,
            event_rules: EventRules::new(
                config.custom_events.clone(),
                config.unknown_events,
                config.event_types.clone(),
            ),
            coalescer: Coalescer::new(limits.coalesce_bytes_max),
            event_ids: EventIds::new(limits.event_ids_max, limits.event_ids_cached_max),
            draining,
            store,
            config,
        })
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    Ok((listener, local_addr))
}

impl BoundServer {
    /// Where the server listens; tells the port when the configuration left it to the system.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where metrics are served without a token, if they are.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, address)| *address)
    }

    /// The certificate, to be read again when it is renewed; without TLS there is none.
    #[must_use]
    pub fn certificates(&self) -> Option<Certificates> {
        self.tls.as_ref().map(|(_, certificates)| certificates.clone())
    }

    /// Something to ask from another task whether the server does its work.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse(Arc::downgrade(&self.app))
    }

    /// Answers until `shutdown` is done; then stops accepting, lets SSE answers end after what is pending,
    /// finishes requests in flight within the deadline, and makes the store durable.
    ///
    /// # Errors
    /// [`RunError`] when the listening socket fails; the store is shut down then as well.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let Self { listener, metrics, app, drain, tls, .. } = self;
        let places = app.connections.clone();
        let (kill, killed) = watch::channel(false);
        let keeping = tokio::spawn(retention::keep(app.clone()));
        let delivering = tokio::spawn(spool::deliver(app.clone()));
        // To the very end: what is watched most while a server stops is how it does.
        let watched = metrics.map(|(listener, _)| tokio::spawn(serve_metrics(listener, app.clone())));
        let watching = tokio::spawn(presence::watch(app.clone()));
        let gate = Gate::new(app.clone(), router(app.clone()));
        let accepting = accept(&listener, &app, &gate, &places, &killed, tls.as_ref().map(|(tls, _)| tls));
        let outcome = {
            let mut shutdown = pin!(shutdown);
            tokio::select! {
                biased;
                () = shutdown.as_mut() => Ok(()),
                error = accepting => Err(RunError::Accept(error)),
            }
        };
        drop(listener);
        tracing::info!("shutting down");
        drain.send_replace(true);
        let all = u32::try_from(app.config.limits.connections_max).unwrap_or(u32::MAX);
        if tokio::time::timeout(app.config.shutdown_deadline, places.acquire_many(all)).await.is_err() {
            let open = app.config.limits.connections_max - places.available_permits();
            tracing::warn!(error_id = "shutdown-deadline", open, "connections are cut at the deadline");
            kill.send_replace(true);
            let _ = tokio::time::timeout(KILL_GRACE, places.acquire_many(all)).await;
        }
        keeping.abort();
        watching.abort();
        let delivering_abort = delivering.abort_handle();
        if tokio::time::timeout(KILL_GRACE, delivering).await.is_err() {
            // What was under way is delivered again after the next start, and recognised.
            delivering_abort.abort();
        }
        app.spool.shutdown().await;
        app.store.shutdown().await;
        if let Some(watched) = watched {
            watched.abort();
        }
        tracing::info!("stopped");
        outcome
    }
}

/// Whether a server does its work, for watchdogs.
#[derive(Clone)]
pub struct Pulse(Weak<App>);

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pulse").field(&self.beats()).finish()
    }
}

impl Pulse {
    /// `false` once the store is lost for good, so that only a restart helps. A store that takes no appends for a
    /// while is not that.
    #[must_use]
    pub fn beats(&self) -> bool {
        let Some(app) = self.0.upgrade() else { return true };
        let is_lost = matches!(
            app.store.health(),
            StoreHealth::Down(_) | StoreHealth::Degraded { cause: DegradedCause::RecoveryGivenUp, .. }
        );
        app.is_draining() || !is_lost
    }
}

/// Serves metrics on their own address until it is aborted.
async fn serve_metrics(listener: TcpListener, app: Arc<App>) {
    let places = Arc::new(Semaphore::new(METRICS_CONNECTIONS_MAX));
    let (_kill, killed) = watch::channel(false);
    let gate = Gate::open(app.clone(), metrics::router(app.clone()));
    let error = accept(&listener, &app, &gate, &places, &killed, None).await;
    tracing::error!(error_id = "metrics-accept-failed", %error, "metrics are served no more");
}

/// Accepts for ever; returns when the listening socket is of no use any more.
async fn accept(
    listener: &TcpListener,
    app: &Arc<App>,
    gate: &Gate,
    places: &Arc<Semaphore>,
    killed: &watch::Receiver<bool>,
    tls: Option<&TlsAcceptor>,
) -> io::Error {
    loop {
        // Never closed, so this is an error only in theory.
        let Ok(place) = places.clone().acquire_owned().await else {
            return io::ErrorKind::BrokenPipe.into();
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (app, gate, killed) = (app.clone(), gate.of_peer(peer.ip()), killed.clone());
                let tls = tls.cloned();
                tokio::spawn(async move {
                    let live = connection::serve(app, gate, stream, tls, killed.clone()).await;
                    // A task of its own: this one is as large as the HTTP machinery it held.
                    if let Some(live) = live {
                        tokio::spawn(async move {
                            live.run(killed).await;
                            drop(place);
                        });
                    }
                });
            }
            // The peer gave up, something ran out, the network is away: no fault of the listening socket.
            Err(error) if is_passing(&error) => {
                seldom!(
                    |unsaid| tracing::warn!(error_id = "accept-failed", %error, unsaid, "a connection was not accepted")
                );
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            Err(error) => return error,
        }
    }
}

/// Whether accepting may go on. Systems report all kinds of troubles of the connection or of themselves here; only those
/// that say that this is no listening socket stay.
fn is_passing(error: &io::Error) -> bool {
    const EBADF: i32 = 9;
    const EINVAL: i32 = 22;
    const ENOTSOCK: i32 = if cfg!(target_os = "linux") { 88 } else { 38 };
    !matches!(error.raw_os_error(), None | Some(EBADF | EINVAL | ENOTSOCK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fault, broken_app};

    #[test]
    fn only_a_socket_that_is_none_ends_accepting() {
        // EPERM, EINTR, EAGAIN, ENOMEM, ENFILE, EMFILE; of Linux EPROTO, ENETDOWN, ENETUNREACH, ECONNABORTED, ENOBUFS,
        // ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH.
        for passing in [1, 4, 11, 12, 23, 24, 71, 100, 101, 103, 105, 110, 112, 113] {
            assert!(is_passing(&io::Error::from_raw_os_error(passing)), "{passing}");
        }
        for lasting in [9, 22] {
            assert!(!is_passing(&io::Error::from_raw_os_error(lasting)), "{lasting}");
        }
    }

    #[tokio::test]
    async fn the_pulse_stops_when_only_a_restart_helps() {
        let (app, faults, _) = broken_app(|_| {}).await;
        let app = Arc::new(app);
        let pulse = Pulse(Arc::downgrade(&app));
        assert!(pulse.beats());
        for (fault, beats) in [(Fault::Unready, true), (Fault::SaysFull, true), (Fault::GivenUp, false)] {
            faults.set(fault, 1);
            assert_eq!(pulse.beats(), beats, "{fault:?}");
        }
        app.store.shutdown().await;
        assert!(!pulse.beats());
    }
}
