//! Images of any number and size, for benchmarks.

use image_sync_shared::image::media_type::OCI_LAYER_GZIP;

use super::{Blob, Image, ImageBuilder, deterministic_bytes};

/// What made-up images are like. The same values make the same images.
#[derive(Clone, Debug)]
pub struct MadeUp {
    layers: usize,
    layer_bytes: usize,
    shared: Vec<Blob>,
}

impl MadeUp {
    /// Images of so many layers, of which the first `shared` are the same in all of them.
    #[must_use]
    pub fn new(layers: usize, shared: usize, layer_bytes: usize) -> Self {
        let shared = (0..shared.min(layers))
            .map(|i| layer(&format!("shared {i}"), layer_bytes))
            .collect();
        Self {
            layers,
            layer_bytes,
            shared,
        }
    }

    /// The image of a number.
    #[must_use]
    pub fn image(&self, number: usize) -> Image {
        let own = (self.shared.len()..self.layers)
            .map(|i| layer(&format!("image {number} layer {i}"), self.layer_bytes));
        let layers = self.shared.iter().cloned().chain(own);
        let described =
            |builder: ImageBuilder, layer: Blob| builder.described(layer.descriptor(), Some(layer));
        let builder = ImageBuilder::new(format!("image {number}"));
        layers.fold(builder, described).build()
    }
}

fn layer(seed: &str, length: usize) -> Blob {
    Blob::new(OCI_LAYER_GZIP, deterministic_bytes(seed, length))
}
