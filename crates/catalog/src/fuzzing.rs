//! The bodies of fuzz targets: configs.

use std::collections::BTreeSet;
use std::fmt::Debug;

use image_sync_fuzzkit::text;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config_file;
use crate::identity::config_hash;

/// A config file: it means the same each time, and its images have names.
pub fn config(input: &[u8]) {
    let yaml = text(input);
    let parsed = config_file::parse(yaml, "config.yaml");
    assert_eq!(parsed, config_file::parse(yaml, "config.yaml"));
    match parsed {
        Ok(parsed) => {
            let images: Vec<_> = parsed.images.iter().collect();
            assert_eq!(images.len(), parsed.images.len());
            let mut targets = BTreeSet::new();
            for image in &images {
                let target = image.target.image(image.target_reference.clone());
                assert!(
                    targets.insert(target),
                    "one target of two images: {image:?}"
                );
                is_a_name(&image.source);
                is_a_name(&image.target);
                is_a_name(&image.reference);
                is_a_name(&image.target_reference);
                is_a_name(&image.platforms);
            }
            assert_eq!(
                config_hash(&parsed.images),
                config_hash(&parsed.images.clone())
            );
        }
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("config.yaml"), "{error}");
        }
    }
}

/// Expects what a message says of it to be read as the same.
fn is_a_name<T: Serialize + DeserializeOwned + Debug + PartialEq>(name: &T) {
    let written = serde_json::to_string(name).unwrap_or_default();
    let read = serde_json::from_str(&written).ok();
    assert_eq!(read.as_ref(), Some(name), "written as {written}");
}

#[cfg(test)]
mod tests {
    use image_sync_fuzzkit::run_seeds;

    #[test]
    fn configs_of_any_bytes_hold() {
        run_seeds("config", super::config).unwrap();
    }
}
