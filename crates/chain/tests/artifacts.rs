//! The committed artifacts belong to the committed sources. Needs neither node nor a compiler; `npm run check` in
//! contracts/ compiles again and compares byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

const REMEDY: &str = "run `npm ci && npm run build` in contracts/";

#[derive(Deserialize)]
struct Manifest {
    solc: String,
    /// Source path as imported, to the SHA-256 of the file.
    sources: BTreeMap<String, String>,
    /// File name in artifacts/, to the SHA-256 of the file.
    artifacts: BTreeMap<String, String>,
}

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts")
}

fn manifest() -> Manifest {
    let text = fs::read_to_string(contracts().join("artifacts/manifest.json")).expect("the manifest is committed");
    serde_json::from_str(&text).expect("the manifest is as build.mjs writes it")
}

fn sha256(file: &Path) -> String {
    hex::encode(Sha256::digest(fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))))
}

/// Names of the files in a folder of contracts/ that end in `suffix`.
fn names(folder: &str, suffix: &str) -> Vec<String> {
    let entries = fs::read_dir(contracts().join(folder)).expect("the folder is committed");
    let names = entries.map(|entry| entry.expect("a readable entry").file_name().into_string().expect("UTF-8"));
    names.filter(|name| name.ends_with(suffix)).collect()
}

#[test]
fn artifacts_are_as_the_build_wrote_them() {
    let listed = manifest().artifacts;
    let mut present = names("artifacts", ".json");
    present.retain(|name| name != "manifest.json");
    present.sort();
    assert!(listed.keys().eq(&present), "artifacts are {present:?}: {REMEDY}");
    for (name, hash) in &listed {
        assert_eq!(&sha256(&contracts().join("artifacts").join(name)), hash, "{name} was changed by hand: {REMEDY}");
    }
}

#[test]
fn sources_are_as_they_were_compiled() {
    let own: BTreeMap<_, _> = manifest().sources.into_iter().filter(|(name, _)| !name.starts_with('@')).collect();
    let mut present: Vec<_> = ["src", "examples", "testing"]
        .into_iter()
        .flat_map(|folder| names(folder, ".sol").into_iter().map(move |name| format!("{folder}/{name}")))
        .collect();
    present.sort();
    assert!(own.keys().eq(&present), "sources are {present:?}: {REMEDY}");
    for (name, hash) in &own {
        assert_eq!(&sha256(&contracts().join(name)), hash, "{name} changed since it was compiled: {REMEDY}");
    }
}

#[test]
fn the_compiler_is_the_one_that_package_json_pins() {
    let package = fs::read_to_string(contracts().join("package.json")).expect("package.json is committed");
    let package: serde_json::Value = serde_json::from_str(&package).expect("JSON");
    let pinned = package["devDependencies"]["solc"].as_str().expect("solc is a dependency");
    let compiler = manifest().solc;
    assert!(compiler.starts_with(&format!("{pinned}+")), "compiled with {compiler}, package.json has {pinned}");
}

/// Upgrades keep the storage of what is deployed. contracts/layouts.json says how that is laid out; a variable may be added
/// behind the others (then copy artifacts/layouts.json over it), none may move, change its type or go away.
#[test]
fn storage_of_upgradable_contracts_stays_where_it_is() {
    type Layouts = BTreeMap<String, Vec<String>>;
    let read = |file: &str| -> Layouts {
        let text = fs::read_to_string(contracts().join(file)).expect("the layouts are committed");
        serde_json::from_str(&text).expect("lines for each contract")
    };
    let (deployed, compiled) = (read("layouts.json"), read("artifacts/layouts.json"));
    assert!(deployed.keys().eq(compiled.keys()), "{:?} are upgradable", compiled.keys());
    for (contract, lines) in &deployed {
        let missing: Vec<_> = lines.iter().filter(|line| !compiled[contract].contains(line)).collect();
        assert!(missing.is_empty(), "{contract}: storage has moved: {missing:#?}");
        let known = lines.iter().filter_map(|line| line.split_once(' ')).map(|(place, _)| place);
        assert!(known.count() == lines.len(), "{contract}: each line names a place");
    }
}

#[test]
fn the_documented_example_is_the_compiled_one() {
    let source = fs::read_to_string(contracts().join("examples/Editions.sol")).expect("the example is committed");
    let uncommented = |line: &&str| !line.trim_start().starts_with("///");
    let source: Vec<_> = source.lines().filter(uncommented).collect();
    let page = fs::read_to_string(contracts().join("../docs/contracts.md")).expect("the page is committed");
    let (_, after) = page.split_once("```solidity\n").expect("the page has an example");
    let (example, _) = after.split_once("\n```").expect("the example ends");
    assert_eq!(example.lines().collect::<Vec<_>>(), source, "docs/contracts.md shows another examples/Editions.sol");
}
