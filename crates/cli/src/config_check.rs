//! `config check`: what a config means, for a person to read.

use image_sync_shared::config::{Config, ImageSpec, PasswordSource, RegistrySettings, Settings};
use image_sync_shared::job::Trust;

use crate::units::{self, count};

/// What `config` means; `file` is where it stands.
pub(crate) fn describe(config: &Config, file: &str) -> String {
    let mut lines = vec![format!(
        "{file} is a valid config: {} to {}",
        count(config.images.len() as u64, "image"),
        config.cache_registry
    )];
    lines.push("\nSettings:".to_owned());
    lines.extend(settings(&config.settings));
    if !config.registries.is_empty() {
        lines.push("\nRegistries:".to_owned());
    }
    for (host, settings) in &config.registries {
        lines.push(format!("  {host}: {}", registry(settings)));
    }
    if !config.images.is_empty() {
        lines.push("\nImages:".to_owned());
    }
    lines.extend(config.images.iter().map(image));
    lines.push(String::new());
    lines.join("\n")
}

fn settings(settings: &Settings) -> [String; 6] {
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
            "  attempts at an image:           {}, waiting up to {} before the second, then up to {}",
            retry.attempts,
            units::setting(retry.initial),
            units::setting(retry.max)
        ),
        format!("  exit code with failed images:   {failed}"),
    ]
}

fn image(image: &ImageSpec) -> String {
    let mut parts = vec![format!(
        "  {} -> {}, {}",
        image.source.image(image.reference.clone()),
        image.target.image(image.target_reference.clone()),
        image.platforms
    )];
    for (side, repository, trust) in [
        ("source", &image.source, image.source_trust),
        ("target", &image.target, image.target_trust),
    ] {
        if trust == Trust::Insecure && repository.host().is_some() {
            parts.push(format!("{side} insecure"));
        }
    }
    parts.join(", ")
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
        ("client certificate in", &settings.cert_file),
        ("client key in", &settings.key_file),
    ];
    let files = files
        .iter()
        .filter_map(|(what, file)| Some((what, file.as_ref()?)));
    parts.extend(files.map(|(what, file)| format!("{what} {}", file.display())));
    if let Some(username) = &settings.username {
        parts.push(format!("user {username}"));
    }
    match &settings.password {
        Some(PasswordSource::Inline(_)) => parts.push("password from this config".to_owned()),
        Some(PasswordSource::File(file)) => parts.push(format!("password from {}", file.display())),
        Some(PasswordSource::Env(name)) => parts.push(format!("password from ${name}")),
        None => (),
    }
    if let Some(connections) = settings.max_connections {
        parts.push(format!("{connections} requests at the same time"));
    }
    if parts.is_empty() {
        parts.push("nothing of its own".to_owned());
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use image_sync_shared::config::ImageDefaults;
    use image_sync_shared::platform::Platforms;
    use image_sync_shared::reference::split;
    use image_sync_shared::retry::RetryPolicy;
    use image_sync_shared::secret::Secret;

    use super::*;

    fn config() -> Config {
        let (source, reference) = split("docker.io/library/nginx:1.27").unwrap();
        let (target, target_reference) = split("localhost:5000/library/nginx:1.27").unwrap();
        let image = ImageSpec {
            image: "nginx".to_owned(),
            tag: "1.27".to_owned(),
            source,
            reference: reference.unwrap(),
            target,
            target_reference: target_reference.unwrap(),
            platforms: Platforms::All,
            source_trust: Trust::Verified,
            target_trust: Trust::Insecure,
        };
        let settings = Settings {
            concurrency: 16,
            pull_timeout: Duration::from_secs(300),
            stall_timeout: Duration::from_secs(60),
            run_timeout: Duration::from_secs(6 * 3600),
            skip_on_error: false,
            retry: RetryPolicy::default(),
        };
        Config {
            cache_registry: "localhost:5000".parse().unwrap(),
            defaults: ImageDefaults {
                platforms: Platforms::All,
                source_trust: Trust::Verified,
                target_trust: Trust::Insecure,
            },
            images: vec![image],
            settings,
            registries: [("docker.io".to_owned(), registry_settings())].into(),
        }
    }

    fn registry_settings() -> RegistrySettings {
        RegistrySettings {
            username: Some("me".to_owned()),
            password: Some(PasswordSource::Inline(Secret::new("hunter2"))),
            mirrors: vec!["mirror:5000".to_owned()],
            max_connections: Some(8),
            ..RegistrySettings::default()
        }
    }

    #[test]
    fn says_what_the_config_means() {
        let expected = "\
config.yaml is a valid config: 1 image to localhost:5000

Settings:
  images at the same time:        16
  one attempt at an image:        5m at most
  a transfer that stands still:   cut after 1m
  the whole run:                  6h at most
  attempts at an image:           4, waiting up to 2s before the second, then up to 1m
  exit code with failed images:   1

Registries:
  docker.io: mirrors mirror:5000; user me; password from this config; 8 requests at the same time

Images:
  docker.io/library/nginx:1.27 -> localhost:5000/library/nginx:1.27, all, target insecure
";
        assert_eq!(describe(&config(), "config.yaml"), expected);
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!describe(&config(), "config.yaml").contains("hunter2"));
    }
}
