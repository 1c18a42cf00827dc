//! A server that is killed in the middle and started again costs no event and doubles none.

mod common;

use common::{Server, end, eventually, shared_runs, spawn, write_recording};
use durable_sessions_client::schema::{Event, Payload};

#[test]
fn a_replay_goes_through_a_restart() {
    let mut server = Server::start("embedded");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("r.jsonl");
    let events = write_recording(&file, 400, 10);
    let replay = spawn(&mut server.cli(&["replay", file.to_str().unwrap(), "--session", "r"]));
    for already in [40, 160] {
        assert!(eventually(|| {
            let read = server.run(&["read", "--session", "r"]);
            read.code == 0 && read.stdout.lines().count() >= already
        }));
        server.kill();
        server.restart();
    }
    let ended = end(replay);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(server.events("r"), events);
}

#[test]
fn every_event_of_the_shared_runs_arrives_once() {
    let mut server = Server::start("embedded");
    let directory = tempfile::tempdir().unwrap();
    for path in shared_runs() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let run = path.to_str().unwrap();
        let recording = server.ok(&["replay", run, "--session", &name, "--speed", "max", "--dry-run"]);
        let file = directory.path().join("recording.jsonl");
        std::fs::write(&file, &recording).unwrap();
        let events: Vec<String> = recording.lines().skip(1).map(str::to_owned).collect();
        println!("used {name}: {} events", events.len());
        let file = file.to_str().unwrap();
        let replay = spawn(&mut server.cli(&["replay", file, "--session", &name, "--speed", "12"]));
        assert!(eventually(|| {
            let read = server.run(&["read", "--session", &name]);
            read.code == 0 && read.stdout.lines().count() > events.len() / 3
        }));
        server.kill();
        server.restart();
        let ended = end(replay);
        assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
        assert_eq!(server.events(&name), events, "{name}");
    }
}

#[test]
fn an_exec_goes_through_a_restart() {
    let mut server = Server::start("embedded");
    server.ok(&["create", "--session", "x"]);
    let script = "i=0; while [ $i -lt 80 ]; do echo line $i; i=$((i+1)); sleep 0.04; done";
    let exec = spawn(&mut server.cli(&["exec", "--session", "x", "--", "sh", "-c", script]));
    assert!(eventually(|| server.events("x").len() >= 10));
    server.kill();
    server.restart();
    let ended = end(exec);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let expected: String = (0..80).map(|i| format!("line {i}\n")).collect();
    assert_eq!(ended.stdout, expected);
    let lines = server.events("x");
    let events: Vec<Event> = lines.iter().map(|line| Event::from_json(line.as_bytes()).unwrap()).collect();
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), events.len(), "nothing twice");
    let mut out = String::new();
    for event in &events {
        if let Payload::TerminalOutput(terminal) = &event.payload {
            out += &terminal.data;
        }
    }
    assert_eq!(out, expected, "nothing missing, in order");
    let calls = |name: &str| events.iter().filter(|event| event.event_type() == name).count();
    assert_eq!((calls("tool:start"), calls("tool:result")), (1, 1));
}

#[test]
fn a_record_goes_through_a_restart() {
    let mut server = Server::start("embedded");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("r.jsonl");
    let events = write_recording(&file, 300, 10);
    server.ok(&["create", "--session", "r"]);
    let out = directory.path().join("out.jsonl");
    let recorded = || std::fs::read_to_string(&out).unwrap_or_default();
    let mut record = server
        .cli(&["record", "--session", "r"])
        .stdout(std::fs::File::create(&out).unwrap())
        .spawn()
        .unwrap();
    let replay = spawn(&mut server.cli(&["replay", file.to_str().unwrap(), "--session", "r"]));
    for already in [30, 120] {
        assert!(eventually(|| recorded().lines().count() > already), "it follows");
        server.kill();
        server.restart();
    }
    let ended = end(replay);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    server.ok(&["close", "--session", "r"]);
    assert!(eventually(|| record.try_wait().unwrap().is_some()), "it ends when the session is closed");
    assert_eq!(record.wait().unwrap().code(), Some(0));
    assert_eq!(recorded().lines().skip(1).map(str::to_owned).collect::<Vec<_>>(), events);
}

#[test]
fn a_command_finishes_without_its_server_and_says_what_is_missing() {
    let mut server = Server::start("embedded");
    server.ok(&["create", "--session", "x"]);
    let script = "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.04; done";
    let exec =
        spawn(&mut server.cli(&["exec", "--session", "x", "--retry-for", "1s", "--", "sh", "-c", script]));
    assert!(eventually(|| server.events("x").len() >= 5));
    server.kill();
    let ended = end(exec);
    let expected: String = (0..30).map(|i| format!("line {i}\n")).collect();
    assert_eq!(ended.stdout, expected, "the command is not held back");
    assert_eq!(ended.code, 125);
    assert!(ended.stderr.contains("events were not delivered"), "{}", ended.stderr);
    server.restart();
    assert!(server.events("x").len() >= 5, "what was acknowledged is there");
}

#[test]
fn output_that_no_outage_can_hold_is_left_out_with_a_mark() {
    const LEN: usize = 60_000_000;
    let mut server = Server::start("embedded");
    server.ok(&["create", "--session", "x"]);
    let directory = tempfile::tempdir().unwrap();
    let (written, go) = (directory.path().join("written"), directory.path().join("go"));
    let script = format!(
        "yes 0123456789012345678901234567890123456789 | head -c {LEN}; touch {}; \
         while [ ! -e {} ]; do sleep 0.02; done; echo after",
        written.display(),
        go.display()
    );
    server.kill();
    let exec = spawn(&mut server.cli(&["exec", "--session", "x", "--", "sh", "-c", &script]));
    // Its output has to be read while it runs, or the pipe holds the command back.
    let ended = std::thread::spawn(move || end(exec));
    assert!(eventually(|| written.exists()), "the command is not held back for good");
    server.restart();
    assert!(eventually(|| server.events("x").len() > 1000), "what was held is delivered");
    std::fs::write(&go, "").unwrap();
    let ended = ended.join().unwrap();
    assert_eq!(ended.code, 125, "{}", ended.stderr);
    assert_eq!(ended.stdout.len(), LEN + "after\n".len());

    let (mut out, mut marks) = (String::new(), Vec::new());
    for line in server.events("x") {
        match Event::from_json(line.as_bytes()).unwrap().payload {
            Payload::TerminalOutput(terminal) => out += &terminal.data,
            Payload::TerminalError(terminal) => marks.push(terminal.data),
            _ => {}
        }
    }
    assert!(out.ends_with("after\n"), "{marks:?}");
    let left_out: usize = marks
        .iter()
        .map(|mark| mark.split_whitespace().find_map(|word| word.parse::<usize>().ok()).unwrap())
        .sum();
    assert!(left_out > 0);
    assert_eq!(out.len() + left_out, ended.stdout.len(), "{marks:?}");
    assert!(
        ended.stderr.contains(&format!("{left_out} bytes of output were not delivered")),
        "{}",
        ended.stderr
    );
}
