//! The files of `docs/deploy` say what is so: the unit and the container start this binary with settings that exist.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests assert")]

mod common;

use std::path::Path;

use dockerfile_parser_rs::{Dockerfile, Instruction};

use common::{BINARY, finish};

fn help() -> String {
    finish(std::process::Command::new(BINARY).args(["serve", "--help"]), "").stdout
}

fn deploy(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy").join(name)
}

#[test]
fn the_unit_starts_a_server_that_tells_systemd_how_it_is() {
    let unit = std::fs::read_to_string(deploy("durable-sessions.service")).unwrap();
    let mut section = "";
    let mut sections = Vec::new();
    let mut settings: Vec<(&str, &str, &str)> = Vec::new();
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            sections.push(name);
        } else {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{line}");
            settings.push((section, name, value));
        }
    }
    assert_eq!(sections, ["Unit", "Service", "Install"]);
    let value = |name: &str| settings.iter().find(|(_, found, _)| *found == name).map(|(_, _, value)| *value);
    assert_eq!(value("Type"), Some("notify"));
    assert!(value("WatchdogSec").is_some() && value("StateDirectory") == Some("durable-sessions"));
    let command = value("ExecStart").unwrap();
    let mut words = command.split(' ');
    assert!(words.next().unwrap().ends_with("/durable-sessions") && words.next() == Some("serve"));
    let help = help();
    for flag in words.filter(|word| word.starts_with("--")) {
        assert!(help.contains(&format!("{flag} ")), "{flag}");
    }
    let dir = command.split(' ').skip_while(|word| *word != "--data-dir").nth(1);
    assert_eq!(dir, Some("/var/lib/durable-sessions"), "where StateDirectory is");
}

#[test]
fn the_image_is_pinned_unprivileged_and_stops_as_the_server_wants() {
    let dockerfile = Dockerfile::from(deploy("Dockerfile")).unwrap();
    let (mut bases, mut users, mut last) = (Vec::new(), Vec::new(), Vec::new());
    let help = help();
    for instruction in dockerfile.instructions {
        match instruction {
            Instruction::From { image, .. } => {
                users.clear();
                bases.push(image);
            }
            Instruction::User { user, .. } => users.push(user),
            Instruction::Entrypoint(words) | Instruction::Cmd(words) => last.extend(words),
            Instruction::Env(variables) => {
                for name in variables.keys() {
                    assert!(help.contains(&format!("{name}=")) || help.contains(name.as_str()), "{name}");
                    assert!(!name.contains("TOKEN"), "a secret has no place in an image");
                }
            }
            Instruction::Run { command, .. } => {
                let command = command.join(" ");
                assert!(!command.contains("sudo") && !command.contains("curl "), "{command}");
            }
            Instruction::Stopsignal { signal } => assert_eq!(signal, "SIGTERM"),
            _ => {}
        }
    }
    assert_eq!(bases.len(), 2);
    for base in bases {
        let tag = base.rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest"), "{base}");
    }
    assert!(users.last().is_some_and(|user| user != "root" && user != "0"), "{users:?}");
    assert_eq!(last, ["durable-sessions", "serve"]);
}
