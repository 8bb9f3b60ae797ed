//! The program as it is shipped, built here so that the tests of this package always find it up to date.

fn main() -> std::process::ExitCode {
    image_sync_cli::main()
}
