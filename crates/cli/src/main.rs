//! The `image-sync` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    image_sync_cli::main()
}
