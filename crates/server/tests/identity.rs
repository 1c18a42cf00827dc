//! Who gets in: JSON Web Tokens and their keys, API keys, forward-auth, stream tokens and the cookie.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests assert")]

mod common;

use std::time::Duration;

use common::application::Application;
use common::tokens::{self, RSA_PUBLIC, SECRET, Signer, claims, hs256, now_secs};
use common::{Answer, TestServer, chunk, request_with};
use durable_sessions_server::{AuthConfig, ForwardAuthConfig, JwtConfig, JwtKey, Secret, ServerConfig};
use serde_json::{Value, json};

const SESSION: &str = "/v1/stream/sessions/run-1";
const ADMIN: &str = "s3cret";

fn with_jwt(jwt: JwtConfig) -> impl FnOnce(&mut ServerConfig) {
    move |config| {
        config.auth = AuthConfig::Token(Secret::new(ADMIN));
        config.identity.jwt = Some(jwt);
    }
}

fn secret() -> JwtConfig {
    JwtConfig { keys: vec![JwtKey::secret(SECRET).unwrap()], ..JwtConfig::default() }
}

async fn send(server: &TestServer, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    server.send(request_with(method, path, &headers, body)).await
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), if answer.status.is_success() { String::new() } else { answer.code() })
}

#[tokio::test]
async fn every_algorithm_and_form_of_key() {
    let (rsa, ec, ed) = (Signer::rsa(), Signer::ec(), Signer::ed());
    let set = json!({ "keys": [rsa.jwk("r"), ec.jwk("c"), ed.jwk("d"), { "kty": "new" }] }).to_string();
    let mut keys = JwtKey::public(set.as_bytes()).unwrap();
    assert_eq!(keys.len(), 3);
    keys.push(JwtKey::secret(SECRET).unwrap());
    let jwt = JwtConfig { keys, audience: Some("us".into()), ..JwtConfig::default() };
    let server = TestServer::start_with(with_jwt(jwt)).await;
    let good = claims("ada", "stream:write stream:read", json!({ "aud": ["them", "us"] }));
    for (signer, kid) in
        [(&rsa, Some("r")), (&ec, Some("c")), (&ed, Some("d")), (&Signer::hmac(), None), (&ed, None)]
    {
        let answer = send(&server, "PUT", SESSION, &signer.token(kid, &good), "").await;
        assert!(answer.status.is_success(), "{} {}", signer.algorithm(), answer.text());
    }
    // The same keys under each other's names.
    for (signer, kid) in [(&rsa, "c"), (&ec, "r"), (&ed, "nobody")] {
        let answer = send(&server, "GET", SESSION, &signer.token(Some(kid), &good), "").await;
        assert_eq!(code(&answer), (401, "UNAUTHORIZED".into()), "{kid}");
    }

    let jwt = JwtConfig {
        keys: JwtKey::public(RSA_PUBLIC).unwrap(),
        audience: Some("us".into()),
        ..JwtConfig::default()
    };
    let server = TestServer::start_with(with_jwt(jwt)).await;
    assert!(send(&server, "PUT", SESSION, &rsa.token(None, &good), "").await.status.is_success());
}

