//! `save` and `load`: images as files, all of them or what came since another archive.

use std::fs;
use std::path::PathBuf;

use image_sync_shared::run::outcome::Action;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Mounts, Request};
use image_sync_testkit::images::{
    Image, ImageBuilder, artifact, cosign_signature, image, image_with_layers, index,
    notation_signature,
};
use image_sync_tests::{Catalog, Ended};

use crate::support::{REPOSITORY, TAG, TestSync, all, status};

const BOTH: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// Two registries that only an archive passes between.
struct Gap {
    sides: TestSync,
    catalog: Catalog,
}

impl Gap {
    /// With `team/app:1.0`, an index, and `team/tool`, an image that has no tag at its target.
    async fn start() -> Self {
        let sides = TestSync::start().await;
        for registry in [&sides.source, &sides.target] {
            registry.behave(|behaviour| behaviour.referrers = true);
        }
        sides
            .source
            .put_image(REPOSITORY, TAG, &index("app", &BOTH));
        sides.source.put_image("team/tool", "any", &image("tool"));
        let app = sides.tags(REPOSITORY, "{semver: '>=1'}");
        let tool = sides.entry("team/tool", &image("tool").digest().to_string());
        let app = app.with("referrers: true");
        let catalog = Catalog::new("cache.example:5000").image(app).image(tool);
        Self { sides, catalog }
    }

    /// Runs `save` as if it were the first time that anything is asked.
    async fn save(&self, arguments: &[&str]) -> Ended {
        let program = &self.sides.program;
        program.write("config.yaml", &self.catalog.yaml());
        fs::remove_dir_all(self.path(".local")).ok();
        let all = [&["save", "-c", "config.yaml"], arguments].concat();
        program.run(&all).await
    }

