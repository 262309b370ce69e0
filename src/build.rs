//! What this build is, and whether this CPU can run it.

/// Version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit it was built from; empty outside a git checkout.
pub const COMMIT: &str = env!("BUILD_COMMIT");
/// `release` or `debug`.
pub const PROFILE: &str = env!("BUILD_PROFILE");
/// CPU features the compiler was allowed to use, comma separated.
pub const TARGET_FEATURES: &str = env!("BUILD_TARGET_FEATURES");

/// The features the SIMD paths of the JSON parser and of gzip are chosen by. Without them the build works, slower.
pub const FAST_FEATURES: [&str; 3] = ["avx2", "bmi2", "pclmulqdq"];

/// Whether the compiler was allowed all of [`FAST_FEATURES`].
#[must_use]
pub fn is_fast() -> bool {
    FAST_FEATURES.iter().all(|wanted| TARGET_FEATURES.split(',').any(|built| built == *wanted))
}

/// Refuses to run where the first SIMD instruction would end the process with SIGILL.
///
/// # Errors
/// Names the missing CPU features and the way to build without them.
pub fn check_cpu() -> Result<(), String> {
    let missing: Vec<&str> = FAST_FEATURES
        .into_iter()
        .filter(|feature| TARGET_FEATURES.split(',').any(|built| built == *feature))
        .filter(|feature| !detected(feature))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "this CPU lacks {}, which this build uses. Build a portable one: \
         RUSTFLAGS=\"-C target-cpu=x86-64\" cargo build --release",
        missing.join(", ")
    ))
}

#[cfg(target_arch = "x86_64")]
fn detected(feature: &str) -> bool {
    match feature {
        "avx2" => std::arch::is_x86_feature_detected!("avx2"),
        "bmi2" => std::arch::is_x86_feature_detected!("bmi2"),
        "pclmulqdq" => std::arch::is_x86_feature_detected!("pclmulqdq"),
        _ => false,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected(_feature: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_test_machine_can_run_its_own_build() {
        assert_eq!(super::check_cpu(), Ok(()));
    }
}
