//! Where the lines of lists come from: files, and the standard input.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::{STDIN, STDIN_NAME, files};
use crate::entry::Text;

/// How many lists there may be: each keeps a file open.
const MAX_LISTS: usize = 256;

/// The lists that are opened, and the standard input.
pub(super) struct Lists<'a> {
    opened: usize,
    stdin: Stdin<'a>,
    /// A list that was read already: what it is called in its folder, how messages call it, and its text.
    known: Option<(String, String, String)>,
}

enum Stdin<'a> {
    Given(&'a mut dyn Read),
    /// It is not asked for: whoever loads the config needs no images of it.
    Unasked,
    /// The config itself stands there.
    HasConfig,
    /// A list had it.
    Read,
}

impl<'a> Lists<'a> {
    pub(super) fn of_stdin(input: &'a mut dyn Read) -> Self {
        Self::new(Stdin::Given(input))
    }

    pub(super) fn without_stdin() -> Self {
        Self::new(Stdin::Unasked)
    }

    pub(super) fn behind_config() -> Self {
        Self::new(Stdin::HasConfig)
    }

    fn new(stdin: Stdin<'a>) -> Self {
        Self {
            opened: 0,
            stdin,
            known: None,
        }
    }

    /// The list `file`, which messages call `name`, was read already.
    pub(super) fn have(&mut self, name: &str, file: &str, text: String) {
        self.known = Some((file.to_owned(), name.to_owned(), text));
    }

    /// The list `name` of a file in `folder`: how messages call it, and its text. None if it is the standard input, and that is
    /// not asked for. An error is why there is none.
    pub(super) fn open(
        &mut self,
        name: &str,
        folder: Option<&Path>,
    ) -> Result<Option<(String, Text)>, String> {
        if self.opened == MAX_LISTS {
            return Err(format!("found more than {MAX_LISTS} lists, expected less"));
        }
        self.opened += 1;
        if let Some((_, shown, text)) = self.known.take_if(|(file, ..)| file == name) {
            let text = Text::spooled(&mut text.as_bytes());
            return match text {
                Ok(text) => Ok(Some((shown, text))),
                Err(error) => Err(files::unreadable(&error)),
            };
        }
        if name == STDIN {
            return self.spooled_stdin();
        }
        let Some(folder) = folder else {
            return Err("found a config that is no file, expected one without lists".to_owned());
        };
        let path = folder.join(name);
        let shown = path.display().to_string();
        let of_file = |error| format!("{shown}: {}", files::unreadable(&error));
        let mut file = File::open(&path).map_err(of_file)?;
        let kind = file.metadata().map_err(of_file)?.file_type();
        if kind.is_dir() {
            return Err(format!("{shown}: this is a directory"));
        }
        let text = if kind.is_file() {
            Text::File(Arc::new(file))
        } else {
            // A pipe, as of a shell's process substitution.
            Text::spooled(&mut file).map_err(of_file)?
        };
        Ok(Some((shown, text)))
    }

    fn spooled_stdin(&mut self) -> Result<Option<(String, Text)>, String> {
        match std::mem::replace(&mut self.stdin, Stdin::Read) {
            Stdin::Given(input) => {
                let text = Text::spooled(input).map_err(|error| files::unreadable(&error))?;
                Ok(Some((STDIN_NAME.to_owned(), text)))
            }
            Stdin::Unasked => Ok(None),
            taken @ (Stdin::HasConfig | Stdin::Read) => {
                let by = match taken {
                    Stdin::HasConfig => "the config",
                    _ => "another list",
                };
                Err(format!(
                    "found -, but the standard input has {by} already, expected a file for one of them"
                ))
            }
        }
    }
}
