//! Docker schema 2 manifests and lists as OCI manifests and indexes, for targets that take nothing else. Only media types,
//! and the digests that follow from them, change.

use std::collections::HashMap;

use image_sync_shared::image::digest::{Algorithm, Digest};
use image_sync_shared::image::manifest::{ATTESTED_DIGEST, Descriptor, RawManifest};
use image_sync_shared::image::media_type;
use serde_json::Error;
use serde_json::value::RawValue;

use crate::decide::json_rewrite::{self, Item};
use crate::decide::plan::CopyPlan;

const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const OCI_FOREIGN_LAYER: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";

/// A converted image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Converted {
    /// The image.
    pub(crate) plan: CopyPlan,
    /// Each manifest that changed.
    pub(crate) replaced: Vec<Replaced>,
}

/// What a target has in the place of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// The digest of the manifest as the source has it, or as it was made from that.
    pub(crate) expected: Digest,
    /// The digest that stands for it at the target.
    pub(crate) digest: Digest,
}

/// Converts what is Docker's in `plan`, children first, or nothing if there is nothing.
pub(crate) fn to_oci(plan: &CopyPlan) -> Option<Converted> {
    let mut changed: HashMap<Digest, RawManifest> = HashMap::new();
    let mut manifests = Vec::with_capacity(plan.manifests.len());
    let mut replaced = Vec::new();
    // Children come before the index that lists them, so their new digests are known by then.
    for manifest in &plan.manifests {
        let Some(new) = convert(manifest, &changed) else {
            manifests.push(manifest.clone());
            continue;
        };
        replaced.push(Replaced {
            expected: manifest.digest.clone(),
            digest: new.digest.clone(),
        });
        manifests.push(new.clone());
        changed.insert(manifest.digest.clone(), new);
    }
    // The blobs are the same bytes under other types: none has to be sent again.
    let plan = CopyPlan {
        blobs: plan.blobs.clone(),
        foreign: plan.foreign.clone(),
        manifests,
    };
    (!replaced.is_empty()).then_some(Converted { plan, replaced })
}

/// What `target`, the digest that the target's tag has, shows to be there in the place of what, if that is the image: then it was
/// converted or renamed before, and the memory of it was lost.
pub(crate) fn found_at_target(plan: &CopyPlan, target: &Digest) -> Option<Vec<Replaced>> {
    if let Some(converted) = to_oci(plan)
        && converted.plan.manifests.last()?.digest == *target
    {
        return Some(converted.replaced);
    }
    let renamed = renamed(plan);
    let is_there = renamed.iter().any(|root| root.digest == *target);
    is_there.then_some(renamed)
}

/// The root, if a registry may name it by another digest than the source does: SHA-256, whatever algorithm the source goes by
/// (OCI image spec, descriptor.md, "Digests").
pub(crate) fn renamed(plan: &CopyPlan) -> Vec<Replaced> {
    let root = plan.manifests.last();
    let other = root.filter(|root| root.digest.algorithm() != Algorithm::Sha256);
    let replaced = |root: &RawManifest| Replaced {
        expected: root.digest.clone(),
        digest: Digest::of(&root.bytes),
    };
    other.map(replaced).into_iter().collect()
}

/// The manifest with OCI's media types and with the new digests of what it lists, if any of that is different.
fn convert(manifest: &RawManifest, changed: &HashMap<Digest, RawManifest>) -> Option<RawManifest> {
    let new_type = match media_type::essence(&manifest.media_type) {
        media_type::DOCKER_MANIFEST => media_type::OCI_MANIFEST,
        media_type::DOCKER_LIST => media_type::OCI_INDEX,
        // Without a converted child nothing of it changes, and it need not be read.
        _ if changed.is_empty() => return None,
        other => other,
    };
    let docker = media_type::is_docker(&manifest.media_type);
    let mut set = Vec::new();
    if docker {
        set.push(("mediaType", json_rewrite::text(new_type)));
    }
    let json: &RawValue = serde_json::from_slice(&manifest.bytes).ok()?;
    let (mut bytes, mut relisted) = (Vec::new(), false);
    let rewritten = json_rewrite::object(json, &mut bytes, &set, |name, value, out| match name {
        // By these names an index has nothing of its own, and what it has under them is carried along.
        "config" if new_type == media_type::OCI_MANIFEST => convert_blob(value, out),
        "layers" if new_type == media_type::OCI_MANIFEST => {
            json_rewrite::list(value, out, |_, layer, out| {
                convert_blob(layer, out).map(|()| Item::Kept)
            })
        }
        "manifests" => json_rewrite::list(value, out, |_, child, out| {
            relisted |= relist(child, changed, out)?;
            Ok(Item::Kept)
        }),
        _ => json_rewrite::unchanged(value, out),
    });
    // What is no JSON was refused when the image was read.
    rewritten.ok()?;
    (docker || relisted).then(|| RawManifest {
        media_type: new_type.to_owned(),
        digest: Digest::of(&bytes),
        bytes: bytes.into(),
    })
}

