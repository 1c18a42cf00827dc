//! Bad input: each with its exit code and a message that names what is wrong and where.

mod common;

use common::{Server, TOKEN, finish, write_recording};

struct Case<'a> {
    what: &'a str,
    arguments: &'a [&'a str],
    input: &'a str,
    code: i32,
    /// Everything that standard error has to name.
    says: &'a [&'a str],
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let server = Server::start("memory");
    let directory = tempfile::tempdir().unwrap();
    let in_directory = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    write_recording(&directory.path().join("good.jsonl"), 3, 0);
    let good = std::fs::read_to_string(in_directory("good.jsonl")).unwrap();
    std::fs::write(in_directory("bad.jsonl"), format!("{good}{{\"id\":\"x\",\"type\":\"chunk\"}}\n"))
        .unwrap();
    std::fs::write(in_directory("bad.traj"), r#"{"trajectory":[{"action":"ls"},{"action":7}]}"#).unwrap();
    std::fs::write(in_directory("other.json"), r#"{"some":"thing"}"#).unwrap();
    let (good, bad, traj, other, missing) = (
        in_directory("good.jsonl"),
        in_directory("bad.jsonl"),
        in_directory("bad.traj"),
        in_directory("other.json"),
        in_directory("missing.jsonl"),
    );
    server.ok(&["create", "--session", "full"]);
    server.ok(&["append", "--session", "full", "--type", "chunk", "--data", "{\"text\":\"a\"}"]);
    server.ok(&["create", "--session", "shut"]);
    server.ok(&["close", "--session", "shut"]);

    let wrong_token = [
        "append",
        "--session",
        "full",
        "--token",
        "wr0ng-t0ken",
        "--type",
        "chunk",
        "--data",
        "{\"text\":\"a\"}",
    ];
    let two_lines = "{\"type\":\"chunk\",\"data\":{\"text\":\"a\"}}\n{\"type\":\"chunk\",\n";
    let cases = [
        Case {
            what: "append to an unknown session",
            arguments: &["append", "--session", "nobody", "--type", "chunk", "--data", "{\"text\":\"a\"}"],
            input: "",
            code: 1,
            says: &["nobody", "create"],
        },
        Case {
            what: "read of an unknown session",
            arguments: &["read", "--session", "nobody"],
            input: "",
            code: 1,
            says: &["nobody"],
        },
        Case {
            what: "tail of an unknown session",
            arguments: &["tail", "--session", "nobody"],
            input: "",
            code: 1,
            says: &["nobody"],
        },
        Case {
            what: "record of an unknown session",
            arguments: &["record", "--session", "nobody"],
            input: "",
            code: 1,
            says: &["nobody"],
        },
        Case {
            what: "exec into an unknown session",
            arguments: &["exec", "--session", "nobody", "--", "true"],
            input: "",
            code: 125,
            says: &["nobody"],
        },
        Case {
            what: "delete of an unknown session",
            arguments: &["delete", "--session", "nobody"],
            input: "",
            code: 1,
            says: &["nobody"],
        },
        Case {
            what: "a session id that is none",
            arguments: &["create", "--session", "a/b"],
            input: "",
            code: 2,
            says: &["--session", "a/b"],
        },
        Case {
            what: "no stream at all",
            arguments: &["read"],
            input: "",
            code: 2,
            says: &["--session", "--stream"],
        },
        Case { what: "wrong token", arguments: &wrong_token, input: "", code: 1, says: &["401", "--token"] },
        Case {
            what: "malformed line",
            arguments: &["append", "--session", "full"],
            input: two_lines,
            code: 1,
            says: &["line 2", "before it: 1"],
        },
        Case {
            what: "event that the schema refuses",
            arguments: &["append", "--session", "full", "--type", "chunk", "--data", "{\"txt\":\"a\"}"],
            input: "",
            code: 2,
            says: &["$.data.text"],
        },
        Case {
            what: "--data that is no JSON",
            arguments: &["append", "--session", "full", "--type", "chunk", "--data", "{"],
            input: "",
            code: 2,
            says: &["--data"],
        },
        Case {
            what: "append to a closed session",
            arguments: &["append", "--session", "shut", "--type", "chunk", "--data", "{\"text\":\"a\"}"],
            input: "",
            code: 1,
            says: &["shut", "closed"],
        },
        Case {
            what: "replay into a session with events",
            arguments: &["replay", &good, "--session", "full"],
            input: "",
            code: 1,
            says: &["full", "--append"],
        },
        Case {
            what: "replay of a missing file",
            arguments: &["replay", &missing, "--session", "new"],
            input: "",
            code: 1,
            says: &["missing.jsonl"],
        },
        Case {
            what: "replay of a damaged recording",
            arguments: &["replay", &bad, "--session", "new"],
            input: "",
            code: 1,
            says: &["bad.jsonl", "line 5"],
        },
        Case {
            what: "replay of a damaged run",
            arguments: &["replay", &traj, "--session", "new"],
            input: "",
            code: 1,
            says: &["bad.traj", "step 2", "action"],
        },
        Case {
            what: "replay of something else",
            arguments: &["replay", &other, "--session", "new"],
            input: "",
            code: 1,
            says: &["other.json", "recording", ".traj"],
        },
        Case {
            what: "speed that is none",
            arguments: &["replay", &good, "--session", "new", "--speed", "fast"],
            input: "",
            code: 2,
            says: &["fast", "max"],
        },
        Case {
            what: "cursor that is none",
            arguments: &["read", "--session", "full", "--offset", "7"],
            input: "",
            code: 1,
            says: &["offset"],
        },
    ];
    let mut failed = Vec::new();
    for case in cases {
        let ended = finish(&mut server.cli(case.arguments), case.input);
        let unsaid: Vec<_> = case.says.iter().filter(|word| !ended.stderr.contains(**word)).collect();
        if ended.code != case.code || !unsaid.is_empty() || !ended.stdout.is_empty() {
            failed.push(format!("{}: code {}, not said {unsaid:?}: {ended:?}", case.what, ended.code));
        }
        for secret in [TOKEN, "wr0ng-t0ken"] {
            assert!(!ended.stderr.contains(secret), "{}: a token is shown: {}", case.what, ended.stderr);
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(server.run(&["read", "--session", "new"]).code, 1, "a refused replay creates nothing");
    assert_eq!(server.events("full").len(), 2, "the line before the malformed one arrived");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    for command in ["read", "record", "tail", "append", "close"] {
        let mut line = std::process::Command::new(common::BINARY);
        line.args([command, "--session", "s", "--url", &url, "--retry-for", "0s"]);
        if command == "append" {
            line.args(["--type", "chunk", "--data", "{\"text\":\"a\"}"]);
        }
        let ended = finish(&mut line, "");
        assert_eq!(ended.code, 3, "{command}: {ended:?}");
        assert!(ended.stderr.contains(&url) && ended.stderr.contains("--url"), "{command}: {}", ended.stderr);
    }
}
