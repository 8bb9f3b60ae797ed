//! From a text to its nodes.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::node::{Content, Key, Node};
use crate::problem::{Place, Problem};

/// How deep values may lie in each other.
const MAX_DEPTH: usize = 64;

/// The only document of `text`; none where it has nothing but comments.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, Problem> {
    let mut reader = Reader {
        text,
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
    };
    let mut document = None;
    loop {
        let (event, place) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(document),
            Event::DocumentStart(_) if document.is_some() => {
                let text = "found more than one YAML document, expected one";
                return Err(Problem::new(text).at(place));
            }
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            event => document = Some(reader.node(event, place, 0)?),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    events: Parser<'a, StrInput<'a>>,
    /// What is named by anchors, as far as it was read.
    anchors: HashMap<usize, Rc<Node>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Problem> {
        match self.events.next_event() {
            Some(Ok((event, Span { start, .. }))) => Ok((event, place(&start))),
            Some(Err(error)) => Err(invalid(self.text, &error)),
            None => Ok((Event::StreamEnd, Place { line: 1, column: 1 })),
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            let text = format!("found more than {MAX_DEPTH} values in each other, expected less");
            return Err(Problem::new(text).at(place));
        }
        let (content, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style), anchor, tag),
            Event::SequenceStart(anchor, tag) => (self.sequence(depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.mapping(depth)?, anchor, tag),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).map(Rc::clone);
                let content = Content::Shared(node.ok_or_else(|| endless(place))?);
                return Ok(Node { place, content });
            }
            _ => (Content::Plain("".into()), 0, None),
        };
        let content = match tag {
            Some(tag) => tagged(content, &tag),
            None => content,
        };
        let node = Node { place, content };
        if anchor == 0 {
            return Ok(node);
        }
        let shared = Rc::new(node);
        self.anchors.insert(anchor, Rc::clone(&shared));
        let content = Content::Shared(shared);
        Ok(Node { place, content })
    }

    fn sequence(&mut self, depth: usize) -> Result<Content, Problem> {
        let mut items = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                items.shrink_to_fit();
                return Ok(Content::Sequence(items));
            }
            items.push(self.node(event, place, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Content, Problem> {
        let mut entries = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                entries.shrink_to_fit();
                return Ok(Content::Mapping(entries));
            }
            let key = self.node(event, place, depth + 1)?;
            let (Content::Plain(text) | Content::Text(text)) = key.content() else {
                let text = "found a key that is no text, expected one that is";
                return Err(Problem::new(text).at(place));
            };
            let text = text.clone();
            let (event, value_place) = self.next()?;
            let value = self.node(event, value_place, depth + 1)?;
            entries.push((Key { place, text }, value));
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Content {
    match style {
        ScalarStyle::Plain => Content::Plain(text.into()),
        _ => Content::Text(text.into()),
    }
}

/// The tags of the core schema say what a value is anyway, but for the one that makes a text of it.
fn tagged(content: Content, tag: &Tag) -> Content {
    match content {
        Content::Plain(text) if tag.is_yaml_core_schema() && tag.suffix == "str" => {
            Content::Text(text)
        }
        content if tag.is_yaml_core_schema() => content,
        _ => Content::Tagged,
    }
}

/// The scanner counts columns from 0.
fn place(marker: &Marker) -> Place {
    let counted = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Place {
        line: counted(marker.line()),
        column: counted(marker.col() + 1),
    }
}

fn invalid(text: &str, error: &ScanError) -> Problem {
    let begin = place(error.marker());
    // A tab is told where the scalar before it begins, which may be lines away.
    if error.info().contains("tab")
        && let Some(tab) = indenting_tab(text, begin)
    {
        let text = "this is not valid YAML: found a tab in an indentation, expected spaces";
        return Problem::new(text).at(tab);
    }
    let text = format!("this is not valid YAML: {}", error.info());
    Problem::new(text).at(begin)
}

/// The first tab that indents a line, from the line of `begin` on.
fn indenting_tab(text: &str, begin: Place) -> Option<Place> {
    (1..).zip(text.lines()).find_map(|(line, content)| {
        let indent = content.len() - content.trim_start().len();
        let column = (1..)
            .zip(content[..indent].chars())
            .find(|(_, blank)| *blank == '\t');
        let column = column.filter(|_| line >= begin.line)?.0;
        Some(Place { line, column })
    })
}

pub(super) fn endless(place: Place) -> Problem {
    let text = "found aliases that contain each other or too many of them, expected a config of finite size";
    Problem::new(text).at(place)
}