fn convert_blob(descriptor: &RawValue, out: &mut Vec<u8>) -> Result<(), Error> {
    json_rewrite::object(descriptor, out, &[], |name, value, out| {
        let old = match name {
            "mediaType" => serde_json::from_str::<String>(value.get()).ok(),
            _ => None,
        };
        match old.as_deref().and_then(oci_blob_type) {
            Some(new) => {
                out.extend_from_slice(json_rewrite::text(&new).as_bytes());
                Ok(())
            }
            None => json_rewrite::unchanged(value, out),
        }
    })
}

/// OCI's name of a Docker blob type; other types stay. Docker joins the compression with a dot, OCI with a plus.
fn oci_blob_type(media_type: &str) -> Option<String> {
    if media_type == DOCKER_CONFIG {
        return Some(media_type::OCI_CONFIG.to_owned());
    }
    let (oci, compression) = if let Some(rest) = media_type.strip_prefix(DOCKER_LAYER) {
        (OCI_LAYER, rest)
    } else {
        (
            OCI_FOREIGN_LAYER,
            media_type.strip_prefix(DOCKER_FOREIGN_LAYER)?,
        )
    };
    match compression.strip_prefix('.') {
        Some(compression) => Some(format!("{oci}+{compression}")),
        None if compression.is_empty() => Some(oci.to_owned()),
        None => None,
    }
}

