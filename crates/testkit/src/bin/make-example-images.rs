//! Writes the example images into the folder that is named.

use std::io;
use std::path::Path;

use image_sync_testkit::images::examples::write_example_images;

fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1);
    let folder = folder.ok_or_else(|| io::Error::other("Usage: make-example-images FOLDER"))?;
    write_example_images(Path::new(&folder))
}
