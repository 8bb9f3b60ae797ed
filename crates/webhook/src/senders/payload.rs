//! Reading a payload: JSON, of which only those members are looked at that matter. What nobody asks for is passed over, in any
//! form and depth and without memory of its own.

use std::borrow::Cow;
use std::fmt;

use image_sync_shared::text::{bounded, excerpt};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{MOST_HINTS, Unreadable};

pub(super) mod cloud_event;

/// A value, and where it stands. One that is absent or null has only members that are.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    json: Option<&'a str>,
    path: String,
}

/// The values of a list, as many as are looked at, and how many more there are.
pub(super) struct Items<T> {
    pub(super) kept: Vec<T>,
    pub(super) left_out: usize,
}

impl<'a> Member<'a> {
    /// The whole of a body, which is an object.
    pub(super) fn of_body(body: &'a [u8]) -> Result<Self, Unreadable> {
        let whole = Self::of_any_body(body)?.required("an object")?;
        whole.is("an object", b"{").map(|()| whole)
    }

    /// The whole of a body, which is some JSON.
    pub(super) fn of_any_body(body: &'a [u8]) -> Result<Self, Unreadable> {
        let no_json = |found: &str| Unreadable(format!("the body is {found}; expected JSON"));
        let text = std::str::from_utf8(body).ok();
        let text = text.ok_or_else(|| no_json("no UTF-8"))?;
        if text.trim().is_empty() {
            return Err(no_json("empty"));
        }
        let json: &RawValue = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            no_json(&format!("no JSON from line {line}, column {column} on"))
        })?;
        Ok(Self::at(json.get(), String::new()))
    }

    /// JSON that stood inside of `self`, as a text of its own.
    pub(super) fn nested<'b>(&self, text: &'b str) -> Option<Member<'b>> {
        let json: &RawValue = serde_json::from_str(text).ok()?;
        Some(Member::at(json.get(), self.path.clone()))
    }

    fn at(json: &'a str, path: String) -> Self {
        let json = Some(json.trim()).filter(|json| *json != "null");
        Self { json, path }
    }

    /// Whether it is there.
    pub(super) fn is_there(&self) -> bool {
        self.json.is_some()
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        self.json.is_some_and(|json| json.starts_with('['))
    }

    /// Whether it is an object.
    pub(super) fn is_object(&self) -> bool {
        self.json.is_some_and(|json| json.starts_with('{'))
    }

    /// That it is there.
    pub(super) fn required(self, expected: &str) -> Result<Self, Unreadable> {
        match self.json {
            Some(_) => Ok(self),
            None => Err(self.unreadable("missing", expected)),
        }
    }

    /// Those of its members that have these names. Of two with one name it is the last, as for most readers of JSON.
    pub(super) fn members<const N: usize>(
        &self,
        names: [&'static str; N],
    ) -> Result<[Self; N], Unreadable> {
        self.is("an object", b"{")?;
        let mut found = [None; N];
        if let Some(json) = self.json {
            let visitor = Named {
                names: &names,
                found: &mut found,
            };
            let read = serde_json::Deserializer::from_str(json).deserialize_map(visitor);
            read.map_err(|error| self.invalid(error))?;
        }
        let mut found = found.into_iter();
        Ok(names.map(|name| {
            let path = match self.path.as_str() {
                "" => name.to_owned(),
                path => format!("{path}.{name}"),
            };
            match found.next().flatten() {
                Some(json) => Self::at(json, path),
                None => Self { json: None, path },
            }
        }))
    }

    /// Its text, which is not empty: registries leave a text empty where they have none.
    pub(super) fn text(&self) -> Result<Option<String>, Unreadable> {
        self.is("a text", b"\"")?;
        let text = self.json.map(serde_json::from_str::<Cow<'_, str>>);
        let text = text.transpose().map_err(|error| self.invalid(error))?;
        Ok(text.filter(|text| !text.is_empty()).map(Cow::into_owned))
    }

    /// Its text, which has to be there.
    pub(super) fn required_text(&self, expected: &str) -> Result<String, Unreadable> {
        let text = self.text()?;
        text.ok_or_else(|| self.unreadable("missing", expected))
    }

    /// Its text, if it is one: of no importance but to people.
    pub(super) fn id(&self) -> Option<String> {
        self.text().ok().flatten()
    }

    /// The values of a list.
    pub(super) fn items(&self) -> Result<Items<Self>, Unreadable> {
        self.is("a list", b"[")?;
        let Some(json) = self.json else {
            return Ok(Items {
                kept: Vec::new(),
                left_out: 0,
            });
        };
        let read = serde_json::Deserializer::from_str(json).deserialize_seq(Listed);
        let items = read.map_err(|error| self.invalid(error))?;
        let at = |(place, json)| Self::at(json, format!("{}[{place}]", self.path));
        Ok(Items {
            kept: items.kept.into_iter().enumerate().map(at).collect(),
            left_out: items.left_out,
        })
    }

    /// The names of an object's members.
    pub(super) fn keys(&self) -> Result<Items<String>, Unreadable> {
        self.is("an object", b"{")?;
        let json = self.json.unwrap_or("{}");
        let read = serde_json::Deserializer::from_str(json).deserialize_map(Keys);
        read.map_err(|error| self.invalid(error))
    }

    /// That it is another value than was expected.
    pub(super) fn is_no(&self, expected: &str) -> Unreadable {
        self.unreadable(self.found(), expected)
    }

    /// That its text is not what it should be, as an error says.
    pub(super) fn invalid(&self, error: impl fmt::Display) -> Unreadable {
        Unreadable(bounded(format_args!("{}: {error}", self.path)))
    }

    /// That its text is another than was expected.
    pub(super) fn unexpected(&self, text: &str, expected: &str) -> Unreadable {
        let found = excerpt(text);
        self.unreadable(&format!("{found:?}"), expected)
    }

    fn is(&self, expected: &str, begins_with: &[u8]) -> Result<(), Unreadable> {
        let is_one = |json: &str| json.as_bytes().starts_with(begins_with);
        if self.json.is_none_or(is_one) {
            return Ok(());
        }
        Err(self.is_no(expected))
    }

    fn found(&self) -> &'static str {
        match self.json.and_then(|json| json.bytes().next()) {
            None => "missing",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'"') => "a text",
            Some(b't' | b'f') => "true or false",
            Some(_) => "a number",
        }
    }

    fn unreadable(&self, found: &str, expected: &str) -> Unreadable {
        let path = match self.path.as_str() {
            "" => "the body",
            path => path,
        };
        Unreadable(format!("{path} is {found}; expected {expected}"))
    }
}

