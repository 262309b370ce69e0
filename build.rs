//! Records what this build was made with: CPU features (a benchmark refuses a build without its flags), commit.

use std::process::Command;

// Not `MAPLE_...`: cargo passes these on to what it runs, and there that prefix means configuration.
fn main() {
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    println!("cargo::rustc-env=BUILD_TARGET_FEATURES={features}");
    println!("cargo::rustc-env=BUILD_PROFILE={}", std::env::var("PROFILE").unwrap_or_default());
    println!("cargo::rustc-env=BUILD_COMMIT={}", commit().unwrap_or_default());
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/refs");
    println!("cargo::rerun-if-changed=build.rs");
}

/// Empty outside a git checkout: a source archive builds too.
fn commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
