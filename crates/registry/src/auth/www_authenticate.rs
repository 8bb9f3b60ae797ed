//! WWW-Authenticate as it is written in the wild (RFC 9110, section 11.6.1, and what registries make of it).
//!
//! Written by hand: parsers that keep to the grammar refuse values without quotes that have a `/`, a `:` or a blank,
//! values in single quotes, and whatever is not ASCII, and an image would then be refused for the form of a header.

/// How much of one header is read, in bytes.
const MAX_HEADER: usize = 16 * 1024;
/// How many challenges of one header are read.
const MAX_CHALLENGES: usize = 32;

/// One challenge: its scheme as it is written, and its parameters in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    /// The parameter `name`, of several with that name the first one.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let mut named = self.parameters.iter();
        let found = named.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }
}

/// The challenges of one header, whatever its bytes.
pub(crate) fn parse(header: &[u8]) -> Vec<Offer> {
    let header = &header[..header.len().min(MAX_HEADER)];
    let text = String::from_utf8_lossy(header);
    let mut rest = Cursor(&text);
    let mut offers: Vec<Offer> = Vec::new();
    while let Some(word) = rest.word() {
        if rest.equals() {
            // What stands before the first scheme is a parameter of none.
            let value = rest.value();
            if let Some(offer) = offers.last_mut() {
                offer.parameters.push((word.to_owned(), value));
            }
            continue;
        }
        if offers.len() == MAX_CHALLENGES {
            break;
        }
        offers.push(Offer {
            // Some write a colon behind the scheme, as if it were the name of a header.
            scheme: word.trim_end_matches(':').to_owned(),
            parameters: Vec::new(),
        });
    }
    offers
}

/// What of a header is still to be read.
struct Cursor<'t>(&'t str);

impl<'t> Cursor<'t> {
    /// The next scheme or name of a parameter, past blanks, commas and a `=` that belongs to nothing.
    fn word(&mut self) -> Option<&'t str> {
        let ends = |c: char| is_between(c) || c == '=';
        self.0 = self.0.trim_start_matches(ends);
        let end = self.0.find(ends);
        let (word, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Takes the `=` behind the name of a parameter.
    fn equals(&mut self) -> bool {
        match self.0.trim_start_matches(is_blank).strip_prefix('=') {
            Some(rest) => {
                self.0 = rest.trim_start_matches(is_blank);
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> String {
        if let Some(quoted) = self.0.strip_prefix('"') {
            return self.quoted(quoted);
        }
        let single = self
            .0
            .strip_prefix('\'')
            .and_then(|rest| rest.split_once('\''));
        // Only where the closing quote ends the value: else it is an apostrophe in a bare one.
        if let Some((value, rest)) = single
            && rest.chars().next().is_none_or(is_between)
        {
            self.0 = rest;
            return value.to_owned();
        }
        let (value, rest) = self.0.split_at(end_of_bare(self.0));
        self.0 = rest;
        value.trim_end().to_owned()
    }

    /// A quoted string behind its first quote (RFC 9110, section 5.6.4). One without an end goes on to the end.
    fn quoted(&mut self, quoted: &'t str) -> String {
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.0 = &quoted[at + 1..];
                    return value;
                }
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                other => value.push(other),
            }
        }
        self.0 = "";
        value
    }
}

/// Where a value without quotes ends: where another parameter or another challenge begins behind commas and blanks. A comma or
/// a blank alone is part of it, as in `pull,push` and `my registry`.
fn end_of_bare(text: &str) -> usize {
    let mut at = 0;
    while let Some(found) = text[at..].find(is_between) {
        let end = at + found;
        let behind = text[end..].trim_start_matches(is_between);
        let gap = &text[end..text.len() - behind.len()];
        if behind.is_empty() || begins_anew(behind, gap.contains(',')) {
            return end;
        }
        at = text.len() - behind.len();
    }
    text.len()
}

/// Whether `text` begins with a parameter, or behind a comma with a challenge.
fn begins_anew(text: &str, behind_comma: bool) -> bool {
    let (word, rest) = split_word(text);
    if word.is_empty() {
        return false;
    }
    let behind = rest.trim_start_matches(is_blank);
    if behind.starts_with('=') {
        return true;
    }
    // A scheme without parameters looks like the last word of a bare value: so these are known by name.
    let is_scheme = ["Basic", "Bearer", "Digest", "Negotiate", "NTLM"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme));
    let alone = behind.is_empty() || behind.starts_with(',');
    let (parameter, rest) = split_word(behind);
    let with_parameter =
        !parameter.is_empty() && rest.trim_start_matches(is_blank).starts_with('=');
    behind_comma && ((is_scheme && alone) || with_parameter)
}