#[tokio::test]
async fn a_token_is_refused_for_every_reason_there_is() {
    let jwt = JwtConfig {
        keys: [JwtKey::public(RSA_PUBLIC).unwrap(), vec![JwtKey::secret(SECRET).unwrap()]].concat(),
        issuer: Some("https://app.example".into()),
        audience: Some("us".into()),
        ..JwtConfig::default()
    };
    let server = TestServer::start_with(with_jwt(jwt)).await;
    let (signer, rsa) = (Signer::hmac(), Signer::rsa());
    let good =
        claims("ada", "stream:read stream:write", json!({ "aud": "us", "iss": "https://app.example" }));
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    assert_eq!(send(&server, "PUT", SESSION, &signer.token(None, &good), "").await.status, 201);
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let wrong_secret = Signer::Hmac(b"another secret of 32 bytes or more!".to_vec());
    let genuine = signer.token(None, &good);
    let (message, tag) = genuine.rsplit_once('.').unwrap();
    let none = tokens::unsigned(&json!({ "alg": "none" }), &good);
    let other = tokens::unsigned(&header, &changed("sub", json!("eve")));
    // The classic: what everybody knows as the secret.
    let confused = Signer::Hmac(RSA_PUBLIC.to_vec());
    let der_confused = {
        let text = String::from_utf8_lossy(RSA_PUBLIC);
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        Signer::Hmac(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap())
    };
    for (what, token) in [
        ("another secret", wrong_secret.token(None, &good)),
        ("another RSA key's name", signer.token_with(&json!({ "alg": "RS256" }), &good)),
        ("a public key as a secret", confused.token(None, &good)),
        ("the same in DER", der_confused.token(None, &good)),
        ("an RSA signature called HMAC", rsa.token_with(&header, &good)),
        ("no algorithm and no signature", format!("{none}.")),
        ("no algorithm, some signature", format!("{none}.{tag}")),
        ("None", format!("{}.", tokens::unsigned(&json!({ "alg": "None" }), &good))),
        ("no signature", format!("{message}.")),
        ("claims that were not signed", format!("{other}.{tag}")),
        ("a weaker hash", signer.token_with(&json!({ "alg": "HS384" }), &good)),
        (
            "a critical extension",
            signer.token_with(&json!({ "alg": "HS256", "crit": ["x"], "x": "1" }), &good),
        ),
        (
            "a key of its own",
            signer.token_with(&json!({ "alg": "EdDSA", "jwk": Signer::ed().jwk("x") }), &good),
        ),
        ("expired", signer.token(None, &changed("exp", json!(now_secs() - 3600)))),
        ("an expiry that is text", signer.token(None, &changed("exp", json!("9999999999")))),
        ("without expiry", signer.token(None, &without("exp"))),
        ("of the future", signer.token(None, &changed("nbf", json!(now_secs() + 3600)))),
        ("a start that is text", signer.token(None, &changed("nbf", json!("soon")))),
        ("for another audience", signer.token(None, &changed("aud", json!("them")))),
        ("for nobody", signer.token(None, &without("aud"))),
        ("of another issuer", signer.token(None, &changed("iss", json!("https://evil.example")))),
        ("of no issuer", signer.token(None, &without("iss"))),
        ("without a subject", signer.token(None, &without("sub"))),
        ("in the administrator's name", signer.token(None, &changed("sub", json!("admin")))),
        ("a subject that is a number", signer.token(None, &changed("sub", json!(7)))),
        ("a pattern that climbs", signer.token(None, &changed("sessions", json!(["../x"])))),
        ("a role there is not", signer.token(None, &changed("roles", json!({ "*": "king" })))),
        ("too long", signer.token(None, &changed("more", json!("x".repeat(9000))))),
        ("two parts", message.to_owned()),
        ("four parts", format!("{genuine}.x")),
        ("dots", "..".to_owned()),
    ] {
        let answer = send(&server, "GET", SESSION, &token, "").await;
        assert_eq!(code(&answer), (401, "UNAUTHORIZED".into()), "{what}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{what}");
        let answer = send(&server, "POST", SESSION, &token, &chunk("1", "x")).await;
        assert_eq!(answer.status, 401, "{what}");
        let answer = send(&server, "GET", "/api/sessions", &token, "").await;
        assert_eq!((answer.status.as_u16(), answer.json()["ok"].clone()), (401, false.into()), "{what}");
    }
    // What is within the leeway is good.
    let late = signer.token(None, &changed("exp", json!(now_secs() - 5)));
    assert_eq!(send(&server, "GET", SESSION, &late, "").await.status, 200);
    assert_eq!(send(&server, "GET", SESSION, &genuine, "").await.text(), "[]");
}

#[tokio::test]
async fn keys_of_a_url_rotate() {
    let (old, new) = (Signer::ec(), Signer::ec());
    let set = |key: &Signer, kid: &str| json!({ "keys": [key.jwk(kid)] }).to_string();
    let application = Application::start(200, set(&old, "one")).await;
    let jwt = JwtConfig {
        jwks_url: Some(application.url("/jwks.json")),
        audience: Some("us".into()),
        ..JwtConfig::default()
    };
    let server = TestServer::start_with(with_jwt(jwt)).await;
    let claims = claims("ada", "stream:read stream:write", json!({ "aud": "us" }));
    assert_eq!(send(&server, "PUT", SESSION, &old.token(Some("one"), &claims), "").await.status, 201);
    assert_eq!(application.asked().len(), 1);
    // A key id that nobody knows asks again, but not more often than every ten seconds.
    for kid in ["two", "three", "four"] {
        assert_eq!(send(&server, "GET", SESSION, &new.token(Some(kid), &claims), "").await.status, 401);
    }
    assert_eq!(application.asked().len(), 1, "a fetch a moment ago is enough");
    // The static token and known keys need nothing.
    assert_eq!(send(&server, "GET", SESSION, ADMIN, "").await.status, 200);
}

