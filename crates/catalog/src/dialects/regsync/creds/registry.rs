//! What the entries for one registry say, and how that is said here.

use std::collections::BTreeMap;

use image_sync_shared::image::reference::{DOCKER_HUB, DOCKER_HUB_API};

use super::FILES;
use crate::dialects::translation::{Kind, Pairs, Translator};
use crate::document::Node;
use crate::problem::{Place, Problem};

/// What the entries for one registry say, the later ones before the earlier ones.
pub(super) struct Registry {
    /// Where the first of them stands.
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) said: BTreeMap<&'static str, Said>,
    pub(super) mirrors: Vec<(String, Place)>,
}

pub(super) struct Said {
    /// As messages name it.
    pub(super) key: String,
    pub(super) text: String,
    pub(super) place: Place,
    /// Whether the text names a file that has the value.
    pub(super) is_file: bool,
}

impl Registry {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.said.get(key).map(|said| said.text.as_str())
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    pub(super) fn pairs(
        &self,
        name: &str,
        priorities: &BTreeMap<String, u64>,
        to: &mut Translator<'_>,
    ) -> Pairs {
        let mut pairs = self.login(name, to);
        if name.contains('/') {
            let why = "the tool that it is written for never finds a registry with a path; here it holds for the repositories below it";
            to.note(Kind::Mapped, self.place, self.key("registry"), why);
            let others = self.said.iter();
            for (_, said) in others.filter(|(key, _)| !["user", "pass"].contains(key)) {
                let why = "a path has credentials alone, all else belongs to its host";
                to.note(Kind::LeftOut, said.place, &said.key, why);
            }
            return pairs;
        }
        let is_plain = self.tls(&mut pairs, to);
        self.certificates(&mut pairs, to);
        let has_endpoint = self.endpoint(name, is_plain, &mut pairs);
        self.mirrors(has_endpoint, priorities, &mut pairs, to);
        if let Some(said) = self
            .said
            .get("reqConcurrent")
            .filter(|said| said.text != "0")
        {
            pairs.push(("max_connections", said.node()));
        }
        let chunk = ["blobChunk", "blobMax"]
            .into_iter()
            .filter_map(|key| self.said.get(key));
        let chunk = chunk.filter(|said| said.text.parse().is_ok_and(|size: u64| size > 0));
        if let Some(said) = chunk.into_iter().next() {
            pairs.push(("chunk_size", said.node()));
        }
        pairs
    }

    fn login(&self, name: &str, to: &mut Translator<'_>) -> Pairs {
        let (user, pass) = (self.said.get("user"), self.said.get("pass"));
        let (Some(user), Some(pass)) = (user, pass) else {
            for (said, other) in [(user, "pass"), (pass, "user")] {
                if let Some(said) = said {
                    let why = format!(
                        "there is no {other} beside it, so that access is anonymous, as in the tool that it is written for"
                    );
                    to.note(Kind::LeftOut, said.place, &said.key, why);
                }
            }
            return Vec::new();
        };
        if user.text == "AWS" && name.contains(".dkr.ecr.") {
            let why = "a password of ECR ends after 12 hours; the credential helper ecr-login in Docker's config gets new ones";
            to.note(Kind::Mapped, pass.place, &pass.key, why);
        }
        let password = if pass.is_file {
            "password_file"
        } else {
            "password"
        };
        vec![("username", user.node()), (password, pass.node())]
    }

    /// Whether it is reached without TLS.
    fn tls(&self, pairs: &mut Pairs, to: &mut Translator<'_>) -> bool {
        let Some(said) = self.said.get("tls") else {
            return false;
        };
        let truth = || Node::of_text("true").at(said.place);
        match said.text.to_ascii_lowercase().as_str() {
            "enabled" => {}
            "insecure" => pairs.push(("insecure", truth())),
            "disabled" => {
                pairs.push(("plain_http", truth()));
                return true;
            }
            _ => {
                let told = format!(
                    "found {:?}, expected enabled, insecure or disabled",
                    said.text
                );
                to.report(Problem::new(told).key(&said.key).at(said.place));
            }
        }
        false
    }

    fn certificates(&self, pairs: &mut Pairs, to: &mut Translator<'_>) {
        for (key, ours) in FILES.iter().skip(1) {
            match self.said.get(key) {
                Some(said) if said.is_file => pairs.push((ours, said.node())),
                Some(said) => {
                    let why = format!(
                        "a certificate or key is read of a file here: save it, and set {key}: '{{{{ file \"NAME.pem\" }}}}'"
                    );
                    to.note(Kind::Missing, said.place, &said.key, why);
                }
                None => {}
            }
        }
        let has = |key| pairs.iter().any(|(ours, _)| *ours == key);
        if has("cert_file") != has("key_file") {
            let told = "found one of clientCert and clientKey, expected both or neither";
            to.report(Problem::new(told).key(&self.path).at(self.place));
            pairs.retain(|(ours, _)| !["cert_file", "key_file"].contains(ours));
        }
    }

    /// Whether requests go to another address than that of the name.
    fn endpoint(&self, name: &str, is_plain: bool, pairs: &mut Pairs) -> bool {
        let own = if name == DOCKER_HUB {
            DOCKER_HUB_API
        } else {
            name
        };
        let hostname = self
            .text("hostname")
            .filter(|host| *host != name)
            .unwrap_or(own);
        let prefix = self
            .text("pathPrefix")
            .unwrap_or_default()
            .trim_matches('/');
        if hostname == own && prefix.is_empty() {
            return false;
        }
        let scheme = if is_plain { "http" } else { "https" };
        let slash = if prefix.is_empty() { "" } else { "/" };
        let said = self.said.get("hostname").or(self.said.get("pathPrefix"));
        let place = said.map_or(self.place, |said| said.place);
        let endpoint = format!("{scheme}://{hostname}{slash}{prefix}");
        pairs.push(("endpoint", Node::of_text(&endpoint).at(place)));
        // Its scheme says it.
        pairs.retain(|(key, _)| *key != "plain_http");
        true
    }

    fn mirrors(
        &self,
        has_endpoint: bool,
        priorities: &BTreeMap<String, u64>,
        pairs: &mut Pairs,
        to: &mut Translator<'_>,
    ) {
        let Some((_, place)) = self.mirrors.first() else {
            return;
        };
        if has_endpoint {
            let why =
                "beside hostname or pathPrefix it is not known here: the registry itself is asked";
            to.note(Kind::LeftOut, *place, self.key("mirrors"), why);
            return;
        }
        let priority = |name: &str| priorities.get(name).copied().unwrap_or(0);
        let mut mirrors: Vec<_> = self.mirrors.iter().collect();
        mirrors.sort_by_key(|(name, _)| priority(name));
        if mirrors.iter().any(|(name, _)| priority(name) > 0) {
            let why =
                "they are in the order of their priority; all are asked before the registry itself";
            to.note(Kind::Mapped, *place, self.key("mirrors"), why);
        }
        let items = mirrors
            .iter()
            .map(|(name, place)| Node::of_text(name).at(*place));
        pairs.push(("mirrors", Node::of_items(items.collect()).at(*place)));
    }
}

impl Said {
    fn node(&self) -> Node {
        Node::of_text(&self.text).at(self.place)
    }
}
