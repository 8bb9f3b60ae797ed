//! The Link header that leads to the next page (RFC 8288).

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};

/// The URL of the next page of the answer from `page`, or none on the last one. It may be anywhere on the registry's
/// own host, and keeps to its scheme and port; on another host it is an error.
pub(in crate::distribution) fn next(
    page: &Url,
    headers: &HeaderMap,
) -> Result<Option<Url>, String> {
    let values = headers.get_all(LINK).iter();
    let targets = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(links);
    let Some(target) = targets.filter(Link::is_next).map(|link| link.target).next() else {
        return Ok(None);
    };
    let next = page
        .join(target)
        .map_err(|error| format!("its Link to the next page is no URL: {error}"))?;
    if next.host() != page.host() {
        let host = next.host_str().unwrap_or_default();
        return Err(format!(
            "its Link to the next page leads to another host, {host}, which is not followed"
        ));
    }
    // Behind a proxy that ends TLS a registry may name itself by http, or by a port of its own.
    let mut on_registry = page.clone();
    on_registry.set_path(next.path());
    on_registry.set_query(next.query());
    Ok(Some(on_registry))
}

struct Link<'a> {
    target: &'a str,
    parameters: &'a str,
}

/// The links of one header: `<target>; name=value; name="value", <target>...`
fn links(value: &str) -> impl Iterator<Item = Link<'_>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let end = end_of_parameters(after);
        rest = &after[end..];
        Some(Link {
            target: target.trim(),
            parameters: &after[..end],
        })
    })
}

/// A comma ends a link, unless it is in a quoted value.
fn end_of_parameters(text: &str) -> usize {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    end.unwrap_or(text.len())
}

impl Link<'_> {
    fn is_next(&self) -> bool {
        let mut parameters = self
            .parameters
            .split(';')
            .filter_map(|pair| pair.split_once('='));
        let relations = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("rel"));
        relations.is_some_and(|(_, value)| {
            let value = value.trim().trim_matches('"');
            value
                .split_whitespace()
                .any(|relation| relation.eq_ignore_ascii_case("next"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Option<String>, String> {
        let page = "https://r.example:5000/v2/a/tags/list?n=2".parse().unwrap();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, value.parse().unwrap());
        }
        next(&page, &headers).map(|url| url.map(String::from))
    }

    #[test]
    fn leads_on_within_the_registry() {
        let expected = Ok(Some(
            "https://r.example:5000/v2/a/tags/list?last=b&n=2".to_owned(),
        ));
        for value in [
            r#"</v2/a/tags/list?last=b&n=2>; rel="next""#,
            "<https://r.example:5000/v2/a/tags/list?last=b&n=2>;rel=next",
            "<?last=b&n=2>; title=\"x, <y>\"; REL=\"prev Next\"",
            r#"</first>; rel="first", </v2/a/tags/list?last=b&n=2>; rel="next""#,
            // As behind a proxy that ends TLS.
            r#"<http://r.example/v2/a/tags/list?last=b&n=2>; rel="next""#,
        ] {
            assert_eq!(of(&[value]), expected, "{value}");
        }
        assert_eq!(
            of(&["</first>; rel=first", "<?last=b&n=2>; rel=next"]),
            expected
        );
    }

    #[test]
    fn the_last_page_has_no_next() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[r#"</v2/a/tags/list>; rel="prev""#]), Ok(None));
        assert_eq!(of(&["no link"]), Ok(None));
        assert_eq!(of(&["<unclosed; rel=next"]), Ok(None));
    }

    #[test]
    fn another_host_is_not_followed() {
        let error =
            of(&[r#"<https://evil.example/v2/a/tags/list?key=s3cret>; rel="next""#]).unwrap_err();
        assert!(
            error.contains("evil.example") && !error.contains("s3cret"),
            "{error}"
        );
        assert!(of(&[r#"<http://:0:0>; rel="next""#]).is_err());
    }
}
