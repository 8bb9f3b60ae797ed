//! What an archive has, worked out from its manifests: of each repository the images, the blobs, and what belongs to them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, MAX_MANIFEST_BYTES, Manifest, RawManifest};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::image::referrers::{Referring, subject_of_tag};

use crate::layout::error::LayoutError;
use crate::layout::folder::{ArchiveState, Folder, KnownImage, KnownReferrer, RepositoryState};

/// A manifest that is there.
struct Node {
    children: Vec<Digest>,
    blobs: Vec<Digest>,
    referrer: Option<KnownReferrer>,
    /// Its text, if it is an index.
    index: Option<String>,
}

/// The manifests that are there.
struct Nodes<'a> {
    folder: &'a Folder,
    all: HashMap<Digest, Node>,
}

/// One repository, with all that is there and all that is known.
struct Repository<'a> {
    nodes: &'a HashMap<Digest, Node>,
    known: &'a ArchiveState,
    /// What belongs to a manifest, by its subject, by its tag, or as it is known.
    belongs: HashMap<Digest, BTreeSet<Digest>>,
}

/// What a walk from an image meets.
#[derive(Default)]
struct Walk {
    manifests: BTreeSet<Digest>,
    artifacts: BTreeSet<Digest>,
}

/// Splits `NAME:TAG` or `NAME@DIGEST`.
pub(super) fn split(name: &str) -> Option<(String, Reference)> {
    let by_digest = name.split_once('@');
    let (repository, reference) = by_digest.or_else(|| name.rsplit_once(':'))?;
    let reference: Reference = reference.parse().ok()?;
    let is_digest = matches!(reference, Reference::Digest(_));
    (is_digest == by_digest.is_some()).then(|| (repository.to_owned(), reference))
}

/// The state of who has loaded what `known` says and then this.
pub(super) fn state(folder: &Folder, known: &ArchiveState) -> Result<ArchiveState, LayoutError> {
    let index = folder.index()?;
    let mut nodes = Nodes {
        folder,
        all: HashMap::new(),
    };
    for entry in index.descriptors() {
        nodes.read(entry.digest, entry.media_type);
    }
    let mut named: BTreeMap<String, BTreeMap<String, KnownImage>> = BTreeMap::new();
    for (name, entry) in index.named() {
        let Some((repository, reference)) = split(&name) else {
            continue;
        };
        let image = KnownImage {
            media_type: entry.media_type,
            digest: entry.digest,
        };
        let images = named.entry(repository).or_default();
        images.insert(reference.to_string(), image);
    }
    for repository in known.repositories.keys() {
        named.entry(repository.clone()).or_default();
    }
    let mut state = ArchiveState::default();
    state.since.clone_from(&known.since);
    for (name, here) in named {
        let of = add(&name, here, &nodes.all, known, &mut state);
        state.repositories.insert(name, of);
    }
    Ok(state)
}

/// One repository of the state, of which the images `here` are there.
fn add(
    name: &str,
    here: BTreeMap<String, KnownImage>,
    nodes: &HashMap<Digest, Node>,
    known: &ArchiveState,
    state: &mut ArchiveState,
) -> RepositoryState {
    let mut of = known.of(name).cloned().unwrap_or_default();
    let before = of.blobs.clone();
    let is_here: BTreeSet<String> = here.keys().cloned().collect();
    of.images.extend(here);
    let repository = Repository::new(nodes, known, &of);
    let (of_digests, images): (Vec<_>, Vec<_>) = of
        .images
        .iter()
        .partition(|(tag, _)| subject_of_tag(tag).is_some());
    let mut met = Walk::default();
    let mut bring = |tag: &str, image: &KnownImage, met: &mut Walk| {
        let walk = repository.walk(&image.digest);
        let is_new = |artifact: &Digest| nodes.contains_key(artifact) && !before.contains(artifact);
        if is_here.contains(tag) || walk.artifacts.iter().any(is_new) {
            let joint = if tag.contains(':') { '@' } else { ':' };
            state.brings.insert(format!("{name}{joint}{tag}"));
        }
        met.manifests.extend(walk.manifests);
        met.artifacts.extend(walk.artifacts);
    };
    for (tag, image) in images {
        bring(tag, image, &mut met);
    }
    // What is signed by them is not there: they come by themselves.
    for (tag, image) in of_digests {
        if !met.manifests.contains(&image.digest) {
            bring(tag, image, &mut met);
        }
    }
    for digest in &met.manifests {
        if let Some(text) = repository.index(digest) {
            state.indexes.insert(digest.clone(), text.to_owned());
        }
        let Some(node) = nodes.get(digest) else {
            continue;
        };
        of.blobs.insert(digest.clone());
        of.blobs.extend(node.blobs.iter().cloned());
        if let Some(referrer) = &node.referrer
            && !of.referrers.contains(referrer)
        {
            of.referrers.push(referrer.clone());
        }
    }
    of.referrers
        .sort_by(|one, other| one.manifest.digest.cmp(&other.manifest.digest));
    of
}

