//! The memo in a file: what the next process knows, and what a broken file costs.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use image_sync_queue::memo::MemoFile;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::creation_times::{CreationTimes as _, DatedImage};
use image_sync_shared::ports::memo::{Fact, Memo};
use image_sync_shared::run::job::PlatformMissing;
use tempfile::TempDir;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A state file in a folder that is not there yet.
    fn state(&self) -> PathBuf {
        self.0.path().join("image-sync/state")
    }
}

fn fact(number: u32) -> Fact {
    Fact::Chosen {
        index: Digest::of(&number.to_le_bytes()),
        platforms: "linux/amd64".parse().unwrap(),
        missing: PlatformMissing::Fail,
    }
}

fn digest(number: u32) -> Digest {
    Digest::of(&[&b"child "[..], &number.to_le_bytes()].concat())
}

async fn remember(memo: &MemoFile, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        memo.remember(&fact(number), &digest(number), NOW).await;
    }
}

async fn assert_knows(memo: &MemoFile, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        let known = memo.recall(&fact(number), NOW).await;
        assert_eq!(known, Some(digest(number)), "{number}");
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

#[tokio::test]
async fn the_next_process_knows_what_this_one_learned() {
    let folder = Folder::new();
    let memo = MemoFile::open(folder.state());
    assert_eq!(memo.recall(&fact(0), NOW).await, None);
    let converted = Fact::Converted {
        refused: digest(7),
        host: "localhost:5000".to_owned(),
    };
    remember(&memo, 0..3).await;
    memo.remember(&converted, &digest(8), NOW).await;
    assert_knows(&memo, 0..3).await;
    let next = MemoFile::open(folder.state());
    assert_knows(&next, 0..3).await;
    assert_eq!(next.recall(&converted, NOW).await, Some(digest(8)));
    assert_eq!(next.recall(&fact(3), NOW).await, None);
}

#[tokio::test]
async fn what_is_known_is_not_written_again() {
    let folder = Folder::new();
    remember(&MemoFile::open(folder.state()), [0, 0, 1]).await;
    remember(&MemoFile::open(folder.state()), [0, 1]).await;
    assert_eq!(lines(&folder.state()), 2);
}

#[tokio::test]
async fn the_last_word_on_a_fact_counts() {
    let folder = Folder::new();
    let memo = MemoFile::open(folder.state());
    for number in [1, 2] {
        memo.remember(&fact(0), &digest(number), NOW).await;
    }
    let next = MemoFile::open(folder.state());
    assert_eq!(next.recall(&fact(0), NOW).await, Some(digest(2)));
}

#[tokio::test]
async fn processes_that_append_at_once_lose_nothing() {
    let folder = Folder::new();
    let mut processes = JoinSet::new();
    for process in 0..8 {
        let memo = MemoFile::open(folder.state());
        processes.spawn(async move { remember(&memo, process * 50..(process + 1) * 50).await });
    }
    processes.join_all().await;
    assert_eq!(lines(&folder.state()), 400);
    assert_knows(&MemoFile::open(folder.state()), 0..400).await;
}

#[tokio::test]
async fn a_file_cut_anywhere_costs_its_last_fact_only() {
    let folder = Folder::new();
    remember(&MemoFile::open(folder.state()), 0..3).await;
    let whole = fs::read(folder.state()).unwrap();
    let line = whole.len() / 3;
    for cut in 0..whole.len() {
        fs::write(folder.state(), &whole[..cut]).unwrap();
        let memo = MemoFile::open(folder.state());
        let left = u32::try_from(cut / line).unwrap();
        assert_knows(&memo, 0..left).await;
        assert_eq!(memo.recall(&fact(left), NOW).await, None, "cut at {cut}");
        remember(&memo, [left]).await;
        assert_knows(&MemoFile::open(folder.state()), 0..=left).await;
    }
}

#[tokio::test]
async fn broken_lines_are_skipped() {
    let folder = Folder::new();
    remember(&MemoFile::open(folder.state()), 0..2).await;
    let good = fs::read(folder.state()).unwrap();
    let broken = b"\xff\xfe\0\n\n\t\nno tab\nkey\tno digest\n";
    fs::write(folder.state(), [&broken[..], &good, broken].concat()).unwrap();
    assert_knows(&MemoFile::open(folder.state()), 0..2).await;
}

#[tokio::test]
async fn what_is_no_file_is_left_alone_and_memory_goes_on() {
    let folder = Folder::new();
    fs::create_dir_all(folder.state()).unwrap();
    let memo = MemoFile::open(folder.state());
    remember(&memo, 0..2).await;
    assert_knows(&memo, 0..2).await;
    assert!(folder.state().is_dir());
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_tried_once() {
    let folder = Folder::new();
    let parent = folder.state().parent().unwrap().to_owned();
    fs::write(&parent, "in the way").unwrap();
    let memo = MemoFile::open(folder.state());
    remember(&memo, 0..1).await;
    fs::remove_file(&parent).unwrap();
    remember(&memo, 1..2).await;
    assert_knows(&memo, 0..2).await;
    assert!(!folder.state().exists());
}

#[tokio::test]
async fn a_file_of_many_repeats_is_rewritten() {
    let folder = Folder::new();
    remember(&MemoFile::open(folder.state()), 0..2).await;
    let repeats = fs::read(folder.state()).unwrap().repeat(100);
    fs::write(folder.state(), repeats).unwrap();
    let mut read_only = fs::metadata(folder.state()).unwrap().permissions();
    read_only.set_readonly(true);
    fs::set_permissions(folder.state(), read_only).unwrap();
    let memo = MemoFile::open(folder.state());
    assert_eq!(lines(&folder.state()), 2);
    assert!(
        fs::metadata(folder.state())
            .unwrap()
            .permissions()
            .readonly()
    );
    assert_knows(&memo, 0..2).await;
    let parent = folder.state().parent().unwrap().to_owned();
    assert_eq!(
        fs::read_dir(parent).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[tokio::test]
async fn the_number_of_facts_is_bounded_in_memory_and_in_the_file() {
    let folder = Folder::new();
    remember(&MemoFile::open(folder.state()), 0..500).await;
    let memo = MemoFile::with_capacity(folder.state(), 10);
    assert_knows(&memo, 490..500).await;
    assert_eq!(memo.recall(&fact(489), NOW).await, None);
    assert_eq!(lines(&folder.state()), 10);
    remember(&memo, 500..501).await;
    assert_eq!(memo.recall(&fact(490), NOW).await, None);
    assert_knows(&memo, 491..501).await;
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_new_file_and_its_folders_are_open_to_their_owner_alone() {
    let folder = Folder::new();
    remember(&MemoFile::open(folder.state()), 0..1).await;
    assert_eq!(mode(&folder.state()), 0o600);
    assert_eq!(mode(folder.state().parent().unwrap()), 0o700);
}

#[tokio::test]
async fn a_symlink_is_neither_read_nor_written_through() {
    let folder = Folder::new();
    let (known, link) = (folder.0.path().join("known"), folder.0.path().join("link"));
    remember(&MemoFile::open(&known), 0..1).await;
    let before = fs::read(&known).unwrap();
    for target in [&known, &folder.0.path().join("nothing")] {
        std::os::unix::fs::symlink(target, &link).unwrap();
        let memo = MemoFile::open(&link);
        assert_eq!(memo.recall(&fact(0), NOW).await, None);
        remember(&memo, 1..2).await;
        assert_knows(&memo, 1..2).await;
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_file(&link).unwrap();
    }
    assert_eq!(fs::read(&known).unwrap(), before);
    assert!(!folder.0.path().join("nothing").exists());
}

#[tokio::test]
async fn a_symlink_that_comes_later_is_not_written_through() {
    let folder = Folder::new();
    remember(&MemoFile::open(folder.state()), 0..1).await;
    let memo = MemoFile::open(folder.state());
    let other = folder.0.path().join("other");
    fs::write(&other, "of somebody").unwrap();
    fs::remove_file(folder.state()).unwrap();
    std::os::unix::fs::symlink(&other, folder.state()).unwrap();
    remember(&memo, 1..3).await;
    assert_knows(&memo, 0..3).await;
    assert_eq!(fs::read_to_string(&other).unwrap(), "of somebody");
}

#[tokio::test]
async fn a_pipe_is_not_waited_for() {
    let folder = Folder::new();
    let pipe = folder.0.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let memo = MemoFile::open(&pipe);
    remember(&memo, 0..1).await;
    assert_knows(&memo, 0..1).await;
}

#[tokio::test]
async fn a_fact_of_the_file_counts_for_some_days_after_its_proof() {
    let folder = Folder::new();
    remember(&MemoFile::open(folder.state()), 0..1).await;
    let later = NOW + Duration::days(8);
    let next = MemoFile::open(folder.state());
    assert_eq!(next.recall(&fact(0), later).await, None);
    next.remember(&fact(0), &digest(0), later).await;
    let last = MemoFile::open(folder.state());
    assert_eq!(last.recall(&fact(0), later).await, Some(digest(0)));
}

#[tokio::test]
async fn a_line_without_a_time_or_of_a_time_to_come_is_no_proof() {
    let folder = Folder::new();
    let (key, next_year) = (fact(0).key(), (NOW + Duration::days(365)).unix_timestamp());
    for line in [
        format!("{key}\t{}\n", digest(1)),
        format!("{key}\t{next_year}\t{}\n", digest(1)),
        format!("{key}\t{}\t{}\n", i64::MAX, digest(1)),
        format!("{key}\t-1\t{}\n", digest(1)),
    ] {
        fs::create_dir_all(folder.state().parent().unwrap()).unwrap();
        fs::write(folder.state(), &line).unwrap();
        let memo = MemoFile::open(folder.state());
        assert_eq!(memo.recall(&fact(0), NOW).await, None, "{line:?}");
        remember(&memo, 0..1).await;
        assert_knows(&MemoFile::open(folder.state()), 0..1).await;
    }
}

#[tokio::test]
async fn a_creation_time_is_remembered_for_ever_and_per_platforms() {
    let folder = Folder::new();
    let memo = MemoFile::open(folder.state());
    let image = |platforms: Option<&str>| DatedImage {
        digest: digest(1),
        platforms: platforms.map(|text| text.parse().unwrap()),
    };
    let (whole, arm) = (image(None), image(Some("linux/arm64")));
    let (long_ago, later) = (
        datetime!(2013-05-01 00:00 UTC),
        datetime!(2020-01-01 00:00 UTC),
    );
    memo.remember_created(&whole, long_ago).await;
    memo.remember_created(&arm, later).await;
    remember(&memo, 0..1).await;
    let next = MemoFile::open(folder.state());
    for memo in [&memo, &next] {
        assert_eq!(memo.recall_created(&whole).await, Some(long_ago));
        assert_eq!(memo.recall_created(&arm).await, Some(later));
        assert_eq!(memo.recall_created(&image(Some("linux/amd64"))).await, None);
    }
    assert_knows(&next, 0..1).await;
}
