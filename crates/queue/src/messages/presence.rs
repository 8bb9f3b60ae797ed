//! What members of a fleet tell of themselves, as bytes.

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::fleet::{About, MOST_TOLD};
use image_sync_shared::text::bounded;
use serde::{Deserialize, Serialize};

use super::first_that_fits;

/// The version of what this program tells. A reader takes what it understands of any.
const PRESENCE_VERSION: u32 = 1;
/// What is longer, nobody told who keeps to [`MOST_TOLD`].
const LONGEST: usize = 512 * 1024;
/// As many images are told where a server takes little.
const FEW: usize = 8;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    about: T,
}

/// What a member says of itself, as JSON of at most `limit` bytes: with fewer images where all do not fit.
pub(crate) fn encode_presence(about: &About, limit: usize) -> Result<Vec<u8>, QueueError> {
    let with = |images: usize| Versioned {
        v: PRESENCE_VERSION,
        about: About {
            images: about.images.iter().take(images).cloned().collect(),
            ..about.clone()
        },
    };
    let what = || "what this process has in hand".to_owned();
    let limit = limit.min(LONGEST);
    first_that_fits(&[with(MOST_TOLD), with(FEW), with(0)], limit, &what)
}

/// What a member says of itself, or why this is nothing that one says.
pub(crate) fn decode_presence(bytes: &[u8]) -> Result<About, String> {
    if bytes.len() > LONGEST {
        return Err(format!("{} bytes, expected {LONGEST} at most", bytes.len()));
    }
    let read = serde_json::from_slice::<Versioned<About>>(bytes);
    let mut about = read.map_err(bounded)?.about;
    about.images.truncate(MOST_TOLD);
    Ok(about)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use image_sync_shared::ports::queue::fleet::{ImageInHand, Transfers};
    use image_sync_shared::run::RunId;
    use image_sync_shared::text::{MAX_TEXT, is_deceptive};
    use time::OffsetDateTime;

    use super::*;

    fn about(images: usize, text: &str) -> About {
        let image = ImageInHand {
            run: RunId::new("r1"),
            idx: 7,
            image: text.to_owned(),
            target: text.to_owned(),
            since: Duration::from_millis(1500),
            transfers: Some(Transfers {
                sent: 5,
                to_send: 7,
                ..Transfers::default()
            }),
        };
        About {
            name: text.to_owned(),
            host: text.to_owned(),
            version: text.to_owned(),
            since: OffsetDateTime::UNIX_EPOCH,
            slots: 4,
            in_hand: u32::try_from(images).unwrap(),
            images: vec![image; images],
            has_left: false,
        }
    }

    #[test]
    fn what_is_told_is_read_again() {
        let told = about(2, "a");
        let json = encode_presence(&told, usize::MAX).unwrap();
        assert!(json.starts_with(br#"{"v":1,"name":"a""#));
        assert_eq!(decode_presence(&json), Ok(told));
    }

    #[test]
    fn what_is_told_fits_and_has_a_number_of_images_and_texts_of_some_length_at_most() {
        let evil = "\u{9b}\u{202e}x".repeat(100_000);
        for (limit, images) in [(usize::MAX, MOST_TOLD), (60_000, FEW), (4_000, 0)] {
            let json = encode_presence(&about(500, &evil), limit).unwrap();
            assert!(json.len() <= limit.min(LONGEST), "{}", json.len());
            let read = decode_presence(&json).unwrap();
            assert_eq!((read.images.len(), read.in_hand), (images, 500));
            assert!(read.name.len() <= MAX_TEXT && !read.name.chars().any(is_deceptive));
        }
        let many = serde_json::to_vec(&Versioned {
            v: 1,
            about: about(500, "a"),
        });
        let read = decode_presence(&many.unwrap()).unwrap();
        assert_eq!(read.images.len(), MOST_TOLD);
    }

    #[test]
    fn what_a_newer_version_says_is_read_as_far_as_it_is_understood() {
        let json = br#"{"v":9,"name":"a","since":"2026-11-27T14:00:00Z","mood":{"good":true}}"#;
        let read = decode_presence(json).unwrap();
        assert_eq!((read.name.as_str(), read.slots), ("a", 0));
    }

    #[test]
    fn what_is_no_presence_says_why() {
        let long = format!("{:?}", "x".repeat(LONGEST));
        for bytes in ["", "[]", r#"{"v":1}"#, r#"{"v":1,"name":7}"#, &long] {
            assert!(!decode_presence(bytes.as_bytes()).unwrap_err().is_empty());
        }
    }
}