/// Writes an entry of an index with the new digests of the manifest that it lists and of the one that this attests, and says
/// whether there were any.
fn relist(
    child: &RawValue,
    changed: &HashMap<Digest, RawManifest>,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    let listed: Descriptor = serde_json::from_str(child.get())?;
    let mut set = Vec::new();
    // Type, digest and size stand together in a descriptor (OCI image spec, descriptor.md): all three change.
    if let Some(new) = changed.get(&listed.digest) {
        set.push(("mediaType", json_rewrite::text(&new.media_type)));
        set.push(("digest", json_rewrite::text(new.digest.as_str())));
        set.push(("size", new.bytes.len().to_string()));
    }
    // BuildKit's attestations name the manifest that they attest by its digest, which is another one too.
    let attested = listed.annotations.get(ATTESTED_DIGEST);
    let attested: Option<Digest> = attested.and_then(|digest| digest.parse().ok());
    let attested = attested.and_then(|digest| changed.get(&digest));
    let attested = attested.map(|new| [(ATTESTED_DIGEST, json_rewrite::text(new.digest.as_str()))]);
    json_rewrite::object(child, out, &set, |name, value, out| match &attested {
        Some(set) if name == "annotations" => {
            json_rewrite::object(value, out, set, |_, value, out| {
                json_rewrite::unchanged(value, out)
            })
        }
        _ => json_rewrite::unchanged(value, out),
    })?;
    Ok(!set.is_empty() || attested.is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn raw(media_type: &str, json: &Value) -> RawManifest {
        let bytes = json.to_string().into_bytes();
        RawManifest {
            media_type: media_type.to_owned(),
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
        }
    }

    fn docker_image() -> RawManifest {
        let blob = |media_type: &str, name: &str| json!({"mediaType": media_type, "size": 3, "digest": Digest::of(name.as_bytes()), "urls": ["https://example.test/layer"]});
        raw(
            media_type::DOCKER_MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": media_type::DOCKER_MANIFEST,
                "config": blob(DOCKER_CONFIG, "config"),
                "layers": [
                    blob("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "base"),
                    blob("application/vnd.docker.image.rootfs.diff.tar.gzip", "one"),
                    blob("application/vnd.docker.image.rootfs.diff.tar.zstd", "two"),
                    blob("application/vnd.docker.image.rootfs.diff.tar", "three"),
                    blob("application/vnd.acme.layer", "four"),
                ],
                "extra": {"kept": true},
            }),
        )
    }

    fn index(media_type: &str, children: &[&RawManifest]) -> RawManifest {
        let manifests: Vec<Value> = children
            .iter()
            .map(|child| {
                json!({
                    "mediaType": child.media_type,
                    "digest": child.digest,
                    "size": child.bytes.len(),
                    "annotations": {ATTESTED_DIGEST: child.digest},
                })
            })
            .collect();
        raw(
            media_type,
            &json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}),
        )
    }

    fn image(manifests: &[&RawManifest]) -> CopyPlan {
        CopyPlan {
            blobs: Vec::new(),
            foreign: Vec::new(),
            manifests: manifests.iter().copied().cloned().collect(),
        }
    }

    fn json_of(manifest: &RawManifest) -> Value {
        assert_eq!(manifest.digest, Digest::of(&manifest.bytes));
        serde_json::from_slice(&manifest.bytes).unwrap()
    }

    #[test]
    fn an_image_keeps_all_but_its_media_types() {
        let docker = docker_image();
        let converted = to_oci(&image(&[&docker])).unwrap();
        let [oci] = &converted.plan.manifests[..] else {
            panic!("expected one manifest");
        };
        assert_eq!(oci.media_type, media_type::OCI_MANIFEST);
        let (mut before, mut after) = (json_of(&docker), json_of(oci));
        let types: Vec<String> = after["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| layer["mediaType"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            types,
            [
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                "application/vnd.oci.image.layer.v1.tar+gzip",
                "application/vnd.oci.image.layer.v1.tar+zstd",
                "application/vnd.oci.image.layer.v1.tar",
                "application/vnd.acme.layer",
            ]
        );
        assert_eq!(after["config"]["mediaType"], media_type::OCI_CONFIG);
        assert_eq!(after["mediaType"], media_type::OCI_MANIFEST);
        for json in [&mut before, &mut after] {
            json["mediaType"] = Value::Null;
            json["config"]["mediaType"] = Value::Null;
            for layer in json["layers"].as_array_mut().unwrap() {
                layer["mediaType"] = Value::Null;
            }
        }
        assert_eq!(before, after);
    }

    #[test]
    fn a_list_gets_its_converted_children() {
        let docker = docker_image();
        let list = index(media_type::DOCKER_LIST, &[&docker]);
        let converted = to_oci(&image(&[&docker, &list])).unwrap();
        let [child, root] = &converted.plan.manifests[..] else {
            panic!("expected two manifests");
        };
        assert_eq!(root.media_type, media_type::OCI_INDEX);
        let listed = &json_of(root)["manifests"][0];
        assert_eq!(listed["digest"], child.digest.as_str());
        assert_eq!(listed["size"], child.bytes.len());
        assert_eq!(listed["mediaType"], media_type::OCI_MANIFEST);
        assert_eq!(
            listed["annotations"][ATTESTED_DIGEST],
            child.digest.as_str()
        );
        let replaced = |manifest: &RawManifest, new: &RawManifest| Replaced {
            expected: manifest.digest.clone(),
            digest: new.digest.clone(),
        };
        let both = [replaced(&docker, child), replaced(&list, root)];
        assert_eq!(converted.replaced, both);
    }

    #[test]
    fn an_oci_index_follows_its_docker_children() {
        let docker = docker_image();
        let root = index(media_type::OCI_INDEX, &[&docker]);
        let converted = to_oci(&image(&[&docker, &root])).unwrap();
        let new = converted.plan.manifests.last().unwrap();
        assert_eq!(new.media_type, media_type::OCI_INDEX);
        assert_ne!(new.digest, root.digest);
    }

    #[test]
    fn what_is_not_dockers_stays() {
        let oci = raw(media_type::OCI_MANIFEST, &json!({"schemaVersion": 2}));
        let root = index(media_type::OCI_INDEX, &[&oci]);
        assert_eq!(to_oci(&image(&[&oci, &root])), None);
    }
}
