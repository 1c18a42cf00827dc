//! What leaves the process beside the log, taken in by a collector of the test's own.

#![cfg(any(feature = "otlp", feature = "sentry"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests assert")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use common::{BINARY, PATIENCE, TOKEN, end, spawn};

/// What was posted: the path and the body.
type Posted = (String, Vec<u8>);

/// A server that answers every POST with 200 and hands on what came.
fn collector() -> (SocketAddr, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (hand_on, posted) = channel();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let hand_on = hand_on.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(socket.unwrap());
                while let Some(post) = read_post(&mut reader) {
                    // The test may have seen enough.
                    let _ = hand_on.send(post);
                    let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                }
            });
        }
    });
    (address, posted)
}

fn read_post(reader: &mut BufReader<TcpStream>) -> Option<Posted> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = None;
    let mut is_chunked = false;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        is_chunked |= header == "transfer-encoding: chunked";
    }
    let mut body = Vec::new();
    match length {
        Some(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body).ok()?;
        }
        None if is_chunked => loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let start = body.len();
            body.resize(start + size, 0);
            reader.read_exact(&mut body[start..]).ok()?;
            line.clear();
            reader.read_line(&mut line).ok()?;
            if size == 0 {
                break;
            }
        },
        None => {}
    }
    Some((path, body))
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[cfg(feature = "otlp")]
fn serve(arguments: &[&str]) -> (Child, SocketAddr) {
    let mut child = Command::new(BINARY)
        .args(["serve", "--listen", "127.0.0.1:0", "--store", "memory"])
        .args(arguments)
        .env("DURABLE_SESSIONS_TOKEN", TOKEN)
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    child.stdout = Some(stdout.into_inner());
    let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    (child, address)
}

#[cfg(feature = "otlp")]
#[test]
fn a_request_is_a_span_in_the_trace_of_its_caller() {
    let (collector, posted) = collector();
    // The log is silent: what is traced does not hang on it.
    let (mut child, address) = serve(&["--log", "off", "--otlp-endpoint", &format!("http://{collector}/")]);
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!(
        "PUT /v1/stream/secret-name?offset=in-query HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");

    let (path, body) = posted.recv_timeout(PATIENCE).unwrap();
    assert_eq!(path, "/v1/traces");
    let trace = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes();
    let parent = 0xb7ad_6b71_6920_3331_u64.to_be_bytes();
    assert!(contains(&body, &trace) && contains(&body, &parent), "not in the caller's trace");
    for part in [
        "durable-sessions",
        "service.version",
        "PUT /v1/stream/{path}",
        "http.response.status_code",
        "request_id",
        "/v1/stream/secret-name",
    ] {
        assert!(contains(&body, part.as_bytes()), "{part}: {}", String::from_utf8_lossy(&body));
    }
    for secret in [TOKEN, "in-query"] {
        assert!(!contains(&body, secret.as_bytes()), "{secret} is shown");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[cfg(feature = "otlp")]
#[test]
fn a_collector_that_is_away_costs_neither_the_start_nor_the_end() {
    // Bound and closed again: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (child, address) = serve(&["--otlp-endpoint", &format!("http://{nobody}")]);
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = end(child);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("opentelemetry"), "the log says that nothing was sent: {}", ended.stderr);
}

#[cfg(feature = "sentry")]
#[test]
fn an_error_is_sent_with_its_id_and_without_secrets() {
    let (collector, posted) = collector();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("no-directory");
    std::fs::write(&file, "").unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--sentry-environment", "test-room", "--data-dir"])
        .arg(&file)
        .env("DURABLE_SESSIONS_TOKEN", TOKEN)
        .env("DURABLE_SESSIONS_SENTRY_DSN", format!("http://public-key@{collector}/7"))
        .stdin(Stdio::null());
    let ended = end(spawn(&mut command));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let (path, body) = posted.recv_timeout(PATIENCE).unwrap();
    assert_eq!(path, "/api/7/envelope/");
    let body = String::from_utf8(body).unwrap();
    let event = body.lines().nth(2).unwrap();
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["fingerprint"], serde_json::json!(["serve-ended"]));
    assert_eq!(event["tags"]["error_id"], "serve-ended");
    assert_eq!(event["environment"], "test-room");
    assert!(!body.contains(TOKEN));
}

#[test]
fn addresses_that_are_none_are_refused_by_name() {
    let cases = [
        #[cfg(feature = "otlp")]
        ("--otlp-endpoint", "ftp://localhost"),
        #[cfg(feature = "otlp")]
        ("--otlp-endpoint", "localhost"),
        #[cfg(feature = "sentry")]
        ("--sentry-dsn", "https://only-secret-9"),
    ];
    for (flag, value) in cases {
        let mut command = Command::new(BINARY);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--store", "memory", flag, value])
            .env("DURABLE_SESSIONS_TOKEN", TOKEN)
            .stdin(Stdio::null());
        let ended = end(spawn(&mut command));
        assert_eq!(ended.code, 1, "{flag} {value}: {}", ended.stderr);
        assert!(ended.stderr.contains(flag), "{}", ended.stderr);
        assert!(!ended.stderr.contains("only-secret-9"), "{}", ended.stderr);
    }
}
