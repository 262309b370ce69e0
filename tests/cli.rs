//! The command line as people and scripts use it: the built binary, its output, its exit codes.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod api_support;
mod process_support;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Output;
use std::process::Stdio;

use api_support::exchange;
use api_support::v4;
use process_support::Running;
use process_support::command;
use serde_json::Value;

const HAT: &str = r#"{"item_equipment_slot":"모자","item_equipment_part":"모자","item_name":"에테르넬 메이지햇",
  "item_base_option":{"base_equipment_level":250,"magic_power":"10"},
  "item_add_option":{"dex":"28","int":"130","luk":"42","all_stat":"5"},
  "item_total_option":{"str":"1","dex":"2","int":"400","luk":"3"},
  "potential_option_grade":"레전드리","potential_option_1":"스킬 재사용 대기시간 -2초",
  "potential_option_2":"스킬 재사용 대기시간 -2초","potential_option_3":"스킬 재사용 대기시간 -2초",
  "starforce":"22","starforce_scroll_flag":"미사용"}"#;

fn payload(job: &str, worn: &str, preset_1: &str) -> String {
    format!(
        r#"{{"character_class":{job},"preset_no":1,"item_equipment":[{worn}],"item_equipment_preset_1":[{preset_1}]}}"#
    )
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

fn maple(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn value(file: &Path, more: &[&str]) -> (i32, String, String) {
    let output = maple(&[&["value", file.to_str().unwrap()], more].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_teaches_and_wrong_usage_is_exit_code_2() {
    let help = maple(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert_eq!(help.status.code(), Some(0));
    for word in ["value", "rules", "config", "nexon-sim", "--listen", "Examples", "Exit codes"] {
        assert!(text.contains(word), "{word}");
    }
    for wrong in
        [&["--frobnicate"][..], &["value"], &["value", "x", "--preset", "4"], &["rules", "shout"]]
    {
        assert_eq!(maple(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_payload_is_valued_as_a_table_and_as_the_v4_body() {
    let folder = Folder::new();
    let file = folder.file("비숍님.json", payload("\"비숍\"", "", HAT).as_bytes());
    let (code, table, _) = value(&file, &[]);
    assert_eq!(code, 0);
    // 861,536.62 resets of 50,000,000 mesos; 22 stars at level 250.
    for word in ["비숍님 (비숍), ruleset kms-2026-09", "preset 1", "43조 768억 31", "315억 8086만"]
    {
        assert!(table.contains(word), "{word}:\n{table}");
    }
    let (_, json, _) = value(&file, &["--json"]);
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["userIgn"], "비숍님");
    let cube = &document["presets"][0]["items"][0]["blackCubeExpectation"];
    assert_eq!(cube["expectedTrials"], 861_537);
    assert_eq!(cube["targets"], serde_json::json!([{ "stat": "cooldownSeconds", "atLeast": 6.0 }]));
    let gzip = folder.file(
        "p.json.gz",
        &maple_expectation::gzip::compress(payload("\"비숍\"", "", HAT).as_bytes()),
    );
    let (_, other, _) = value(&gzip, &["--json", "--name", "비숍님", "--preset", "1"]);
    let other: Value = serde_json::from_str(&other).unwrap();
    assert_eq!(other["presets"], document["presets"]);
    let (_, older, _) = value(&file, &["--preset", "2"]);
    assert!(older.contains("nothing to value"), "{older}");
}

#[test]
fn standard_input_is_a_file_too() {
    let mut child = command(&["value", "-", "--name", "me"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(payload("\"비숍\"", HAT, "").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("me (비숍)") && table.contains("preset 1"), "{table}");
}

#[test]
fn odd_payloads_get_a_clear_answer_or_a_clear_error() {
    let folder = Folder::new();
    let case = |text: &str, more: &[&str]| value(&folder.file("case.json", text.as_bytes()), more);

    let (code, table, _) = case(&payload("\"비숍\"", "", &format!("{HAT},7")), &[]);
    assert_eq!(code, 0);
    assert!(table.contains("unreadable item: expected an object, found a number"), "{table}");
    assert!(table.contains("43조"), "the sound item is valued all the same:\n{table}");

    let (_, table, _) = case(&payload("\"우주전사\"", "", HAT), &[]);
    assert!(table.contains("unknown job: valued by its strongest stat"), "{table}");
    let (_, json, _) = case(&payload("null", HAT, HAT), &["--json"]);
    let note = serde_json::from_str::<Value>(&json).unwrap()["notes"][0].clone();
    assert_eq!(note["reason"], "unknown job: valued by its strongest stat INT");

    let (_, json, _) = case(&payload("\"비숍\"", HAT, ""), &["--json"]);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["maxPresetNo"], 1, "the worn gear");
    let (code, table, _) = case("{}", &[]);
    assert!(code == 0 && table.contains("no items: nothing to value"), "{table}");

    let low = HAT.replace("250", "5").replace("\"22\"", "\"6\"");
    let (code, table, _) = case(&payload("\"비숍\"", "", &low), &[]);
    assert!(code == 0 && table.contains("more stars than the level allows"), "{table}");

    let whole = payload("\"비숍\"", "", HAT);
    let (code, _, error) = case(&whole[..whole.len() / 2 - 60], &[]);
    assert!(code == 1 && error.contains("line ") && error.contains("column "), "{error}");
    let (code, _, error) = case("<html>502</html>", &[]);
    assert!(code == 1 && error.contains("line 1, column 1"), "{error}");
    let (code, _, error) = value(Path::new("no-such-file.json"), &[]);
    assert!(code == 1 && error.contains("no-such-file.json"), "{error}");
}

#[test]
fn rulesets_are_shown_checked_and_used() {
    let folder = Folder::new();
    let shown = maple(&["rules", "show", "kms-2026-02"]);
    let mine = folder.file("mine.toml", &shown.stdout);
    let checked = maple(&["rules", "check", mine.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0));
    let text = String::from_utf8(shown.stdout).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("0.95, 0.90")).unwrap();
    let bad = folder.file("bad.toml", text.replace("0.95, 0.90", "0.95, 1.90").as_bytes());
    let refused = maple(&["rules", "check", bad.to_str().unwrap()]);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(error.contains(&format!("bad.toml:{line}: starforce.success[1]")), "{error}");
    let file = folder.file("p.json", payload("\"비숍\"", "", HAT).as_bytes());
    let (_, table, _) = value(&file, &["--rules", mine.to_str().unwrap()]);
    assert!(table.contains("ruleset kms-2026-02") && table.contains("315억 8086만"), "{table}");
    let served = maple(&["--listen", "127.0.0.1:0", "--rules", bad.to_str().unwrap()]);
    assert_eq!(served.status.code(), Some(2));
}

#[test]
fn configuration_is_shown_without_secrets_and_refused_by_key() {
    let folder = Folder::new();
    let shown = command(&["config", "print", "--shards", "1"])
        .env("NEXON_API_KEY", "live_secret")
        .output()
        .unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(!text.contains("live_secret") && text.contains("api_key = \"***\""), "{text}");
    assert!(text.contains("(--shards)") && text.contains("(NEXON_API_KEY)"), "{text}");
    let refused = |output: Output, words: [&str; 2]| {
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    let file = folder.file("c.toml", b"\n[server]\nlissten = \"x\"\n");
    refused(maple(&["--config", file.to_str().unwrap()]), ["server.lissten", "c.toml:3"]);
    refused(
        command(&[]).env("MAPLE_SERVER_LISTNE", "x").output().unwrap(),
        ["MAPLE_SERVER_LISTNE", "names no key"],
    );
    refused(maple(&["--driver", "kqueue"]), ["server.driver", "io_uring"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(maple(&["--listen", &address]), ["server.listen", "in use"]);
}

#[test]
fn a_fixture_has_the_same_value_by_file_and_by_http() {
    let folder = Folder::new();
    let real =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/equipment_evan.json"));
    let own = folder.file("own.json", payload("\"비숍\"", HAT, HAT).as_bytes());
    let files = if real.exists() { vec![own, real.to_path_buf()] } else { vec![own] };
    for file in files {
        let fixture = format!("에반={}", file.display());
        let sim = Running::start(
            &["nexon-sim", "--listen", "127.0.0.1:0", "--fixture", &fixture],
            "url=http://",
        );
        let upstream = format!("http://{}", sim.address);
        let server =
            Running::start(&["--listen", "127.0.0.1:0", "--upstream", &upstream], "address=");
        let (_, by_file, _) = value(&file, &["--json"]);
        let by_http = exchange(server.address, "GET", &v4("에반"), &[], b"");
        let by_gzip =
            exchange(server.address, "GET", &v4("에반"), &[("Accept-Encoding", "gzip")], b"");
        assert!(by_gzip.gunzipped() == by_http.body);
        let comparable = |text: &[u8]| {
            let mut document: Value = serde_json::from_slice(text).unwrap();
            for own in ["userIgn", "calculatedAt", "dataAsOf"] {
                assert!(document.as_object_mut().unwrap().remove(own).is_some());
            }
            document
        };
        assert_eq!(comparable(by_file.as_bytes()), comparable(&by_http.body));
        assert_eq!(server.terminate(), Some(0), "SIGTERM ends a server in order");
    }
}
