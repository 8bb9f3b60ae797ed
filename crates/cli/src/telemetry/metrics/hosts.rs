//! Hosts that metrics name.
//!
//! Redirects, token realms and jobs of others lead to hosts that an outsider chooses: each with a series of its own would fill
//! the memory of this process and of Prometheus.

use std::collections::BTreeSet;

use image_sync_shared::config::{Config, ImageSpec};
use image_sync_shared::image::reference::{DOCKER_HUB, DOCKER_HUB_API, Location};

/// Hosts that have a name of their own, at most.
const MAX_HOSTS: usize = 64;
/// The name of all others.
const OTHER_HOSTS: &str = "other";

/// The hosts that the config names, as requests have them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(BTreeSet<String>);

impl Hosts {
    /// Those that a config names: of its cache, of its registries, their endpoints and mirrors, and of its images. Those
    /// of images come last, and only the first ones count where there are too many.
    pub(crate) fn of(config: &Config, images: impl Iterator<Item = ImageSpec>) -> Self {
        let mut hosts = Self::default();
        hosts.add_all(config.targets().filter_map(Location::host));
        for (host, registry) in &config.registries {
            hosts.add(host);
            hosts.add_all(registry.endpoint.as_deref());
            hosts.add_all(registry.mirrors.iter().map(String::as_str));
        }
        for image in images {
            if hosts.0.len() >= MAX_HOSTS {
                break;
            }
            hosts.add_all(
                [image.source.host(), image.target.host()]
                    .into_iter()
                    .flatten(),
            );
        }
        hosts
    }

    /// Those of texts such as `HOST`, `HOST/PREFIX` and `https://HOST:PORT`.
    fn add_all<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        for text in texts {
            self.add(text);
        }
    }

    fn add(&mut self, text: &str) {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.to_ascii_lowercase();
        // A URL does not show the port that its scheme has anyway.
        let shown = host.strip_suffix(":443").or(host.strip_suffix(":80"));
        let api = (host == DOCKER_HUB).then_some(DOCKER_HUB_API);
        let names = [Some(&*host), shown, api].into_iter().flatten();
        let names: Vec<String> = names.map(str::to_owned).collect();
        if self.0.len() < MAX_HOSTS {
            self.0.extend(names);
        }
    }

    /// Whether a host has a label that no other has.
    pub(super) fn has_own_label(&self, host: &str) -> bool {
        self.0.contains(host)
    }

    /// The label's value for a host.
    pub(super) fn label(&self, host: &str) -> String {
        let named = self.0.get(host);
        named.map_or(OTHER_HOSTS, String::as_str).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use image_sync_catalog::config_file;

    use super::*;

    fn hosts(text: &str) -> Hosts {
        let parsed = config_file::parse(text, "c.yaml").unwrap();
        Hosts::of(&parsed.config, parsed.images.iter())
    }

    #[test]
    fn hosts_of_the_config_have_a_label_of_their_own() {
        let hosts = hosts(
            "
            cache_registry: Cache.test:5000/mirrored
            registries:
              listed.test: {endpoint: 'https://behind.test:8443'}
              docker.io: {mirrors: [one.test:443, 'http://two.test:8080']}
            images:
              - {source: quay.test/team/app, tag: '1'}
              - {source: nginx, tag: '1'}
            ",
        );
        for host in [
            "cache.test:5000",
            "listed.test",
            "behind.test:8443",
            "docker.io",
            "registry-1.docker.io",
            "one.test",
            "two.test:8080",
            "quay.test",
        ] {
            assert_eq!(hosts.label(host), host);
        }
    }

    #[test]
    fn hosts_of_redirects_and_token_realms_share_a_label() {
        let hosts = hosts("{cache_registry: 'cache.test:5000', images: []}");
        for host in [
            "cdn1.test",
            "cache.test",
            "cache.test:5001",
            "evil.cache.test:5000",
            "auth.docker.io",
            "",
        ] {
            assert_eq!(hosts.label(host), "other", "{host}");
        }
    }

    #[test]
    fn the_number_of_labels_of_hosts_is_bounded() {
        let images = (0..2 * MAX_HOSTS).map(|n| format!("{{source: h{n}.test/app, tag: '1'}}"));
        let images: Vec<String> = images.collect();
        let hosts = hosts(&format!(
            "{{cache_registry: 'cache.test', images: [{}]}}",
            images.join(", ")
        ));
        assert_eq!(hosts.label("cache.test"), "cache.test");
        assert_eq!(hosts.label("h0.test"), "h0.test");
        let last = format!("h{}.test", 2 * MAX_HOSTS - 1);
        assert_eq!(hosts.label(&last), "other");
        assert!(hosts.0.len() <= MAX_HOSTS + 2, "{}", hosts.0.len());
    }
}
