//! What operators do: systemd, `top`, dead letters, and a queue that outlives its process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests assert")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use common::{BINARY, PATIENCE, Server, TOKEN, end, eventually};
use rustix::process::{Pid, Signal, kill_process};

/// A request on a connection of its own; status and body.
fn send(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, String)> {
    let mut socket = TcpStream::connect(address).ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    socket.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn terminate(child: &Child) {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::TERM).unwrap();
}

#[test]
fn a_server_that_is_still_opening_its_store_can_be_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // Opening a pipe waits for somebody to read from it.
    let lock = data.join("streams.lock");
    assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = Command::new(BINARY)
        .args(["serve", "--dev-no-auth", "--listen", &address.to_string(), "--data-dir"])
        .arg(&data)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(common::eventually(|| TcpStream::connect(address).is_ok()));
    terminate(&child);
    let ended = common::eventually(|| child.try_wait().unwrap().is_some());
    if !ended {
        child.kill().unwrap();
    }
    assert!(ended && child.wait().unwrap().success());
}

#[test]
fn systemd_is_told_of_readiness_life_and_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut child = Command::new(BINARY)
        .args(["serve", "--listen", "127.0.0.1:0", "--store", "memory", "--dev-no-auth"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000")
        .env_remove("WATCHDOG_PID")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.stdout = None;
    let address: SocketAddr =
        line.split("http://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let mut told = Vec::new();
    let mut hear = || {
        let mut buffer = [0u8; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        let words = String::from_utf8(buffer[..length].to_vec()).unwrap();
        told.extend(words.lines().map(str::to_owned));
        told.clone()
    };
    let ready = hear();
    assert_eq!(ready.first().map(String::as_str), Some("READY=1"), "{ready:?}");
    assert!(ready.contains(&format!("STATUS=listening on {address}")), "{ready:?}");
    while hear().iter().filter(|word| *word == "WATCHDOG=1").count() < 3 {}
    terminate(&child);
    while !hear().contains(&"STOPPING=1".to_owned()) {}
    let mut status = None;
    assert!(eventually(|| {
        status = child.try_wait().unwrap();
        status.is_some()
    }));
    assert!(status.unwrap().success());
}

#[test]
#[cfg(target_os = "linux")]
fn as_many_files_may_be_open_as_the_system_allows_and_too_few_are_told() {
    for (connections, is_enough) in [("5000", false), ("100", true)] {
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -Sn 300; ulimit -Hn 600; exec \"$0\" \"$@\"", BINARY])
            .args(["serve", "--listen", "127.0.0.1:0", "--store", "memory", "--dev-no-auth"])
            .args(["--connections-max", connections])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        terminate(&child);
        let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["600", "600"], "{files}");
        assert_eq!(said.contains("descriptors-few"), !is_enough, "{said}");
    }
}

