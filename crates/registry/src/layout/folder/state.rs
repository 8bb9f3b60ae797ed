//! What an archive of many repositories has, and what those before it had: a file beside `index.json`.

use std::collections::{BTreeMap, BTreeSet};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use serde::{Deserialize, Serialize};

/// The version of the file that is written, and the only one that is read.
const VERSION: u32 = 1;

/// What who has loaded an archive has got by it and by those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveState {
    version: u32,
    /// What has to be loaded before it, as it was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// The names of the images that it brings something of.
    pub(crate) brings: BTreeSet<String>,
    pub(crate) repositories: BTreeMap<String, RepositoryState>,
    /// The texts of indexes of these images: what they list is asked for when signatures of that are looked for.
    pub(crate) indexes: BTreeMap<Digest, String>,
}

/// One repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RepositoryState {
    /// By tag, or by digest where an image has none.
    pub(crate) images: BTreeMap<String, KnownImage>,
    /// All blobs, and the manifests among them.
    pub(crate) blobs: BTreeSet<Digest>,
    pub(crate) referrers: Vec<KnownReferrer>,
}

/// What a tag stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KnownImage {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
}

/// A manifest that belongs to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownReferrer {
    pub(crate) subject: Digest,
    pub(crate) manifest: Descriptor,
}

impl Default for ArchiveState {
    fn default() -> Self {
        Self {
            version: VERSION,
            since: None,
            brings: BTreeSet::new(),
            repositories: BTreeMap::new(),
            indexes: BTreeMap::new(),
        }
    }
}

impl ArchiveState {
    /// Reads the file; the error says what is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let state: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if state.version == VERSION {
            Ok(state)
        } else {
            Err(format!(
                "found version {}, expected {VERSION}: another image-sync has written it",
                state.version
            ))
        }
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// How many images it brings something of.
    #[must_use]
    pub fn images(&self) -> usize {
        self.brings.len()
    }

    pub(crate) fn of(&self, repository: &str) -> Option<&RepositoryState> {
        self.repositories.get(repository)
    }
}
