//! From the text of a file to its nodes; of the first file in this program's own form, whatever it was written for.

use std::path::Path;

use super::error::Source;
use super::reading::{Parse, Reading};
use crate::dialects::{Format, is_list, recognised, translate, unparsed};
use crate::document::{self, Document, Form, Node};
use crate::problem::Problem;

const BYTE_ORDER_MARK: char = '\u{feff}';

impl Reading<'_, '_> {
    /// The first file. None if it has nothing but comments.
    pub(super) fn parse_first(
        &mut self,
        name: &str,
        text: String,
    ) -> Result<Option<Parse>, Problem> {
        let text = without_mark(text);
        let asked = self.options.format;
        if asked.map_or_else(|| is_list(&text), |format| format == Format::List) {
            return Ok(Some(self.list(name, text)));
        }
        let number = self.add(Source::new(name.to_owned(), text));
        let fills = asked.is_none_or(|format| format == Format::Native);
        let document = self.document(number, fills).map_err(|problem| {
            let text = self.sources.last().map_or("", Source::text);
            unparsed(asked, text, problem)
        })?;
        let root = document.root.as_ref().filter(|root| !root.is_null());
        let Some(root) = root else { return Ok(None) };
        self.format = match asked {
            Some(format) => format,
            None => recognised(root, self.options)?,
        };
        if self.format == Format::Native {
            return Ok(self.native(number, document));
        }
        // In the texts of others, a $ means something else.
        let document = if fills {
            self.document(number, false)?
        } else {
            document
        };
        let root = document.root.unwrap_or_else(Node::empty_mapping);
        let auth = self.auth();
        let auth = auth.as_ref().map(|(number, node)| (*number, node));
        Ok(Some(self.translated(&root, auth, number)))
    }

    /// A file that another one includes. None if it has nothing but comments.
    pub(super) fn parse(&mut self, name: String, text: String) -> Result<Option<Parse>, Problem> {
        let number = self.add(Source::new(name, without_mark(text)));
        let document = self.document(number, true)?;
        Ok(self.native(number, document))
    }

    fn document(&self, number: u16, fills: bool) -> Result<Document, Problem> {
        let source = self.sources.get(usize::from(number));
        let (name, text) = source.map_or(("", ""), |source| (&source.name, source.text()));
        let variables = fills.then_some(self.variables);
        document::parse(text, form(name), variables).map_err(|problem| problem.in_file(number))
    }

    fn native(&mut self, number: u16, document: Document) -> Option<Parse> {
        if let Some(source) = self.sources.get_mut(usize::from(number)) {
            source.filled = document.filled;
        }
        let warnings = document.warnings.into_iter();
        self.warnings
            .extend(warnings.map(|warning| warning.in_file(number)));
        let root = document.root.filter(|root| !root.is_null());
        root.map(|root| Parse {
            number,
            root,
            unfilled: document.problems,
        })
    }

    /// A list as the whole config: its lines are read where those of all lists are.
    fn list(&mut self, name: &str, text: String) -> Parse {
        self.format = Format::List;
        let file = Path::new(name).file_name();
        let file = file.map_or_else(
            || name.to_owned(),
            |file| file.to_string_lossy().into_owned(),
        );
        self.lists.have(name, &file, text);
        let number = self.add(Source::without_text(name.to_owned()));
        self.translated(&Node::of_text(&file), None, number)
    }

    /// The credentials that are in a file of their own, with its number.
    fn auth(&mut self) -> Option<(u16, Node)> {
        let (name, text) = self.options.aliyun.auth.as_ref()?;
        let mut source = Source::new(name.clone(), without_mark(text.clone()));
        source.is_foreign = true;
        let number = self.add(source);
        match self.document(number, false) {
            Ok(document) => Some((number, document.root?)),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// What a document of another tool is in this program's own form.
    fn translated(&mut self, document: &Node, auth: Option<(u16, &Node)>, number: u16) -> Parse {
        let translation = translate(self.format, document, auth, self.options, self.variables);
        self.problems.append(translation.problems);
        if let Some(source) = self.sources.get_mut(usize::from(number)) {
            source.filled = translation.filled;
            source.is_foreign = true;
        }
        self.notes = translation.notes;
        Parse {
            number,
            root: translation.document,
            unfilled: Vec::new(),
        }
    }
}

fn form(name: &str) -> Form {
    let extension = Path::new(name).extension();
    if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        Form::Json
    } else {
        Form::Either
    }
}

fn without_mark(mut text: String) -> String {
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    text
}
