//! A plain list as a whole config: one reference a line, and the command line says where they go.

use crate::document::Node;

use super::translation::{Translation, Translator};
use crate::entry::has_an_image;

/// Whether a text is one, and nothing else: each line is a reference, a comment or blank. One word alone is not.
pub(crate) fn is_list(text: &str) -> bool {
    let mut has_image = false;
    for line in text.lines() {
        match has_an_image(line) {
            Ok(has) => has_image |= has,
            Err(_) => return false,
        }
    }
    has_image && text.trim().contains(['/', ':', '\n'])
}

/// The config that has the list `file` alone.
pub(super) fn translate(file: &str, mut translator: Translator<'_>) -> Translation {
    match &translator.options.target {
        Some(target) => translator.set("cache_registry", Node::of_text(target)),
        None => translator.without_target("--target"),
    }
    translator.set("lists", Node::of_items(vec![Node::of_text(file)]));
    translator.finish()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{converted, error, images, with};
    use crate::config_file::{DialectOptions, Format};

    fn target() -> DialectOptions {
        DialectOptions {
            target: Some("a.io/mirror".to_owned()),
            ..DialectOptions::default()
        }
    }

    #[test]
    fn a_file_of_references_is_a_list_whatever_it_is_called() {
        let text = "\u{feff}# all\r\nnginx\r\n\r\n--platform=linux/arm64 xiaoyaliu/alist\r\nquay.io/a/b:v3 # x\r\n";
        for name in ["images.txt", "images.yaml", "images"] {
            let parsed = with(text, name, &target()).unwrap();
            assert_eq!(
                images(&parsed),
                [
                    "nginx:latest -> a.io/mirror/nginx:latest linux/amd64",
                    "xiaoyaliu/alist:latest -> a.io/mirror/xiaoyaliu/alist:latest linux/arm64",
                    "quay.io/a/b:v3 -> a.io/mirror/quay.io/a/b:v3 linux/amd64",
                ]
            );
        }
    }

    #[test]
    fn a_list_needs_a_target_and_its_lines_are_checked() {
        let told = error("nginx:1\n", "l.txt", &DialectOptions::default());
        assert!(
            told.contains("where images go is said nowhere, expected --target HOST/PREFIX"),
            "{told}"
        );
        let options = DialectOptions {
            format: Some(Format::List),
            ..target()
        };
        let told = error("nginx\na: b\n", "l.txt", &options);
        assert!(told.starts_with("l.txt:2:1: "), "{told}");
        let told = error("nginx:1 a.io/nginx:1\n", "l.txt", &target());
        assert!(
            told.contains("or --format list for a list of one image a line"),
            "{told}"
        );
    }

    #[test]
    fn a_list_is_converted_to_a_config_that_names_it() {
        let (native, is_complete) = converted("nginx:1\n", "l.txt", &target(), &[]);
        let title = "# l.txt in the form of image-sync, from that of list";
        assert_eq!(
            native,
            format!(
                "{title}\ncache_registry: a.io/mirror\nlists:\n  - l.txt\nsettings:\n  cache_insecure: false\n"
            )
        );
        assert!(is_complete);
    }
}
