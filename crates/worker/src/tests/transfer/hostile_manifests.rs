use bytes::Bytes;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::media_type::{DOCKER_LIST, OCI_INDEX, OCI_MANIFEST};
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::Image;
use image_sync_testkit::images::{Blob, ImageBuilder, image, index_of};
use serde_json::{Value, json};

use crate::tests::{Call, TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";
const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

fn described(media_type: &str, content: &str) -> Value {
    json!(Blob::new(media_type, content.to_owned()).descriptor())
}

fn foreign(media_type: &str, content: &str) -> Value {
    let mut descriptor = described(media_type, content);
    descriptor["urls"] = json!(["https://example.test/layer"]);
    descriptor
}

/// A manifest of these members that refers to the blobs of `image("app")`.
fn manifest(media_type: &str, members: &str) -> Image {
    let mut manifest = Image::from_bytes(media_type, members.to_owned());
    manifest.blobs = image("app").blobs;
    manifest
}

fn listing(media_type: &str, children: &[Value]) -> Image {
    let json = json!({"schemaVersion": 2, "manifests": children}).to_string();
    Image::from_bytes(media_type, json)
}

async fn refused(fixture: &TestWorker, why: &str) {
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let result = ran.only();
    let error = result.entry.error.as_deref().unwrap_or("copied");
    assert!(error.contains(why), "{error}");
    assert_eq!(result.class, Some(FailureClass::Invalid), "{error}");
    assert_eq!(fixture.registries.tag(TARGET), None);
    assert_eq!(fixture.registries.count("PUT"), 0, "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_manifest_is_refused() {
    let config = json!(image("app").blobs[0].descriptor());
    let layers = json!([described("m", "missing")]);
    for (media_type, members, why) in [
        (
            OCI_INDEX,
            json!({"mediaType": OCI_MANIFEST, "config": config, "layers": [], "manifests": layers}).to_string(),
            "is ambiguous",
        ),
        (
            OCI_MANIFEST,
            json!({"mediaType": OCI_INDEX, "config": config, "manifests": layers}).to_string(),
            "is ambiguous",
        ),
        (
            OCI_INDEX,
            json!({"mediaType": OCI_MANIFEST, "config": config}).to_string(),
            "is ambiguous",
        ),
        (
            DOCKER_LIST,
            json!({"manifests": [], "layers": layers}).to_string(),
            "is ambiguous",
        ),
        (OCI_MANIFEST, json!({"manifests": layers}).to_string(), "is ambiguous"),
        (
            OCI_MANIFEST,
            json!({"config": config, "Layers": layers}).to_string(),
            "but for its case",
        ),
        (
            OCI_MANIFEST,
            format!(r#"{{"config":{config},"layers":[],"layer\u017f":{layers}}}"#),
            "but for its case",
        ),
        (
            OCI_MANIFEST,
            json!({"config": {"Digest": layers[0]["digest"], "digest": config["digest"], "size": config["size"]}}).to_string(),
            "but for its case",
        ),
        (
            OCI_MANIFEST,
            format!(r#"{{"config":{config},"layers":{layers},"layers":[]}}"#),
            "is there twice",
        ),
    ] {
        let fixture = TestWorker::new();
        fixture.registries.put_image(SOURCE, &manifest(media_type, &members));
        refused(&fixture, why).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_foreign_layer_is_never_left_out() {
    let config = json!(image("app").blobs[0].descriptor());
    for members in [
        json!({"config": foreign("application/x.foreign.y", "missing"), "layers": []}),
        json!({"config": foreign(FOREIGN, "missing"), "layers": []}),
        json!({"config": config, "layers": [foreign("application/vnd.acme.foreign.layer", "missing")]}),
        json!({"config": config, "layers": [foreign("x/y.nondistributable.z", "missing")]}),
        json!({"config": config, "layers": [described(FOREIGN, "missing")]}),
    ] {
        let fixture = TestWorker::new();
        fixture
            .registries
            .put_image(SOURCE, &manifest(OCI_MANIFEST, &members.to_string()));
        let ran = fixture.work([job(SOURCE, TARGET)]).await;
        assert_eq!(ran.only().class, Some(FailureClass::NotFound), "{members}");
        assert_eq!(fixture.registries.tag(TARGET), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_layer_that_a_sibling_needs_is_not_left_out() {
    let config = json!(image("app").blobs[0].descriptor());
    let child = |layer: Value| {
        let members = json!({"config": config, "layers": [layer]});
        manifest(OCI_MANIFEST, &members.to_string())
    };
    let (optional, needed) = (child(foreign(FOREIGN, "x")), child(described("m", "x")));
    for children in [
        vec![optional.clone(), needed.clone()],
        vec![needed, optional],
    ] {
        let fixture = TestWorker::new();
        fixture
            .registries
            .put_image(SOURCE, &index_of(OCI_INDEX, children));
        let ran = fixture.work([job(SOURCE, TARGET)]).await;
        assert_eq!(ran.only().class, Some(FailureClass::NotFound));
        assert_eq!(fixture.registries.tag(TARGET), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_of_another_kind_than_its_index_states_is_refused() {
    let plain = image("plain");
    let inner = listing("", &[json!(plain.descriptor())]);
    for (child, stated) in [
        (&inner, OCI_MANIFEST),
        (&plain, OCI_INDEX),
        (&plain, DOCKER_LIST),
    ] {
        let mut lie = json!(child.descriptor());
        lie["mediaType"] = stated.into();
        let mut truth = lie.clone();
        truth["mediaType"] = child.media_type().into();
        for listed in [vec![lie.clone()], vec![truth, lie]] {
            let mut index = listing(OCI_INDEX, &listed);
            index.children = vec![plain.clone(), inner.clone()];
            let fixture = TestWorker::new();
            fixture.registries.put_image(SOURCE, &index);
            refused(&fixture, "the index lists it as").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn manifests_that_are_too_much_in_all_are_not_read() {
    let stated = |size: u64| {
        let mut child = described(OCI_MANIFEST, &size.to_string());
        child["size"] = size.into();
        child
    };
    let many: Vec<Value> = (0..17).map(|n| stated((4 << 20) - n)).collect();
    for (children, why) in [
        (many, "at most 67108864 bytes in all"),
        (vec![stated((4 << 20) + 1)], "at most 4194304"),
        (
            vec![stated(u64::MAX), stated(u64::MAX - 1)],
            "at most 4194304",
        ),
    ] {
        let fixture = TestWorker::new();
        fixture
            .registries
            .put_image(SOURCE, &listing(OCI_INDEX, &children));
        refused(&fixture, why).await;
        assert_eq!(fixture.registries.count("GET"), 1, "the index alone");
    }
}

#[tokio::test(start_paused = true)]
async fn descriptors_count_as_what_they_take_in_memory() {
    let layers = vec![described("m", "x"); 35_000];
    let children = (0..4).map(|n| {
        let members = json!({"layers": layers, "n": n}).to_string();
        Image::from_bytes(OCI_MANIFEST, members)
    });
    let fixture = TestWorker::new();
    let index = index_of(OCI_INDEX, children.collect());
    fixture.registries.put_image(SOURCE, &index);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    // The same layer again and again is one.
    assert_eq!(ran.only().class, Some(FailureClass::NotFound));

    let children = (0..4).map(|n| {
        let layers: Vec<Value> = (0..35_000)
            .map(|layer| described("m", &format!("{n} {layer}")))
            .collect();
        Image::from_bytes(OCI_MANIFEST, json!({ "layers": layers }).to_string())
    });
    let fixture = TestWorker::new();
    let index = index_of(OCI_INDEX, children.collect());
    fixture.registries.put_image(SOURCE, &index);
    refused(&fixture, "descriptors of 512 bytes").await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_longer_than_its_index_states_is_refused() {
    let plain = image("plain");
    let mut listed = json!(plain.descriptor());
    listed["size"] = (plain.bytes().len() - 1).into();
    let mut index = listing(OCI_INDEX, &[listed]);
    index.children = vec![plain];
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &index);
    refused(&fixture, "longer than it may be").await;
}

#[tokio::test(start_paused = true)]
async fn a_blob_with_the_bytes_of_a_manifest_is_not_taken_for_the_manifest() {
    let hidden = image("hidden");
    let bytes: Bytes = hidden.bytes().clone();
    let bait = ImageBuilder::new("bait")
        .blob("application/vnd.acme", bytes)
        .build();
    let index = index_of(OCI_INDEX, vec![hidden]);
    let fixture = TestWorker::new();
    fixture.registries.put_image("source.test/app:bait", &bait);
    fixture.registries.put_image(SOURCE, &index);
    // The repository is not a new one, so that its children are asked for.
    fixture.registries.put_image(TARGET, &image("old"));
    let bait = job("source.test/app:bait", "cache.test/app:bait");
    let (worker, ran) = fixture.work_with(fixture.worker(), [bait]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    let (_, ran) = fixture.work_with(worker, [job(SOURCE, TARGET)]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert!(fixture.registries.written_incomplete().is_empty());
}

#[tokio::test(start_paused = true)]
async fn few_images_with_large_manifests_are_held_at_the_same_time() {
    let fixture = TestWorker::new();
    let mut gates = Vec::new();
    let mut jobs = Vec::new();
    for name in ["a", "b", "c"] {
        let large = ImageBuilder::new(name)
            .annotation("padding", "x".repeat(1 << 20))
            .build();
        let child = format!("@{}", large.digest());
        let (from, to) = (
            format!("source.test/{name}:1"),
            format!("cache.test/{name}:1"),
        );
        fixture
            .registries
            .put_image(&from, &index_of(OCI_INDEX, vec![large]));
        gates.push(fixture.registries.gate(Call::PullManifest, &child));
        jobs.push(job(&from, &to));
    }
    let held = async {
        let (a, b, c) = (gates[0].arrived(), gates[1].arrived(), gates[2].arrived());
        tokio::pin!(a, b, c);
        let mut there = 0;
        let mut waiting = [true; 3];
        while there < 2 {
            tokio::select! {
                () = &mut a, if waiting[0] => waiting[0] = false,
                () = &mut b, if waiting[1] => waiting[1] = false,
                () = &mut c, if waiting[2] => waiting[2] = false,
            }
            there += 1;
        }
        // Time stands still until everybody waits for something.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(fixture.registries.count("GET source manifest"), 5);
        for gate in &gates {
            gate.open();
        }
    };
    let (ran, ()) = tokio::join!(fixture.work(jobs), held);
    assert!(
        ran.results
            .iter()
            .all(|result| result.entry.action == Action::Pulled)
    );
}
