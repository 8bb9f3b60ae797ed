//! Ways in which real registries differ.

/// How the registry behaves. The default is like distribution 3: everything in the standard is allowed.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent trait of a registry"
)]
pub struct Behaviour {
    /// Media types of manifests that are refused.
    pub refused_media_types: Vec<String>,
    /// The status of a refusal of a manifest, 400 or 415; its error code is `MANIFEST_INVALID`.
    pub refusal_status: u16,
    /// Whether a tag can be moved to another digest.
    pub immutable_tags: Option<ImmutableTags>,
    /// What is done about mounts.
    pub mounts: Mounts,
    /// Which kinds of uploads are taken.
    pub uploads: Uploads,
    /// What the Location of an upload looks like.
    pub upload_location: UploadLocation,
    /// The most bytes in one request of an upload; more are answered 413 before they are read.
    pub body_limit: Option<u64>,
    /// The OCI-Chunk-Min-Length that is stated when an upload begins.
    pub chunk_min: Option<u64>,
    /// The OCI-Chunk-Max-Length that is stated when an upload begins.
    pub chunk_max: Option<u64>,
    /// Whether the cancellation of an upload that was cut is 416 until it was asked how far it came, as with distribution 3.
    pub cancels_known_uploads_only: bool,
    /// Whether a POST, PUT or PATCH that states no length is 411, as at Google's front end.
    pub wants_length: bool,
    /// Whether `POST ?digest=` takes the whole blob at once.
    pub post_whole_blobs: bool,
    /// Whether a pushed manifest's blobs and children must be there.
    pub checks_references: bool,
    /// Whether answers about manifests carry Docker-Content-Digest.
    pub states_digests: bool,
    /// Whether blobs answer ranges with 206.
    pub ranges: bool,
    /// Whether the referrers API is there, and pushes of manifests with a subject answer OCI-Subject; without it clients use the
    /// index under the referrers tag.
    pub referrers: bool,
    /// Whether that API gives those of an `artifactType` alone where one is asked for; otherwise it gives all.
    pub filters_referrers: bool,
    /// Whether manifests with a subject are refused as malformed, as by registries that know the image spec 1.0 alone. The status is
    /// `refusal_status`.
    pub refuses_subjects: bool,
    /// Whether manifests whose configuration is not that of an image are refused as malformed. The status is `refusal_status`.
    pub refuses_artifact_types: bool,
    /// Tags that cannot be pushed, with `*` for any part of them, as in `sha256-*`.
    pub refused_tags: Vec<String>,
    /// Whether pushed blobs are hashed and thrown away.
    pub discards_blobs: bool,
    /// Whether a push creates the repository; otherwise 404 `NAME_UNKNOWN`, as ECR does.
    pub creates_repositories: bool,
    /// Whether `/v2/` answers 200 to everyone while repositories want credentials.
    pub open_ping: bool,
    /// The most tags or repositories on one page.
    pub page_size: usize,
    /// `WWW-Authenticate` headers that come before the true one.
    pub extra_challenges: Vec<String>,
    /// How a Bearer challenge is written, with `{realm}`, `{service}` and `{scope}` in it; none for as the standard has it.
    pub bearer_challenge: Option<String>,
    /// What scopes have before the names of repositories, where they are others than those of paths.
    pub scope_prefix: String,
}

/// The answer to moving a tag where tags are immutable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImmutableTags {
    /// 400 `TAG_INVALID`, as Amazon ECR words it.
    Ecr,
    /// 412 PRECONDITION, as Harbor does.
    Harbor,
    /// 409 CONFLICT.
    Conflict,
}

/// What is done about `?mount=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    /// Mounted where `from` names a repository that has the blob.
    Allowed,
    /// Mounted wherever the blob is, with or without `from`, as zot does.
    FromAnywhere,
    /// An upload session each time.
    Refused,
    /// 201 each time, and nothing is mounted.
    Pretended,
}

/// Which kinds of uploads are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploads {
    /// All of the standard.
    All,
    /// One PUT with the whole blob; PATCH is 405.
    PutOnly,
    /// PATCH, then a PUT without a body; a PUT with a body is 400.
    PatchOnly,
    /// The first PATCH is taken as the whole blob and answered 201; later ones are dropped. ECR does this.
    FirstPatchIsAll,
}

/// The form of the Location of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadLocation {
    /// `/v2/...`
    Relative,
    /// With scheme and host.
    Absolute,
    /// Absolute, with a query of its own.
    WithQuery,
    /// On the server at this base URL: that of a [`second_host`](crate::FakeRegistry::second_host).
    At(String),
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            refused_media_types: Vec::new(),
            refusal_status: 400,
            immutable_tags: None,
            mounts: Mounts::Allowed,
            uploads: Uploads::All,
            upload_location: UploadLocation::Relative,
            body_limit: None,
            chunk_min: None,
            chunk_max: None,
            cancels_known_uploads_only: false,
            wants_length: true,
            post_whole_blobs: false,
            checks_references: true,
            states_digests: true,
            ranges: true,
            referrers: false,
            filters_referrers: true,
            refuses_subjects: false,
            refuses_artifact_types: false,
            refused_tags: Vec::new(),
            discards_blobs: false,
            creates_repositories: true,
            open_ping: false,
            page_size: 1000,
            extra_challenges: Vec::new(),
            bearer_challenge: None,
            scope_prefix: String::new(),
        }
    }
}
