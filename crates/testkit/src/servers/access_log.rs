//! The access log of distribution, in Apache's combined format.

use crate::fake_registry::is_like;

/// A request as the server logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// The method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query without the question mark.
    pub query: String,
    /// The status of the answer.
    pub status: u16,
    /// The length of the answer's body in bytes.
    pub bytes: u64,
}

impl LoggedRequest {
    /// Whether it has this method (`*`: any) and a path like `pattern`, where `*` stands for any text.
    #[must_use]
    pub fn is(&self, method: &str, pattern: &str) -> bool {
        (method == "*" || self.method == method) && is_like(&self.path, pattern)
    }

    /// The request of a line of the log; none if the line is of another kind.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("] \"")?;
        let (request, rest) = rest.split_once("\" ")?;
        let mut request = request.split(' ');
        let (method, target) = (request.next()?, request.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut rest = rest.split(' ');
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            status: rest.next()?.parse().ok()?,
            bytes: rest.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line() {
        let line = r#"127.0.0.1 - - [20/Nov/2026:12:00:00 +0000] "POST /v2/a/blobs/uploads/?mount=x HTTP/1.1" 202 0 "" "curl""#;
        let request = LoggedRequest::parse(line).unwrap();
        assert_eq!(
            (request.method.as_str(), request.status, request.bytes),
            ("POST", 202, 0)
        );
        assert_eq!(
            (request.path.as_str(), request.query.as_str()),
            ("/v2/a/blobs/uploads/", "mount=x")
        );
        assert!(request.is("POST", "/v2/*/uploads/") && !request.is("GET", "*"));
        assert_eq!(
            LoggedRequest::parse(r#"time="2026" level=info msg="listening""#),
            None
        );
    }
}
