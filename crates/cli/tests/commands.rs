//! What each command does, against a real server.

mod common;

use std::process::Stdio;

use common::{Server, end, eventually, finish, spawn, write_recording};
use durable_sessions_client::schema::{Event, Payload};

fn typed(lines: &[String]) -> Vec<Event> {
    lines.iter().filter_map(|line| Event::from_json(line.as_bytes()).ok()).collect()
}

#[test]
fn append_read_tail_close_and_delete() {
    let server = Server::start("memory");
    server.ok(&["create", "--session", "s1"]);
    server.ok(&["create", "--session", "s1"]);
    server.ok(&["append", "--session", "s1", "--type", "chunk", "--data", "{\"text\":\"one\"}"]);
    let lines = "{ \"id\":\"e2\", \"type\":\"chunk\",\"timestamp\":2, \"data\":{\"text\":\"tw\\u00f6\"} }\n\n\
                 {\"type\":\"my:own\",\"data\":{\"x\":1}}\n";
    let ended = finish(&mut server.cli(&["append", "--session", "s1"]), lines);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("appended 2 events"), "{}", ended.stderr);

    let events = server.events("s1");
    assert_eq!(events.len(), 3);
    assert_eq!(events[1], lines.lines().next().unwrap(), "stored byte for byte");
    assert!(events[2].contains("\"x\":1"));

    let read = server.run(&["read", "--session", "s1"]);
    let cursor = read.stderr.split("next cursor ").nth(1).unwrap().split_whitespace().next().unwrap();
    let cursor = cursor.trim_end_matches(';').to_owned();
    server.ok(&["append", "--session", "s1", "--type", "chunk", "--data", "{\"text\":\"four\"}"]);
    let after = server.ok(&["read", "--session", "s1", "--offset", &cursor]);
    assert_eq!(after.lines().count(), 1);
    assert!(after.contains("four"), "{after}");

    let json = spawn(&mut server.cli(&["tail", "--session", "s1", "--json"]));
    let human = spawn(&mut server.cli(&["tail", "--session", "s1", "--from", &cursor]));
    server.ok(&["close", "--session", "s1"]);
    let (json, human) = (end(json), end(human));
    assert_eq!((json.code, human.code), (0, 0), "{} {}", json.stderr, human.stderr);
    assert_eq!(json.stdout.lines().map(str::to_owned).collect::<Vec<_>>(), server.events("s1"));
    assert_eq!(human.stdout, "four\n");

    assert!(server.ok(&["ls"]).contains("\"s1\""));
    server.ok(&["delete", "--session", "s1"]);
    assert_eq!(server.run(&["read", "--session", "s1"]).code, 1);
}

#[test]
fn other_streams_than_sessions_work_by_path() {
    let server = Server::start("memory");
    let json = "[1,{\"a\":\"b\"}]";
    server.ok(&["append", "--stream", "notes/one", "--create", "--data", "{\"any\":\"json\"}"]);
    server.ok(&["append", "--stream", "notes/one", "--data", json]);
    let read = server.ok(&["read", "--stream", "notes/one"]);
    assert!(read.starts_with("{\"any\":\"json\"}\n"), "{read}");
}

