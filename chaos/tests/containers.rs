//! What runs in containers, as far as it can be checked without an engine: the compose file, Prometheus'
//! configuration and rules by their own checkers, and that rules and dashboards name metrics that exist.

#![allow(clippy::unwrap_used, reason = "everything here is a test, helpers included")]

mod local;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use local::Stack;
use local::get;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs a checker at the root of the tree; what it said, or that it is missing.
fn check(program: &str, package: &str, arguments: &[&str], secrets: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.current_dir(root()).args(arguments);
    command.envs(secrets.iter().map(|name| (name, "x")));
    let output = command.output().map_err(|error| {
        format!("{program}: {error} (test.sh installs it; Debian package {package})")
    })?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn the_compose_file_is_valid_and_wants_its_secrets() {
    const SECRETS: [&str; 3] = ["MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD", "GRAFANA_PASSWORD"];
    // Instead of a person's own; the environment goes before it.
    let compose = |secrets: &[&str]| {
        let arguments = ["--env-file", ".env.example", "config", "--quiet"];
        check("docker-compose", "docker-compose", &arguments, secrets)
    };
    compose(&SECRETS).unwrap();
    for missing in SECRETS {
        let others: Vec<&str> = SECRETS.into_iter().filter(|secret| *secret != missing).collect();
        let said = compose(&others).unwrap_err();
        assert!(said.contains(missing), "{said}");
    }
    let example = fs::read_to_string(root().join(".env.example")).unwrap();
    for secret in SECRETS {
        assert!(example.contains(&format!("\n{secret}=\n")), "{secret} is not in .env.example");
    }
}

#[test]
fn prometheus_accepts_its_configuration_and_every_alert_fires() {
    let promtool = |arguments: &[&str]| check("promtool", "prometheus", arguments, &[]);
    promtool(&["check", "config", "docker/prometheus/prometheus.yml"]).unwrap();
    promtool(&["test", "rules", "docker/prometheus/alerts.test.yml"]).unwrap();
    // An alert that no test names would go unnoticed.
    let read =
        |file: &str| fs::read_to_string(root().join("docker/prometheus").join(file)).unwrap();
    let tests = read("alerts.test.yml");
    let rules = read("rules/alerts.yml");
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} has no test");
    }
}

#[test]
fn rules_and_dashboards_name_metrics_that_the_server_exports() {
    let stack = Stack::up(&["--servers", "1"]);
    let server = &stack.members()[0].1;
    get(server, "/api/v4/characters/a/expectation");
    let page = get(server, "/actuator/prometheus");
    let exported: BTreeSet<&str> = page.lines().map(name).collect();
    let mut named = BTreeSet::new();
    for file in ["prometheus/rules/alerts.yml", "prometheus/rules/older-names.yml"] {
        named.extend(metrics(&root().join("docker").join(file)));
    }
    let dashboards = fs::read_dir(root().join("docker/grafana/dashboards")).unwrap();
    for dashboard in dashboards {
        let path: PathBuf = dashboard.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", path.display());
        let metrics = metrics(&path);
        assert!(!metrics.is_empty(), "{}", path.display());
        named.extend(metrics);
    }
    let unknown: Vec<&String> =
        named.iter().filter(|name| !exported.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "not exported: {unknown:?}");
}

/// Everything in a file that looks like the name of one of our metrics.
fn metrics(file: &Path) -> BTreeSet<String> {
    const OURS: [&str; 3] = ["maple_", "http_server_", "process_"];
    let text = fs::read_to_string(file).unwrap();
    let words = text.split(|c: char| !is_name(c)).map(str::to_owned);
    words.filter(|word| OURS.iter().any(|prefix| word.starts_with(prefix))).collect()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What a line of the page begins with.
fn name(line: &str) -> &str {
    line.split(|c| !is_name(c)).next().unwrap_or_default()
}
