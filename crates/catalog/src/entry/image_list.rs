//! A text with one reference a line, as `helm template`, `kubectl` and release pages give them: read anew whenever its images
//! are asked for, as there may be millions.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::str;
use std::sync::{Arc, Mutex, PoisonError};

use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::Repository;
use image_sync_spool::Spool;
use sha2::{Digest as _, Sha256};

use super::source;
use crate::problem::{Place, Problem, without_secrets};

/// How many bytes a line has at most: names and tags of the longest kind together with a digest have less than half of it.
const MAX_LINE_BYTES: usize = 2048;
/// Of how many sources an image is kept as a sample.
const MAX_SAMPLES: usize = 1000;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const PLATFORM: &str = "--platform=";

/// A list of images outside of the config.
#[derive(Clone, Debug)]
pub(crate) struct ImageList {
    /// As messages call it.
    pub(crate) name: Box<str>,
    /// Its number among the files of the config.
    pub(crate) file: u16,
    text: Text,
    /// How many images it has.
    pub(crate) images: usize,
    /// What it is known by: the same for the same images in any order.
    pub(crate) digest: [u8; 32],
    /// A line for each registry and folder that its images come from.
    pub(crate) samples: Vec<Line>,
}

/// Where the lines are.
#[derive(Clone)]
pub(crate) enum Text {
    /// In a file. It stays the same one when another is moved to its place.
    File(Arc<File>),
    /// What can be read but once was put here.
    Spool(Arc<Mutex<Spool>>),
}

/// A line with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) source: Box<str>,
    /// Whether the source has neither tag nor digest.
    pub(crate) is_bare: bool,
    pub(crate) platforms: Option<Platforms>,
}

impl ImageList {
    /// One that is not read yet.
    pub(crate) fn unread(name: &str) -> Self {
        Self {
            name: name.into(),
            file: 0,
            text: Text::Spool(Arc::new(Mutex::new(Spool::new(None)))),
            images: 0,
            digest: [0; 32],
            samples: Vec::new(),
        }
    }

    /// Reads a list. `check` gets each image, and what it finds wrong is wrong with its line.
    pub(crate) fn read(
        name: &str,
        file: u16,
        text: Text,
        mut check: impl FnMut(&Line) -> Result<(), Problem>,
        mut report: impl FnMut(Problem),
    ) -> Self {
        let mut list = Self {
            file,
            text,
            ..Self::unread(name)
        };
        let mut sources = Vec::new();
        let (mut images, mut digest, mut samples) = (0, [0; 32], Vec::new());
        for line in list.lines() {
            let checked = line.and_then(|line| {
                check(&line).map_err(|problem| list.at(line.number, problem))?;
                Ok(line)
            });
            match checked {
                Ok(line) => {
                    images += 1;
                    add(&mut digest, &line.digest());
                    if samples.len() < MAX_SAMPLES && line.is_of_another(&mut sources) {
                        samples.push(line);
                    }
                }
                Err(problem) => report(problem),
            }
        }
        list.images = images;
        list.digest = digest;
        list.samples = samples;
        list
    }

    /// Whether it was read from what can be read but once.
    pub(crate) fn can_be_read_once(&self) -> bool {
        matches!(self.text, Text::Spool(_))
    }

    /// Its images, in their order. After a line that cannot be read there are no more.
    pub(crate) fn lines(&self) -> Lines<'_> {
        let reader = TextReader {
            text: &self.text,
            offset: 0,
        };
        Lines {
            list: self,
            reader: BufReader::with_capacity(64 * 1024, reader),
            number: 0,
            buffer: Vec::new(),
            begin: 0,
            next: 0,
            has_ended: false,
        }
    }

    /// The image of the line that begins at this byte, whose number is not known.
    pub(crate) fn line_at(&self, offset: u64) -> Option<Line> {
        let text = &self.text;
        let mut lines = Lines {
            list: self,
            reader: BufReader::with_capacity(MAX_LINE_BYTES, TextReader { text, offset }),
            // Only the first line may have a byte order mark.
            number: u32::from(offset > 0),
            buffer: Vec::new(),
            begin: offset,
            next: offset,
            has_ended: false,
        };
        lines.next()?.ok()
    }

    /// The problem, at a line of it.
    pub(crate) fn at(&self, number: u32, problem: Problem) -> Problem {
        let begin = Place {
            line: number,
            column: 1,
        };
        problem.without_path().at(begin).in_file(self.file)
    }
}

impl PartialEq for ImageList {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.digest) == (&other.name, other.digest)
    }
}

impl Eq for ImageList {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Spool(_) => "Spool",
        })
    }
}