impl Nodes<'_> {
    /// Reads a manifest with all that it lists, as far as these are there.
    fn read(&mut self, digest: Digest, stated: String) {
        let mut unread = vec![(digest, stated)];
        while let Some((digest, stated)) = unread.pop() {
            if self.all.contains_key(&digest) {
                continue;
            }
            let read = self
                .folder
                .read_manifest(digest.clone(), stated, MAX_MANIFEST_BYTES);
            let Some((node, children)) = read.ok().and_then(|manifest| Node::of(&manifest)) else {
                continue;
            };
            unread.extend(children);
            self.all.insert(digest, node);
        }
    }
}

impl Node {
    /// With the manifests that it lists, and the types that it states of them.
    fn of(manifest: &RawManifest) -> Option<(Self, Vec<(Digest, String)>)> {
        let mut node = Self {
            children: Vec::new(),
            blobs: Vec::new(),
            referrer: Referring::of(manifest).map(|referring| KnownReferrer {
                subject: referring.subject,
                manifest: Descriptor {
                    artifact_type: Some(referring.artifact_type).filter(|of| !of.is_empty()),
                    ..Folder::descriptor_of(manifest)
                },
            }),
            index: None,
        };
        let mut listed = Vec::new();
        match manifest.parse().ok()? {
            Manifest::Image { blobs, foreign } => {
                let all = blobs.into_iter().chain(foreign);
                node.blobs = all.map(|blob| blob.digest).collect();
            }
            Manifest::Index { children } => {
                node.index = String::from_utf8(manifest.bytes.to_vec()).ok();
                for child in children {
                    node.blobs.push(child.digest.clone());
                    if !child.is_listed_blob() {
                        node.children.push(child.digest.clone());
                        listed.push((child.digest, child.media_type));
                    }
                }
            }
        }
        Some((node, listed))
    }
}

impl<'a> Repository<'a> {
    fn new(
        nodes: &'a HashMap<Digest, Node>,
        known: &'a ArchiveState,
        of: &RepositoryState,
    ) -> Self {
        let here = nodes.values().filter_map(|node| node.referrer.as_ref());
        let by_subject = here
            .chain(&of.referrers)
            .map(|referrer| (referrer.subject.clone(), referrer.manifest.digest.clone()));
        let images = of.images.iter();
        let by_tag =
            images.filter_map(|(tag, image)| Some((subject_of_tag(tag)?, image.digest.clone())));
        let mut belongs: HashMap<Digest, BTreeSet<Digest>> = HashMap::new();
        for (subject, artifact) in by_subject.chain(by_tag) {
            belongs.entry(subject).or_default().insert(artifact);
        }
        Self {
            nodes,
            known,
            belongs,
        }
    }

    /// The text of an index.
    fn index(&self, digest: &Digest) -> Option<&str> {
        match self.nodes.get(digest) {
            Some(node) => node.index.as_deref(),
            None => self.known.indexes.get(digest).map(String::as_str),
        }
    }

    /// All manifests of an image, and all that belong to these.
    fn walk(&self, digest: &Digest) -> Walk {
        let mut walk = Walk::default();
        let mut seen = HashSet::from([digest.clone()]);
        let mut next = vec![digest.clone()];
        while let Some(digest) = next.pop() {
            let artifacts = self.belongs.get(&digest).into_iter().flatten();
            let artifacts: Vec<Digest> = artifacts.cloned().collect();
            let listed = self.children(&digest);
            walk.artifacts.extend(artifacts.iter().cloned());
            let reached = artifacts.into_iter().chain(listed);
            next.extend(reached.filter(|reached| seen.insert(reached.clone())));
            walk.manifests.insert(digest);
        }
        walk
    }

    fn children(&self, digest: &Digest) -> Vec<Digest> {
        if let Some(node) = self.nodes.get(digest) {
            return node.children.clone();
        }
        let index = self.known.indexes.get(digest).and_then(|text| {
            Node::of(&RawManifest {
                media_type: String::new(),
                digest: digest.clone(),
                bytes: text.as_bytes().to_vec().into(),
            })
        });
        index.map_or_else(Vec::new, |(node, _)| node.children)
    }
}
