//! Starting, accepting, and stopping.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use durable_sessions_storage::{OpenError, ReadError};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::app::{App, Gauge, Jitter};
use crate::config::{InvalidConfig, ServerConfig};
use crate::connection;
use crate::cors::Cors;
use crate::fanout::Fanout;
use crate::gate::Gate;
use crate::identity::Authenticator;
use crate::quota::Quota;
use crate::request_id::RequestIds;
use crate::retention;
use crate::router::router;
use crate::static_files::StaticFiles;
use crate::subscriptions::Subscriptions;
use crate::tls::{TlsConfig, TlsError};

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
    app: Arc<App>,
    drain: watch::Sender<bool>,
    tls: Option<TlsAcceptor>,
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
        let listen = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;
        let store = config.store.open(config.store_options.clone())?;
        let (drain, draining) = watch::channel(false);
        let subscriptions = Subscriptions::open(&config, store.clone(), draining.clone())
            .await
            .map_err(StartError::Subscriptions)?;
        let authenticator = Authenticator::new(&config, store.clone());
        let limits = &config.limits;
        let app = Arc::new(App {
            authenticator,
            fanout: Fanout::new(limits.ring_bytes_max, limits.rings_bytes_max),
            cors: Cors::new(config.cors.clone()),
            request_ids: RequestIds::new(),
            static_files,
            subscribers: Gauge::new(limits.sse_subscribers_max),
            quota: Quota::new(limits),
            jitter: Jitter::new(),
            subscriptions,
            draining,
            store,
            config,
        });
        Ok(BoundServer { listener, local_addr, app, drain, tls })
    }
}

impl BoundServer {
    /// Where the server listens; tells the port when the configuration left it to the system.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers until `shutdown` is done; then stops accepting, lets SSE answers end after what is pending,
    /// finishes requests in flight within the deadline, and makes the store durable.
    ///
    /// # Errors
    /// [`RunError`] when the listening socket fails; the store is shut down then as well.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let Self { listener, app, drain, tls, .. } = self;
        let places = Arc::new(Semaphore::new(app.config.limits.connections_max));
        let (kill, killed) = watch::channel(false);
        let keeping = tokio::spawn(retention::keep(app.clone()));
        let gate = Gate::new(app.clone(), router(app.clone()));
        let accepting = accept(&listener, &app, &gate, &places, &killed, tls.as_ref());
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
        app.store.shutdown().await;
        tracing::info!("stopped");
        outcome
    }
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
            // The peer gave up, or descriptors ran out: neither is a fault of the listening socket.
            Err(error) if is_passing(&error) => {
                tracing::warn!(error_id = "accept-failed", %error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            Err(error) => return error,
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    // EMFILE and ENFILE have no kind of their own: 24 and 23 on every Unix this runs on.
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::OutOfMemory
    ) || matches!(error.raw_os_error(), Some(23 | 24))
}
