//! `config check`: what a config means, for a person to read.

use std::collections::BTreeSet;
use std::io::{self, Write};

use image_sync_catalog::config_file::Images;
use image_sync_shared::config::{
    ImageSpec, PasswordSource, ProxySetting, RegistrySettings, Settings,
};
use image_sync_shared::run::job::Trust;

use crate::run::setup::Loaded;
use crate::terminal::units::{self, count};

/// Writes what a config means.
pub(crate) fn describe(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let Loaded {
        file,
        config,
        images,
    } = loaded;
    writeln!(
        out,
        "{} is a valid config: {}{} to {}",
        file.display(),
        count(
            (images.len() + images.without_digests().count()) as u64,
            "image"
        ),
        by_rules(images.by_rules().count()),
        config.cache_registry
    )?;
    for line in Run::of(images).lines(images.entries()) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "\nSettings:")?;
    for line in settings(&config.settings) {
        writeln!(out, "{line}")?;
    }
    if !config.registries.is_empty() {
        writeln!(out, "\nRegistries:")?;
    }
    for (host, settings) in &config.registries {
        writeln!(out, "  {host}: {}", registry(settings))?;
        for (path, own) in &settings.paths {
            let username = own.username.as_deref();
            let parts = login(username, own.password.as_ref(), own.token.as_ref());
            writeln!(out, "  {host}/{path}: {}", parts.join("; "))?;
        }
    }
    if !images.is_empty() {
        writeln!(out, "\nImages:")?;
    }
    images
        .iter()
        .chain(images.without_digests())
        .try_for_each(|spec| writeln!(out, "{}", image(&spec)))?;
    images
        .by_rules()
        .try_for_each(|spec| writeln!(out, "{}", images_of(&spec)))
}

/// What a run asks for at least, as where nothing has changed since the one before.
struct Run {
    images: usize,
    listings: BTreeSet<String>,
    /// Each is one listing of its registry's catalog; the repositories there are not known before it.
    namespaces: BTreeSet<String>,
    /// Those whose repositories are listed then.
    listed_namespaces: BTreeSet<String>,
    targets: BTreeSet<String>,
    /// HEAD requests for the images that are named.
    heads: u64,
    /// Images whose digests are in their tags at the targets. They are asked for once each, and pinned then.
    digests: BTreeSet<String>,
    /// Whether images that are chosen are asked for theirs too.
    chosen_have_digests: bool,
}

impl Run {
    fn of(images: &Images) -> Self {
        let mut run = Self {
            images: 0,
            listings: BTreeSet::new(),
            namespaces: BTreeSet::new(),
            listed_namespaces: BTreeSet::new(),
            targets: BTreeSet::new(),
            heads: 0,
            digests: BTreeSet::new(),
            chosen_have_digests: images.has_chosen_with_digests(),
        };
        for image in images.iter() {
            run.images += 1;
            run.add_heads(&image);
        }
        for image in images.without_digests() {
            run.add_heads(&image);
            if image.source.host().is_some() {
                let source = image.source.image(image.reference);
                run.digests.insert(source.to_string());
            }
        }
        for sample in images.by_rules() {
            if !sample.image.ends_with("/*") {
                run.listings.insert(sample.source.to_string());
            }
            run.add_target(&sample);
        }
        for (namespace, is_listed) in images.namespaces() {
            if is_listed {
                run.listed_namespaces.insert(namespace.clone());
            }
            run.namespaces.insert(namespace);
        }
        run
    }

    /// The requests for one image, one at each side that is a registry.
    fn add_heads(&mut self, image: &ImageSpec) {
        let sides = [&image.source, &image.target];
        let asked = sides.iter().filter(|side| side.host().is_some()).count();
        self.heads += asked as u64;
        self.add_target(image);
    }

    fn add_target(&mut self, image: &ImageSpec) {
        let host = image.target.host();
        let name = host.map_or_else(|| "folders".to_owned(), str::to_owned);
        self.targets.insert(name);
    }

