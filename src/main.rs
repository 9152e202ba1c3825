//! The `mlark` program: hands its arguments to the library and ends with the code it gives.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlark::cli::run(std::env::args_os())
}
