//! Auth files of any bytes.

use image_sync_fuzzkit::{assert_presentable, text};
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use serde_json::Value;

use super::auth_file::AuthFile;

/// Texts shorter than this are found anywhere.
const SHORTEST_SECRET: usize = 6;

/// An auth file: what is wrong with it is told without a secret.
///
/// # Panics
/// If that does not hold.
pub fn auth_file(input: &[u8]) {
    let content = text(input);
    match AuthFile::parse(content) {
        Ok(file) => {
            for (host, name) in [("docker.io", "library/nginx"), ("a.test:5000", "b/c")] {
                assert_eq!(file.find(host, name), file.find(host, name));
            }
        }
        Err(why) => {
            let (side, step) = (Side::Source, Step::Authenticate);
            let failure = Failure::new(side, step, "a.test", FailureClass::Local, &why);
            assert_presentable(&failure.to_string());
            let json: Value = serde_json::from_str(content).unwrap_or_default();
            let entries = json["auths"].as_object().into_iter().flatten();
            for (key, entry) in entries {
                for member in ["auth", "password", "identitytoken"] {
                    let secret = entry[member].as_str().unwrap_or_default();
                    let is_hidden = secret.len() < SHORTEST_SECRET
                        || key.contains(secret)
                        || !why.contains(secret);
                    assert!(is_hidden, "{secret:?} in {why:?}");
                }
            }
        }
    }
}