    fn lines(&self, entries: usize) -> Vec<String> {
        let targets: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        let mut lines = vec![
            String::new(),
            "A run of it, if nothing has changed:".to_owned(),
            format!("  entries:                        {entries}"),
            format!("  images known without contact:   {}", self.images),
            format!("  requests at least:              {}", self.requests()),
            format!("  targets:                        {}", targets.join(", ")),
            format!("  repositories that are listed:   {}", self.listings.len()),
        ];
        if !self.namespaces.is_empty() {
            let names: Vec<&str> = self.namespaces.iter().map(String::as_str).collect();
            lines.push(format!(
                "  catalogs that are listed:       {} for {}, whose repositories are not known before",
                self.namespaces.len(),
                names.join(", ")
            ));
        }
        lines
    }

    fn requests(&self) -> String {
        let mut requests = format!("{} HEAD", self.heads);
        if !self.digests.is_empty() {
            let digests = count(self.digests.len() as u64, "digest");
            requests = format!(
                "{requests}, {} HEAD for {digests} in tags",
                self.digests.len()
            );
        }
        for (asked, what) in [
            (&self.listings, "listing"),
            (&self.namespaces, "catalog listing"),
        ] {
            if !asked.is_empty() {
                requests = format!("{requests}, {}", count(asked.len() as u64, what));
            }
        }
        if self.listings.len() + self.namespaces.len() > 0 {
            requests.push_str(", and HEAD for each image that is chosen");
        }
        if self.chosen_have_digests {
            requests.push_str(", one more for its digest in its tag");
        }
        if !self.listed_namespaces.is_empty() {
            let namespaces = count(self.listed_namespaces.len() as u64, "namespace");
            requests = format!("{requests}; 1 listing more for each repository of {namespaces}");
        }
        requests
    }
}

fn by_rules(entries: usize) -> String {
    match entries {
        0 => String::new(),
        1 => " and those that the rules of 1 entry choose".to_owned(),
        _ => format!(" and those that the rules of {entries} entries choose"),
    }
}

/// Of images that are not known before their repository is listed, the repositories.
fn images_of(sample: &ImageSpec) -> String {
    let (mut source, mut target) = (sample.source.to_string(), sample.target.to_string());
    // Of a namespace it is an image of all of its repositories.
    if sample.image.ends_with("/*") {
        source.clone_from(&sample.image);
        target.truncate(target.rfind('/').map_or(0, |slash| slash + 1));
        target.push('*');
    }
    with_more(
        format!("  tags of {source} -> {target}, {}", sample.platforms),
        sample,
    )
}

fn settings(settings: &Settings) -> [String; 7] {
    let retry = settings.retry;
    let failed = if settings.skip_on_error { "0" } else { "1" };
    [
        format!("  images at the same time:        {}", settings.concurrency),
        format!(
            "  one attempt at an image:        {} at most",
            units::setting(settings.pull_timeout)
        ),
        format!(
            "  a transfer that stands still:   cut after {}",
            units::setting(settings.stall_timeout)
        ),
        format!(
            "  the whole run:                  {} at most",
            units::setting(settings.run_timeout)
        ),
        format!(
            "  a registry that answers 429:    left alone for {} at most",
            units::setting(settings.max_pause)
        ),
        format!(
            "  attempts at an image:           {}, waiting up to {} before the second, then up to {}",
            retry.attempts,
            units::setting(retry.initial),
            units::setting(retry.max)
        ),
        format!("  exit code with failed images:   {failed}"),
    ]
}

fn image(image: &ImageSpec) -> String {
    let way = format!(
        "  {} -> {}, {}",
        image.source.image(image.reference.clone()),
        image.target.image(image.target_reference.clone()),
        image.platforms
    );
    with_more(way, image)
}

/// With what comes along, and how both sides are reached.
fn with_more(way: String, image: &ImageSpec) -> String {
    let mut parts = vec![way];
    if image.policy.referrers.is_some() {
        parts.push("with artifacts".to_owned());
    }
    for (side, repository, trust) in [
        ("source", &image.source, image.source_trust),
        ("target", &image.target, image.target_trust),
    ] {
        if trust != Trust::Verified && repository.host().is_some() {
            parts.push(format!("{side} insecure"));
        }
    }
    parts.join(", ")
}

