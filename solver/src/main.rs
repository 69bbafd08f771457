//! The `ballast` command: see `ballast --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ballast_solver::cli::main()
}
