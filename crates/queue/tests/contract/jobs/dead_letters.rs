//! Dead letters.

use crate::contract::samples::{all_of, letter};
use crate::contract::test_queue::TestQueue;

pub(crate) async fn letters_are_listed_oldest_first(queue: &dyn TestQueue) {
    let letters = &*queue.ports().letters;
    assert_eq!(all_of(letters).await, []);
    let sent = ["b", "c", "a"].map(|id| letter(id, "some reason"));
    for letter in &sent {
        letters.put(letter.clone()).await.unwrap();
    }
    assert_eq!(all_of(letters).await, sent);
}

pub(crate) async fn a_letter_is_taken_once(queue: &dyn TestQueue) {
    let letters = &*queue.ports().letters;
    for id in ["r1:0", "r1:1"] {
        letters.put(letter(id, "some reason")).await.unwrap();
    }
    assert_eq!(letters.take("r1:7").await, Ok(None));
    let taken = letters.take("r1:0").await;
    assert_eq!(taken, Ok(Some(letter("r1:0", "some reason"))));
    assert_eq!(letters.take("r1:0").await, Ok(None));
    assert_eq!(all_of(letters).await, [letter("r1:1", "some reason")]);
}

pub(crate) async fn a_letter_with_the_same_id_replaces_the_first(queue: &dyn TestQueue) {
    let letters = &*queue.ports().letters;
    for reason in ["first", "second"] {
        letters.put(letter("r1:0", reason)).await.unwrap();
    }
    assert_eq!(all_of(letters).await, [letter("r1:0", "second")]);
    assert!(letters.take("r1:0").await.unwrap().is_some());
    assert_eq!(all_of(letters).await, []);
}

pub(crate) async fn a_letter_that_is_looked_at_stays(queue: &dyn TestQueue) {
    let letters = &*queue.ports().letters;
    let sent = letter("r1:0", "some reason");
    letters.put(sent.clone()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(letters.get("r1:0").await, Ok(Some(sent.clone())));
    }
    assert_eq!(letters.get("r1:1").await, Ok(None));
}

pub(crate) async fn reading_ends_though_letters_keep_coming(queue: &dyn TestQueue) {
    let letters = &*queue.ports().letters;
    for id in ["a", "b", "c"] {
        letters.put(letter(id, "first")).await.unwrap();
    }
    let mut reader = letters.read().await.unwrap();
    letters.put(letter("d", "later")).await.unwrap();
    let mut read = Vec::new();
    while let Some(found) = reader.next().await.unwrap() {
        letters.take(&found.id).await.unwrap();
        letters.put(letter(&found.id, "again")).await.unwrap();
        read.push(found);
    }
    assert_eq!(read, ["a", "b", "c"].map(|id| letter(id, "first")));
    let left = all_of(letters).await;
    let ids: Vec<&str> = left.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!(ids, ["d", "a", "b", "c"]);
}