#[tokio::test]
async fn an_unknown_key_id_brings_the_new_key() {
    let (old, new) = (Signer::ed(), Signer::ed());
    let set = |key: &Signer, kid: &str| json!({ "keys": [key.jwk(kid)] }).to_string();
    // Keys that cannot be had say nothing about a token.
    let application = Application::start(503, String::new()).await;
    let jwt = JwtConfig {
        jwks_url: Some(application.url("/jwks.json")),
        jwks_fetch_interval: Duration::ZERO,
        audience: Some("us".into()),
        ..JwtConfig::default()
    };
    let server = TestServer::start_with(with_jwt(jwt)).await;
    let claims = claims("ada", "stream:read stream:write", json!({ "aud": "us" }));
    let answer = send(&server, "PUT", SESSION, &old.token(Some("one"), &claims), "").await;
    assert_eq!(code(&answer), (503, "STREAM_UNAVAILABLE".into()));
    assert!(answer.header("retry-after").is_some());
    application.answer(200, set(&old, "one"));
    assert_eq!(send(&server, "PUT", SESSION, &old.token(Some("one"), &claims), "").await.status, 201);
    application.answer(200, set(&new, "two"));
    assert_eq!(send(&server, "GET", SESSION, &new.token(Some("two"), &claims), "").await.status, 200);
    let fresh = tokens::claims("bob", "stream:read", json!({ "aud": "us" }));
    assert_eq!(send(&server, "GET", SESSION, &old.token(Some("one"), &fresh), "").await.status, 401);
    // A set that cannot be had leaves the keys as they are.
    application.answer(500, String::new());
    assert_eq!(send(&server, "GET", SESSION, &new.token(Some("three"), &claims), "").await.status, 401);
    let fresh = tokens::claims("ada", "stream:read", json!({ "aud": "us", "jti": "2" }));
    assert_ne!(send(&server, "GET", SESSION, &new.token(Some("two"), &fresh), "").await.status, 401);
}