impl Text {
    /// All that `input` has.
    pub(crate) fn spooled(input: &mut dyn Read) -> io::Result<Self> {
        let mut spool = Spool::new(None);
        let mut input = BufReader::with_capacity(64 * 1024, input);
        loop {
            let bytes = input.fill_buf()?;
            if bytes.is_empty() {
                return Ok(Self::Spool(Arc::new(Mutex::new(spool))));
            }
            spool.append(bytes)?;
            let read = bytes.len();
            input.consume(read);
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, offset),
            Self::Spool(spool) => {
                let mut spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
                spool.read_at(offset, buffer)
            }
        }
    }
}

struct TextReader<'a> {
    text: &'a Text,
    offset: u64,
}

impl Read for TextReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read_at(self.offset, buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// The images of a list, or what is wrong with a line.
pub(crate) struct Lines<'a> {
    list: &'a ImageList,
    reader: BufReader<TextReader<'a>>,
    number: u32,
    buffer: Vec<u8>,
    /// Where the last line begins, in bytes,
    begin: u64,
    /// and the one after it.
    next: u64,
    has_ended: bool,
}

impl Lines<'_> {
    /// Where the last line begins, in bytes.
    pub(crate) fn begin(&self) -> u64 {
        self.begin
    }

    /// Reads the next line; at most one byte more than it may have is kept of it.
    fn read_line(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        let mut begin = self.reader.by_ref().take(MAX_LINE_BYTES as u64 + 1);
        let mut read = begin.read_until(b'\n', &mut self.buffer)?;
        if self.buffer.len() > MAX_LINE_BYTES && self.buffer.last() != Some(&b'\n') {
            read += self.reader.skip_until(b'\n')?;
        }
        self.begin = self.next;
        self.next += read as u64;
        Ok(!self.buffer.is_empty())
    }

    fn parse(&self) -> Result<Option<Line>, Problem> {
        if self.buffer.len() > MAX_LINE_BYTES {
            let text = format!("found a line of more than {MAX_LINE_BYTES} bytes, {EXPECTED}");
            return Err(Problem::new(text));
        }
        let bytes = self.buffer.as_slice();
        let bytes = match self.number {
            1 => bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes),
            _ => bytes,
        };
        match str::from_utf8(bytes) {
            Ok(text) => parse(text, self.number),
            Err(_) => Err(Problem::new("this is not UTF-8 text, expected UTF-8")),
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Line, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.has_ended {
            self.number = self.number.saturating_add(1);
            let line = match self.read_line() {
                Ok(true) => self.parse(),
                Ok(false) => return None,
                Err(error) => {
                    self.has_ended = true;
                    Err(Problem::new(format!("this cannot be read ({error})")))
                }
            };
            let line = line.map_err(|problem| self.list.at(self.number, problem));
            if let Some(line) = line.transpose() {
                return Some(line);
            }
        }
        None
    }
}

const EXPECTED: &str =
    "expected one reference as in quay.io/prometheus/prometheus:v3.0.1, or # and a comment";

/// The image of a line, if it has one: a reference, and before it `--platform=OS/ARCH` where that is another one.
fn parse(text: &str, number: u32) -> Result<Option<Line>, Problem> {
    let mut words = text.split_whitespace();
    let words = &mut words;
    let mut words = words.take_while(|word| !word.starts_with('#'));
    let Some(first) = words.next() else {
        return Ok(None);
    };
    let (platforms, source) = match first.strip_prefix(PLATFORM) {
        None => (None, Some(first)),
        Some(platforms) => {
            let platforms = platforms.parse().map_err(Problem::new)?;
            (Some(platforms), words.next())
        }
    };
    let source = source.ok_or_else(|| Problem::new(format!("found no image, {EXPECTED}")))?;
    let parsed = source::parse(source)?;
    if let Some(more) = words.next() {
        let more = without_secrets(more)?;
        return Err(Problem::new(format!(
            "found {more:?} behind {source}, {EXPECTED}"
        )));
    }
    Ok(Some(Line {
        number,
        source: source.into(),
        is_bare: !parsed.is_one_image(),
        platforms,
    }))
}

/// Whether a line has an image; it may have none without being wrong.
pub(crate) fn has_an_image(text: &str) -> Result<bool, Problem> {
    parse(text, 1).map(|line| line.is_some())
}

impl Line {
    fn digest(&self) -> [u8; 32] {
        let platforms = self.platforms.as_ref();
        let platforms = platforms.map_or_else(String::new, Platforms::to_string);
        let latest = if self.is_bare { ":latest" } else { "" };
        Sha256::digest(format!("{}{latest}\n{platforms}", self.source)).into()
    }

