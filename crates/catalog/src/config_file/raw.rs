//! A config as its YAML has it, before anything is checked or filled in.
//!
//! Every key is optional here, so that what is missing is told with its place and in one way. Texts are read as texts
//! whatever they look like: `tag: 1.10` is the tag `1.10` and not the number 1.1.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use image_sync_shared::platform::Platforms;
use image_sync_shared::secret::Secret;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::problem::without_secrets;
use super::values::{Count, MAX_SECONDS, Size, Span};

#[derive(serde::Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with cache_registry and images"
)]
pub(super) struct RawConfig {
    pub(super) cache_registry: Option<String>,
    pub(super) images: Option<Vec<RawImage>>,
    pub(super) settings: Option<RawSettings>,
    pub(super) registries: Option<RawRegistries>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with source and tag")]
pub(super) struct RawImage {
    pub(super) source: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) cache_as: Option<String>,
    pub(super) platform: Option<Platforms>,
    pub(super) source_tls_verify: Option<bool>,
    pub(super) cache_insecure: Option<bool>,
    #[serde(rename = "<<")]
    merge: Option<Merge<RawImage>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of settings")]
pub(super) struct RawSettings {
    pub(super) concurrency: Option<Count<10_000>>,
    pub(super) pull_timeout_secs: Option<Count<MAX_SECONDS>>,
    pub(super) skip_on_error: Option<bool>,
    pub(super) default_platform: Option<Platforms>,
    pub(super) cache_insecure: Option<bool>,
    pub(super) source_tls_verify: Option<bool>,
    pub(super) preferred_tool: Option<String>,
    pub(super) stall_timeout: Option<Span>,
    pub(super) run_timeout: Option<Span>,
    pub(super) max_pause: Option<Span>,
    pub(super) retry: Option<RawRetry>,
}

#[derive(Default, serde::Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with attempts, initial_delay and max_delay"
)]
pub(super) struct RawRetry {
    pub(super) attempts: Option<Count<100>>,
    pub(super) initial_delay: Option<Span>,
    pub(super) max_delay: Option<Span>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of a registry's settings")]
pub(super) struct RawRegistry {
    pub(super) endpoint: Option<String>,
    pub(super) mirrors: Option<Vec<String>>,
    pub(super) plain_http: Option<bool>,
    pub(super) insecure: Option<bool>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) cert_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) password_env: Option<String>,
    pub(super) token_realm: Option<String>,
    pub(super) allow_private: Option<bool>,
    pub(super) max_connections: Option<Count<10_000>>,
    pub(super) chunk_size: Option<Size>,
    pub(super) proxy: Option<Secret>,
    #[serde(rename = "<<")]
    merge: Option<Merge<RawRegistry>>,
}

/// Registries by host, in the order of the file.
#[derive(Default)]
pub(super) struct RawRegistries(pub(super) Vec<(String, RawRegistry)>);

/// What a merge key (YAML 1.1 type repository, `merge`) adds: a mapping, or a list of them, the first one strongest.
struct Merge<T>(Vec<T>);

/// Gives a type its way to fill in what is missing from its merge key.
macro_rules! merging {
    ($type:ty: $($field:ident),*) => {
        impl $type {
            /// With what its merge key adds.
            pub(super) fn merged(mut self) -> Self {
                let bases = self.merge.take().map_or_else(Vec::new, |merge| merge.0);
                for base in bases.into_iter().map(Self::merged) {
                    $(self.$field = self.$field.or(base.$field);)*
                }
                self
            }
        }
    };
}

merging!(RawImage: source, tag, cache_as, platform, source_tls_verify, cache_insecure);
merging!(
    RawRegistry: endpoint, mirrors, plain_http, insecure, ca_file, cert_file, key_file, username, password,
    password_file, password_env, token_realm, allow_private, max_connections,
    chunk_size, proxy
);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Merge<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MergeVisitor(PhantomData))
    }
}

struct MergeVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MergeVisitor<T> {
    type Value = Merge<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping to merge, or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let base = T::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Merge(vec![base]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bases = Vec::new();
        while let Some(base) = seq.next_element()? {
            bases.push(base);
        }
        Ok(Merge(bases))
    }
}

impl<'de> Deserialize<'de> for RawRegistries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RegistriesVisitor)
    }
}

struct RegistriesVisitor;

impl<'de> Visitor<'de> for RegistriesVisitor {
    type Value = RawRegistries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of hosts to their settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = HashSet::new();
        let mut registries = Vec::new();
        while let Some(host) = map.next_key::<String>()? {
            without_secrets(&host).map_err(de::Error::custom)?;
            if !seen.insert(host.clone()) {
                return Err(de::Error::custom(format!("duplicate field `{host}`")));
            }
            registries.push((host, map.next_value()?));
        }
        Ok(RawRegistries(registries))
    }
}
