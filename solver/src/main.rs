//! The `ballast` command: see `ballast --help`.

use std::process::ExitCode;

/// With the system's allocator the service grows for hours: what many threads free is not used again by the others.
#[cfg(feature = "serve")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ballast_solver::cli::main()
}
