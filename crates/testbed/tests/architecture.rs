//! The arrows and absences of ARCHITECTURE.md, held against the tree.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Dependencies of a crate of ours (not those of its tests), without the `floe-` of our own.
fn dependencies(name: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let names = table.get("dependencies").and_then(|d| d.as_table()).map(|d| d.keys().cloned().collect::<Vec<_>>());
    names.unwrap_or_default().into_iter().map(|n| n.trim_start_matches("floe-").to_owned()).collect()
}

fn crates() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("crates")).unwrap();
    folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// All Rust sources below a folder but tests.
fn sources(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

fn sources_of(name: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    sources(&root().join("crates").join(name).join("src"), &mut files);
    assert!(!files.is_empty());
    files
}

#[test]
fn arrows_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = [
        ("redstuff", &[][..]),
        ("protocol", &["redstuff"]),
        ("store", &[]),
        ("devchain", &[]),
        ("chain", &["redstuff", "protocol"]),
        ("node", &["redstuff", "protocol", "chain", "store"]),
        ("client", &["redstuff", "protocol", "chain"]),
        ("gateway", &["redstuff", "protocol", "chain", "client"]),
        ("relay", &["redstuff", "protocol", "chain"]),
        ("config", &["chain", "node"]),
    ]
    .into();
    let ours = crates();
    for name in &ours {
        let used: BTreeSet<_> = dependencies(name).intersection(&ours).cloned().collect();
        assert!(!used.contains("cli"), "{name} must not use the command line");
        if ["cli", "testbed"].contains(&name.as_str()) {
            continue;
        }
        let allowed = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no place in this test yet"));
        for other in &used {
            assert!(allowed.contains(&other.as_str()), "{name} must not depend on {other}");
        }
    }
}

#[test]
fn pure_crates_do_no_input_or_output() {
    for name in ["redstuff", "protocol"] {
        let used = dependencies(name);
        for absent in ["tokio", "axum", "hyper", "alloy", "getrandom", "rand"] {
            assert!(!used.contains(absent), "{name} must not depend on {absent}");
        }
        for (path, text) in sources_of(name) {
            for absent in ["std::fs", "std::net", "Instant::now", "SystemTime"] {
                assert!(!text.contains(absent), "{}: {absent}", path.display());
            }
        }
    }
}

#[test]
fn the_store_knows_no_network_and_the_embedded_chain_no_blobs() {
    for absent in ["axum", "hyper", "alloy", "tokio"] {
        assert!(!dependencies("store").contains(absent), "store must not depend on {absent}");
    }
    for (path, text) in sources_of("devchain") {
        assert!(!text.replace("floe_devchain", "").contains("floe_"), "{} names another crate of ours", path.display());
    }
}
