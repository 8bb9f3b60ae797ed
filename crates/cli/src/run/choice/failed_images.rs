//! What a report of a run says of images that failed or have no result.
//!
//! A report has as many results as its catalog has images, so that the others are dropped while it is read.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use image_sync_catalog::config_file::{STDIN, STDIN_NAME};
use image_sync_catalog::selection::Listed;
use image_sync_shared::run::outcome::{ImageResult, ResultKind};
use image_sync_shared::run::report::{LeftOut, MissingImage};
use image_sync_shared::run::{ImageName, RunId};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, SeqAccess, Visitor};
use thiserror::Error;

/// A file says nothing of images that failed.
#[derive(Debug, Error)]
pub(crate) enum ReportError {
    /// It cannot be read.
    #[error("--only-failed: cannot read {}: {reason}", file.display())]
    Unreadable { file: PathBuf, reason: io::Error },
    /// It is something else.
    #[error("--only-failed: {} is no report of a run: {reason}; expected what --report or --output json wrote", file.display())]
    NoReport {
        file: PathBuf,
        reason: serde_json::Error,
    },
    /// It does not name them all.
    #[error(
        "--only-failed: {} lacks {} images that failed or have no result, as the report was too large to be stored; \
         expected a whole one, so run all images", file.display(), left_out.failed + left_out.missing
    )]
    NotWhole { file: PathBuf, left_out: LeftOut },
}

/// The parts of a report that matter here.
#[derive(serde::Deserialize)]
struct Report {
    #[serde(rename = "run_id")]
    _run_id: RunId,
    left_out: Option<LeftOut>,
    results: Names<ImageResult>,
    #[serde(default)]
    missing: Names<MissingImage>,
}

/// Reads the report in `file`, `-` for the standard input.
pub(super) fn read(file: &Path) -> Result<Listed, ReportError> {
    if file == Path::new(STDIN) {
        return parse(Path::new(STDIN_NAME), io::stdin().lock());
    }
    let opened = File::open(file).map_err(|reason| ReportError::Unreadable {
        file: file.to_owned(),
        reason,
    })?;
    parse(file, opened)
}

fn parse(file: &Path, text: impl Read) -> Result<Listed, ReportError> {
    let report: Report = serde_json::from_reader(BufReader::new(text)).map_err(|reason| {
        let file = file.to_owned();
        if reason.is_io() {
            let reason = reason.into();
            return ReportError::Unreadable { file, reason };
        }
        ReportError::NoReport { file, reason }
    })?;
    match report.left_out {
        Some(left_out) if left_out.failed + left_out.missing > 0 => Err(ReportError::NotWhole {
            file: file.to_owned(),
            left_out,
        }),
        _ => {
            let names = report.results.names.into_iter().chain(report.missing.names);
            Ok(Listed::new(file.display().to_string(), names))
        }
    }
}

/// An entry of a report.
trait Entry: DeserializeOwned {
    /// The name of its image, if that is to be worked again.
    fn wanted(self) -> Option<ImageName>;
}

impl Entry for ImageResult {
    fn wanted(self) -> Option<ImageName> {
        (self.kind() == ResultKind::Failed).then_some(ImageName {
            image: self.image,
            tag: self.tag,
            target: self.target,
        })
    }
}

impl Entry for MissingImage {
    fn wanted(self) -> Option<ImageName> {
        Some(ImageName {
            image: self.image,
            tag: self.tag,
            target: self.target,
        })
    }
}

/// The names of the images of a list's entries that are to be worked again.
struct Names<E> {
    names: Vec<ImageName>,
    entries: PhantomData<E>,
}

impl<E> Default for Names<E> {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            entries: PhantomData,
        }
    }
}

impl<'de, E: Entry> Deserialize<'de> for Names<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self::default())
    }
}

impl<'de, E: Entry> Visitor<'de> for Names<E> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of images")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<Self, A::Error> {
        while let Some(entry) = entries.next_element::<E>()? {
            self.names.extend(entry.wanted());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn told(text: &str) -> Result<Listed, String> {
        let listed = parse(Path::new("report.json"), text.as_bytes());
        listed.map_err(|error| error.to_string())
    }

    #[test]
    fn images_that_failed_or_have_no_result_are_those_of_the_report() {
        let mut report = samples::report();
        report.missing.push(MissingImage {
            image: "quay.io/y".to_owned(),
            tag: "2".to_owned(),
            target: "localhost:5000/y:2".to_owned(),
            attempts: 1,
            error: None,
            bytes_copied: 0,
        });
        let text = serde_json::to_string(&report).unwrap();
        let listed = format!("{:?}", told(&text).unwrap());
        for (image, is_there) in [("quay.io/x", true), ("quay.io/y", true), ("redis", false)] {
            assert_eq!(listed.contains(image), is_there, "{image}: {listed}");
        }
    }

    #[test]
    fn what_is_no_report_is_refused_with_the_file_and_the_reason() {
        for (text, reason) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("images: []", "expected value at line 1 column 1"),
            ("[]", "invalid length 0"),
            ("{}", "missing field `run_id`"),
            (r#"{"run_id": "r1"}"#, "missing field `results`"),
            (
                r#"{"run_id": "r1", "results": {}}"#,
                "expected a list of images",
            ),
            (
                r#"{"run_id": "r1", "results": [{"image": "a"}]}"#,
                "missing field `tag`",
            ),
            (
                r#"{"run_id": "r1", "results": []} x"#,
                "trailing characters",
            ),
        ] {
            let error = told(text).unwrap_err();
            let start = "--only-failed: report.json is no report of a run: ";
            assert!(error.starts_with(start), "{error}");
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_report_that_lacks_failed_images_is_refused() {
        let mut report = samples::report();
        let mut left_out = LeftOut {
            already_cached: 7,
            ..LeftOut::default()
        };
        report.head.left_out = Some(left_out);
        told(&serde_json::to_string(&report).unwrap()).unwrap();
        left_out.failed = 3;
        report.head.left_out = Some(left_out);
        let error = told(&serde_json::to_string(&report).unwrap()).unwrap_err();
        assert!(error.contains("report.json lacks 3 images"), "{error}");
    }
}