#[tokio::test]
async fn api_keys_are_made_shown_once_and_revoked() {
    let server = TestServer::start_with(with_jwt(secret())).await;
    let wanted = json!({ "subject": "ci", "name": "the build", "scope": "stream:write stream:read", "sessions": ["run-*"] });
    let made = send(&server, "POST", "/api/auth/keys", ADMIN, &wanted.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let key = made.json()["data"]["key"].as_str().unwrap().to_owned();
    let id = made.json()["data"]["id"].as_str().unwrap().to_owned();
    assert!(key.starts_with("dsk_"));
    assert_eq!(send(&server, "PUT", SESSION, &key, "").await.status, 201);
    assert_eq!(code(&send(&server, "PUT", "/v1/stream/sessions/other", &key, "").await).0, 403);

    let listed = send(&server, "GET", "/api/auth/keys", ADMIN, "").await;
    assert_eq!(listed.json()["data"]["keys"][0]["name"], "the build");
    let secret = key.rsplit('_').next().unwrap();
    assert!(!listed.text().contains(secret) && !listed.text().contains("hash"));
    // A key opens nothing with another secret, and no key can make keys but an administrator's.
    let forged = format!("{}{}", &key[..key.len() - 4], "AAAA");
    assert_eq!(send(&server, "GET", SESSION, &forged, "").await.status, 401);
    assert_eq!(code(&send(&server, "POST", "/api/auth/keys", &key, &wanted.to_string()).await).0, 403);
    assert_eq!(code(&send(&server, "GET", "/api/auth/keys", &key, "").await).0, 403);
    assert_eq!(code(&send(&server, "DELETE", &format!("/api/auth/keys/{id}"), &key, "").await).0, 403);

    assert_eq!(send(&server, "DELETE", &format!("/api/auth/keys/{id}"), ADMIN, "").await.status, 200);
    assert_eq!(send(&server, "GET", SESSION, &key, "").await.status, 401, "from the next request on");
    let again = send(&server, "DELETE", &format!("/api/auth/keys/{id}"), ADMIN, "").await;
    assert_eq!(code(&again), (404, "KEY_NOT_FOUND".into()));
    for bad in [
        json!({ "subject": "x" }),
        json!({ "subject": "x", "scope": "nothing" }),
        json!({ "subject": "admin", "scope": "stream:read" }),
        json!({ "subject": "x", "scope": "stream:read", "sessions": ["a//b"] }),
        json!({ "subject": "x", "scope": "stream:read", "unknown": 1 }),
    ] {
        let answer = send(&server, "POST", "/api/auth/keys", ADMIN, &bad.to_string()).await;
        assert_eq!(code(&answer), (400, "INVALID_REQUEST".into()), "{bad}");
    }
}

#[tokio::test]
async fn a_project_administers_its_own_keys() {
    let server = TestServer::start_with(with_jwt(secret())).await;
    let of = |project: &str| hs256("boss", "admin", json!({ "project": project }));
    let make = |project: Value| json!({ "subject": "ci", "scope": "admin", "project": project }).to_string();
    let made = send(&server, "POST", "/api/auth/keys", &of("p"), &make(Value::Null)).await;
    assert_eq!(made.json()["data"]["project"], "p");
    let id = made.json()["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(code(&send(&server, "POST", "/api/auth/keys", &of("p"), &make(json!("q"))).await).0, 403);
    assert_eq!(send(&server, "GET", "/api/auth/keys", &of("q"), "").await.json()["data"]["keys"], json!([]));
    let path = format!("/api/auth/keys/{id}");
    assert_eq!(code(&send(&server, "DELETE", &path, &of("q"), "").await), (404, "KEY_NOT_FOUND".into()));
    // A narrowed administrator cannot make itself a wide key.
    let narrow = hs256("boss", "admin", json!({ "project": "p", "sessions": ["run-1"] }));
    assert_eq!(code(&send(&server, "POST", "/api/auth/keys", &narrow, &make(Value::Null)).await).0, 403);
    assert_eq!(send(&server, "DELETE", &path, &of("p"), "").await.status, 200);
}

#[tokio::test]
async fn a_stream_token_reads_one_session_for_a_while() {
    let server = TestServer::start_with(with_jwt(secret())).await;
    let ada = hs256("ada", "stream:read stream:write", json!({ "project": "p" }));
    for session in ["run-1", "run-2"] {
        assert_eq!(
            send(&server, "PUT", &format!("/v1/stream/sessions/{session}"), &ada, "").await.status,
            201
        );
    }
    let made = send(&server, "POST", "/api/auth/stream-token", &ada, r#"{"sessionId":"run-1"}"#).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let token = made.json()["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let get = async |path: &str| server.get(&format!("{path}token={token}")).await.status.as_u16();
    // Again and again.
    for _ in 0..2 {
        assert_eq!(get("/v1/stream/sessions/run-1?offset=-1&").await, 200);
    }
    drop(server.subscribe(&format!("{SESSION}?offset=-1&live=sse&token={token}")).await);
    // As a plain EventSource asks.
    drop(server.subscribe(&format!("/api/sessions/run-1/stream?token={token}")).await);
    for other in [
        "/v1/stream/sessions/run-2?",
        "/api/sessions/run-2/stream?",
        "/api/sessions/run-1?",
        "/api/sessions/run-1/events?",
        "/api/sessions?",
        "/api/auth/keys?",
        "/v1/stream/agents/a?",
        "/v1/stream/__ds/subscriptions/x?",
    ] {
        assert_eq!(get(other).await, 401, "{other}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let request = request_with(method, &format!("{SESSION}?token={token}"), &[], "");
        assert_eq!(server.send(request).await.status, 401, "{method}");
    }
    // It is not a bearer token, and makes no others.
    assert_eq!(send(&server, "GET", SESSION, &token, "").await.status, 401);
    let again = request_with(
        "POST",
        &format!("/api/auth/stream-token?token={token}"),
        &[],
        r#"{"sessionId":"run-1"}"#,
    );
    assert_eq!(server.send(again).await.status, 401);
    let eve = hs256("eve", "stream:read", json!({ "project": "p" }));
    let denied = send(&server, "POST", "/api/auth/stream-token", &eve, r#"{"sessionId":"run-1"}"#).await;
    assert_eq!(code(&denied), (403, "FORBIDDEN".into()));
    assert_eq!(denied.json()["ok"], false);
    let bad = send(&server, "POST", "/api/auth/stream-token", &ada, r#"{"sessionId":"a/b"}"#).await;
    assert_eq!(code(&bad), (400, "INVALID_SESSION_ID".into()));
    // The administrator's tokens read what belongs to a project.
    let made = send(&server, "POST", "/api/auth/stream-token", ADMIN, r#"{"sessionId":"run-1"}"#).await;
    let token = made.json()["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("{SESSION}?token={token}")).await.status, 200);
}

#[tokio::test]
async fn a_stream_token_ends() {
    let server = TestServer::start_with(|config| {
        config.auth = AuthConfig::Token(Secret::new(ADMIN));
        config.identity.stream_token_ttl = Duration::from_millis(1);
    })
    .await;
    send(&server, "PUT", SESSION, ADMIN, "").await;
    let made = send(&server, "POST", "/api/auth/stream-token", ADMIN, r#"{"sessionId":"run-1"}"#).await;
    let token = made.json()["data"]["token"].as_str().unwrap().to_owned();
    common::within(async {
        while server.get(&format!("{SESSION}?token={token}")).await.status != 401 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_made_with_a_credential_ends_with_it() {
    let jwt = JwtConfig { leeway: Duration::ZERO, ..secret() };
    let server = TestServer::start_with(with_jwt(jwt)).await;
    send(&server, "PUT", SESSION, ADMIN, "").await;
    let asked = r#"{"sessionId":"run-1"}"#;
    let until = now_secs() + 100;
    let mut short = claims("ada", "stream:read", json!({ "sessions": ["run-1"] }));
    short["exp"] = until.into();
    let short = Signer::hmac().token(None, &short);
    for (path, body) in [("/api/auth/cookie", ""), ("/api/auth/stream-token", asked)] {
        let made = send(&server, "POST", path, &short, body).await;
        assert_eq!(made.json()["data"]["expiresAt"], until * 1_000, "{path}: {}", made.text());
        if let Some(set) = made.header("set-cookie") {
            let age: u64 = set.split("Max-Age=").nth(1).unwrap().parse().unwrap();
            assert!(age <= 100, "{set}");
        }
    }

    let key = |more: Value| {
        let mut key = json!({ "subject": "ci", "scope": "stream:read", "sessions": ["run-1"] });
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key.to_string()
    };
    let made = send(&server, "POST", "/api/auth/keys", ADMIN, &key(json!({ "expiresIn": 50 }))).await;
    let (text, ends) = (made.json()["data"]["key"].clone(), made.json()["data"]["expiresAt"].clone());
    let cookie = send(&server, "POST", "/api/auth/cookie", text.as_str().unwrap(), "").await;
    assert_eq!(cookie.json()["data"]["expiresAt"], ends);

    // A key that is revoked takes with it what was made.
    let made = send(&server, "POST", "/api/auth/keys", ADMIN, &key(json!({}))).await;
    let id = made.json()["data"]["id"].as_str().unwrap().to_owned();
    let text = made.json()["data"]["key"].as_str().unwrap().to_owned();
    let cookie = send(&server, "POST", "/api/auth/cookie", &text, "").await;
    let cookie = cookie.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let token = send(&server, "POST", "/api/auth/stream-token", &text, asked).await;
    let token = token.json()["data"]["token"].as_str().unwrap().to_owned();
    let read = async || {
        let by_cookie = server.send(request_with("GET", SESSION, &[("cookie", &cookie)], "")).await;
        let by_token = server.get(&format!("{SESSION}?token={token}")).await;
        (by_cookie.status.as_u16(), by_token.status.as_u16())
    };
    assert_eq!(read().await, (200, 200));
    assert_eq!(send(&server, "DELETE", &format!("/api/auth/keys/{id}"), ADMIN, "").await.status, 200);
    assert_eq!(read().await, (401, 401));
}

#[tokio::test]
async fn the_cookie_reads_and_does_nothing_else() {
    let server = TestServer::start_with(with_jwt(secret())).await;
    let ada = hs256("ada", "stream:read stream:write", json!({ "project": "p", "sessions": ["run-1"] }));
    send(&server, "PUT", SESSION, &ada, "").await;
    let made = send(&server, "POST", "/api/auth/cookie", &ada, "").await;
    let set = made.header("set-cookie").unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"), "{set}");
    let cookie = set.split(';').next().unwrap().to_owned();
    let with = async |method: &str, path: &str, body: &str| {
        let headers = [("cookie", cookie.as_str()), ("content-type", "application/json")];
        server.send(request_with(method, path, &headers, body)).await.status.as_u16()
    };
    assert_eq!(with("GET", SESSION, "").await, 200);
    assert_eq!(with("GET", "/api/sessions", "").await, 200);
    for path in ["/api/sessions/run-1", "/api/sessions/run-1/events", "/api/sessions/run-1/presence"] {
        assert_eq!(with("GET", path, "").await, 200, "{path}");
    }
    assert_eq!(with("HEAD", "/api/sessions/run-1/stream", "").await, 200);
    assert_eq!(with("HEAD", "/api/sessions/run-2/stream", "").await, 403);
    assert_eq!(with("POST", "/api/streams?sessionId=run-1", "{}").await, 401);
    assert_eq!(with("POST", "/api/sessions/run-1/close", "").await, 401);
    assert_eq!(with("GET", "/v1/stream/sessions/run-2", "").await, 403);
    assert_eq!(with("POST", SESSION, &chunk("1", "x")).await, 401);
    assert_eq!(with("DELETE", SESSION, "").await, 401);
    assert_eq!(with("POST", "/api/auth/stream-token", r#"{"sessionId":"run-1"}"#).await, 401);
    assert_eq!(with("GET", "/api/auth/keys", "").await, 401);
    // A bad Authorization header is not forgiven for the cookie's sake.
    let both = [("cookie", cookie.as_str()), ("authorization", "Bearer nonsense")];
    assert_eq!(server.send(request_with("GET", SESSION, &both, "")).await.status, 401);
    let gone = send(&server, "DELETE", "/api/auth/cookie", &ada, "").await;
    assert!(gone.header("set-cookie").unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn the_application_decides_and_nobody_gets_in_without_it() {
    let who = json!({ "sub": "ada", "scope": "stream:read stream:write" }).to_string();
    let application = Application::start(200, who).await;
    let url = application.url("/who");
    let server = TestServer::start_with(move |config| {
        config.auth = AuthConfig::Credentials;
        config.identity.forward_auth = Some(ForwardAuthConfig { url, cache_ttl: Duration::from_secs(60) });
    })
    .await;
    assert_eq!(server.get(SESSION).await.status, 401, "nothing to ask about");
    assert!(application.asked().is_empty());
    assert_eq!(send(&server, "PUT", SESSION, "opaque", "").await.status, 201);
    let asked = application.asked();
    assert_eq!(asked[0].path, "/who");
    assert_eq!(asked[0].headers["authorization"], "Bearer opaque");
    assert_eq!(asked[0].headers["x-forwarded-method"], "PUT");
    assert_eq!(asked[0].headers["x-forwarded-uri"], SESSION);
    for _ in 0..3 {
        assert_eq!(send(&server, "GET", SESSION, "opaque", "").await.status, 200);
    }
    assert_eq!(application.asked().len(), 2, "once for each method and path");
    for (status, body, expected) in [
        (401, "", (401, "UNAUTHORIZED")),
        (403, "", (403, "FORBIDDEN")),
        (500, "", (503, "STREAM_UNAVAILABLE")),
        (200, "no claims", (503, "STREAM_UNAVAILABLE")),
        (200, r#"{"sub":"admin"}"#, (503, "STREAM_UNAVAILABLE")),
        (302, "", (503, "STREAM_UNAVAILABLE")),
    ] {
        application.answer(status, body.to_owned());
        let answer = send(&server, "GET", SESSION, &format!("new-{status}-{}", body.len()), "").await;
        assert_eq!(code(&answer), (expected.0, expected.1.to_owned()), "{status} {body}");
    }
}