/// Who we are; secrets are told by where they come from.
fn login(
    username: Option<&str>,
    password: Option<&PasswordSource>,
    token: Option<&PasswordSource>,
) -> Vec<String> {
    let from = |source: &PasswordSource| match source {
        PasswordSource::Inline(_) => "this config".to_owned(),
        PasswordSource::File(file) => file.display().to_string(),
        PasswordSource::Env(name) => format!("${name}"),
    };
    let username = username.map(|username| format!("user {username}"));
    let password = password.map(|source| format!("password from {}", from(source)));
    let token = token.map(|source| format!("token from {}", from(source)));
    [username, password, token].into_iter().flatten().collect()
}

/// What is set for a registry; passwords are told by where they come from.
fn registry(settings: &RegistrySettings) -> String {
    let mut parts = Vec::new();
    if let Some(endpoint) = &settings.endpoint {
        parts.push(format!("requests go to {endpoint}"));
    }
    if !settings.mirrors.is_empty() {
        parts.push(format!("mirrors {}", settings.mirrors.join(", ")));
    }
    if settings.plain_http {
        parts.push("plain HTTP".to_owned());
    }
    if settings.insecure {
        parts.push("TLS unverified".to_owned());
    }
    let files = [
        ("trusts the certificates in", &settings.ca_file),
        ("certificates in the folder", &settings.cert_dir),
        ("client certificate in", &settings.cert_file),
        ("client key in", &settings.key_file),
    ];
    let files = files
        .iter()
        .filter_map(|(what, file)| Some((what, file.as_ref()?)));
    parts.extend(files.map(|(what, file)| format!("{what} {}", file.display())));
    let (username, password) = (settings.username.as_deref(), settings.password.as_ref());
    parts.extend(login(username, password, settings.token.as_ref()));
    if let Some(realm) = &settings.token_realm {
        parts.push(format!("password also to {realm}"));
    }
    if settings.allow_private {
        parts.push("may lead to private addresses".to_owned());
    }
    match &settings.proxy {
        Some(ProxySetting::Nothing) => parts.push("no proxy".to_owned()),
        // Its URL may hold a password.
        Some(ProxySetting::Server(_)) => parts.push("through a proxy of its own".to_owned()),
        None => (),
    }
    if let Some(connections) = settings.max_connections {
        parts.push(format!("{connections} requests at the same time"));
    }
    if let Some(bytes) = settings.chunk_size {
        parts.push(format!("uploads in chunks of {}", units::bytes(bytes)));
    }
    if parts.is_empty() {
        parts.push("nothing of its own".to_owned());
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use image_sync_catalog::config_file;

    use super::*;

    /// What is said of a config.
    fn described(text: &str) -> String {
        let parsed = config_file::parse(text, "any").unwrap();
        let loaded = Loaded {
            file: "config.yaml".into(),
            config: parsed.config,
            images: parsed.images,
        };
        let mut out = Vec::new();
        describe(&loaded, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const CONFIG: &str = "
cache_registry: localhost:5000
images: [{source: docker.io/library/nginx, tag: '1.27', platform: all}]
registries:
  docker.io: {username: me, password: hunter2, mirrors: ['mirror:5000'], max_connections: 8, chunk_size: 50MiB,
    proxy: 'http://me:hunter2@proxy.example'}
";

    #[test]
    fn says_what_the_config_means() {
        let expected = "\
config.yaml is a valid config: 1 image to localhost:5000

A run of it, if nothing has changed:
  entries:                        1
  images known without contact:   1
  requests at least:              2 HEAD
  targets:                        localhost:5000
  repositories that are listed:   0

Settings:
  images at the same time:        16
  one attempt at an image:        5m at most
  a transfer that stands still:   cut after 1m
  the whole run:                  6h at most
  a registry that answers 429:    left alone for 15m at most
  attempts at an image:           4, waiting up to 2s before the second, then up to 1m
  exit code with failed images:   1

Registries:
  docker.io: mirrors mirror:5000; user me; password from this config; through a proxy of its own; 8 requests at the same time; uploads in chunks of 50.0 MiB

Images:
  docker.io/library/nginx:1.27 -> localhost:5000/library/nginx:1.27, all, target insecure
";
        assert_eq!(described(CONFIG), expected);
    }

    #[test]
    fn requests_of_a_run_are_those_for_images_that_are_known_and_listings() {
        let text = "{cache_registry: localhost:5000, targets: {eu: {registry: 'eu.example/mirror'}}, images: [
            {source: nginx, tags: ['1', '2'], targets: [cache, eu]}, {source: 'oci:a', tag: '1'},
            {source: quay.io/a/b, tags: {semver: 1.x}}, {source: quay.io/a/b, tags: {semver: 2.x}, cache_as: c}]}";
        let said = described(text);
        for line in [
            "entries:                        4",
            "images known without contact:   5",
            "requests at least:              9 HEAD, 1 listing, and HEAD for each image that is chosen",
            "targets:                        eu.example, localhost:5000",
            "repositories that are listed:   1",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }

    #[test]
    fn says_of_which_repositories_rules_choose() {
        let text = "{cache_registry: localhost:5000, images: [{source: quay.io/a/b, tags: {semver: 1.x}, platform: all}]}";
        let said = described(text);
        let first = "config.yaml is a valid config: 0 images and those that the rules of 1 entry choose to localhost:5000\n";
        assert!(said.starts_with(first), "{said}");
        let last = "\n  tags of quay.io/a/b -> localhost:5000/quay.io/a/b, all, target insecure\n";
        assert!(said.ends_with(last), "{said}");
    }

    #[test]
    fn says_which_images_come_with_artifacts() {
        let text = "{cache_registry: localhost:5000, images: [{source: quay.io/a/b, tags: ['1'], referrers: true}, {source: quay.io/a/c, tag: '1'}]}";
        let said = described(text);
        let last = "
  quay.io/a/b:1 -> localhost:5000/quay.io/a/b:1, linux/amd64, with artifacts, target insecure
  quay.io/a/c:1 -> localhost:5000/quay.io/a/c:1, linux/amd64, target insecure
";
        assert!(said.ends_with(last), "{said}");
    }

    #[test]
    fn says_of_which_namespaces_there_are() {
        let text = "{cache_registry: localhost:5000, repositories: [{source: quay.io/a, tags: all, platform: all}, {source: quay.io, tags: all}]}";
        let said = described(text);
        let last = "
  tags of quay.io/a/* -> localhost:5000/quay.io/a/*, all, target insecure
  tags of quay.io/* -> localhost:5000/quay.io/*, linux/amd64, target insecure
";
        assert!(said.ends_with(last), "{said}");
    }

    #[test]
    fn catalogs_of_namespaces_are_counted_and_named_once_each() {
        let text = "{cache_registry: localhost:5000, targets: {eu: {registry: 'eu.example/mirror'}},
            images: [{source: quay.io/c/d, tags: all}], repositories: [
            {source: quay.io/a, tags: all, targets: [cache, eu]}, {source: quay.io/a, include: 'a/b', tags: {semver: 1.x}},
            {source: harbor.example, tags: ['1', '2']}]}";
        let said = described(text);
        for line in [
            "requests at least:              0 HEAD, 1 listing, 2 catalog listings, and HEAD for each image that is chosen; \
             1 listing more for each repository of 1 namespace\n",
            "repositories that are listed:   1\n",
            "catalogs that are listed:       2 for harbor.example/*, quay.io/a/*, whose repositories are not known before\n",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }

    #[test]
    fn digests_in_tags_are_counted_as_requests_once_for_all_targets() {
        let text = "{cache_registry: localhost:5000, targets: {eu: {registry: 'eu.example/mirror'}}, defaults: {platform: all},
            images: [{source: quay.io/a/b, tag: v1, tag_as: '{tag}-{digest8}', targets: [cache, eu]},
            {source: quay.io/a/b, tag: v1, tag_as: '{digest8}'}, {source: 'oci:a', tag: v1, tag_as: '{digest8}'},
            {source: quay.io/a/c, tags: all, tag_as: '{digest8}'}]}";
        let said = described(text);
        for line in [
            "config.yaml is a valid config: 4 images and those that the rules of 1 entry choose to localhost:5000\n",
            "images known without contact:   0\n",
            "requests at least:              7 HEAD, 1 HEAD for 1 digest in tags, 1 listing, and HEAD for each image that is \
             chosen, one more for its digest in its tag\n",
            "  quay.io/a/b:v1 -> eu.example/mirror/quay.io/a/b:v1-*, all, target insecure\n",
            "  tags of quay.io/a/c -> localhost:5000/quay.io/a/c, all, target insecure\n",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!described(CONFIG).contains("hunter2"));
    }
}
