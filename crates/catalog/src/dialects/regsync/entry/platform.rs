//! Platforms as regsync writes them.

use image_sync_shared::image::platform::Platform;

use crate::dialects::translation::own_platform;
use crate::problem::Problem;

/// The platform of the machine that the tool runs on.
pub(super) const LOCAL: &str = "local";

/// A platform as this program has it. An architecture alone is Linux', as where the tool itself usually runs.
pub(super) fn platform(text: &str) -> Result<String, Problem> {
    let (name, version) = match text.split_once(',') {
        Some((name, options)) => {
            let option = options.split_once('=');
            let version = option.filter(|(key, _)| {
                matches!(
                    key.trim().to_ascii_lowercase().as_str(),
                    "osver" | "osversion"
                )
            });
            let version = version.map(|(_, version)| version.trim());
            let told = || {
                format!(
                    "found {text:?}, expected OS/ARCH as in linux/arm64, or OS/ARCH,osver=VERSION"
                )
            };
            (name, Some(version.ok_or_else(|| Problem::new(told()))?))
        }
        None => (text, None),
    };
    if text == LOCAL {
        return Ok(own_platform());
    }
    if name == LOCAL || name.starts_with("local/") {
        return Err(Problem::new(format!(
            "found {text:?}, which is another platform on each machine, expected OS/ARCH as in linux/arm64"
        )));
    }
    let name = if name.contains('/') {
        name.to_owned()
    } else {
        format!("linux/{name}")
    };
    let whole = match version {
        Some(version) => format!("{name}:{version}"),
        None => name,
    };
    let parsed: Result<Platform, _> = whole.parse();
    parsed
        .map(|platform| platform.to_string())
        .map_err(Problem::new)
}
