//! Every scenario at the small scale, against a server built now. One test runs them all, one after the other:
//! they measure times, and two at once would measure each other.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

use std::process::Command;
use std::process::Output;

fn chaos(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chaos")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn names() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/scenarios");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

#[test]
fn every_invariant_of_every_scenario_holds() {
    let results = tempfile::tempdir().unwrap();
    let folder = results.path().to_str().unwrap();
    let output = chaos(&["--all", "--scale", "small", "--results", folder]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let summary = std::fs::read_to_string(results.path().join("summary.md")).unwrap();
    for name in names() {
        assert!(summary.contains(&name), "{name} is in no table");
        let page = std::fs::read_to_string(results.path().join(format!("{name}.md"))).unwrap();
        assert!(page.contains("| yes |") && !page.contains("**no**"), "{page}");
    }
}

#[test]
fn scenarios_are_listed_and_wrong_usage_is_exit_code_2() {
    let list = chaos(&["--list"]);
    let list = text(&list.stdout);
    for name in names() {
        assert!(list.contains(&format!("{name}\n")), "{name}: {list}");
    }
    for wrong in [&[][..], &["n00_nothing"], &["--all", "n03_saturation"], &["--scale", "huge"]] {
        assert_eq!(chaos(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn an_invariant_that_does_not_hold_is_exit_code_1() {
    let results = tempfile::tempdir().unwrap();
    let folder = results.path().to_str().unwrap();
    let never_listens = ["--binary", "/bin/false"];
    let arguments = ["n03_saturation", "--scale", "small", "--results", folder];
    let output = chaos(&[&arguments[..], &never_listens].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("FAIL runs to its end"), "{}", text(&output.stderr));
}
