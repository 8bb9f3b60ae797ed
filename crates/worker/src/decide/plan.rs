//! What has to be written, and in which order.

use std::collections::{HashMap, HashSet};

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, Manifest, RawManifest};
use image_sync_shared::image::media_type;

/// A manifest of the source, and what it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// The manifest.
    pub(crate) raw: RawManifest,
    /// What it refers to.
    pub(crate) refers: Manifest,
}

/// An image to be written: first all blobs, then the manifests in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CopyPlan {
    /// The blobs that must be at the target, each once.
    pub(crate) blobs: Vec<Descriptor>,
    /// The foreign layers, each once.
    pub(crate) foreign: Vec<Descriptor>,
    /// The manifests, each once and after those that it lists: the root is the last.
    pub(crate) manifests: Vec<RawManifest>,
}

impl CopyPlan {
    /// All blobs, the foreign layers last.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.blobs.iter().chain(&self.foreign)
    }
}

impl Node {
    /// Reads what `raw` refers to.
    pub(crate) fn read(raw: RawManifest) -> Result<Self, Failure> {
        match raw.parse() {
            Ok(refers) => Ok(Self { raw, refers }),
            Err(error) => Err(invalid(&raw.digest, error.to_string())),
        }
    }

    /// The manifests that it lists.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Descriptor> {
        let children = match &self.refers {
            Manifest::Index { children } => children.as_slice(),
            Manifest::Image { .. } => &[],
        };
        children.iter().filter(|child| !child.is_listed_blob())
    }

    /// How many descriptors it has.
    pub(crate) fn descriptors(&self) -> usize {
        match &self.refers {
            Manifest::Index { children } => children.len(),
            Manifest::Image { blobs, foreign } => blobs.len() + foreign.len(),
        }
    }
}

/// Puts the manifests under `root` in order. A listed manifest that is not in `nodes` is at the target already, or one of
/// `blobs`: what was listed and turned out to be a blob.
pub(crate) fn plan(
    root: &Digest,
    nodes: HashMap<Digest, Node>,
    blobs: Vec<Descriptor>,
) -> Result<CopyPlan, Failure> {
    check_kinds(&nodes)?;
    let mut planner = Planner {
        nodes,
        above: Vec::new(),
        seen: HashSet::new(),
        image: CopyPlan::default(),
    };
    planner.visit(root)?;
    let Planner {
        mut seen,
        mut image,
        ..
    } = planner;
    let blobs = blobs.into_iter();
    image
        .blobs
        .extend(blobs.filter(|blob| seen.insert(blob.digest.clone())));
    image
        // What is foreign in one manifest and a layer like others in the next must be there: it counts as the latter.
        .foreign
        .retain(|layer| seen.insert(layer.digest.clone()));
    Ok(image)
}

/// What an index lists as an index must be one, and as a manifest likewise: else its readers would go by the one or the
/// other.
fn check_kinds(nodes: &HashMap<Digest, Node>) -> Result<(), Failure> {
    let listed = nodes.values().flat_map(Node::children);
    for child in listed {
        let stated = media_type::kind(&child.media_type);
        let found = nodes.get(&child.digest).map(|node| node.refers.kind());
        if let (Some(stated), Some(found)) = (stated, found)
            && stated != found
        {
            let (stated, found) = (stated.name(), found.name());
            let answer = format!("the index lists it as {stated}, but it is {found}");
            return Err(invalid(&child.digest, answer));
        }
    }
    Ok(())
}

struct Planner {
    nodes: HashMap<Digest, Node>,
    above: Vec<Digest>,
    /// The blobs so far.
    seen: HashSet<Digest>,
    image: CopyPlan,
}

impl Planner {
    fn visit(&mut self, digest: &Digest) -> Result<(), Failure> {
        // No digest that was verified can be below itself. Without this, a circle would pass for what is at the target
        // already, as its node is taken out of `nodes` below.
        if self.above.contains(digest) {
            return Err(invalid(digest, "the index contains itself"));
        }
        // At the target, a blob, or visited by way of another index that lists it too.
        let Some(node) = self.nodes.remove(digest) else {
            return Ok(());
        };
        self.above.push(digest.clone());
        for child in node.children() {
            self.visit(&child.digest)?;
        }
        self.above.pop();
        let (blobs, foreign) = match node.refers {
            Manifest::Index { mut children } => {
                children.retain(Descriptor::is_listed_blob);
                (children, Vec::new())
            }
            Manifest::Image { blobs, foreign } => (blobs, foreign),
        };
        for blob in blobs {
            if self.seen.insert(blob.digest.clone()) {
                self.image.blobs.push(blob);
            }
        }
        self.image.foreign.extend(foreign);
        self.image.manifests.push(node.raw);
        Ok(())
    }
}

