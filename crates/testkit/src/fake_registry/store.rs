//! The content of a registry.

pub(crate) mod content;
pub(crate) mod upload;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};

use crate::complete::{self, KnownBlob, RepositoryContent, StoredManifest};
use crate::sync::lock::{locked, read, written};
use content::Content;
use upload::Upload;

#[derive(Default)]
struct Repository {
    manifests: BTreeMap<String, StoredManifest>,
    tags: BTreeMap<String, String>,
    blobs: HashMap<String, Content>,
}

/// All repositories and upload sessions. Its locks are held for a look-up or an insertion, never over I/O.
#[derive(Default)]
pub(super) struct Store {
    repositories: RwLock<BTreeMap<String, Repository>>,
    uploads: Mutex<BTreeMap<String, Option<Upload>>>,
    next_upload: AtomicU64,
}

impl Store {
    pub(super) fn has_repository(&self, name: &str) -> bool {
        read(&self.repositories).contains_key(name)
    }

    pub(super) fn create_repository(&self, name: &str) {
        written(&self.repositories)
            .entry(name.to_owned())
            .or_default();
    }

    pub(super) fn manifest(&self, repository: &str, reference: &str) -> Option<StoredManifest> {
        let repositories = read(&self.repositories);
        let repository = repositories.get(repository)?;
        let digest = repository
            .tags
            .get(reference)
            .map_or(reference, String::as_str);
        repository.manifests.get(digest).cloned()
    }

    pub(super) fn manifests(&self, repository: &str) -> Vec<StoredManifest> {
        read(&self.repositories)
            .get(repository)
            .map(|repository| repository.manifests.values().cloned().collect())
            .unwrap_or_default()
    }

    pub(super) fn put_manifest(&self, repository: &str, stored: StoredManifest) {
        let mut repositories = written(&self.repositories);
        let repository = repositories.entry(repository.to_owned()).or_default();
        repository.manifests.insert(stored.digest.clone(), stored);
    }

    pub(super) fn tag(&self, repository: &str, tag: &str, digest: &str) {
        let mut repositories = written(&self.repositories);
        let repository = repositories.entry(repository.to_owned()).or_default();
        repository.tags.insert(tag.to_owned(), digest.to_owned());
    }

    pub(super) fn remove_tag(&self, repository: &str, tag: &str) -> bool {
        written(&self.repositories)
            .get_mut(repository)
            .is_some_and(|repository| repository.tags.remove(tag).is_some())
    }

    pub(super) fn remove_manifest(&self, repository: &str, digest: &str) -> bool {
        written(&self.repositories)
            .get_mut(repository)
            .is_some_and(|repository| {
                repository.tags.retain(|_, tagged| tagged != digest);
                repository.manifests.remove(digest).is_some()
            })
    }

    pub(super) fn blob(&self, repository: &str, digest: &str) -> Option<Content> {
        let repositories = read(&self.repositories);
        repositories.get(repository)?.blobs.get(digest).cloned()
    }

    pub(super) fn blob_anywhere(&self, digest: &str) -> Option<Content> {
        read(&self.repositories)
            .values()
            .find_map(|repository| repository.blobs.get(digest).cloned())
    }

    pub(super) fn put_blob(&self, repository: &str, digest: &str, content: Content) {
        let mut repositories = written(&self.repositories);
        let repository = repositories.entry(repository.to_owned()).or_default();
        repository.blobs.insert(digest.to_owned(), content);
    }

    pub(super) fn remove_blob(&self, repository: &str, digest: &str) -> bool {
        written(&self.repositories)
            .get_mut(repository)
            .is_some_and(|repository| repository.blobs.remove(digest).is_some())
    }

    pub(super) fn tags(&self, repository: &str) -> Option<Vec<String>> {
        let repositories = read(&self.repositories);
        Some(repositories.get(repository)?.tags.keys().cloned().collect())
    }

    pub(super) fn repositories(&self) -> Vec<String> {
        read(&self.repositories).keys().cloned().collect()
    }

    pub(super) fn start_upload(&self, upload: Upload) -> String {
        let number = self.next_upload.fetch_add(1, Ordering::Relaxed);
        let id = format!("upload-{number}");
        locked(&self.uploads).insert(id.clone(), Some(upload));
        id
    }

    /// Takes a session out while a request works on it; put it back with [`Self::keep_upload`].
    pub(super) fn take_upload(&self, id: &str) -> Option<Upload> {
        locked(&self.uploads).get_mut(id)?.take()
    }

    pub(super) fn keep_upload(&self, id: &str, upload: Upload) {
        if let Some(place) = locked(&self.uploads).get_mut(id) {
            *place = Some(upload);
        }
    }

    pub(super) fn end_upload(&self, id: &str) -> bool {
        locked(&self.uploads).remove(id).is_some()
    }

    /// What is missing or wrong below the tags of all repositories.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for repository in self.repositories() {
            for tag in self.tags(&repository).unwrap_or_default() {
                let place = format!("{repository}:{tag}");
                problems.extend(complete::problems(&In(self, &repository), &place, &tag));
            }
        }
        problems
    }

    pub(super) fn open_uploads(&self) -> Vec<String> {
        locked(&self.uploads).keys().cloned().collect()
    }
}

/// One repository of a store.
struct In<'a>(&'a Store, &'a str);

impl RepositoryContent for In<'_> {
    fn manifest(&self, reference: &str) -> Option<StoredManifest> {
        self.0.manifest(self.1, reference)
    }

    fn blob(&self, digest: &str) -> Option<KnownBlob> {
        Some(match self.0.blob(self.1, digest)? {
            Content::Bytes(bytes) => KnownBlob::Bytes(bytes),
            other => KnownBlob::Length(other.len()),
        })
    }
}
