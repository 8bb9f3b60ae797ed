//! `--os` and `--arch`, which filter the children of an index together.

use image_sync_shared::image::platform::Platform;
use image_sync_shared::text::excerpt;

use crate::problem::Problem;

/// The platforms that both choose: patterns, as what is left of an index stays one. `all`, if nothing is said.
pub(super) fn platforms(os: &[String], arch: &[String]) -> Result<Vec<String>, Problem> {
    let os = stated(os, "--os", "linux or windows:10.0.17763")?;
    let arch = stated(arch, "--arch", "amd64 or arm:v7")?;
    if os.is_empty() && arch.is_empty() {
        return Ok(vec!["all".to_owned()]);
    }
    let or_any = |stated: Vec<Stated>| {
        if stated.is_empty() {
            vec![Stated::any()]
        } else {
            stated
        }
    };
    let mut platforms = Vec::new();
    let arch = or_any(arch);
    for os in or_any(os) {
        for arch in &arch {
            let platform = platform(&os, arch);
            let parsed: Result<Platform, _> = platform.parse();
            parsed.map_err(|wrong| Problem::new(wrong).key("--os, --arch"))?;
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
    }
    Ok(platforms)
}

/// `NAME` or `NAME:EXACTLY`.
struct Stated {
    name: String,
    exactly: Option<String>,
}

impl Stated {
    fn any() -> Self {
        Self {
            name: "*".to_owned(),
            exactly: None,
        }
    }
}

fn stated(texts: &[String], option: &str, expected: &str) -> Result<Vec<Stated>, Problem> {
    let texts = texts.iter().filter(|text| !text.is_empty());
    let stated = texts.map(|text| {
        if text.contains([',', ' ', '/', '*']) {
            let found = excerpt(text);
            let told = format!("found {found:?}, expected {expected}, and {option} once for each");
            return Err(Problem::new(told).key(option));
        }
        let (name, exactly) = match text.split_once(':') {
            Some((name, exactly)) => (name, Some(exactly.to_owned())),
            None => (text.as_str(), None),
        };
        let name = name.to_owned();
        Ok(Stated { name, exactly })
    });
    stated.collect()
}

fn platform(os: &Stated, arch: &Stated) -> String {
    let version = os.exactly.as_deref();
    match (&arch.exactly, version, arch.name.as_str()) {
        // The version of the system makes a pattern of what would be one platform.
        (Some(variant), version, name) => {
            format!("{}/{name}/{variant}:{}", os.name, version.unwrap_or("*"))
        }
        (None, None, "*") => format!("{}/*", os.name),
        (None, Some(version), "*") => format!("{}/*:{version}", os.name),
        (None, None, name) => format!("{}/{name}/*", os.name),
        (None, Some(version), name) => format!("{}/{name}/*:{version}", os.name),
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::image::platform::Platforms;

    use super::*;

    fn of(os: &[&str], arch: &[&str]) -> Result<Vec<String>, String> {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        platforms(&texts(os), &texts(arch)).map_err(|problem| problem.to_string())
    }

    #[test]
    fn systems_and_architectures_choose_together_and_a_bare_one_any_variant() {
        for (os, arch, expected) in [
            (&[][..], &[][..], &["all"][..]),
            (&["linux"], &[], &["linux/*"]),
            (&[], &["amd64"], &["*/amd64/*"]),
            (
                &["", "linux"],
                &["arm64", "amd64"],
                &["linux/arm64/*", "linux/amd64/*"],
            ),
            (&["linux"], &["arm:v7"], &["linux/arm/v7:*"]),
            (
                &["linux", "windows:10.0.17763"],
                &["amd64"],
                &["linux/amd64/*", "windows/amd64/*:10.0.17763"],
            ),
            (&["windows:10.0.17763"], &[], &["windows/*:10.0.17763"]),
        ] {
            let made = of(os, arch).unwrap();
            assert_eq!(made, expected);
            let read: Platforms = made.join(",").parse().unwrap();
            let is_one = matches!(read, Platforms::One(_));
            assert!(!is_one, "an index of one stays an index: {read}");
        }
    }

    #[test]
    fn what_is_no_platform_is_told_by_its_flag() {
        for (os, arch, expected) in [
            (
                &[][..],
                &["amd64,arm64"][..],
                "--arch: found \"amd64,arm64\", expected amd64 or arm:v7, and --arch once for each",
            ),
            (
                &["linux/amd64"],
                &[],
                "--os: found \"linux/amd64\", expected linux or windows:10.0.17763, and --os once for each",
            ),
        ] {
            assert_eq!(of(os, arch).unwrap_err(), expected);
        }
        let told = of(&["linus"], &[]).unwrap_err();
        assert!(
            told.contains("unknown operating system \"linus\", did you mean linux?"),
            "{told}"
        );
        let told = of(&[], &["amd46"]).unwrap_err();
        assert!(
            told.contains("unknown architecture \"amd46\", did you mean amd64?"),
            "{told}"
        );
        let told = of(&["linux:5"], &[]).unwrap_err();
        assert!(told.contains("only Windows has versions"), "{told}");
    }
}
