//! The executable: an allocator, the command line, an exit code. Everything else is in the library.

use std::process::ExitCode;

// The 350 KB documents come and go on several threads; mimalloc returns their memory sooner than the default.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Err(missing) = maple_expectation::build::check_cpu() {
        eprintln!("maple-expectation: {missing}");
        return ExitCode::from(1);
    }
    ExitCode::from(maple_expectation::cli::run(std::env::args_os()))
}
