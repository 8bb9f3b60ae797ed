//! Other places where the repositories of a registry are, which events may name.

use image_sync_shared::config::Config;
use image_sync_shared::image::reference::canonical_host;

use crate::images::Side;

/// The endpoints and mirrors of registries.
#[derive(Debug, Default)]
pub(super) struct Aliases(Vec<Alias>);

#[derive(Debug)]
struct Alias {
    /// Its host, with its port where that is not the usual one.
    host: String,
    /// Leading components of every repository there; empty for none.
    prefix: String,
    /// The registry whose repositories these are.
    registry: String,
    /// Whether it is only read.
    is_mirror: bool,
}

impl Aliases {
    pub(super) fn of(config: &Config) -> Self {
        let all = config.registries.iter().flat_map(|(registry, settings)| {
            let endpoint = settings.endpoint.iter().map(|text| (text, false));
            let mirrors = settings.mirrors.iter().map(|text| (text, true));
            let places = endpoint.chain(mirrors);
            places.map(|(text, is_mirror)| {
                let (host, prefix) = host_and_path(text);
                let registry = canonical_host(registry).to_ascii_lowercase();
                Alias {
                    host,
                    prefix,
                    registry,
                    is_mirror,
                }
            })
        });
        Self(all.collect())
    }

    /// Registries and names in them that stand for `name` at `host`, or at any of these places.
    pub(super) fn meant_by<'a>(
        &'a self,
        host: Option<&'a str>,
        name: &'a str,
        side: Side,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let at_host = self.0.iter().filter(move |alias| {
            let is_at = |host: &str| alias.host.eq_ignore_ascii_case(without_usual_port(host));
            // Nothing is written to a mirror.
            host.is_none_or(is_at) && (side == Side::Source || !alias.is_mirror)
        });
        at_host.filter_map(move |alias| {
            let below = name.strip_prefix(alias.prefix.as_str())?;
            let below = match alias.prefix.as_str() {
                "" => below,
                _ => below.strip_prefix('/')?,
            };
            Some((alias.registry.as_str(), below))
        })
    }
}

/// Of `[SCHEME://]HOST[:PORT][/PATH]`.
fn host_and_path(text: &str) -> (String, String) {
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let usual = if scheme == "http" { ":80" } else { ":443" };
    let host = host.strip_suffix(usual).unwrap_or(host);
    let path = path.trim_matches('/');
    (host.to_ascii_lowercase(), path.to_owned())
}

fn without_usual_port(host: &str) -> &str {
    host.strip_suffix(":443").unwrap_or(host)
}
