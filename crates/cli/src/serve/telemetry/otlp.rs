//! Traces for an OpenTelemetry collector, over OTLP with HTTP and protobuf: one span a request, part of the caller's
//! trace when it sends a `traceparent` (W3C Trace Context).
//!
//! Headers, sampling, the name of the service and the bounds of the queue come from the variables that OpenTelemetry
//! defines (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`, `OTEL_BSP_…`).

use std::time::Duration;

use durable_sessions_server::RequestTracing;
use http::{HeaderMap, Method, StatusCode};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Status, TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Layer as _;

use crate::serve::ServeError;
use crate::serve::log::Listener;

const FLAG: &str = "--otlp-endpoint";
/// Where traces go below the endpoint (OTLP specification, "OTLP/HTTP Request").
const TRACES_PATH: &str = "v1/traces";
/// How long an export may take, and how long the end waits for the last one.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
const SERVICE_NAME: &str = "durable-sessions";

/// A running export. Spans wait in a bounded queue; what does not fit is dropped and counted in the log.
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    pub(super) fn start(endpoint: &str) -> Result<Self, ServeError> {
        let refused = |reason: String| ServeError::Value { flag: FLAG, reason };
        let base = endpoint.strip_suffix('/').unwrap_or(endpoint);
        let url =
            url::Url::parse(&format!("{base}/{TRACES_PATH}")).map_err(|why| refused(why.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused(format!("wants http:// or https://, not {}://", url.scheme())));
        }
        super::install_tls();
        let client = blocking_client().map_err(|why| refused(why.to_string()))?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(url)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|why| refused(why.to_string()))?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(SERVICE_NAME);
        }
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.with_attribute(version).build())
            .build();
        Ok(Self { provider })
    }

    pub(super) fn listener(&self) -> Listener {
        let filter = Targets::new().with_target("durable_sessions", LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE_NAME))
            // Threads and source lines say nothing about a request.
            .with_threads(false)
            .with_location(false)
            .with_target(false)
            .with_filter(filter)
            .boxed()
    }

    pub(super) fn end(self) {
        if let Err(why) = self.provider.shutdown_with_timeout(EXPORT_TIMEOUT) {
            tracing::warn!(error_id = "traces-unsent", %why, "the last traces were not sent");
        }
    }
}

/// The exporter sends from a thread of its own, where there is no runtime. A blocking client makes one, which it may
/// not do on a thread of ours.
fn blocking_client() -> Result<reqwest::blocking::Client, reqwest::Error> {
    let build = || reqwest::blocking::Client::builder().timeout(EXPORT_TIMEOUT).build();
    std::thread::scope(|scope| {
        scope.spawn(build).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Gives the span of a request its place in the caller's trace, and what the conventions call for.
/// <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
#[derive(Debug)]
pub(super) struct Requests;

impl RequestTracing for Requests {
    fn started(&self, span: &Span, method: &Method, path: &str, headers: &HeaderMap) {
        span.record("otel.kind", "server");
        // Whatever a stranger calls a method is no name to group by.
        let method = match *method {
            Method::GET | Method::HEAD | Method::PUT | Method::POST | Method::DELETE | Method::OPTIONS => {
                method.as_str()
            }
            _ => "_OTHER",
        };
        span.record("otel.name", format!("{method} {}", route(path)));
        span.set_attribute("http.request.method", method.to_owned());
        span.set_attribute("url.path", path.to_owned());
        span.set_attribute("http.route", route(path));
        let caller = TraceContextPropagator::new().extract(&Headers(headers));
        if caller.span().span_context().is_valid() {
            // Refused only for a span that has begun already.
            let _ = span.set_parent(caller);
        }
    }

    fn answered(&self, span: &Span, status: StatusCode) {
        span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.set_status(Status::error(status.as_str().to_owned()));
        }
    }
}

/// What of a path is no name of a stream, session or key: names of spans are grouped by it, so there are few.
fn route(path: &str) -> &'static str {
    const ROUTES: [(&str, &str); 10] = [
        ("/v1/stream/", "/v1/stream/{path}"),
        ("/v1/", "/v1"),
        ("/api/streams", "/api/streams"),
        ("/api/sessions", "/api/sessions"),
        ("/api/presence", "/api/presence"),
        ("/api/auth", "/api/auth"),
        ("/api/", "/api"),
        ("/metrics", "/metrics"),
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
    ];
    ROUTES.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or("/", |(_, route)| route)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
