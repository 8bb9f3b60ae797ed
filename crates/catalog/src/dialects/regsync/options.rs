//! Options of entries that change nothing here, or that have no equal.

use std::collections::{BTreeMap, BTreeSet};

use crate::dialects::translation::{Kind, Mapping, Translator};
use crate::document::Node;
use crate::problem::Place;

/// Those of `defaults` alone.
pub(super) const OF_ALL: [&str; 6] = [
    "parallel",
    "blobLimit",
    "cacheCount",
    "cacheTime",
    "skipDockerConfig",
    "userAgent",
];
const LEFT_OUT_OF_ALL: [(&str, &str); 5] = [
    (
        "blobLimit",
        "how much memory manifests and blobs take is limited anyway",
    ),
    (
        "cacheCount",
        "what was asked for once in a run is remembered anyway",
    ),
    (
        "cacheTime",
        "what was asked for once in a run is remembered anyway",
    ),
    (
        "skipDockerConfig",
        "where creds has nothing for a registry, Docker's config is asked; DOCKER_CONFIG may name an empty folder",
    ),
    ("userAgent", "requests name this program"),
];
/// Those of each entry and of `defaults`, but for what says when.
pub(super) const OF_EACH: [&str; 13] = [
    "backup",
    "hooks",
    "ratelimit",
    "digestTags",
    "referrers",
    "referrerFilters",
    "referrerSource",
    "referrerTarget",
    "referrerSlow",
    "fastCheck",
    "forceRecursive",
    "includeExternal",
    "mediaTypes",
];
pub(super) const WHEN: [&str; 2] = ["interval", "schedule"];

const LEFT_OUT: [(&str, Kind, &str); 6] = [
    (
        "hooks",
        Kind::LeftOut,
        "the tool that it is written for runs none either",
    ),
    (
        "backup",
        Kind::Missing,
        "a tag that is overwritten is kept under no other name",
    ),
    (
        "ratelimit",
        Kind::LeftOut,
        "what a registry has left is not watched; one that answers 429 is left alone for as long as it says",
    ),
    (
        "fastCheck",
        Kind::LeftOut,
        "an image in place costs one HEAD at each side anyway",
    ),
    (
        "forceRecursive",
        Kind::LeftOut,
        "an image whose digest is in place counts as whole",
    ),
    (
        "includeExternal",
        Kind::LeftOut,
        "layers that are elsewhere are copied where their source has them",
    ),
];
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

/// Gathers what is to be said of options, each once for all entries that have it.
#[derive(Default)]
pub(super) struct Told {
    notes: BTreeMap<(&'static str, &'static str), Note>,
    places: BTreeSet<(Place, &'static str)>,
    /// What entries say of when they are looked at.
    whens: BTreeMap<String, (Place, String)>,
}

struct Note {
    kind: Kind,
    place: Place,
    key: String,
    others: usize,
}

/// The value of an option, of an entry or of the defaults.
pub(super) struct Said<'n> {
    pub(super) node: &'n Node,
    pub(super) key: String,
}

impl Told {
    /// Notes what `defaults` has for the whole.
    pub(super) fn of_all(&mut self, defaults: &Mapping<'_>) {
        for (key, why) in LEFT_OUT_OF_ALL {
            if let Some(node) = defaults.node(key).filter(|node| says_something(node)) {
                self.add(Kind::LeftOut, node.place, key, defaults.key(key), why);
            }
        }
    }

    /// Notes the options that an entry has, itself or by default.
    pub(super) fn of_entry(&mut self, entry: &Mapping<'_>, defaults: &Mapping<'_>) {
        let option = |key: &str| option(key, entry, defaults);
        for (key, kind, why) in LEFT_OUT {
            if let Some(Said { node, key: named }) = option(key) {
                self.add(kind, node.place, key, named, why);
            }
        }
        if let Some(Said { node, key }) = option("mediaTypes") {
            let types = node.items().unwrap_or_default();
            let has = |wanted: &&str| types.iter().any(|item| item.text() == Some(wanted));
            let (kind, why) = if MEDIA_TYPES.iter().all(has) {
                (
                    Kind::LeftOut,
                    "images and indexes of Docker and OCI are copied anyway",
                )
            } else {
                (
                    Kind::Missing,
                    "images are copied whatever media types their manifests have",
                )
            };
            self.add(kind, node.place, "mediaTypes", key, why);
        }
        self.when(entry, defaults);
    }