/// Finds the values of the members of these names.
struct Named<'n, 'a, const N: usize> {
    names: &'n [&'static str; N],
    found: &'n mut [Option<&'a str>; N],
}

impl<'a, const N: usize> Visitor<'a> for Named<'_, 'a, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(place) = members.next_key_seed(Place(self.names))? {
            match place.and_then(|place| self.found.get_mut(place)) {
                Some(found) => *found = Some(members.next_value::<&'a RawValue>()?.get()),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Which of these names a name is.
struct Place<'n>(&'n [&'static str]);

impl<'a> DeserializeSeed<'a> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

struct Listed;

impl<'a> Visitor<'a> for Listed {
    type Value = Items<&'a str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MOST_HINTS
            && let Some(value) = values.next_element::<&'a RawValue>()?
        {
            kept.push(value.get());
        }
        let mut left_out = 0;
        while values.next_element::<IgnoredAny>()?.is_some() {
            left_out += 1;
        }
        Ok(Items { kept, left_out })
    }
}

struct Keys;

impl<'a> Visitor<'a> for Keys {
    type Value = Items<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MOST_HINTS
            && let Some((name, _)) = members.next_entry::<String, IgnoredAny>()?
        {
            kept.push(name);
        }
        let mut left_out = 0;
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            left_out += 1;
        }
        Ok(Items { kept, left_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str, path: [&'static str; 2]) -> String {
        let whole = Member::of_body(body.as_bytes());
        let read = whole.and_then(|whole| {
            let [outer] = whole.members([path[0]])?;
            let [inner] = outer.members([path[1]])?;
            inner.required_text("a name")
        });
        read.unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_its_value() {
        let path = ["a", "b"];
        for (body, expected) in [
            ("", "the body is empty; expected JSON"),
            (
                "{\n \"a\" secret",
                "the body is no JSON from line 2, column 6 on; expected JSON",
            ),
            ("[\"secret\"]", "the body is a list; expected an object"),
            ("{}", "a.b is missing; expected a name"),
            ("{\"a\": null}", "a.b is missing; expected a name"),
            ("{\"a\": \"secret\"}", "a is a text; expected an object"),
            (
                "{\"a\": {\"b\": 12345}}",
                "a.b is a number; expected a text",
            ),
            (
                "{\"a\": {\"b\": [\"secret\"]}}",
                "a.b is a list; expected a text",
            ),
            (
                "{\"a\": {\"b\": false}}",
                "a.b is true or false; expected a text",
            ),
            (
                "{\"a\": {}} secret",
                "the body is no JSON from line 1, column 11 on; expected JSON",
            ),
        ] {
            assert_eq!(error(body, path), expected);
        }
        let lone = error("{\"a\": {\"b\": \"secret\\ud800\"}}", path);
        assert!(
            lone.starts_with("a.b: ") && !lone.contains("secret"),
            "{lone}"
        );
        let error = Member::of_body(b"\xff").unwrap_err().to_string();
        assert_eq!(error, "the body is no UTF-8; expected JSON");
    }

    #[test]
    fn of_two_members_with_one_name_the_last_counts() {
        let whole = Member::of_body(br#" {"a": 1, "a": "x", "b": {"a": "y"}} "#).unwrap();
        let [a] = whole.members(["a"]).unwrap();
        assert_eq!(a.text().unwrap().as_deref(), Some("x"));
    }

    #[test]
    fn what_nobody_asks_for_may_be_as_deep_as_it_likes() {
        let deep = 300_000;
        let body = format!(
            "{{\"deep\": {}{}, \"a\": \"x\"}}",
            "[".repeat(deep),
            "]".repeat(deep)
        );
        let whole = Member::of_body(body.as_bytes()).unwrap();
        let [a, deep] = whole.members(["a", "deep"]).unwrap();
        assert_eq!(a.text().unwrap().as_deref(), Some("x"));
        assert_eq!(deep.items().unwrap().kept.len(), 1);
        assert!(deep.text().is_err());
    }

    #[test]
    fn of_a_huge_list_some_are_kept_and_the_others_counted() {
        let body = format!("{{\"a\": [{}1]}}", "1,".repeat(400_000));
        let whole = Member::of_body(body.as_bytes()).unwrap();
        let [list] = whole.members(["a"]).unwrap();
        let items = list.items().unwrap();
        assert_eq!(items.kept.len(), MOST_HINTS);
        assert_eq!(items.left_out, 400_001 - MOST_HINTS);
    }
}
