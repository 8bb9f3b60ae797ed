//! Registries in memory: they count requests as a real one would see them, and watch over what is written.

mod behaviour;
mod content;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, RawManifest};
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::{Reference, Repository, split};
use image_sync_shared::image::referrers::Referring;
use image_sync_shared::ports::transfer::registries::{
    Arrival, BlobCopy, Pushed, Registries, Resolved,
};
use image_sync_shared::run::job::{Access, Remote};
use image_sync_testkit::Image;

use self::content::{Content, is_complete};
use super::staged_faults::{Call, Effect, Fault};

/// How long a blob takes, so that transfers overlap.
const TRANSFER: Duration = Duration::from_millis(1);

#[derive(Default)]
struct State {
    content: HashMap<Repository, Content>,
    requests: Vec<String>,
    staged: Vec<Fault>,
    takes_no_docker: HashSet<String>,
    has_referrers_api: HashSet<String>,
    takes_no_artifacts: HashSet<String>,
    mounts_nothing: HashSet<String>,
    pretends_to_mount: HashSet<String>,
    verifies: bool,
    broken_from: Option<usize>,
    written_incomplete: Vec<String>,
}

/// All registries of a test.
#[derive(Default)]
pub(crate) struct FakeRegistries(Mutex<State>);

impl FakeRegistries {
    /// Puts an image in place.
    pub(crate) fn put_image(&self, place: &str, image: &Image) {
        let (repository, reference) = split(place).unwrap();
        let mut state = self.state();
        let content = state.content.entry(repository).or_default();
        for blob in image.all_blobs() {
            let bytes = blob.bytes.clone();
            content.blobs.insert(blob.digest.clone(), bytes);
        }
        for manifest in image.manifests() {
            let digest = manifest.digest.clone();
            content.manifests.insert(digest, manifest.clone());
        }
        if let Some(Reference::Tag(tag)) = reference {
            content.tags.insert(tag, image.digest().clone());
        }
    }

    /// Puts manifest bytes under a digest that is not theirs.
    pub(crate) fn put_manifest(&self, repository: &str, digest: &Digest, manifest: &RawManifest) {
        let lie = RawManifest {
            digest: digest.clone(),
            ..manifest.clone()
        };
        let mut state = self.state();
        let content = state.content.entry(repository.parse().unwrap());
        let manifests = &mut content.or_default().manifests;
        manifests.insert(digest.clone(), lie);
    }

    /// A host refuses manifests that refer to others.
    pub(crate) fn take_no_artifacts(&self, host: &str) {
        self.state().takes_no_artifacts.insert(host.to_owned());
    }

    /// Puts a manifest under a tag.
    pub(crate) fn put_tagged(&self, repository: &str, tag: &str, manifest: RawManifest) {
        let mut state = self.state();
        let content = state.content.entry(repository.parse().unwrap());
        let content = content.or_default();
        content.tags.insert(tag.to_owned(), manifest.digest.clone());
        content.manifests.insert(manifest.digest.clone(), manifest);
    }

    /// Loses a blob.
    pub(crate) fn lose_blob(&self, repository: &str, digest: &Digest) {
        let repository: Repository = repository.parse().unwrap();
        let lost = self
            .state()
            .content
            .get_mut(&repository)
            .and_then(|content| content.blobs.remove(digest));
        assert!(lost.is_some(), "{repository} never had {digest}");
    }

    /// The digest that a tag has.
    pub(crate) fn tag(&self, place: &str) -> Option<Digest> {
        let (repository, reference) = split(place).unwrap();
        let Some(Reference::Tag(tag)) = reference else {
            panic!("{place} has no tag");
        };
        let state = self.state();
        state.content.get(&repository)?.tags.get(&tag).cloned()
    }

    /// A manifest.
    pub(crate) fn manifest(&self, repository: &str, digest: &Digest) -> Option<RawManifest> {
        let repository: Repository = repository.parse().unwrap();
        let state = self.state();
        let content = state.content.get(&repository)?;
        content.manifests.get(digest).cloned()
    }

    /// Manifests that were taken although they refer to what was not there.
    pub(crate) fn written_incomplete(&self) -> Vec<String> {
        self.state().written_incomplete.clone()
    }

    /// The requests so far, in their order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// How many requests contain all of `words`.
    pub(crate) fn count(&self, words: &str) -> usize {
        let all = |request: &&String| words.split(' ').all(|word| request.contains(word));
        self.state().requests.iter().filter(all).count()
    }