#[test]
fn exec_streams_output_and_passes_the_code_on() {
    let server = Server::start("memory");
    let script = "echo out; echo err >&2; printf '\\360\\237\\230\\200 caf\\303\\251 \\377\\n'; exit 7";
    let ended = server.run(&["exec", "--session", "x", "--create", "--", "sh", "-c", script]);
    assert_eq!(ended.code, 7);
    assert_eq!(ended.stderr, "err\n", "mirrored, and nothing to complain about");
    let events = typed(&server.events("x"));
    let Payload::ToolStart(start) = &events[0].payload else { panic!("{:?}", events[0]) };
    let Payload::ToolResult(result) = &events.last().unwrap().payload else { panic!("{events:?}") };
    assert_eq!((start.tool.as_str(), &start.id), ("sh", &result.id));
    assert_eq!(result.is_error, Some(true));
    assert_eq!(result.extra["exitCode"], 7);
    assert!(result.duration.unwrap() > 0.0);
    let (mut out, mut err) = (String::new(), String::new());
    for event in &events {
        match &event.payload {
            Payload::TerminalOutput(terminal) => out += &terminal.data,
            Payload::TerminalError(terminal) => err += &terminal.data,
            _ => {}
        }
    }
    assert_eq!((out.as_str(), err.as_str()), ("out\n😀 café \u{FFFD}\n", "err\n"));
    let output = result.output.as_ref().unwrap().as_str().unwrap();
    assert_eq!(output.len(), out.len() + err.len());
}

