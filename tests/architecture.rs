//! The map is true and the arrows point one way: what `docs/ARCHITECTURE.md` says about rooms, dependencies, sizes
//! and form is checked here, in the ordinary test run.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// Which rooms of `src/` a room may name, lowest first. A new edge is a decision: its own commit, with its reason.
const MAY_USE: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("limits", &[]),
    ("gzip", &[]),
    ("korean_time", &[]),
    ("build", &[]),
    ("secret", &[]),
    ("resilience", &[]),
    ("config", &["limits", "secret"]),
    ("rules_file", &[]),
    ("telemetry", &[]),
    ("payload", &[]),
    ("expectation", &["error", "limits", "gzip"]),
    ("stores", &["error", "limits", "expectation", "gzip", "resilience", "secret"]),
    ("answer", &["error", "limits", "gzip", "korean_time", "payload", "expectation"]),
    ("upstream", &["error", "limits", "resilience", "secret"]),
    ("locks", &["stores"]),
    ("jobs", &["locks", "resilience", "stores"]),
    ("backplane", &["error", "expectation", "upstream"]),
    ("compute", &["error", "expectation", "answer"]),
    ("http", &["error", "limits", "korean_time"]),
    (
        "metrics",
        &["build", "expectation", "http", "jobs", "locks", "resilience", "stores", "upstream"],
    ),
    ("routes", &["error", "build", "expectation", "http", "metrics"]),
    (
        "assemble",
        &[
            "backplane",
            "build",
            "compute",
            "config",
            "error",
            "expectation",
            "http",
            "jobs",
            "limits",
            "locks",
            "metrics",
            "resilience",
            "routes",
            "rules_file",
            "secret",
            "stores",
            "upstream",
        ],
    ),
    (
        "cli",
        &[
            "answer",
            "assemble",
            "config",
            "expectation",
            "gzip",
            "limits",
            "payload",
            "rules_file",
            "telemetry",
            "upstream",
        ],
    ),
];

/// Source files may not grow beyond this, their inline tests aside.
const LINES_MAX: usize = 600;

/// Files above it: none. An entry would name the file and its length, and might only shrink.
const LONGER: &[(&str, usize)] = &[];

/// What `valuation` may be built from, directly: it does no I/O because it has nothing to do it with.
const VALUATION_DEPENDENCIES: [&str; 2] = ["serde", "toml"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the root").display().to_string()
}

/// The room a file of `src/` belongs to; None for `lib.rs` and `main.rs`.
fn room(path: &Path) -> Option<String> {
    let first = path.strip_prefix(root().join("src")).ok()?.iter().next()?.to_str()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(room, "lib" | "main")).then(|| room.to_owned())
}

/// Without comments and without the tests at the end of a file: tests may reach further.
fn production(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests") || path.iter().any(|part| part == "tests")
}

