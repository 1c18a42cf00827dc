//! Streams that are no sessions, forks, live modes, and servers that are not ours.

#![allow(clippy::unwrap_used, reason = "a test's own steps assert as tests do")]

mod common;

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use common::{Server, end, eventually, finish, spawn};

/// Every byte, and line ends of all kinds: nothing of it is UTF-8 or JSON.
fn every_byte() -> Vec<u8> {
    (0..=255u8).chain(*b"\r\n\n\r{]").collect()
}

fn stdin_of(server: &Server, arguments: &[&str], input: &[u8]) -> (i32, String) {
    let mut child = server
        .cli(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn bytes(server: &Server, arguments: &[&str]) -> Vec<u8> {
    let output = server.cli(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn bytes_and_text_come_back_as_they_were_in_every_mode() {
    let server = Server::start("memory");
    for (stream, content_type) in [("raw/a", "application/octet-stream"), ("raw/b", "text/plain")] {
        let create = ["append", "--stream", stream, "--create", "--content-type", content_type];
        let (code, said) = stdin_of(&server, &create, &every_byte());
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("appended {} bytes", every_byte().len())), "{said}");
        server.ok(&["append", "--stream", stream, "--data", "[not json"]);
        let mut expected = every_byte();
        expected.extend_from_slice(b"[not json");
        assert_eq!(bytes(&server, &["read", "--stream", stream]), expected);
        let tails: Vec<_> = ["auto", "long-poll"]
            .iter()
            .map(|live| spawn(&mut server.cli(&["tail", "--stream", stream, "--live", live])))
            .collect();
        server.ok(&["append", "--stream", stream, "--data", "!"]);
        server.ok(&["close", "--stream", stream]);
        expected.push(b'!');
        for mut tail in tails {
            let mut written = Vec::new();
            tail.stdout.take().unwrap().read_to_end(&mut written).unwrap();
            assert_eq!(tail.wait().unwrap().code(), Some(0));
            assert_eq!(written, expected);
        }
    }
    let sse = bytes(&server, &["tail", "--stream", "raw/a", "--live", "sse"]);
    assert_eq!(sse.last(), Some(&b'!'));
    assert_eq!(sse[..256], every_byte()[..256], "in base64 on the way");
}

#[test]
fn what_a_stream_does_not_hold_is_refused_by_name() {
    let server = Server::start("memory");
    server.ok(&["create", "--stream", "log", "--content-type", "text/plain", "--ttl", "1h"]);
    for (arguments, says) in [
        (&["tail", "--stream", "log", "--json"][..], "text/plain"),
        (&["append", "--stream", "log", "--type", "chunk", "--data", "{}"], "text/plain"),
        (&["append", "--session", "s", "--create", "--content-type", "text/plain", "--data", "x"], "session"),
        (&["create", "--stream", "x", "--content-type", "nonsense"], "--content-type"),
        (&["create", "--stream", "x", "--expires-at", "tomorrow"], "--expires-at"),
        (&["create", "--stream", "x", "--expires-at", "2030-01-01T00:00:00Z", "--ttl", "1h"], "--ttl"),
        (&["fork", "--stream", "x", "--source", "a//b"], "--source"),
        (&["fork", "--stream", "x", "--source", "a", "--sub-offset", "3"], "--offset"),
    ] {
        let ended = server.run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{arguments:?}: {}", ended.stderr);
    }
    let again = server.run(&["create", "--stream", "log"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("another configuration"), "{}", again.stderr);
}

/// The cursor that `read` says.
fn cursor(server: &Server, arguments: &[&str]) -> String {
    let said = server.run(arguments).stderr;
    let cursor = said.split("next cursor ").nth(1).unwrap().split_whitespace().next().unwrap();
    cursor.trim_end_matches(';').to_owned()
}

#[test]
fn a_session_is_forked_at_its_end_at_a_cursor_and_between_cursors() {
    let server = Server::start("memory");
    let chunk = |text: &str| format!("{{\"type\":\"chunk\",\"data\":{{\"text\":\"{text}\"}}}}\n");
    let append = |session: &str, texts: &[&str]| {
        let input: String = texts.iter().map(|text| chunk(text)).collect();
        let ended = finish(&mut server.cli(&["append", "--session", session, "--create"]), &input);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    };
    append("s", &["a"]);
    let at = cursor(&server, &["read", "--session", "s"]);
    append("s", &["b", "c"]);
    server.ok(&["fork", "--session", "whole", "--source", "s"]);
    server.ok(&["fork", "--session", "one", "--source", "s", "--offset", &at]);
    server.ok(&["fork", "--session", "two", "--source", "s", "--offset", &at, "--sub-offset", "1"]);
    server.ok(&["fork", "--session", "none", "--source", "s", "--offset", "start"]);
    server.ok(&["fork", "--session", "one", "--source", "s", "--offset", &at]);
    append("one", &["z"]);
    append("s", &["d"]);
    let source = server.events("s");
    assert_eq!(server.events("whole"), source[..3]);
    assert_eq!(server.events("two"), source[..2]);
    assert_eq!(server.events("none"), Vec::<String>::new());
    assert_eq!(server.events("one")[..1], source[..1]);
    assert!(server.events("one")[1].contains("\"z\""));

    let unknown = server.run(&["fork", "--session", "x", "--source", "nobody"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("sessions/nobody"), "{}", unknown.stderr);
    let other = server.run(&["fork", "--session", "two", "--source", "s", "--offset", &at]);
    assert_eq!(other.code, 1, "it exists with another sub-offset");
    let ahead = server.run(&["fork", "--session", "x", "--source", "s", "--offset", "99999999999999999999"]);
    assert_eq!(ahead.code, 1, "{}", ahead.stderr);
}

#[test]
fn a_byte_stream_is_forked_between_cursors() {
    let server = Server::start("memory");
    server.ok(&["append", "--stream", "t/a", "--create", "--content-type", "text/plain", "--data", "abcdef"]);
    server.ok(&["fork", "--stream", "t/b", "--source", "t/a", "--offset", "start", "--sub-offset", "4"]);
    server.ok(&["append", "--stream", "t/b", "--data", "!"]);
    assert_eq!(bytes(&server, &["read", "--stream", "t/b"]), b"abcd!");
}

#[test]
fn a_session_is_followed_by_either_mode() {
    let server = Server::start("memory");
    server.ok(&["create", "--session", "s"]);
    let tails: Vec<_> = ["sse", "long-poll", "auto"]
        .iter()
        .map(|live| spawn(&mut server.cli(&["tail", "--session", "s", "--json", "--live", live])))
        .collect();
    for n in 0..5 {
        let data = format!("{{\"text\":\"{n}\"}}");
        server.ok(&["append", "--session", "s", "--type", "chunk", "--data", &data]);
    }
    server.ok(&["close", "--session", "s"]);
    let events = server.events("s");
    for tail in tails {
        let ended = end(tail);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), events);
    }
}

#[test]
fn streams_are_found_below_another_root() {
    let server = Server::start("memory");
    server.ok(&["append", "--stream", "a/b", "--create", "--data", "1"]);
    let read = ["read", "--stream", "stream/a/b", "--stream-root", "/v1/"];
    assert_eq!(server.ok(&read), "1\n");
    let lost = server.run(&["read", "--stream", "a/b", "--stream-root", "/"]);
    assert_eq!(lost.code, 1, "{}", lost.stderr);
}

#[test]
fn a_server_without_a_list_of_sessions_is_told_of_as_such() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = connection.read(&mut request).unwrap();
        let answer =
            "HTTP/1.1 404 Not Found\r\ncontent-length: 16\r\nconnection: close\r\n\r\nStream not found";
        connection.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let ended = finish(std::process::Command::new(common::BINARY).args(["ls", "--url", &url]), "");
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    for word in [&url, "no list of sessions", "404", "--stream"] {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
    assert!(serving.join().unwrap().starts_with("GET /api/sessions?"));
}

#[test]
fn what_is_appended_is_there_while_standard_input_is_open() {
    let server = Server::start("memory");
    let create = ["append", "--stream", "log", "--create", "--content-type", "text/plain"];
    let mut child = server.cli(&create).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"first").unwrap();
    let arrived = || {
        let read = server.run(&["read", "--stream", "log"]);
        read.code == 0 && read.stdout == "first"
    };
    assert!(eventually(arrived));
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
