//! What the answers of all routes have in common, said once: who may ask, how much, and how it is refused. Added to the
//! description of each route after its own. Must not know what any route does.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use crate::identity::{COOKIE_PLAIN, COOKIE_SECURE, streamed_session, takes_cookie};

const BEARER: &str = "bearer";
const COOKIE: &str = "cookie";
const STREAM_TOKEN: &str = "streamToken";

/// Headers of answers: name, the key of its description, the description, and whether it is a number.
const HEADERS: [(&str, &str, &str, bool); 5] = [
    ("Retry-After", "RetryAfter", "After how many seconds the same request may succeed.", true),
    (
        "RateLimit-Limit",
        "RateLimitLimit",
        "How many requests the caller may make at once. Absent where requests are not counted.",
        true,
    ),
    ("RateLimit-Remaining", "RateLimitRemaining", "How many of them are left.", true),
    ("RateLimit-Reset", "RateLimitReset", "After how many seconds all of them are there again.", true),
    ("WWW-Authenticate", "WwwAuthenticate", "`Bearer`.", false),
];

/// Answers that every route may give: the key of its description, the status, the description, and its headers.
struct Common {
    key: &'static str,
    status: &'static str,
    description: &'static str,
    headers: &'static [&'static str],
    to: To,
}

/// Which routes may give an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Everybody,
    WhoNeedsCredentials,
    WhoSendsABody,
}

const COMMON: [Common; 8] = [
    Common {
        key: "Unauthorized",
        status: "401",
        description: "UNAUTHORIZED: no credentials, or none that are good.",
        headers: &["WWW-Authenticate"],
        to: To::WhoNeedsCredentials,
    },
    Common {
        key: "Forbidden",
        status: "403",
        description: "FORBIDDEN: the caller may not do this.",
        headers: RATE,
        to: To::WhoNeedsCredentials,
    },
    Common {
        key: "RateLimited",
        status: "429",
        description: "RATE_LIMITED: more requests than the caller, or its address, may make.",
        headers: REFUSED_RATE,
        to: To::WhoNeedsCredentials,
    },
    Common {
        key: "Unavailable",
        status: "503",
        description: "STREAM_UNAVAILABLE: the store, or whoever says who callers are, does not answer; or too much is under way.",
        headers: &["Retry-After"],
        to: To::WhoNeedsCredentials,
    },
    Common { key: "UriTooLong", status: "414", description: "URI_TOO_LONG", headers: &[], to: To::Everybody },
    Common {
        key: "RequestTimeout",
        status: "408",
        description: "REQUEST_TIMEOUT: the body did not come in time.",
        headers: RATE,
        to: To::WhoSendsABody,
    },
    Common {
        key: "PayloadTooLarge",
        status: "413",
        description: "PAYLOAD_TOO_LARGE",
        headers: RATE,
        to: To::WhoSendsABody,
    },
    Common {
        key: "Internal",
        status: "500",
        description: "INTERNAL: what is stored is damaged. The log says more.",
        headers: RATE,
        to: To::WhoNeedsCredentials,
    },
];

const RATE: &[&str] = &["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];
const REFUSED_RATE: &[&str] = &["Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];

/// The head was too large for the HTTP machinery to make an answer of its own.
const HEAD_TOO_LARGE: (&str, &str) =
    ("HeadTooLarge", "The head of the request is too large. Without a body.");

/// Completes the description of every route.
pub(super) fn complete(document: &mut OpenApi) {
    describe_once(document.components.get_or_insert_default());
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let is_public = is_public(path);
            operation.security = Some(security(&method, path));
            for common in &COMMON {
                let concerns = match common.to {
                    To::Everybody => true,
                    To::WhoNeedsCredentials => !is_public,
                    To::WhoSendsABody => operation.request_body.is_some(),
                };
                if concerns {
                    add(operation, common, path);
                }
            }
            operation
                .responses
                .responses
                .insert("431".to_owned(), Ref::from_response_name(HEAD_TOO_LARGE.0).into());
            if !is_public {
                for (status, response) in &mut operation.responses.responses {
                    mark(status, response);
                }
            }
        }
    }
}