fn named_rooms(code: &str) -> BTreeSet<String> {
    let starts = code.match_indices("crate::").map(|(at, found)| &code[at + found.len()..]);
    starts
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn rooms_use_only_what_lies_below_them() {
    let allowed: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    for (at, (room, below)) in MAY_USE.iter().enumerate() {
        for lower in *below {
            let position = MAY_USE.iter().position(|(name, _)| name == lower);
            assert!(
                position.is_some_and(|position| position < at),
                "{room} may use {lower}, above it"
            );
        }
    }
    for path in rust_files("src") {
        let (Some(room), false) = (room(&path), is_test(&path)) else { continue };
        let below = allowed.get(room.as_str());
        let below = below.unwrap_or_else(|| panic!("{room} is missing from MAY_USE"));
        for named in named_rooms(&production(&text(&path))) {
            let inside = named == room || below.contains(&named.as_str());
            assert!(inside, "{} names crate::{named}", shown(&path));
        }
    }
}

#[test]
fn imports_are_one_to_a_line_so_that_the_check_above_sees_them() {
    for path in rust_files("src") {
        let code = text(&path);
        assert!(!code.contains("use crate::{"), "{}", shown(&path));
        assert!(!code.contains("super::super"), "{}", shown(&path));
    }
}

#[test]
fn only_the_runtime_names_the_runtime_underneath() {
    for path in rust_files("shards/src").into_iter().chain(rust_files("src")) {
        if shown(&path).starts_with("shards/src/runtime/")
            || path.ends_with("shards/src/runtime.rs")
        {
            continue;
        }
        assert!(!production(&text(&path)).contains("monoio"), "{} names monoio", shown(&path));
    }
}

#[test]
fn valuation_depends_on_nothing_it_could_do_io_with() {
    let found = dependencies("valuation");
    assert_eq!(found, VALUATION_DEPENDENCIES.map(str::to_owned).into());
    assert!(!dependencies("shards").iter().any(|name| name == "valuation" || name == "tokio"));
    let valuation = rust_files("valuation/src");
    for path in valuation {
        let code = production(&text(&path));
        for forbidden in ["std::fs", "std::net", "std::time", "std::thread", "std::env", "std::io"]
        {
            assert!(!code.contains(forbidden), "{} names {forbidden}", shown(&path));
        }
    }
}

fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            package,
            "--edges",
            "normal",
            "--depth",
            "1",
            "--prefix",
            "none",
        ])
        .args(["--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo tree");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    let names = tree.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_map_names_every_room_and_no_other() {
    let map = text(&root().join("docs/ARCHITECTURE.md"));
    let headings: BTreeSet<String> = map
        .lines()
        .filter_map(|line| line.strip_prefix("| `src/"))
        .filter_map(|rest| rest.split('`').next())
        .map(|name| name.trim_end_matches('/').trim_end_matches(".rs").to_owned())
        .collect();
    let rooms: BTreeSet<String> = rust_files("src").iter().filter_map(|path| room(path)).collect();
    assert_eq!(headings, rooms, "left: the map, right: src/");
    for folder in
        ["shards/", "valuation/", "bench/", "chaos/", "docs/adr/", "fuzz/", "migrations/", "perf/"]
    {
        assert!(map.contains(&format!("`{folder}`")), "{folder} is missing from the map");
        assert!(root().join(folder).is_dir(), "{folder} is on the map only");
    }
    let lines = map.lines().count();
    assert!(lines <= 120, "one page: {lines} lines");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let documents = [
        "README.md",
        "CHANGELOG.md",
        "docs/ARCHITECTURE.md",
        "docs/CHECKLIST.md",
        "docs/DATA-PATH.md",
        "docker/README.md",
    ];
    for document in documents {
        let path = root().join(document);
        let folder = path.parent().expect("a folder").to_path_buf();
        let text = text(&path);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") || link.starts_with('#') {
                continue;
            }
            let target = link.split('#').next().unwrap_or_default();
            assert!(folder.join(target).exists(), "{document}: {link}");
        }
    }
}

#[test]
fn the_data_path_can_be_walked_in_the_code() {
    every_place_exists("docs/DATA-PATH.md", 30);
}

#[test]
fn every_check_of_the_checklist_exists() {
    every_place_exists("docs/CHECKLIST.md", 25);
}

/// Places are written `path/file.rs` or `path/file.rs::function`.
fn every_place_exists(document: &str, at_least: usize) {
    let page = text(&root().join(document));
    let stops: BTreeSet<&str> = page.split('`').filter(|quoted| quoted.contains(".rs")).collect();
    assert!(stops.len() > at_least, "{} places", stops.len());
    for stop in stops {
        if stop.starts_with("file.rs") {
            continue;
        }
        let (file, function) = stop.split_once("::").unwrap_or((stop, ""));
        let path = root().join(file);
        assert!(path.is_file(), "{stop}: no such file");
        let found = function.is_empty() || text(&path).contains(&format!("fn {function}"));
        assert!(found, "{stop}: no such function");
    }
}

#[test]
fn files_open_with_their_intent_and_stay_small() {
    let crates = ["src", "shards/src", "valuation/src", "bench/src", "chaos/src"];
    let tests = ["tests", "shards/tests", "valuation/tests", "bench/tests", "chaos/tests"];
    for path in crates.into_iter().chain(tests).flat_map(rust_files) {
        let text = text(&path);
        assert!(text.starts_with("//!"), "{} does not say what it is", shown(&path));
        let lines = if is_test(&path) { 0 } else { production(&text).lines().count() };
        let exception = LONGER.iter().find(|(name, _)| *name == shown(&path));
        let most = exception.map_or(LINES_MAX, |(_, length)| *length);
        assert!(lines <= most, "{}: {lines} lines, at most {most}", shown(&path));
    }
}

#[test]
fn no_room_is_a_drawer() {
    let drawers =
        ["common", "utils", "util", "helpers", "helper", "global", "manager", "impl", "misc"];
    for path in ["src", "shards/src", "valuation/src", "bench/src"].into_iter().flat_map(rust_files)
    {
        let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
        let drawer = parts.iter().find(|part| drawers.contains(&part.trim_end_matches(".rs")));
        assert!(drawer.is_none(), "{}", shown(&path));
    }
}

#[test]
fn the_code_is_formatted() {
    let output = Command::new(env!("CARGO"))
        .args(["fmt", "--all", "--check"])
        .current_dir(root())
        .output()
        .expect("cargo fmt");
    assert!(
        output.status.success(),
        "run cargo fmt --all\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
