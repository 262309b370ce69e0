//! Runs scenarios one after the other, each with a runtime and processes of its own, and writes what they found.
//! Results name the commit they belong to, so full-scale results are refused from a tree with other changes in it.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::process;
use crate::report::Report;
use crate::scenarios::Scenario;
use crate::stack::Context;
use crate::stack::Scale;

/// What to run, on what, and where the results go.
pub(crate) struct Suite {
    pub(crate) scenarios: Vec<&'static Scenario>,
    pub(crate) scale: Scale,
    pub(crate) binary: PathBuf,
    pub(crate) results: PathBuf,
    pub(crate) commit: String,
}

/// Longest run of one scenario; the longest (c02) takes SQL away for 13 minutes in all.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(1_200);

impl Suite {
    /// True when every invariant of every scenario held.
    pub(crate) fn run(&self) -> Outcome<bool> {
        fs::create_dir_all(&self.results)?;
        let mut reports = Vec::with_capacity(self.scenarios.len());
        for scenario in &self.scenarios {
            eprintln!("{} ...", scenario.name);
            let report = self.run_one(scenario)?;
            eprint!("{}", report.text());
            fs::write(self.results.join(format!("{}.md", scenario.name)), report.markdown())?;
            reports.push(report);
        }
        let summary = self.summary(&reports)?;
        fs::write(self.results.join("summary.md"), &summary)?;
        println!("{summary}");
        println!("written to {}", self.results.display());
        Ok(reports.iter().all(Report::passed))
    }

    fn run_one(&self, scenario: &Scenario) -> Outcome<Report> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = Context::new(self.scale, &self.binary)?;
        let mut report = Report::new(scenario.name, scenario.intent());
        let before = process::own_usage()?.cpu;
        let running =
            async { timeout(SCENARIO_TIMEOUT, (scenario.run)(&context, &mut report)).await };
        match runtime.block_on(running) {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => report.broke_off(&failure),
            Err(_) => report.broke_off(&format!("still running after {SCENARIO_TIMEOUT:?}")),
        }
        let own = process::own_usage()?.cpu - before;
        report.measured("client CPU", format!("{own:.2?}"));
        if !report.passed() {
            eprint!("{}", context.logs()?);
        }
        Ok(report)
    }

    fn summary(&self, reports: &[Report]) -> Outcome<String> {
        let now = OffsetDateTime::now_utc();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let cores = std::thread::available_parallelism()?;
        let mut page = format!(
            "# Chaos, {} UTC\n\ncommit {}, scale {:?}, {cores} cores shared by client, server and simulator, Linux {}\n\n",
            now.date(),
            self.commit,
            self.scale,
            kernel.trim(),
        );
        page.push_str("| scenario | invariants held | of |\n|---|---|---|\n");
        for report in reports {
            let (name, held, checked) = report.summary();
            page.push_str(&format!("| [{name}]({name}.md) | {held} | {checked} |\n"));
        }
        Ok(page)
    }
}

/// The commit of the tree at `root`, for results at full scale; a name for it otherwise.
///
/// # Errors
/// At full scale: it is no git checkout, or holds changes outside folders of results.
pub(crate) fn commit(root: &Path, scale: Scale) -> Outcome<String> {
    const UNCOMMITTED: [&str; 5] =
        ["status", "--porcelain", "--", ".", ":(exclude,glob)**/results/**"];
    const COMMIT: [&str; 3] = ["rev-parse", "--short=12", "HEAD"];
    match scale {
        // A source archive has no commit, and a test run needs none.
        Scale::Small => Ok(git(root, &COMMIT).unwrap_or_else(|_| "unknown".to_owned())),
        Scale::Full => match git(root, &UNCOMMITTED)?.as_str() {
            "" => git(root, &COMMIT),
            changed => {
                let sentence = "the tree has changes, and numbers must belong to a commit";
                Err(Failure::new(format!("{sentence}:\n{changed}")))
            }
        },
    }
}

/// Where results go unless told otherwise.
pub(crate) fn results_folder(root: &Path, commit: &str) -> PathBuf {
    let date = OffsetDateTime::now_utc().date();
    root.join("chaos/results").join(format!("{date}-{commit}"))
}

/// Builds the server, and beside it the load generator and the example that takes locks, in the profile of this suite; the
/// server's binary.
pub(crate) fn build_server(root: &Path) -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().ok_or_else(|| Failure::new("this program lies nowhere"))?;
    let target = beside.parent().ok_or_else(|| Failure::new("this program lies in no target"))?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace, so that crates it shares are built once, with the same features for everybody.
    cargo.current_dir(root).args(["build", "--workspace", "--locked"]);
    cargo.args(["--bin", "maple-expectation", "--bin", "bench", "--example", "lock_counter"]);
    cargo.arg("--target-dir").arg(target);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let status = cargo.status()?;
    if !status.success() {
        return Err(Failure::new(format!("cargo build: {status}")));
    }
    Ok(beside.join("maple-expectation"))
}

fn git(root: &Path, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new("git").current_dir(root).args(arguments).output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("git: {}", error.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
