//! Holds what cargo says about dependencies against the [table](super::arrow_table).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::arrow_table::{HOUSE, Room};
use super::text;
use crate::failure::StepError;
use crate::workbench::Workbench;

/// One finding per broken arrow.
pub(super) fn check(bench: &Workbench) -> Result<Vec<String>, StepError> {
    let json = bench.cargo().args(["metadata", "--format-version", "1", "--no-deps", "--locked"]).read()?;
    let metadata: Metadata = serde_json::from_str(&json).map_err(|error| {
        StepError::unmet(format!("cargo metadata: {error}"), "is cargo the one of this toolchain?")
    })?;
    let mut findings = unplaced(&metadata, HOUSE);
    for room in HOUSE {
        let Some(package) = metadata.packages.iter().find(|package| package.name == room.package) else {
            findings.push(format!("{} is in the table but not in the workspace", room.package));
            continue;
        };
        findings.extend(direct(package, room, &metadata.names()));
        if !room.never.is_empty() {
            findings.extend(anywhere(&closure(bench, room)?, room));
        }
        if let Some(directory) = package.manifest_path.parent() {
            findings.extend(text::words_in_code(&bench.checkout, &directory.join("src"), room.never_says)?);
        }
    }
    Ok(findings)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

impl Metadata {
    fn names(&self) -> BTreeSet<&str> {
        self.packages.iter().map(|package| package.name.as_str()).collect()
    }
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None for a normal one.
    kind: Option<String>,
}

/// Packages of the workspace that the table does not know.
fn unplaced(metadata: &Metadata, house: &[Room]) -> Vec<String> {
    let placed = |package: &&Package| !house.iter().any(|room| room.package == package.name);
    metadata
        .packages
        .iter()
        .filter(placed)
        .map(|package| format!("{} has no place in the table of arrows", package.name))
        .collect()
}

/// What the manifest itself names. Dependencies of tests are free: a test may look at more than its crate.
fn direct(package: &Package, room: &Room, ours: &BTreeSet<&str>) -> Vec<String> {
    let used = package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
    let mut findings = Vec::new();
    for dependency in used {
        let name = dependency.name.as_str();
        if ours.contains(name) && !room.may_use.contains(&name) {
            findings.push(format!("{} must not use {name}", room.package));
        }
        if room.never_directly.contains(&name) {
            findings.push(format!("{} must not depend on {name} itself", room.package));
        }
    }
    findings
}

/// All that `room` links, each with the path that leads to it.
fn closure(bench: &Workbench, room: &Room) -> Result<BTreeMap<String, String>, StepError> {
    // `-p` resolves features as if only this crate were built: another crate's wishes are not its own.
    let mut tree = bench
        .cargo()
        .args(["tree", "--locked", "--package", room.package])
        .args(["--edges", "normal", "--prefix", "depth", "--format", " {p}"]);
    if let Some(target) = room.target {
        tree = tree.args(["--target", target]);
    }
    Ok(paths_in_tree(&tree.read()?))
}

/// Reads `DEPTH name v1.2.3 …` lines.
fn paths_in_tree(tree: &str) -> BTreeMap<String, String> {
    let mut above: Vec<&str> = Vec::new();
    let mut paths = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(depth), Some(name)) = (words.next().and_then(|depth| depth.parse().ok()), words.next())
        else {
            continue;
        };
        above.truncate(depth);
        above.push(name);
        paths.entry(name.to_owned()).or_insert_with(|| above.join(" -> "));
    }
    paths
}

fn anywhere(closure: &BTreeMap<String, String>, room: &Room) -> Vec<String> {
    room.never
        .iter()
        .filter_map(|name| closure.get(*name))
        .map(|path| format!("{} must not link what this leads to: {path}", room.package))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        package: "core",
        may_use: &["schema"],
        never: &["tokio"],
        never_directly: &["fjall"],
        never_says: &[],
        target: None,
    };

    fn package(dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: kind.map(str::to_owned) })
            .collect();
        Package { name: "core".to_owned(), manifest_path: PathBuf::new(), dependencies }
    }

    #[test]
    fn an_arrow_that_is_in_the_table_is_fine() {
        let ours = ["core", "schema", "server"].into();
        assert!(direct(&package(&[("schema", None), ("serde", None)]), &ROOM, &ours).is_empty());
    }

    #[test]
    fn a_broken_arrow_is_found() {
        let ours = ["core", "schema", "server"].into();
        let found = direct(&package(&[("server", None), ("fjall", Some("build"))]), &ROOM, &ours);
        assert_eq!(found, ["core must not use server", "core must not depend on fjall itself"]);
    }

    #[test]
    fn tests_may_use_more() {
        let ours = ["core", "server"].into();
        assert!(direct(&package(&[("server", Some("dev"))]), &ROOM, &ours).is_empty());
    }

    #[test]
    fn a_forbidden_crate_is_found_at_any_depth_with_the_way_to_it() {
        let tree =
            "0 core v0.1.0 (path)\n1 schema v0.1.0\n2 serde v1.0.0\n1 waiter v2.0.0\n2 tokio v1.50.0\n";
        let found = anywhere(&paths_in_tree(tree), &ROOM);
        assert_eq!(found, ["core must not link what this leads to: core -> waiter -> tokio"]);
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_is_found() {
        let metadata = Metadata { packages: vec![package(&[])] };
        assert!(unplaced(&metadata, &[ROOM]).is_empty());
        assert_eq!(unplaced(&metadata, &[]).len(), 1);
    }

    #[test]
    fn the_table_has_no_circle() {
        let mut done: BTreeSet<&str> = BTreeSet::new();
        while let Some(room) = HOUSE
            .iter()
            .find(|room| !done.contains(room.package) && room.may_use.iter().all(|use_| done.contains(use_)))
        {
            done.insert(room.package);
        }
        assert_eq!(done.len(), HOUSE.len());
    }
}
