//! The envelope of `CloudEvents` (1.0.2, "HTTP Protocol Binding"): in structured mode one object with the event's data in it, in binary
//! mode headers beside the data.

use http::HeaderMap;

use super::Member;
use crate::senders::{Unreadable, header};

/// An event.
pub(in crate::senders) struct CloudEvent<'a> {
    pub(in crate::senders) id: Option<String>,
    /// Its `type`.
    pub(in crate::senders) kind: String,
    pub(in crate::senders) data: Member<'a>,
}

impl<'a> CloudEvent<'a> {
    /// The event of a request, if it is one.
    pub(in crate::senders) fn of(
        headers: &HeaderMap,
        body: &Member<'a>,
    ) -> Result<Option<Self>, Unreadable> {
        let [version, kind, id, data] = body.members(["specversion", "type", "id", "data"])?;
        if version.is_there() {
            return Ok(Some(Self {
                id: id.id(),
                kind: kind.required_text("the type of the event")?,
                data,
            }));
        }
        Ok(header(headers, "ce-type").map(|kind| Self {
            id: header(headers, "ce-id").map(str::to_owned),
            kind: kind.to_owned(),
            data: body.clone(),
        }))
    }

    /// Whether its type is this one, behind whatever prefix.
    pub(in crate::senders) fn is(&self, kind: &str) -> bool {
        let before = self.kind.strip_suffix(kind);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }
}
