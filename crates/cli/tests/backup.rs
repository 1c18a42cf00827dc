//! Copies of a running server: taken, checked, restored and served again.

mod common;

use common::{BINARY, Server, end, finish, spawn, write_recording};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

fn offline(arguments: &[&str]) -> common::Ended {
    finish(Command::new(BINARY).args(arguments), "")
}

#[test]
fn a_backup_under_load_is_restored_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let server = Server::start("embedded");
    let recording = directory.path().join("r.jsonl");
    let events = write_recording(&recording, 300, 5);
    let replay = spawn(&mut server.cli(&["replay", recording.to_str().unwrap(), "--session", "r"]));
    assert!(common::eventually(|| server.run(&["read", "--session", "r"]).stdout.lines().count() >= 20));
    server.ok(&["backup", &at("copy")]);
    server.ok(&["backup", directory.path().to_str().unwrap()]);
    assert!(server.run(&["backup", &at("copy")]).code == 2, "it is there already");
    let mode = std::fs::metadata(at("copy")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds the keys of tokens");
    assert_eq!(end(replay).code, 0);

    assert_eq!(offline(&["verify", &at("copy")]).code, 0);
    assert_eq!(offline(&["restore", &at("copy"), "--data-dir", &at("data")]).code, 0);
    let verified = offline(&["verify", &at("data")]);
    assert_eq!((verified.code, &*verified.stdout), (0, ""), "{}", verified.stderr);
    assert_ne!(offline(&["restore", &at("copy"), "--data-dir", &at("data")]).code, 0, "it is not empty");

    // What was copied is how the session began.
    let copy = offline(&["backup", &at("again"), "--data-dir", &at("data")]);
    assert_eq!(copy.code, 0, "{}", copy.stderr);
    let restored = Server::start_in(directory.path().to_owned());
    let copied = restored.events("r");
    assert!(copied.len() >= 20 && copied[..] == events[..copied.len()]);
    let refused = restored.run(&["verify", &at("data")]);
    assert!(refused.code == 1 && refused.stderr.contains("in use"), "{}", refused.stderr);

    let mut damaged = std::fs::read(at("copy")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(at("damaged"), damaged).unwrap();
    let refused = offline(&["verify", &at("damaged")]);
    assert!(refused.code == 1 && refused.stderr.contains("damaged at byte"), "{}", refused.stderr);
}

#[test]
fn a_server_in_memory_has_no_backup() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start("memory");
    let file = directory.path().join("copy");
    let refused = server.run(&["backup", file.to_str().unwrap(), "--retry-for", "0s"]);
    assert!(refused.code != 0 && refused.stderr.contains("memory"), "{}", refused.stderr);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