    /// Whether it comes from a registry or folder that is none of `known`, where it is from now on.
    fn is_of_another(&self, known: &mut Vec<String>) -> bool {
        let Ok(source) = source::parse(&self.source) else {
            return false;
        };
        let place = match source.repository {
            Repository::Registry { host, .. } => host,
            Repository::Folder(path) => path.display().to_string(),
        };
        let is_new = !known.contains(&place);
        if is_new {
            known.push(place);
        }
        is_new
    }
}

/// A sum, as that does not depend on an order.
fn add(sum: &mut [u8; 32], digest: &[u8; 32]) {
    let mut carry = 0;
    for (byte, more) in sum.iter_mut().zip(digest) {
        let total = u16::from(*byte) + u16::from(*more) + carry;
        *byte = total.to_le_bytes()[0];
        carry = total >> 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bytes: &[u8]) -> (ImageList, Vec<String>) {
        let text = Text::spooled(&mut &*bytes).unwrap();
        let mut problems = Vec::new();
        let mut report = |problem: Problem| {
            let place = problem.place().unwrap();
            problems.push(format!("{}: {problem}", place.line));
        };
        let list = ImageList::read("l.txt", 7, text, |_| Ok(()), &mut report);
        (list, problems)
    }

    fn sources(list: &ImageList) -> Vec<(u32, String)> {
        let lines = list.lines().map(Result::unwrap);
        lines
            .map(|line| (line.number, line.source.into()))
            .collect()
    }

    #[test]
    fn a_line_is_one_reference_and_comments_blank_lines_and_crlf_are_none() {
        let text = b"\xef\xbb\xbfnginx\r\n# all\n\n  busybox:1.36  # a comment\n\t#\nquay.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let (list, problems) = list(text);
        assert_eq!(problems, [""; 0]);
        let lines: Vec<_> = list.lines().map(Result::unwrap).collect();
        let said: Vec<_> = lines
            .iter()
            .map(|line| {
                (
                    line.number,
                    &line.source[..7.min(line.source.len())],
                    line.is_bare,
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                (1, "nginx", true),
                (4, "busybox", false),
                (6, "quay.io", false)
            ]
        );
        assert_eq!(list.images, 3);
    }

    #[test]
    fn a_line_may_say_its_platform() {
        let (list, problems) = list(b"--platform=linux/arm64 a/b:1\na/b:1\n");
        assert_eq!(problems, [""; 0]);
        let lines = list.lines().map(|line| line.unwrap().platforms);
        let lines: Vec<_> = lines.map(|of| of.map(|of| of.to_string())).collect();
        assert_eq!(lines, [Some("linux/arm64".to_owned()), None]);
    }

    #[test]
    fn what_is_wrong_with_a_line_hides_nothing_of_the_next() {
        let long = "x".repeat(3 * MAX_LINE_BYTES);
        let text = format!("a b\nno//name\n{long}\n--platform=linux/amd64\nu:p@host/x\nfine:1\n");
        let mut bytes = text.into_bytes();
        bytes.extend(b"\xff\xfe\n");
        let (list, problems) = list(&bytes);
        assert_eq!(list.images, 1);
        let begins: Vec<&str> = problems.iter().map(|problem| &problem[..15]).collect();
        assert_eq!(
            begins,
            [
                r#"1: found "b" be"#,
                r#"2: "no//name" i"#,
                "3: found a line",
                "4: found no ima",
                "5: found an '@'",
                "7: this is not "
            ]
        );
        assert!(
            problems.iter().all(|problem| !problem.contains("u:p")),
            "{problems:?}"
        );
        let of_all = list.lines().filter(Result::is_err).count();
        assert_eq!(of_all, 6, "and when it is read again");
    }

    #[test]
    fn lists_of_the_same_images_are_known_by_the_same_digest() {
        let digest = |text: &str| list(text.as_bytes()).0.digest;
        let sample = digest("a/b:1\nnginx\na/b:1\n");
        assert_eq!(digest("# x\nnginx:latest\n\na/b:1\na/b:1"), sample);
        for other in [
            "a/b:1\nnginx\n",
            "a/b:1\nnginx\na/b:2\n",
            "a/b:1\nnginx\n--platform=linux/arm64 a/b:1",
        ] {
            assert_ne!(digest(other), sample, "{other}");
        }
    }

    #[test]
    fn one_image_of_each_registry_is_a_sample() {
        let (list, _) = list(b"nginx\nbusybox\nquay.io/a/b\nquay.io/a/c\noci:x:1\n");
        let samples: Vec<&str> = list.samples.iter().map(|line| &*line.source).collect();
        assert_eq!(samples, ["nginx", "quay.io/a/b", "oci:x:1"]);
        assert_eq!(sources(&list).len(), 5);
    }
}