    async fn load(&self, archive: &str, arguments: &[&str]) -> Ended {
        let all = [&["load", archive, self.sides.target.host()], arguments].concat();
        self.sides.program.run(&all).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sides.program.home().join(name)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn has(&self, tag: &str, image: &Image) {
        let digest = self.sides.target.digest(REPOSITORY, tag);
        assert_eq!(digest.as_ref(), Some(image.digest()), "{tag}");
        self.sides.nothing_broken();
    }

    fn writes(&self) -> usize {
        let writes = |request: &Request| !["GET", "HEAD"].contains(&request.method.as_str());
        self.sides.target.count_where(writes)
    }

    /// What is there beside what was asked for.
    fn left_over(&self, archive: &str) -> Vec<String> {
        let entries = fs::read_dir(self.sides.program.home()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let start = format!(".{archive}.");
        names.filter(|name| name.starts_with(&start)).collect()
    }
}

fn is_well(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[tokio::test]
async fn an_archive_brings_all_under_the_names_of_the_config_and_a_second_load_finds_it_in_place() {
    for form in ["carry.tar", "carry"] {
        let gap = Gap::start().await;
        let app = index("app", &BOTH);
        let sbom = artifact("application/spdx+json", b"of arm64", Some(&app.children[1]));
        gap.sides.source.put_untagged(REPOSITORY, &sbom);
        let (tag, signature) = cosign_signature(&app);
        gap.sides.source.put_image(REPOSITORY, &tag, &signature);
        is_well(&gap.save(&[form]).await);
        assert_eq!(gap.left_over(form), [""; 0]);

        is_well(&gap.load(form, &["--dry-run"]).await);
        assert_eq!(gap.writes(), 0, "a dry run");
        let loaded = gap.load(form, &[]).await;
        is_well(&loaded);
        assert_eq!(loaded.report().results.len(), 2, "{loaded:#?}");
        gap.has(TAG, &app);
        gap.has(&tag, &signature);
        let target = &gap.sides.target;
        let of_sbom = sbom.digest().to_string();
        assert!(target.manifest(REPOSITORY, &of_sbom).is_some());
        let of_tool = image("tool").digest().to_string();
        assert!(target.manifest("team/tool", &of_tool).is_some());

        target.reset();
        let again = gap.load(form, &[]).await;
        is_well(&again);
        let results = again.report().results;
        assert!(
            results.iter().all(|it| it.action == Action::AlreadyCached),
            "{again:#?}"
        );
        assert_eq!(gap.writes(), 0);
    }
}

#[tokio::test]
async fn equal_images_are_equal_bytes_and_what_is_named_again_is_replaced_as_a_whole() {
    let gap = Gap::start().await;
    is_well(&gap.save(&["one.tar"]).await);
    fs::write(gap.path("other.tar"), "what was there").unwrap();
    is_well(&gap.save(&["other.tar", "--concurrency", "1"]).await);
    assert!(gap.bytes("one.tar") == gap.bytes("other.tar"));
}

#[tokio::test]
async fn what_is_since_another_archive_leaves_out_what_that_has() {
    let gap = Gap::start().await;
    let layers = |name: &str| ImageBuilder::new(name).layer(vec![7; 100_000]).build();
    gap.sides
        .source
        .put_image(REPOSITORY, "1.1", &layers("one"));
    is_well(&gap.save(&["one.tar"]).await);
    is_well(&gap.load("one.tar", &[]).await);

    is_well(
        &gap.save(&["none.tar", "--since", "one.tar", "--state", "none.json"])
            .await,
    );
    let none = gap.load("none.tar", &[]).await;
    is_well(&none);
    assert_eq!(none.report().results.len(), 0, "{none:#?}");

    gap.sides
        .source
        .put_image(REPOSITORY, "1.2", &layers("two"));
    is_well(&gap.save(&["two.tar", "--since", "none.json"]).await);
    let (first, second) = (gap.bytes("one.tar").len(), gap.bytes("two.tar").len());
    assert!(first > 100_000 && second < 20_000, "{first} {second}");
    let loaded = gap.load("two.tar", &[]).await;
    is_well(&loaded);
    assert_eq!(loaded.only_result().tag, "1.2");
    gap.has("1.2", &layers("two"));
}

#[tokio::test]
async fn what_is_since_another_archive_is_loaded_where_nothing_can_be_mounted() {
    let gap = Gap::start().await;
    let target = &gap.sides.target;
    target.behave(|behaviour| behaviour.mounts = Mounts::Refused);
    is_well(&gap.save(&["one.tar"]).await);
    is_well(&gap.load("one.tar", &[]).await);
    gap.sides
        .source
        .put_image(REPOSITORY, "1.1", &image_of_app());
    is_well(&gap.save(&["two.tar", "--since", "one.tar"]).await);
    is_well(&gap.load("two.tar", &[]).await);
    gap.has("1.1", &image_of_app());
}

/// A child of the index `app`, which has all of its blobs.
fn image_of_app() -> Image {
    index("app", &BOTH).children[0].clone()
}

#[tokio::test]
async fn a_signature_comes_after_its_image() {
    let gap = Gap::start().await;
    let app = index("app", &BOTH);
    is_well(&gap.save(&["one.tar"]).await);
    is_well(&gap.load("one.tar", &[]).await);
    let of_child = notation_signature(&app.children[0]);
    gap.sides.source.put_untagged(REPOSITORY, &of_child);
    let (tag, of_index) = cosign_signature(&app);
    gap.sides.source.put_image(REPOSITORY, &tag, &of_index);
    is_well(&gap.save(&["two.tar", "--since", "one.tar"]).await);
    let loaded = gap.load("two.tar", &[]).await;
    is_well(&loaded);
    let artifacts = loaded.only_result().artifacts.unwrap();
    assert_eq!(artifacts.copied, 2, "{loaded:#?}");
    gap.has(&tag, &of_index);
    let of_child = of_child.digest().to_string();
    assert!(gap.sides.target.manifest(REPOSITORY, &of_child).is_some());
    // Once it has come it is known.
    is_well(&gap.save(&["three.tar", "--since", "two.tar"]).await);
    assert_eq!(gap.load("three.tar", &[]).await.report().results.len(), 0);
}

#[tokio::test]
async fn an_archive_whose_base_is_not_there_names_image_and_base() {
    let gap = Gap::start().await;
    is_well(&gap.save(&["one.tar"]).await);
    gap.sides
        .source
        .put_image(REPOSITORY, "1.1", &image_of_app());
    is_well(&gap.save(&["two.tar", "--since", "one.tar"]).await);
    let ended = gap.load("two.tar", &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let result = ended.only_result();
    assert_eq!(result.image, format!("oci:two.tar/{REPOSITORY}"));
    let error = result.error.unwrap();
    assert!(error.contains("load one.tar first"), "{error}");
    assert_eq!(gap.sides.target.digest(REPOSITORY, "1.1"), None);
    gap.sides.nothing_broken();
}

#[tokio::test]
async fn an_image_that_fails_is_missing_alone_and_comes_with_the_next_archive() {
    let gap = Gap::start().await;
    let newer = image_with_layers("newer", 1, 1_000);
    gap.sides.source.put_image(REPOSITORY, "1.1", &newer);
    let blob = format!("/v2/*/blobs/{}", newer.all_blobs()[0].digest);
    let fault = image_sync_testkit::fake_registry::Rule::new("GET", blob).first(3);
    gap.sides.source.stage(fault, status(404));
    let ended = gap.save(&["one.tar"]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    is_well(&gap.load("one.tar", &[]).await);
    gap.has(TAG, &index("app", &BOTH));
    gap.sides.source.reset();
    is_well(&gap.save(&["two.tar", "--since", "one.tar"]).await);
    let loaded = gap.load("two.tar", &[]).await;
    assert_eq!(loaded.only_result().tag, "1.1");
    gap.has("1.1", &newer);
}

#[tokio::test]
async fn an_archive_that_is_broken_off_gets_no_name_and_leaves_nothing() {
    let gap = Gap::start().await;
    fs::write(gap.path("carry.tar"), "what was there").unwrap();
    let gate = Gate::new();
    let source = &gap.sides.source;
    source.stage(all("GET", "blobs"), Fault::stall(At::Body(10), &gate));
    let program = &gap.sides.program;
    program.write("config.yaml", &gap.catalog.yaml());
    let arguments = ["save", "-c", "config.yaml", "carry.tar", "--grace", "100ms"];
    let running = program.start(&arguments);
    source
        .wait_for(|request| request.is("GET", "/v2/*/blobs/*"))
        .await;
    running.signal("TERM").await;
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    assert_eq!(gap.bytes("carry.tar"), b"what was there");
    assert_eq!(gap.left_over("carry.tar"), [""; 0]);
}

#[tokio::test]
async fn a_folder_grows_and_one_that_has_a_part_alone_is_left_as_it_is() {
    let gap = Gap::start().await;
    is_well(&gap.save(&["full"]).await);
    gap.sides
        .source
        .put_image(REPOSITORY, "1.1", &image("later"));
    let again = gap.save(&["full"]).await;
    assert_eq!(again.report().head.summary.pulled, 1, "{again:#?}");
    is_well(&gap.load("full", &[]).await);
    gap.has("1.1", &image("later"));

    gap.sides
        .source
        .put_image(REPOSITORY, "1.2", &image("last"));
    is_well(&gap.save(&["part", "--since", "full"]).await);
    for (arguments, words) in [
        (&["part"][..], "only what came since"),
        (&["full", "--since", "part"], "there is an archive already"),
        (&["full.tgz"], "compressed"),
        (
            &["new.tar", "--since", "nowhere.tar"],
            "--since nowhere.tar",
        ),
        (&["new.tar", "--since", "config.yaml"], "not a tar file"),
    ] {
        let ended = gap.save(arguments).await;
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(words), "{words}: {ended:#?}");
    }
}

#[tokio::test]
async fn what_is_no_archive_is_refused_before_anything_is_asked() {
    let gap = Gap::start().await;
    let program = &gap.sides.program;
    program.write("text.tar", "a text of no more than some words");
    program.write("image-sync.json", "{}");
    fs::create_dir(gap.path("folder")).unwrap();
    for (archive, words) in [
        ("nowhere.tar", "No such file"),
        ("text.tar", "not a tar file"),
        ("folder", "not an OCI image layout"),
    ] {
        let ended = gap.load(archive, &[]).await;
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(words), "{ended:#?}");
    }
    assert_eq!(gap.sides.target.requests().len(), 0);
}