    /// Forgets the requests so far.
    pub(crate) fn forget_requests(&self) {
        self.state().requests.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn log(&self, request: String) {
        self.state().requests.push(request);
    }

    /// Lets happen what is staged for a call.
    async fn staged(&self, call: Call, subject: &str) -> Result<(), Failure> {
        let effect = {
            let mut state = self.state();
            let requests = state.requests.len();
            if state.broken_from.is_some_and(|from| requests >= from) {
                let class = FailureClass::Denied;
                return Err(Fault::failure(Side::Target, class, call, subject));
            }
            let mut staged = state.staged.iter_mut();
            let next = staged.find(|staged| {
                staged.call == call && staged.times > 0 && subject.contains(&staged.about)
            });
            next.map(|staged| {
                staged.times -= 1;
                staged.effect.clone()
            })
        };
        match effect {
            None => Ok(()),
            Some(Effect::Fail(side, class)) => Err(Fault::failure(side, class, call, subject)),
            Some(Effect::Panic) => panic!("staged"),
            Some(Effect::Hold(gate)) => {
                gate.pass().await;
                Ok(())
            }
        }
    }

    fn find(&self, at: &Remote, reference: &Reference) -> Option<RawManifest> {
        let state = self.state();
        let content = state.content.get(&at.repository)?;
        let digest = match reference {
            Reference::Tag(tag) => content.tags.get(tag)?,
            Reference::Digest(digest) => digest,
        };
        content.manifests.get(digest).cloned()
    }
}

fn host(repository: &Repository) -> &str {
    repository.host().unwrap_or_default()
}

fn answer(at: &Remote, step: Step, subject: &str, class: FailureClass, text: &str) -> Failure {
    Failure::new(at.side, step, subject, class, text)
}

#[async_trait]
impl Registries for FakeRegistries {
    async fn resolve(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<Option<Resolved>, Failure> {
        let image = at.repository.image(reference.clone()).to_string();
        self.log(format!("HEAD {} manifest {image}", at.side));
        self.staged(Call::Resolve, &image).await?;
        Ok(self.find(at, reference).map(|manifest| Resolved {
            digest: manifest.digest,
            media_type: manifest.media_type,
        }))
    }

    async fn pull_manifest_up_to(
        &self,
        limit: usize,
        at: &Remote,
        reference: &Reference,
    ) -> Result<RawManifest, Failure> {
        let image = at.repository.image(reference.clone()).to_string();
        self.log(format!("GET {} manifest {image}", at.side));
        self.staged(Call::PullManifest, &image).await?;
        let failed = |class, text| Err(answer(at, Step::PullManifest, &image, class, text));
        match self.find(at, reference) {
            None => failed(FailureClass::NotFound, "404"),
            Some(manifest) if manifest.bytes.len() > limit => {
                failed(FailureClass::Invalid, "longer than it may be")
            }
            Some(manifest) => Ok(manifest),
        }
    }

    async fn push_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<Pushed, Failure> {
        assert_eq!(at.access, Access::PullPush, "a dry run writes nothing");
        let image = at.repository.image(reference.clone()).to_string();
        self.log(format!("PUT {} manifest {image}", at.side));
        self.staged(Call::PushManifest, &image).await?;
        let refused = |class, text: &str| Err(answer(at, Step::PushManifest, &image, class, text));
        let mut guard = self.state();
        let state = &mut *guard;
        let no_docker = state.takes_no_docker.contains(host(&at.repository));
        if no_docker && media_type::is_docker(&manifest.media_type) {
            return refused(FailureClass::Invalid, "415");
        }
        let no_artifacts = state.takes_no_artifacts.contains(host(&at.repository));
        if no_artifacts && Referring::of(manifest).is_some() {
            return refused(FailureClass::Invalid, "MANIFEST_INVALID");
        }
        assert_eq!(Digest::of(&manifest.bytes), manifest.digest);
        let content = state.content.entry(at.repository.clone()).or_default();
        if !is_complete(content, manifest) {
            if state.verifies {
                return refused(FailureClass::Inconsistent, "MANIFEST_BLOB_UNKNOWN");
            }
            state.written_incomplete.push(image);
        }
        let digest = manifest.digest.clone();
        content.manifests.insert(digest.clone(), manifest.clone());
        match reference {
            Reference::Tag(tag) => {
                content.tags.insert(tag.clone(), digest);
            }
            Reference::Digest(named) => assert_eq!(*named, digest),
        }
        let has_api = state.has_referrers_api.contains(host(&at.repository));
        let referring = Referring::of(manifest).filter(|_| has_api);
        Ok(Pushed {
            subject: referring.map(|referring| referring.subject),
        })
    }

    async fn referrers(
        &self,
        at: &Remote,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        let about = format!("{} {subject}", at.repository);
        self.log(format!("GET {} referrers {about}", at.side));
        self.staged(Call::Referrers, &about).await?;
        let state = self.state();
        if !state.has_referrers_api.contains(host(&at.repository)) {
            return Ok(None);
        }
        let content = state.content.get(&at.repository);
        let referring = content.map_or_else(Vec::new, |content| content.referrers(subject));
        let is_asked = |entry: &Descriptor| {
            artifact_type.is_none_or(|of| entry.artifact_type.as_deref() == Some(of))
        };
        Ok(Some(referring.into_iter().filter(is_asked).collect()))
    }

    async fn has_blob(&self, at: &Remote, digest: &Digest) -> Result<bool, Failure> {
        let subject = format!("{} {digest}", at.repository);
        self.log(format!("HEAD {} blob {subject}", at.side));
        self.staged(Call::HasBlob, &subject).await?;
        let state = self.state();
        let content = state.content.get(&at.repository);
        Ok(content.is_some_and(|content| content.blobs.contains_key(digest)))
    }

    async fn copy_blob(&self, copy: BlobCopy<'_>) -> Result<Arrival, Failure> {
        assert_eq!(copy.target.access, Access::PullPush);
        let digest = &copy.blob.digest;
        let target = &copy.target.repository;
        let subject = format!("{} {target} {digest}", copy.source.repository);
        let from = copy
            .mount_from
            .map_or_else(String::new, |from| format!(" from={from}"));
        self.log(format!("POST target blob {digest}{from} {target}"));
        if copy.may_mount && self.mount(target, digest, copy.mount_from) {
            return Ok(Arrival::Mounted);
        }
        self.log(format!("GET source blob {digest}"));
        self.staged(Call::CopyBlob, &subject).await?;
        tokio::time::sleep(TRANSFER).await;
        let bytes = {
            let state = self.state();
            let content = state.content.get(&copy.source.repository);
            content.and_then(|content| content.blobs.get(digest).cloned())
        };
        let bytes = bytes.ok_or_else(|| {
            let class = FailureClass::NotFound;
            answer(copy.source, Step::PullBlob, digest.as_str(), class, "404")
        })?;
        self.log(format!("PUT target blob {digest} {target}"));
        let length = bytes.len() as u64;
        (copy.on_bytes)(length);
        let mut state = self.state();
        let content = state.content.entry(target.clone()).or_default();
        content.blobs.insert(digest.clone(), bytes);
        Ok(Arrival::Copied { bytes: length })
    }

    async fn read_blob(&self, _: usize, _: &Remote, _: &Descriptor) -> Result<Vec<u8>, Failure> {
        panic!("a worker copies blobs and reads none");
    }

    async fn repositories(&self, _: &Remote) -> Result<Vec<String>, Failure> {
        panic!("a worker lists no repositories")
    }

    async fn tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        let about = at.repository.to_string();
        self.log(format!("GET {} tags {about}", at.side));
        self.staged(Call::Tags, &about).await?;
        let state = self.state();
        let content = state.content.get(&at.repository);
        Ok(content.map_or_else(Vec::new, |content| content.tags.keys().cloned().collect()))
    }
}

impl FakeRegistries {
    fn mount(&self, target: &Repository, digest: &Digest, from: Option<&Repository>) -> bool {
        let mut state = self.state();
        let Some(from) = from.filter(|from| host(from) == host(target)) else {
            return false;
        };
        if state.pretends_to_mount.contains(host(target)) {
            return true;
        }
        if state.mounts_nothing.contains(host(target)) {
            return false;
        }
        let there = state.content.get(from);
        let Some(bytes) = there.and_then(|content| content.blobs.get(digest).cloned()) else {
            return false;
        };
        let content = state.content.entry(target.clone()).or_default();
        content.blobs.insert(digest.clone(), bytes);
        true
    }
}