#[test]
fn top_shows_what_happens_and_wants_the_token() {
    let server = Server::start("memory");
    server.ok(&["create", "--session", "a"]);
    server.ok(&["append", "--session", "a", "--type", "chunk", "--data", "{\"text\":\"x\"}"]);
    let shown = server.ok(&["top", "--once", "--interval", "100ms"]);
    for part in ["ready", "1 streams", "appends", "fsync", "subscribers", "dead letters 0 kept"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no escapes where there is no terminal: {shown:?}");
    let refused = server.run(&["top", "--once", "--token", "wrong"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert_eq!(server.run(&["top", "--interval", "1ms"]).code, 2);
}

#[test]
fn dead_letters_are_listed_shown_queued_again_and_deleted() {
    let server = Server::start("memory");
    server.ok(&["create", "--stream", "a"]);
    // Each waits for a predecessor that never came.
    let queue = |producer: &str, seq: u32, body: &str| {
        let claim = format!("producer-id: {producer}\r\nproducer-epoch: 0\r\nproducer-seq: {seq}\r\n");
        send(server.address, "POST", "/v1/stream/a?durability=queued", &claim, body).unwrap().0
    };
    for producer in ["p", "q", "r"] {
        assert_eq!(queue(producer, 1, "{\"n\":1}"), 202);
    }
    let mut ids = Vec::new();
    assert!(eventually(|| {
        let listed = server.ok(&["dead-letters", "list"]);
        let letters = listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        ids = letters.map(|letter| letter["id"].as_str().unwrap().to_owned()).collect();
        ids.len() == 3
    }));
    let shown = server.ok(&["dead-letters", "show", &ids[0]]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((shown["path"].as_str(), &shown["messages"][0]["n"]), (Some("a"), &1.into()));
    assert_eq!(shown["reason"]["code"], "SEQUENCE_GAP");

    let claim = "producer-id: p\r\nproducer-epoch: 0\r\nproducer-seq: 0\r\n";
    assert_eq!(send(server.address, "POST", "/v1/stream/a", claim, "{\"n\":0}").unwrap().0, 200);
    server.ok(&["dead-letters", "redrive", &ids[0]]);
    assert!(eventually(|| server.ok(&["read", "--stream", "a"]) == "{\"n\":0}\n{\"n\":1}\n"));
    server.ok(&["dead-letters", "purge", &ids[1]]);
    let missing = server.run(&["dead-letters", "show", &ids[1]]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("DEAD_LETTER_NOT_FOUND"), "{}", missing.stderr);
    server.ok(&["dead-letters", "purge", "--all"]);
    assert_eq!(server.ok(&["dead-letters", "list"]), "");
    assert_eq!(server.run(&["dead-letters", "redrive"]).code, 2, "ids or --all");
}

#[test]
fn queued_appends_survive_a_kill_in_order_and_once() {
    let mut server = Server::start("embedded");
    for stream in ["a", "b"] {
        server.ok(&["create", "--stream", stream]);
    }
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..3 {
        // Until the server is killed, which is somewhere in the middle.
        let address = server.address;
        let writer = std::thread::spawn(move || {
            let mut taken = [Vec::new(), Vec::new()];
            for n in 0..100_000 {
                let which = n % 2;
                let path = ["/v1/stream/a?durability=queued", "/v1/stream/b?durability=queued"][which];
                match send(address, "POST", path, "", &format!("\"{round}.{n}\"")) {
                    Some((202, _)) => taken[which].push(format!("\"{round}.{n}\"")),
                    _ => break,
                }
            }
            taken
        });
        assert!(eventually(|| {
            let read = server.run(&["read", "--stream", "a"]);
            read.stdout.lines().filter(|line| line.starts_with(&format!("\"{round}."))).count() > 10
        }));
        server.kill();
        let of_round = writer.join().unwrap();
        for (all, new) in taken.iter_mut().zip(of_round) {
            assert!(new.len() > 5, "{}", new.len());
            all.extend(new);
        }
        server.restart();
    }
    for (stream, taken) in ["a", "b"].iter().zip(&taken) {
        let mut read: Vec<String> = Vec::new();
        assert!(eventually(|| {
            read = server.ok(&["read", "--stream", stream]).lines().map(str::to_owned).collect();
            taken.iter().all(|text| read.contains(text))
        }));
        // One more per kill may be there: taken, and the answer lost.
        let mut expected = taken.iter();
        let extra = read.iter().filter(|text| {
            let is_next = expected.as_slice().first() == Some(text);
            if is_next {
                expected.next();
            }
            !is_next
        });
        assert!(extra.count() <= 3, "{read:?}\n{taken:?}");
        assert_eq!(expected.len(), 0, "not in order: {read:?}\n{taken:?}");
        let mut once = read.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), read.len(), "twice: {read:?}");
    }
    assert_eq!(server.ok(&["dead-letters", "list"]), "", "nothing of it was given up");
}

#[test]
fn queued_events_of_sessions_survive_a_kill_in_order_and_once() {
    let mut server = Server::start("embedded");
    for session in ["a", "b"] {
        server.ok(&["create", "--session", session]);
    }
    let event = |id: &str| format!(r#"{{"type":"chunk","id":"{id}","data":{{"text":"{id}"}}}}"#);
    let ids = |text: &str| -> Vec<String> {
        let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        text.lines().map(|line| event(line)["id"].as_str().unwrap().to_owned()).collect()
    };
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..3 {
        let address = server.address;
        let writer = std::thread::spawn(move || {
            let mut taken = [Vec::new(), Vec::new()];
            for n in 0..100_000 {
                let which = n % 2;
                let session = ["a", "b"][which];
                let path = format!("/api/streams?sessionId={session}&durability=queued");
                let id = format!("{round}.{n}");
                // Every other one in an array of two.
                let (ids, body) = if n % 4 < 2 {
                    (vec![id.clone()], event(&id))
                } else {
                    let second = format!("{id}+");
                    (vec![id.clone(), second.clone()], format!("[{},{}]", event(&id), event(&second)))
                };
                match send(address, "POST", &path, "", &body) {
                    Some((202, _)) => taken[which].extend(ids),
                    _ => return (taken, Some((which, ids))),
                }
            }
            (taken, None)
        });
        assert!(eventually(|| {
            let read = server.run(&["read", "--session", "a"]);
            read.code == 0
                && ids(&read.stdout).iter().filter(|id| id.starts_with(&format!("{round}."))).count() > 10
        }));
        server.kill();
        let (of_round, unanswered) = writer.join().unwrap();
        for (all, new) in taken.iter_mut().zip(of_round) {
            assert!(new.len() > 5, "{}", new.len());
            all.extend(new);
        }
        server.restart();
        // The one without an answer may or may not have been taken. It is sent again, and counts once in either case.
        let (which, again) = unanswered.unwrap();
        let session = ["a", "b"][which];
        let events: Vec<String> = again.iter().map(|id| event(id)).collect();
        let body = format!("[{}]", events.join(","));
        // Not queued: behind everything that is.
        let path = format!("/api/streams?sessionId={session}");
        assert_eq!(send(server.address, "POST", &path, "", &body).unwrap().0, 200);
        taken[which].extend(again);
    }
    for (session, taken) in ["a", "b"].iter().zip(&taken) {
        let mut read = Vec::new();
        assert!(eventually(|| {
            read = ids(&server.ok(&["read", "--session", session]));
            read.len() >= taken.len()
        }));
        assert_eq!(&read, taken);
    }
    assert_eq!(server.ok(&["dead-letters", "list"]), "");
}

#[test]
fn a_log_for_machines_has_the_request_and_the_code() {
    let mut child = Command::new(BINARY)
        .args(["serve", "--listen", "127.0.0.1:0", "--store", "memory", "--log-format", "json"])
        .env("DURABLE_SESSIONS_TOKEN", TOKEN)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address: SocketAddr = said["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    send(address, "GET", "/v1/stream/none?secret=1", "x-request-id: from-a-test\r\n", "").unwrap();
    terminate(&child);
    child.stdout = Some(stdout.into_inner());
    let ended = end(child);
    assert_eq!(ended.code, 0);
    let lines: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused = lines.iter().find(|line| line["message"] == "request refused").unwrap();
    assert_eq!(refused["code"], "STREAM_NOT_FOUND");
    assert_eq!(
        (&refused["span"]["request_id"], &refused["span"]["path"]),
        (&"from-a-test".into(), &"/v1/stream/none".into())
    );
    assert!(!ended.stderr.contains("secret") && !ended.stderr.contains(TOKEN), "{}", ended.stderr);
}
