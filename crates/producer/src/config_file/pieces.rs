//! The images of a config, read piece by piece.
//!
//! The YAML library holds a document as a list of its parts, of many times the size of its text. Where `images` is a list in
//! YAML's block style, its items can be read some at a time: an item begins with a dash that stands in the column of the
//! first one (YAML 1.2.2, 8.2.1). Whatever cannot be read like this, as with an alias of an anchor in another piece, is
//! to be read whole, and so is what has an error, so that its place is told.

use super::raw::RawImage;

/// Items that are read together.
const ITEMS: usize = 500;

/// A config without its images, and these.
pub(super) struct Pieces<'a> {
    /// The text with an empty list of images.
    pub(super) frame: String,
    items: Vec<&'a str>,
}

impl<'a> Pieces<'a> {
    /// Cuts the block list `images` out of `text`. None if there is no such list.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let start = after_key(text)?;
        let (before, rest) = text.split_at(start);
        let indent = rest.lines().find(|line| !is_empty(line)).map(indent)?;
        let end = lines(rest)
            .find(|(_, line)| !is_empty(line) && !belongs(line, indent))
            .map_or(rest.len(), |(at, _)| at);
        let (list, after) = rest.split_at(end);
        let items = cut(list, indent);
        let key = before.trim_end().len() - "images:".len();
        let frame = format!("{}images: []\n{after}", &before[..key]);
        (!items.is_empty()).then_some(Self { frame, items })
    }

    /// The images, in the order of the text.
    pub(super) fn images(&self) -> impl Iterator<Item = Result<RawImage, serde_yaml_ng::Error>> {
        self.items.iter().flat_map(|piece| {
            let read = serde_yaml_ng::from_str::<Vec<RawImage>>(piece);
            let (read, error) =
                read.map_or_else(|error| (Vec::new(), Some(error)), |read| (read, None));
            read.into_iter().map(Ok).chain(error.map(Err))
        })
    }
}

/// Where the line after the first line `images:` begins.
fn after_key(text: &str) -> Option<usize> {
    lines(text)
        .find(|(_, line)| line.trim_end() == "images:")
        .map(|(at, line)| at + line.len())
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

/// Pieces of [`ITEMS`] items each; the last one may have less.
fn cut(list: &str, indent: usize) -> Vec<&str> {
    let begins = lines(list).filter(|(_, line)| begins_item(line, indent));
    let mut cuts: Vec<usize> = begins.map(|(at, _)| at).step_by(ITEMS).collect();
    cuts.push(list.len());
    cuts.windows(2).map(|cut| &list[cut[0]..cut[1]]).collect()
}
