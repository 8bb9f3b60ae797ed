//! The images of the quickstart, in `examples/images` of the repository: small, real, and for people to look into.

use std::io;
use std::path::Path;

use image_sync_shared::image::media_type::OCI_INDEX;

use super::{Image, ImageBuilder, artifact, cosign_signature, index_of, write_layout};

const SBOM: &str = "application/spdx+json";

/// Writes the example images, a layout folder for each repository.
///
/// - `hello:1.0` is an index of an image for linux/amd64 and one for linux/arm64.
/// - `tool:1.0` is an image for linux/amd64.
/// - `signed:1.0` is an image for linux/amd64; beside it are the tag by which cosign finds its signature (of cosign's
///   form, signed by nobody), and the tag `sbom` of an artifact that is attached to it.
pub fn write_example_images(folder: &Path) -> io::Result<()> {
    let hello = index_of(
        OCI_INDEX,
        vec![image("hello", "linux/amd64"), image("hello", "linux/arm64")],
    );
    write_layout(&folder.join("hello"), &[("1.0", &hello)])?;
    let tool = image("tool", "linux/amd64");
    write_layout(&folder.join("tool"), &[("1.0", &tool)])?;
    let signed = image("signed", "linux/amd64");
    let (signature_tag, signature) = cosign_signature(&signed);
    let sbom = artifact(
        SBOM,
        br#"{"spdxVersion":"SPDX-2.3","name":"signed"}"#,
        Some(&signed),
    );
    let images = [
        ("1.0", &signed),
        (&signature_tag, &signature),
        ("sbom", &sbom),
    ];
    write_layout(&folder.join("signed"), &images)
}

/// An image with a text that says what it is.
fn image(name: &str, platform: &str) -> Image {
    let text = format!("This is {name}, made for {platform}.\n");
    ImageBuilder::new(name)
        .platform(platform)
        .file("about.txt", text.as_bytes())
        .build()
}
