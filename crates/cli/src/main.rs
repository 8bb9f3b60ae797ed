//! The image-sync binary.
fn main() {}
