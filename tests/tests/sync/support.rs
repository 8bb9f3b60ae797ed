//! What the tests of `sync` share: a source, a target and the program.

use image_sync_shared::image::digest::Digest;
use image_sync_testkit::fake_registry::{Auth, Fault, Rule, TokenService};
use image_sync_testkit::{FakeRegistry, Image};
use image_sync_tests::{Catalog, Ended, Entry, Program};

pub(crate) const REPOSITORY: &str = "team/app";
pub(crate) const TAG: &str = "1.0";

/// The program, in a folder of its own.
pub(crate) fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_image-sync-under-test"))
}

/// The program between the registries of a source and of a target. All of it ends when it is dropped.
pub(crate) struct TestSync {
    pub(crate) source: FakeRegistry,
    pub(crate) target: FakeRegistry,
    pub(crate) program: Program,
}

impl TestSync {
    pub(crate) async fn start() -> Self {
        Self {
            source: FakeRegistry::start().await.unwrap(),
            target: FakeRegistry::start().await.unwrap(),
            program: program(),
        }
    }

    /// A [`TestSync`] whose registries want tokens of these two services.
    pub(crate) async fn with_tokens(of_source: &TokenService, of_target: &TokenService) -> Self {
        let registry = |tokens| FakeRegistry::builder().auth(Auth::bearer(tokens)).start();
        Self {
            source: registry(of_source).await.unwrap(),
            target: registry(of_target).await.unwrap(),
            program: program(),
        }
    }

    /// A [`TestSync`] whose source has `image` as `team/app:1.0`.
    pub(crate) async fn with(image: &Image) -> Self {
        let fixture = Self::start().await;
        fixture.source.put_image(REPOSITORY, TAG, image);
        fixture
    }

    /// One repository of the source, under the same name in the cache.
    pub(crate) fn entry(&self, repository: &str, tag: &str) -> Entry {
        Entry::new(&format!("{}/{repository}", self.source.host()), tag).cache_as(repository)
    }

    /// The tags of one repository of the source that rules choose.
    pub(crate) fn tags(&self, repository: &str, rules: &str) -> Entry {
        let source = format!("{}/{repository}", self.source.host());
        Entry::of_tags(&source, rules).cache_as(repository)
    }

    pub(crate) fn empty_catalog(&self) -> Catalog {
        Catalog::new(self.target.host())
    }

    /// A catalog of `team/app:1.0`.
    pub(crate) fn catalog(&self) -> Catalog {
        self.empty_catalog().image(self.entry(REPOSITORY, TAG))
    }

    pub(crate) async fn sync(&self) -> Ended {
        self.program.sync(&self.catalog(), &[]).await
    }

    pub(crate) fn at_target(&self) -> Option<Digest> {
        self.target.digest(REPOSITORY, TAG)
    }

    /// Stages a fault of the source, runs, and expects that the image fails after so many attempts, with these words in its
    /// error, and that nothing broken is at the target.
    pub(crate) async fn fails(&self, attempts: u32, words: &[&str]) {
        let ended = self.sync().await;
        let result = ended.only_result();
        let error = result
            .error
            .clone()
            .unwrap_or_else(|| panic!("a failure expected: {ended:#?}"));
        for word in words {
            assert!(error.contains(word), "{word:?} expected in {error:?}");
        }
        assert_eq!(result.attempts, attempts, "{error}");
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        self.nothing_broken();
        assert_eq!(self.at_target(), None, "a failed image has no tag");
    }

    /// Runs, and expects that the image is copied in so many attempts in spite of what was staged.
    pub(crate) async fn is_copied(&self, image: &Image, attempts: u32) -> Ended {
        let ended = self.sync().await;
        let result = ended.only_result();
        assert_eq!(result.error, None, "{ended:#?}");
        assert_eq!(result.attempts, attempts, "{ended:#?}");
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_eq!(self.at_target().as_ref(), Some(image.digest()));
        self.nothing_broken();
        ended
    }

    /// What every run must leave behind, however it went.
    pub(crate) fn nothing_broken(&self) {
        self.target.assert_every_tag_is_complete();
        let open = self.target.open_uploads();
        assert!(open.is_empty(), "uploads left open: {open:?}");
    }
}

/// All requests of this method for this kind of thing in any repository, as in `("GET", "blobs")`.
pub(crate) fn all(method: &str, kind: &str) -> Rule {
    Rule::new(method, format!("/v2/*/{kind}/*"))
}

pub(crate) fn status(status: u16) -> Fault {
    Fault::status(status)
}
