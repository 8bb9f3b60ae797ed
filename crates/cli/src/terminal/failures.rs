//! What failed or has no result, by reason: an outage at a registry is one reason and a thousand images.

use std::collections::HashMap;
use std::io::{self, Write};

use image_sync_shared::failure::INTERRUPTED;
use image_sync_shared::text::nearest::LIKE_IT;

use crate::terminal::report_source::ReportSource;
use crate::terminal::targets::Shown;
use crate::terminal::text::printable;

const INDENT: &str = "  ";
/// What stands for the names of an image in a reason that several have.
const NAME: &str = "…";
const DIGEST: &str = "sha256:";
const HEX_DIGITS: usize = 64;

/// Images that failed for one reason.
struct Reason {
    /// The error of the first of them, as it is.
    error: String,
    /// The first names.
    names: Vec<String>,
    images: usize,
}

/// An image, and why it failed or has no result.
struct Entry {
    image: String,
    tag: String,
    target: String,
    error: String,
}

/// Writes why images failed, the most frequent reason first, with the images under each, `most` of them at most.
pub(crate) fn write(
    report: &mut impl ReportSource,
    shown: Shown,
    most: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let results = report.results()?;
    let failed = results.filter_map(|result| match result {
        Ok(result) => result.error.map(|error| {
            Ok(Entry {
                image: result.image,
                tag: result.tag,
                target: result.target,
                error,
            })
        }),
        Err(error) => Some(Err(error)),
    });
    write_by_reason("Failed:", &by_reason(failed, shown, most)?, out)
}

/// The same of images without a result.
pub(crate) fn write_missing(
    report: &mut impl ReportSource,
    shown: Shown,
    most: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let missing = report.missing()?.map(|image| {
        let image = image?;
        Ok(Entry {
            image: image.image,
            tag: image.tag,
            target: image.target,
            error: image.error.unwrap_or_else(|| "never begun".to_owned()),
        })
    });
    write_by_reason("Without a result:", &by_reason(missing, shown, most)?, out)
}

/// All reasons, the most frequent first.
fn by_reason(
    entries: impl Iterator<Item = io::Result<Entry>>,
    shown: Shown,
    most: usize,
) -> io::Result<Vec<(String, Reason)>> {
    let mut reasons: Vec<(String, Reason)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        let entry = entry?;
        let text = reason(&entry);
        let place = *places.entry(text.clone()).or_insert_with(|| {
            let (error, names) = (entry.error.clone(), Vec::new());
            let images = 0;
            reasons.push((
                text,
                Reason {
                    error,
                    names,
                    images,
                },
            ));
            reasons.len() - 1
        });
        let (_, reason) = &mut reasons[place];
        reason.images += 1;
        if reason.names.len() < most {
            let name = shown.name(&entry.image, &entry.tag, &entry.target);
            reason.names.push(name);
        }
    }
    // A stable order: of equally frequent ones the first to come stays first.
    reasons.sort_by_key(|(_, reason)| usize::MAX - reason.images);
    Ok(reasons)
}

fn write_by_reason(
    heading: &str,
    reasons: &[(String, Reason)],
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{heading}")?;
    for (text, reason) in reasons {
        // What only one has keeps its names: they may be those of another manifest or host.
        let text = if reason.images == 1 {
            &reason.error
        } else {
            text
        };
        writeln!(out, "{INDENT}{}", printable(text))?;
        for name in &reason.names {
            writeln!(out, "{INDENT}{INDENT}{}", printable(name))?;
        }
        let others = reason.images - reason.names.len();
        if others > 0 {
            writeln!(out, "{INDENT}{INDENT}and {others} more (--all)")?;
        }
    }
    Ok(())
}

/// An error without what is of this image alone.
fn reason(entry: &Entry) -> String {
    let Entry {
        image,
        tag,
        target,
        error,
    } = entry;
    if error.starts_with(INTERRUPTED) {
        return "interrupted".to_owned();
    }
    let tagged = format!("{image}:{tag}");
    let target_repository = target.strip_suffix(&format!(":{tag}"));
    let mut names = vec![tagged.as_str(), target];
    names.extend(target_repository);
    names.push(image);
    // Which tags are like a missing one differs from image to image.
    let (error, _) = error.split_once(LIKE_IT).unwrap_or((error, ""));
    let mut text = error.to_owned();
    for name in names {
        text = without(&text, name);
    }
    without_digests(&text)
}

/// The text without a name, but not where it is a part of another one.
fn without(text: &str, name: &str) -> String {
    let is_inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "-_./".contains(c));
    let (mut found, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(name).filter(|_| !name.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        found.push_str(before);
        let is_part = is_inside(found.chars().next_back()) || is_inside(after.chars().next());
        found.push_str(if is_part { name } else { NAME });
        rest = after;
    }
    found + rest
}