    fn when(&mut self, entry: &Mapping<'_>, defaults: &Mapping<'_>) {
        let own = WHEN.iter().find_map(|key| said(key, entry));
        let when = own.or_else(|| {
            ["schedule", "interval"]
                .iter()
                .find_map(|key| said(key, defaults))
        });
        if let Some(Said { node, key }) = when {
            let text = node.text().unwrap_or_default().to_owned();
            self.whens.entry(text).or_insert((node.place, key));
        }
    }

    /// Adds a note of an option, which is told once for all entries that have it.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        place: Place,
        key: &'static str,
        named: String,
        why: &'static str,
    ) {
        if !self.places.insert((place, key)) {
            return;
        }
        let first = || Note {
            kind,
            place,
            key: named,
            others: 0,
        };
        let note = self
            .notes
            .entry((key, why))
            .and_modify(|note| note.others += 1);
        note.or_insert_with(first);
    }

    /// Adds a note that is not of an option.
    pub(super) fn also(&mut self, kind: Kind, place: Place, named: String, why: &'static str) {
        self.add(kind, place, "", named, why);
    }

    /// All of it.
    pub(super) fn tell(self, to: &mut Translator<'_>) {
        tell_when(self.whens, to);
        let mut notes: Vec<_> = self.notes.into_iter().collect();
        notes.sort_by_key(|(_, note)| note.place);
        for ((_, why), note) in notes {
            let why = match note.others {
                0 => why.to_owned(),
                others => format!("{why} (and so are {others} others)"),
            };
            to.note(note.kind, note.place, note.key, why);
        }
    }
}

/// Times of the day are for a timer, and so are those that differ from entry to entry.
fn tell_when(whens: BTreeMap<String, (Place, String)>, to: &mut Translator<'_>) {
    let all = whens.keys().take(3).cloned().collect::<Vec<_>>().join(", ");
    let known = whens.len();
    let first = whens.into_iter().min_by_key(|(_, (place, _))| *place);
    let Some((when, (place, key))) = first else {
        return;
    };
    if known > 1 {
        let more = if known > 3 { " and so on" } else { "" };
        let why = format!(
            "entries have times of their own here ({all}{more}), and are all looked at together: image-sync producer --every, or a timer, says when"
        );
        to.note(Kind::Missing, place, key, why);
        return;
    }
    let is_cron = when.contains(' ') || when.starts_with('@');
    let why = if is_cron {
        "a timer, as cron, starts image-sync sync at these times".to_owned()
    } else {
        format!("image-sync producer --every {when}, or a timer, says when images are looked at")
    };
    to.note(Kind::LeftOut, place, key, why);
}

/// The value of an option of an entry, else that of the defaults, if it says something.
pub(super) fn option<'n>(
    key: &str,
    entry: &Mapping<'n>,
    defaults: &Mapping<'n>,
) -> Option<Said<'n>> {
    let is_switch = matches!(
        key,
        "referrers"
            | "digestTags"
            | "referrerSlow"
            | "fastCheck"
            | "forceRecursive"
            | "includeExternal"
    );
    match entry.node(key) {
        // A switch that is off is said too.
        Some(node) if is_switch && !says_something(node) => None,
        _ => said(key, entry).or_else(|| said(key, defaults)),
    }
}

fn said<'n>(key: &str, mapping: &Mapping<'n>) -> Option<Said<'n>> {
    let node = mapping.node(key).filter(|node| says_something(node))?;
    Some(Said {
        node,
        key: mapping.key(key),
    })
}

/// Whether a value is another one than nothing.
fn says_something(node: &Node) -> bool {
    let is_empty = node.items().is_ok_and(<[Node]>::is_empty)
        || node.pairs().is_some_and(<[_]>::is_empty)
        || node
            .text()
            .is_some_and(|text| matches!(text, "" | "0" | "0s" | "false" | "False" | "FALSE"));
    !is_empty
}