/// The letters, digits, `-` and `_` with which a text begins: names of schemes and parameters have nothing else.
fn split_word(text: &str) -> (&str, &str) {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let end = text.find(|c: char| !is_of_name(c));
    text.split_at(end.unwrap_or(text.len()))
}

fn is_blank(c: char) -> bool {
    c.is_whitespace()
}

fn is_between(c: char) -> bool {
    is_blank(c) || c == ','
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each challenge as `SCHEME name=value|name=value`.
    fn parsed(header: &str) -> Vec<String> {
        let offer = |offer: &Offer| {
            let each = offer.parameters.iter();
            let parameters: Vec<_> = each
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{} {}", offer.scheme, parameters.join("|"))
        };
        parse(header.as_bytes()).iter().map(offer).collect()
    }

    #[test]
    fn what_keeps_to_the_grammar_is_read_as_it_is() {
        let header = r#"Bearer realm="https://a.example/t?x=1,2",service="r",scope="repository:a:pull,push""#;
        let bearer =
            "Bearer realm=https://a.example/t?x=1,2|service=r|scope=repository:a:pull,push";
        assert_eq!(parsed(header), [bearer]);
        assert_eq!(
            parsed(r#"Negotiate, Basic realm="a \"b\" \\ c", charset=UTF-8"#),
            ["Negotiate ", r#"Basic realm=a "b" \ c|charset=UTF-8"#]
        );
        assert_eq!(parsed(""), [""; 0]);
    }

    #[test]
    fn values_without_quotes_may_have_slashes_colons_commas_and_blanks() {
        let bearer = "Bearer realm=https://a.example:8443/t|service=my registry|scope=repository:a/b:pull,push";
        for header in [
            "Bearer realm=https://a.example:8443/t,service=my registry,scope=repository:a/b:pull,push",
            "Bearer realm=https://a.example:8443/t, service=my registry, scope=repository:a/b:pull,push",
            "Bearer realm=https://a.example:8443/t service=my registry scope=repository:a/b:pull,push",
            "Bearer realm = https://a.example:8443/t , service = my registry , scope = repository:a/b:pull,push ",
            "Bearer realm='https://a.example:8443/t',service='my registry',scope='repository:a/b:pull,push'",
            "Bearer\trealm=\"https://a.example:8443/t\"\t,\tservice=\"my registry\",,scope=\"repository:a/b:pull,push\"",
            "Bearer  realm=\"https://a.example:8443/t\"  service=\"my registry\"  scope=\"repository:a/b:pull,push\"",
            "Bearer: realm=\"https://a.example:8443/t\",service=\"my registry\",scope=\"repository:a/b:pull,push",
        ] {
            assert_eq!(parsed(header), [bearer], "{header}");
        }
    }

    #[test]
    fn several_challenges_may_stand_in_one_header() {
        for header in [
            r#"Basic realm="x", Bearer realm="https://a.example/t",service="s", Negotiate"#,
            "Basic realm=x, Bearer realm=https://a.example/t, service=s, Negotiate",
            "Basic realm='x' , Bearer realm='https://a.example/t' , service='s' , Negotiate",
        ] {
            let expected = [
                "Basic realm=x",
                "Bearer realm=https://a.example/t|service=s",
                "Negotiate ",
            ];
            assert_eq!(parsed(header), expected, "{header}");
        }
    }

    #[test]
    fn values_may_be_in_any_language() {
        let header = "Bearer realm=\"https://a.example/t\",service=\"Regístry – 注册表\"";
        let offers = parse(header.as_bytes());
        assert_eq!(offers[0].parameter("SERVICE"), Some("Regístry – 注册表"));
        let latin1 = b"Basic realm=\"Z\xfcrich\"";
        assert_eq!(parse(latin1)[0].scheme, "Basic");
    }

    #[test]
    fn the_first_of_two_parameters_counts_and_an_empty_one_is_none() {
        let offers = parse(br#"Bearer service="",realm=" a ",realm="b""#);
        assert_eq!(offers[0].parameter("realm"), Some("a"));
        assert_eq!(offers[0].parameter("service"), None);
        assert_eq!(offers[0].parameter("scope"), None);
    }

    #[test]
    fn whatever_the_bytes_it_ends_soon() {
        for piece in [
            " ", ",", "a,", "a=", "=", "a b,", "\"", "'", "a='", "\\", "é", "\0", "a=\"\\",
        ] {
            let header = piece.repeat(1024 * 1024);
            assert!(
                parse(header.as_bytes()).len() <= MAX_CHALLENGES,
                "{piece:?}"
            );
        }
    }
}
