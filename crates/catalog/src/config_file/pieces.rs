//! The images of a config, read piece by piece.
//!
//! The YAML library holds a document as a list of its parts, of many times the size of its text. Where `images` is a list in
//! YAML's block style, its items can be read some at a time: an item begins with a dash that stands in the column of the
//! first one (YAML 1.2.2, 8.2.1). Whatever cannot be read like this, as with an alias of an anchor in another piece, is
//! to be read whole, and so is what has an error, so that its place is told.

use std::ops::Range;
use std::sync::Arc;

use super::raw::RawImage;

/// Items that are read together.
const ITEMS: usize = 500;

/// The items of the block list `images`, some of them together, as ranges of a text.
pub(super) struct Cut {
    /// The text with an empty list of images.
    pub(super) frame: String,
    pieces: Vec<Range<usize>>,
}

impl Cut {
    /// Cuts the list out of `text`. None if there is no such list.
    pub(super) fn of(text: &str) -> Option<Self> {
        let key = key(text)?;
        let start = key.end;
        let rest = &text[start..];
        let indent = rest.lines().find(|line| !is_empty(line)).map(indent)?;
        let end = lines(rest)
            .find(|(_, line)| !is_empty(line) && !belongs(line, indent))
            .map_or(rest.len(), |(at, _)| at);
        let (list, after) = rest.split_at(end);
        let pieces = cut(list, indent, start);
        let frame = format!("{}images: []\n{after}", &text[..key.start]);
        (!pieces.is_empty()).then_some(Self { frame, pieces })
    }
}

/// The text that was cut, and its pieces.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    text: Arc<String>,
    pieces: Vec<Range<usize>>,
}

impl Pieces {
    pub(super) fn new(text: &Arc<String>, cut: Cut) -> Self {
        Self {
            text: Arc::clone(text),
            pieces: cut.pieces,
        }
    }

    /// The images, in the order of the text.
    pub(super) fn images(&self) -> impl Iterator<Item = Result<RawImage, serde_yaml_ng::Error>> {
        self.pieces.iter().flat_map(|piece| {
            let read = serde_yaml_ng::from_str::<Vec<RawImage>>(&self.text[piece.clone()]);
            let (read, error) =
                read.map_or_else(|error| (Vec::new(), Some(error)), |read| (read, None));
            read.into_iter().map(Ok).chain(error.map(Err))
        })
    }
}

/// Where the first line stands that is `images:` and at most a comment.
fn key(text: &str) -> Option<Range<usize>> {
    let is_key = |line: &str| {
        let rest = line.strip_prefix("images:");
        rest.is_some_and(|rest| rest.starts_with(char::is_whitespace) && is_empty(rest))
    };
    lines(text)
        .find(|(_, line)| is_key(line))
        .map(|(at, line)| at..at + line.len())
}

/// Lines with their ends, and where they begin.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let begins = *at;
        *at += line.len();
        Some((begins, line))
    })
}

fn is_empty(line: &str) -> bool {
    let content = line.trim();
    content.is_empty() || content.starts_with('#')
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether a line is one of the list whose dashes are `indent` columns in.
fn belongs(line: &str, indent_of_list: usize) -> bool {
    indent(line) > indent_of_list || begins_item(line, indent_of_list)
}

fn begins_item(line: &str, indent_of_list: usize) -> bool {
    indent(line) == indent_of_list && line[indent_of_list..].starts_with("- ")
}

/// Pieces of [`ITEMS`] items each; the last one may have less. The list begins at `start`.
fn cut(list: &str, indent: usize, start: usize) -> Vec<Range<usize>> {
    let begins = lines(list).filter(|(_, line)| begins_item(line, indent));
    let mut cuts: Vec<usize> = begins.map(|(at, _)| start + at).step_by(ITEMS).collect();
    cuts.push(start + list.len());
    cuts.windows(2).map(|cut| cut[0]..cut[1]).collect()
}