fn without_digests(text: &str) -> String {
    let mut parts = text.split(DIGEST);
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        found.push_str(DIGEST);
        if digits == HEX_DIGITS {
            found.push_str(NAME);
            found.push_str(&part[digits..]);
        } else {
            found.push_str(part);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::outcome::{Action, ImageResult};
    use image_sync_shared::run::report::{MissingImage, Report};

    use super::*;
    use crate::samples;

    fn failed(image: &str, error: &str) -> ImageResult {
        let mut result = samples::result(image, Action::Failed);
        result.error = Some(error.to_owned());
        result
    }

    fn written(results: Vec<ImageResult>, most: usize) -> String {
        let mut report = Report {
            head: samples::head(),
            results,
            missing: Vec::new(),
        };
        let mut out = Vec::new();
        write(&mut report, Shown::Nothing, most, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn images_that_failed_for_one_reason_stand_under_it() {
        let gone = |image: &str| failed(image, &format!("source: check {image}:1.27: not found"));
        let results = vec![
            failed("a", "target: image localhost:5000/a:1.27: denied"),
            gone("quay.io/x"),
            samples::result("redis", Action::AlreadyCached),
            gone("quay.io/y"),
        ];
        let expected = "\
Failed:
  source: check …: not found
    quay.io/x:1.27
    quay.io/y:1.27
  target: image localhost:5000/a:1.27: denied
    a:1.27
";
        assert_eq!(written(results, 20), expected);
    }

    #[test]
    fn a_digest_makes_no_reason_of_its_own() {
        let of = |image: &str, digit: &str| {
            let digest = digit.repeat(HEX_DIGITS);
            failed(
                image,
                &format!("source: blob sha256:{digest} of {image}: 503"),
            )
        };
        let text = written(vec![of("a.io/a", "0"), of("b.io/b", "f")], 20);
        assert!(
            text.contains("  source: blob sha256:… of …: 503\n"),
            "{text}"
        );
        assert_eq!(without_digests("sha256:12 is short"), "sha256:12 is short");
    }

    #[test]
    fn a_name_within_another_word_stays() {
        assert_eq!(without("load a: /a a-b at a", "a"), "load …: /a a-b at …");
        assert_eq!(without("load", ""), "load");
    }

    #[test]
    fn the_repository_at_the_target_makes_no_reason_of_its_own() {
        let of = |image: &str| {
            let error = format!("target: upload to localhost:5000/{image}: denied");
            failed(image, &error)
        };
        let text = written(vec![of("a"), of("b")], 20);
        assert!(text.contains("  target: upload to …: denied\n"), "{text}");
    }

    #[test]
    fn tags_that_are_like_missing_ones_make_no_reasons_of_their_own() {
        let gone = |image: &str, near: &str| {
            failed(
                image,
                &format!("source: check {image}:1.27: no such tag; like it are {near}"),
            )
        };
        let text = written(vec![gone("q.io/a", "1.28"), gone("q.io/b", "1.26")], 20);
        assert!(text.contains("  source: check …: no such tag\n"), "{text}");
        let one = written(vec![gone("q.io/a", "1.28")], 20);
        assert!(one.contains("no such tag; like it are 1.28\n"), "{one}");
    }

    #[test]
    fn of_many_images_the_first_are_named_and_the_others_counted() {
        let results = (0..30).map(|number| failed(&format!("q.io/{number}"), "503"));
        let text = written(results.collect(), 3);
        let expected = "\
Failed:
  503
    q.io/0:1.27
    q.io/1:1.27
    q.io/2:1.27
    and 27 more (--all)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn images_without_a_result_stand_under_why_they_have_none() {
        let missing = |image: &str, error: Option<&str>| MissingImage {
            image: image.to_owned(),
            tag: "1".to_owned(),
            target: format!("localhost:5000/{image}:1"),
            attempts: 0,
            bytes_copied: 0,
            error: error.map(str::to_owned),
        };
        let of = |blob: &str| format!("{INTERRUPTED}copying blob sha256:{blob} of 7 bytes");
        let mut report = Report {
            head: samples::head(),
            results: Vec::new(),
            missing: vec![
                missing("a", Some(&of("ab"))),
                missing("b", None),
                missing("c", Some(&of("cd"))),
            ],
        };
        let mut out = Vec::new();
        write_missing(&mut report, Shown::Nothing, 20, &mut out).unwrap();
        let expected = "\
Without a result:
  interrupted
    a:1
    c:1
  never begun
    b:1
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn an_error_cannot_play_with_the_terminal() {
        let text = written(vec![failed("a", "\u{1b}[2J\nall well")], 20);
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