fn describe_once(components: &mut Components) {
    for (_, key, description, is_number) in HEADERS {
        components.headers.insert(key.to_owned(), header(description, is_number).into());
    }
    // In the envelope of the session API, and in the one of streams.
    for (suffix, schema) in [("", "Failure"), ("OfStream", "StreamFailure")] {
        for common in &COMMON {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
            let mut response = ResponseBuilder::new()
                .description(common.description)
                .content("application/json", content)
                .build();
            add_headers(&mut response, common.headers);
            components.responses.insert(format!("{}{suffix}", common.key), response.into());
        }
    }
    let (key, description) = HEAD_TOO_LARGE;
    components.responses.insert(key.to_owned(), Response::new(description).into());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The static token, a JSON Web Token, an API key, or what the application knows."))
        .build();
    let cookie =
        format!("Made by `POST /api/auth/cookie`; it reads. Without TLS its name is `{COOKIE_PLAIN}`.");
    let token = "Made by `POST /api/auth/stream-token`: it reads one session, for minutes.";
    for (name, scheme) in [
        (BEARER, SecurityScheme::Http(bearer)),
        (
            COOKIE,
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                COOKIE_SECURE.to_owned(),
                cookie,
            ))),
        ),
        (STREAM_TOKEN, SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description("token", token)))),
    ] {
        components.add_security_scheme(name, scheme);
    }
}

fn header(description: &str, is_number: bool) -> Header {
    let schema = if is_number {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0))
    } else {
        ObjectBuilder::new().schema_type(Type::String)
    };
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (http::Method, &mut Operation)> {
    let PathItem { get, put, post, delete, head, patch, .. } = item;
    [
        (HttpMethod::Get, get),
        (HttpMethod::Put, put),
        (HttpMethod::Post, post),
        (HttpMethod::Delete, delete),
        (HttpMethod::Head, head),
        (HttpMethod::Patch, patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((http_method(&method), operation.as_mut()?)))
}

fn http_method(method: &HttpMethod) -> http::Method {
    match method {
        HttpMethod::Put => http::Method::PUT,
        HttpMethod::Post => http::Method::POST,
        HttpMethod::Delete => http::Method::DELETE,
        HttpMethod::Head => http::Method::HEAD,
        HttpMethod::Patch => http::Method::PATCH,
        _ => http::Method::GET,
    }
}

fn is_public(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// As the gate decides, asked with a path that a caller could write.
fn security(method: &http::Method, path: &str) -> Vec<SecurityRequirement> {
    if is_public(path) {
        return Vec::new();
    }
    let written = path.replace("{id}", "run-1").replace("{path}", "sessions/run-1");
    let mut accepted = vec![BEARER];
    // Credentials for reading do not say who is what.
    if takes_cookie(method, &written) && !path.ends_with("/members") {
        accepted.push(COOKIE);
    }
    if streamed_session(method, &written).is_some() {
        accepted.push(STREAM_TOKEN);
    }
    accepted.into_iter().map(|scheme| SecurityRequirement::new(scheme, [] as [&str; 0])).collect()
}

/// Adds an answer, unless the route says something of its own about the status.
fn add(operation: &mut Operation, common: &Common, path: &str) {
    let responses = &mut operation.responses.responses;
    let has_own_words = |response: &RefOr<Response>| match response {
        RefOr::T(response) => response.description != common.code(),
        RefOr::Ref(_) => true,
    };
    if let Some(own) = responses.get_mut(common.status).filter(|own| has_own_words(own)) {
        if let RefOr::T(own) = own
            && !own.description.contains(common.code())
        {
            own.description = format!("{}, {}", own.description, common.code());
        }
        return;
    }
    let suffix = if path.starts_with("/api/") { "" } else { "OfStream" };
    let key = format!("{}{suffix}", common.key);
    responses.insert(common.status.to_owned(), Ref::from_response_name(key).into());
}

impl Common {
    /// The first word of the description.
    fn code(&self) -> &'static str {
        self.description.split([':', ' ']).next().unwrap_or_default()
    }
}

/// The headers that answers of a status have.
fn mark(status: &str, response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    add_headers(response, RATE);
    if matches!(status, "429" | "503" | "507") {
        add_headers(response, &["Retry-After"]);
    }
}

fn add_headers(response: &mut Response, names: &[&str]) {
    for (name, key, ..) in HEADERS.iter().filter(|(name, ..)| names.contains(name)) {
        let described = Ref::new(format!("#/components/headers/{key}"));
        response.headers.insert((*name).to_owned(), RefOr::Ref(described));
    }
}
