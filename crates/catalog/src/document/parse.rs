//! From YAML to its nodes.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::fill::Filler;
use super::node::{Content, Key, Node};
use crate::problem::{Place, Problem};

/// How deep values may lie in each other.
pub(super) const MAX_DEPTH: usize = 64;

/// The only document of `text`; none where it has nothing but comments.
pub(super) fn parse(text: &str, filler: &mut Filler<'_>) -> Result<Option<Node>, Problem> {
    let mut reader = Reader {
        text,
        filler,
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

struct Reader<'a, 'f, 'v> {
    text: &'a str,
    filler: &'f mut Filler<'v>,
    events: Parser<'a, StrInput<'a>>,
    /// What is named by anchors, as far as it was read.
    anchors: HashMap<usize, Rc<Node>>,
}

impl<'a> Reader<'a, '_, '_> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Problem> {
        match self.events.next_event() {
            Some(Ok((event, Span { start, .. }))) => Ok((event, place(&start))),
            Some(Err(error)) => Err(invalid(self.text, &error)),
            None => Ok((Event::StreamEnd, Place { line: 1, column: 1 })),
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(too_deep(place));
        }
        let is_anchored = has_anchor(&event);
        self.filler.anchored += usize::from(is_anchored);
        let node = self.unanchored(event, place, depth);
        self.filler.anchored -= usize::from(is_anchored);
        node
    }

    fn unanchored(
        &mut self,
        event: Event<'a>,
        place: Place,
        depth: usize,
    ) -> Result<Node, Problem> {
        let (content, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => (
                self.filler.scalar(&text, unfilled(style), place),
                anchor,
                tag,
            ),
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

    /// The text of a key, which stays as it is written.
    fn key(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Box<str>, Problem> {
        if let Event::Scalar(text, _, 0, None) = &event {
            return Ok((&**text).into());
        }
        let node = self.node(event, place, depth)?;
        let text = node.text().map(Into::into);
        text.ok_or_else(|| {
            let text = "found a key that is no text, expected one that is";
            Problem::new(text).at(place)
        })
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
            let text = self.key(event, place, depth + 1)?;
            let (event, value_place) = self.next()?;
            self.filler.enter(&text);
            let value = self.node(event, value_place, depth + 1)?;
            self.filler.leave(&text);
            entries.push((Key { place, text }, value));
        }
    }
}

fn has_anchor(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
            if *anchor != 0
    )
}

fn unfilled(style: ScalarStyle) -> fn(Box<str>) -> Content {
    match style {
        ScalarStyle::Plain => Content::Plain,
        _ => Content::Text,
    }
}

pub(super) fn too_deep(place: Place) -> Problem {
    let text = format!("found more than {MAX_DEPTH} values in each other, expected less");
    Problem::new(text).at(place)
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
    let line = text.lines().nth(begin.line.saturating_sub(1) as usize);
    let hint = hint(error.info(), line.unwrap_or_default());
    let text = format!("this is not valid YAML: {}{hint}", error.info());
    Problem::new(text).at(begin)
}

/// What is probably wrong where the parser can only say what it did not expect.
fn hint(info: &str, line: &str) -> &'static str {
    if info.contains("flow") && line.contains("${") {
        " (within {...} and [...], ${NAME} belongs into quotes)"
    } else if info.contains("mapping values are not allowed") {
        " (is a space missing behind a ':' before it, or are quotes?)"
    } else if info.contains("did not find expected '-' indicator") {
        " (is it indented as what it belongs to?)"
    } else if info.contains("unknown anchor") {
        " (an anchor stands before its aliases, in the same file)"
    } else {
        ""
    }
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
