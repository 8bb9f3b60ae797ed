//! Dead letters.

use super::backend::Backend;
use super::samples::letter;

pub(crate) async fn letters_are_listed_oldest_first(backend: &dyn Backend) {
    let letters = &backend.ports().letters;
    assert_eq!(letters.list().await, Ok(Vec::new()));
    let sent = ["b", "c", "a"].map(|id| letter(id, "some reason"));
    for letter in &sent {
        letters.put(letter.clone()).await.unwrap();
    }
    assert_eq!(letters.list().await, Ok(sent.to_vec()));
}

pub(crate) async fn a_letter_is_taken_once(backend: &dyn Backend) {
    let letters = &backend.ports().letters;
    for id in ["r1:0", "r1:1"] {
        letters.put(letter(id, "some reason")).await.unwrap();
    }
    assert_eq!(letters.take("r1:7").await, Ok(None));
    let taken = letters.take("r1:0").await;
    assert_eq!(taken, Ok(Some(letter("r1:0", "some reason"))));
    assert_eq!(letters.take("r1:0").await, Ok(None));
    assert_eq!(
        letters.list().await,
        Ok(vec![letter("r1:1", "some reason")])
    );
}

pub(crate) async fn a_letter_with_the_same_id_replaces_the_first(backend: &dyn Backend) {
    let letters = &backend.ports().letters;
    for reason in ["first", "second"] {
        letters.put(letter("r1:0", reason)).await.unwrap();
    }
    assert_eq!(letters.list().await, Ok(vec![letter("r1:0", "second")]));
    assert!(letters.take("r1:0").await.unwrap().is_some());
    assert_eq!(letters.list().await, Ok(Vec::new()));
}