/// A source's manifest that cannot be copied.
pub(crate) fn invalid(digest: &Digest, answer: impl Into<String>) -> Failure {
    Failure::new(
        Side::Source,
        Step::PullManifest,
        digest,
        FailureClass::Invalid,
        answer.into(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn descriptor(digest: &Digest, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": digest, "size": 1})
    }

    fn node(media_type: &str, json: &Value) -> Node {
        let bytes = json.to_string().into_bytes();
        Node::read(RawManifest {
            media_type: media_type.to_owned(),
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
        })
        .unwrap()
    }

    fn image(blobs: &[&str]) -> Node {
        let layers: Vec<Value> = blobs
            .iter()
            .map(|blob| descriptor(&Digest::of(blob.as_bytes()), media_type::OCI_LAYER_GZIP))
            .collect();
        let json = json!({"schemaVersion": 2, "config": layers[0], "layers": layers});
        node(media_type::OCI_MANIFEST, &json)
    }

    fn index(children: &[&Node]) -> Node {
        let manifests: Vec<Value> = children
            .iter()
            .map(|child| descriptor(&child.raw.digest, &child.raw.media_type))
            .collect();
        let json = json!({"schemaVersion": 2, "manifests": manifests});
        node(media_type::OCI_INDEX, &json)
    }

    fn planned(root: &Node, others: &[&Node]) -> Result<CopyPlan, Failure> {
        let nodes = std::iter::once(root).chain(others.iter().copied());
        let nodes: HashMap<Digest, Node> = nodes
            .map(|node| (node.raw.digest.clone(), node.clone()))
            .collect();
        plan(&root.raw.digest, nodes, Vec::new())
    }

    fn digests(image: &CopyPlan) -> Vec<&Digest> {
        image.manifests.iter().map(|raw| &raw.digest).collect()
    }

    #[test]
    fn children_come_before_what_lists_them_and_each_once() {
        let (one, two) = (
            image(&["config", "base"]),
            image(&["config", "base", "top"]),
        );
        let inner = index(&[&one, &two]);
        let root = index(&[&inner, &one, &two, &one]);
        let plan = planned(&root, &[&inner, &one, &two]).unwrap();
        let order = [&one, &two, &inner, &root].map(|node| &node.raw.digest);
        assert_eq!(digests(&plan), order);
        let blobs: Vec<&Digest> = plan.blobs.iter().map(|blob| &blob.digest).collect();
        let expected = ["config", "base", "top"].map(|blob| Digest::of(blob.as_bytes()));
        assert_eq!(blobs, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_the_target_has_is_left_out() {
        let (one, two) = (image(&["a"]), image(&["b"]));
        let root = index(&[&one, &two]);
        let plan = planned(&root, &[&two]).unwrap();
        assert_eq!(digests(&plan), [&two.raw.digest, &root.raw.digest]);
        assert_eq!(plan.blobs.len(), 1);
    }

    #[test]
    fn an_index_that_contains_itself_is_refused() {
        let mut inner = index(&[&image(&["a"])]);
        let root = index(&[&inner]);
        inner.refers = Manifest::Index {
            children: root.children().cloned().collect(),
        };
        let failure = planned(&root, &[&inner]).unwrap_err();
        assert_eq!(failure.class, FailureClass::Invalid);
        assert_eq!(failure.answer, "the index contains itself");
    }

    #[test]
    fn layers_that_an_index_lists_are_blobs() {
        let layer = Digest::of(b"layer");
        let json = json!({"manifests": [descriptor(&layer, media_type::OCI_LAYER_GZIP)]});
        let cache = node(media_type::OCI_INDEX, &json);
        let plan = planned(&cache, &[]).unwrap();
        assert_eq!((plan.blobs.len(), plan.manifests.len()), (1, 1));
        assert_eq!(cache.children().count(), 0);
    }
}