#[test]
fn exec_bounds_the_result_and_not_the_terminal() {
    let server = Server::start("memory");
    let script = "i=0; while [ $i -lt 12000 ]; do echo line $i; i=$((i+1)); done";
    let ended =
        server.run(&["exec", "--session", "x", "--create", "--tool-name", "count", "--", "sh", "-c", script]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let events = typed(&server.events("x"));
    let mut out = String::new();
    for event in &events {
        if let Payload::TerminalOutput(terminal) = &event.payload {
            assert!(terminal.data.len() <= 16 * 1024);
            out += &terminal.data;
        }
    }
    let expected: String = (0..12_000).map(|i| format!("line {i}\n")).collect();
    assert_eq!(out, expected);
    assert_eq!(ended.stdout, expected, "mirrored");
    let Payload::ToolResult(result) = &events.last().unwrap().payload else { panic!() };
    let output = result.output.as_ref().unwrap().as_str().unwrap();
    assert!(output.len() < 50 * 1024, "{}", output.len());
    assert!(output.contains("bytes left out"));
    assert_eq!(result.tool, "count");
}

#[test]
fn exec_streams_while_the_command_runs_and_passes_signals_on() {
    let server = Server::start("memory");
    server.ok(&["create", "--session", "x"]);
    let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let child = spawn(&mut server.cli(&["exec", "--session", "x", "--", "sh", "-c", script]));
    assert!(eventually(|| server.events("x").iter().any(|event| event.contains("ready"))), "live");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = end(child);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert_eq!(ended.stdout, "ready\nbye\n");
    assert!(server.events("x").iter().any(|event| event.contains("bye")));
}

#[test]
fn exec_ends_like_the_shell_when_there_is_no_such_command() {
    let server = Server::start("memory");
    let ended = server.run(&["exec", "--session", "x", "--create", "--", "no-such-command-here"]);
    assert_eq!(ended.code, 127);
    assert!(ended.stderr.contains("no-such-command-here"), "{}", ended.stderr);
    let events = server.events("x");
    assert_eq!(events.len(), 2);
    assert!(events[1].contains("\"exitCode\":127"), "{}", events[1]);
    let ended = server.run(&["exec", "--session", "x", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(ended.code, 128 + 9);
}

#[test]
fn a_recording_replayed_and_recorded_again_is_the_same() {
    let server = Server::start("memory");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("made.jsonl");
    write_recording(&file, 40, 0);
    let recordings = [file, common::example_recording()];
    for (index, path) in recordings.iter().filter(|path| path.exists()).enumerate() {
        let session = format!("r{index}");
        let file = path.to_str().unwrap();
        let ended = server.run(&["replay", file, "--session", &session, "--speed", "max"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let written = std::fs::read_to_string(path).unwrap();
        let events: Vec<&str> = written.lines().skip(1).collect();
        assert!(ended.stderr.contains(&format!("replayed {} events", events.len())), "{}", ended.stderr);
        println!("used {}: {} events", path.file_name().unwrap().to_string_lossy(), events.len());
        let recorded = server.ok(&["record", "--session", &session, "--no-follow"]);
        let header = recorded.lines().next().unwrap();
        assert!(header.contains("\"format\":\"durable-sessions-recording\",\"version\":1"), "{header}");
        assert_eq!(recorded.lines().skip(1).collect::<Vec<_>>(), events);
        let idle = server.ok(&["record", "--session", &session, "--until-idle", "200ms"]);
        assert_eq!(idle, recorded);
    }
}

#[test]
fn a_dry_run_is_a_recording_of_the_run() {
    let server = Server::start("memory");
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run.traj");
    let json = r#"{"trajectory":[{"thought":"Look 👩‍🔬 around.\r\n","action":"ls -F","observation":"a\r\nb","execution_time":0.25}],"info":{"exit_status":"submitted"}}"#;
    std::fs::write(&run, json).unwrap();
    let run = run.to_str().unwrap();
    let recording = server.ok(&["replay", run, "--session", "s", "--speed", "max", "--dry-run"]);
    assert_eq!(server.run(&["read", "--session", "s"]).code, 1, "nothing was created");
    let file = directory.path().join("recording.jsonl");
    std::fs::write(&file, &recording).unwrap();
    server.ok(&["replay", file.to_str().unwrap(), "--session", "s", "--speed", "max"]);
    assert_eq!(server.events("s"), recording.lines().skip(1).map(str::to_owned).collect::<Vec<_>>());
    server.ok(&["replay", run, "--session", "s", "--speed", "max", "--append"]);
    let ids: std::collections::BTreeSet<_> =
        typed(&server.events("s")).into_iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 2 * (recording.lines().count() - 1), "every id once, also after --append");
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let server = Server::start("memory");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("r.jsonl");
    // More than a pipe holds, so that the write fails.
    write_recording(&file, 5_000, 0);
    server.ok(&["replay", file.to_str().unwrap(), "--session", "s", "--speed", "max"]);
    let mut child = server
        .cli(&["read", "--session", "s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn an_interrupt_ends_a_command_with_whole_lines() {
    let server = Server::start("memory");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("r.jsonl");
    let events = write_recording(&file, 50, 0);
    server.ok(&["replay", file.to_str().unwrap(), "--session", "s", "--speed", "max"]);
    let out = directory.path().join("out.jsonl");
    let written = || std::fs::read_to_string(&out).unwrap();
    let mut tail = server.cli(&["tail", "--session", "s", "--json"]);
    let child = tail.stdout(std::fs::File::create(&out).unwrap()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(eventually(|| written().lines().count() == events.len()));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(written().lines().map(str::to_owned).collect::<Vec<_>>(), events);
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let server = Server::start("memory");
    let made = server.run(&[
        "keys",
        "create",
        "--subject",
        "ci",
        "--scope",
        "stream:write stream:read",
        "--sessions",
        "ci-*",
        "--name",
        "build",
    ]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let key = made.stdout.trim().to_owned();
    assert!(key.starts_with("dsk_") && !made.stderr.contains(&key), "{}", made.stderr);
    let with_key =
        |arguments: &[&str]| finish(server.cli(arguments).env("DURABLE_SESSIONS_TOKEN", &key), "").code;
    assert_eq!(with_key(&["create", "--session", "ci-1"]), 0);
    assert_eq!(with_key(&["create", "--session", "other"]), 1);
    assert_eq!(with_key(&["keys", "list"]), 1);
    let listed = server.ok(&["keys", "list"]);
    let listed: serde_json::Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!((&listed["name"], &listed["subject"]), (&"build".into(), &"ci".into()));
    let id = listed["id"].as_str().unwrap();
    server.ok(&["keys", "revoke", id]);
    assert_eq!(with_key(&["read", "--session", "ci-1"]), 1);
    assert_eq!(server.ok(&["keys", "list"]), "");
    let again = server.run(&["keys", "revoke", id]);
    assert_eq!(again.code, 1, "{}", again.stderr);
}
