//! The progress display as lines of text, which a terminal of any size can hold.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use console::{Alignment, measure_text_width, pad_str};
use image_sync_shared::ports::queue::fleet::{ImageInHand, Transfers};
use time::OffsetDateTime;

use crate::terminal::targets::{names_apart, place_of};
use crate::terminal::text::{keep_end, keep_start, printable};
use crate::terminal::units;

/// Lines for images at most: more than that nobody reads.
const MOST_IMAGES: usize = 16;
/// Lines for registries that are waited for at most.
const MOST_HOSTS: usize = 3;
/// An image that only checks is shown after this time; most are through long before, and their lines would flicker.
const SLOW_CHECK: Duration = Duration::from_secs(1);
/// After this time without a byte it is said that a transfer stands still.
const STANDS_STILL: Duration = Duration::from_secs(5);

/// A run at one moment.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Images of the run, once that is known.
    pub(super) images: Option<u32>,
    /// Images with a result.
    pub(super) done: u32,
    /// Those that failed.
    pub(super) failed: u32,
    /// Bytes sent.
    pub(super) bytes: u64,
    /// Bytes per second.
    pub(super) rate: u64,
    /// Since the start of the run.
    pub(super) elapsed: Duration,
    /// Images in work, the oldest first.
    pub(super) in_flight: Vec<ImageView>,
    /// Those that were put back, by the registry that they come from.
    pub(super) waiting: Vec<WaitingView>,
    /// Whether the run is to end.
    pub(super) ending: Option<EndingView>,
}

/// A run that is to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndingView {
    /// The signal that says so.
    pub(super) signal: &'static str,
    /// For how long what is in hand may still take.
    pub(super) left: Duration,
}

/// An image in work.
#[derive(Debug, Default)]
pub(super) struct ImageView {
    /// What it is called.
    pub(super) name: String,
    /// How long it is in work.
    pub(super) since: Duration,
    /// Its blobs, once it is known which.
    pub(super) transfers: Option<Transfers>,
    /// The worker that has it in hand, where that is another process.
    pub(super) worker: Option<String>,
}

/// An image that was put back.
#[derive(Clone, Debug)]
pub(super) struct WaitingImage {
    /// The registry that it comes from.
    pub(super) host: String,
    /// Why it was put back.
    pub(super) why: String,
    /// When it comes again.
    pub(super) until: OffsetDateTime,
}

/// Images of one registry that were put back.
#[derive(Debug)]
pub(super) struct WaitingView {
    /// The registry.
    pub(super) host: String,
    /// How many they are.
    pub(super) images: u64,
    /// When the first one comes again.
    pub(super) left: Duration,
    /// Why that one was put back.
    pub(super) why: String,
}

/// Images in hand, each with the worker that has it, as they are shown: with their targets where others are called the same.
pub(super) fn named_apart(
    images: impl Iterator<Item = (ImageInHand, Option<String>)>,
) -> Vec<ImageView> {
    let images: Vec<_> = images.collect();
    let names = images.iter();
    let names = names.map(|(image, _)| (image.image.as_str(), place_of(&image.target)));
    let names: Vec<_> = names_apart(names).map(Cow::into_owned).collect();
    let images = images.into_iter().zip(names);
    images
        .map(|((image, worker), name)| ImageView {
            name,
            since: image.since,
            transfers: image.transfers,
            worker,
        })
        .collect()
}

/// The images that wait, by host, the first to come first.
pub(super) fn by_host<'a>(
    waiting: impl Iterator<Item = &'a WaitingImage>,
    now: OffsetDateTime,
) -> Vec<WaitingView> {
    let mut by_host: BTreeMap<&str, WaitingView> = BTreeMap::new();
    for WaitingImage { host, why, until } in waiting {
        let left = Duration::try_from(*until - now).unwrap_or_default();
        let first = by_host.entry(host).or_insert_with(|| WaitingView {
            host: host.clone(),
            images: 0,
            left,
            why: why.clone(),
        });
        first.images += 1;
        if left < first.left {
            first.left = left;
            first.why.clone_from(why);
        }
    }
    let mut waiting: Vec<WaitingView> = by_host.into_values().collect();
    waiting.sort_by_key(|host| host.left);
    waiting
}

impl EndingView {
    fn line(&self) -> String {
        let Self { signal, left } = self;
        let left = units::seconds(*left);
        format!("{signal}: ending in order, {left} left; another one ends at once")
    }
}

/// A part of a line, and how soon it gives way: the highest number first.
type Part = (u8, String);

impl View {
    /// At most `height` lines of at most `width` columns.
    pub(super) fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let ending = self.ending.as_ref().map(EndingView::line);
        let height = height.saturating_sub(usize::from(ending.is_some()));
        let hosts = self.waiting.len().min(MOST_HOSTS).min(height / 4);
        let mut shown: Vec<&ImageView> = self.in_flight.iter().filter(|i| i.is_shown()).collect();
        let room = height.saturating_sub(1 + hosts).min(MOST_IMAGES);
        let all_fit = shown.len() <= room;
        shown.truncate(if all_fit {
            room
        } else {
            room.saturating_sub(1)
        });

        let widest = shown
            .iter()
            .map(|image| measure_text_width(&image.name))
            .max();
        let name_width = widest.unwrap_or_default().min(width * 2 / 5);
        let mut lines = vec![self.head(width)];
        lines.extend(shown.iter().map(|image| image.line(name_width, width)));
        let others = self.in_flight.len() - shown.len();
        if others > 0 && !shown.is_empty() {
            lines.push(format!("  and {others} more"));
        }
        lines.extend(self.waiting[..hosts].iter().map(WaitingView::line));
        lines.truncate(height);
        lines.extend(ending);
        lines
            .iter()
            .map(|line| keep_start(line, width).into_owned())
            .collect()
    }

    fn head(&self, width: usize) -> String {
        let of_all = self.images.map_or(String::new(), |all| format!("/{all}"));
        let waiting = self.waiting.iter().map(|host| host.images).sum();
        let counted = |number: u64, what| match number {
            0 => String::new(),
            some => format!(", {some} {what}"),
        };
        let failed = counted(self.failed.into(), "failed");
        let waiting = counted(waiting, "waiting");
        let mut parts = vec![
            (0, format!("{}{of_all} images{failed}{waiting}", self.done)),
            (2, self.amount()),
            (3, format!("{}/s", units::bytes(self.rate))),
            (4, units::duration(self.elapsed)),
        ];
        parts.extend(self.left().map(|left| (1, left)));
        if let Some(all) = self.images {
            parts.insert(0, (5, bar(self.done.into(), all.into(), 20)));
        }
        fitting(parts, width)
    }

    /// Bytes that are still to be sent of the images in work.
    fn to_come(&self) -> u64 {
        let transfers = self.in_flight.iter().filter_map(|image| image.transfers);
        let left = transfers.map(|it| it.to_send.saturating_sub(it.sent));
        left.fold(0, u64::saturating_add)
    }

    /// Bytes of how many, as far as that is known.
    fn amount(&self) -> String {
        match self.to_come() {
            0 => units::bytes(self.bytes),
            left => amounts(self.bytes, self.bytes.saturating_add(left)),
        }
    }

    /// How long it takes at this rate to send what is known of. What other images need is not known before their turn.
    fn left(&self) -> Option<String> {
        let left = time_left(self.to_come(), self.rate)?;
        let in_work = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        let is_all = self
            .images
            .is_some_and(|all| self.done.saturating_add(in_work) >= all);
        Some(if is_all {
            format!("{left} left")
        } else {
            format!("at least {left} left")
        })
    }
}

impl ImageView {
    fn is_shown(&self) -> bool {
        self.transfers.is_some() || self.since >= SLOW_CHECK
    }

    fn line(&self, name_width: usize, width: usize) -> String {
        let name = printable(&self.name);
        let name = keep_end(&name, name_width);
        let name = pad_str(&name, name_width, Alignment::Left, None);
        let mut parts = vec![(0, format!("  {name}"))];
        match &self.transfers {
            None => parts.push((1, "checking".to_owned())),
            Some(transfers) => parts.extend(parts_of(*transfers)),
        }
        let worker = self.worker.as_deref().map(printable);
        parts.extend(worker.map(|worker| (6, format!("on {worker}"))));
        fitting(parts, width)
    }
}

impl WaitingView {
    fn line(&self) -> String {
        let images = units::count(self.images, "image");
        let left = units::seconds(self.left);
        format!(
            "  {}: {images} waiting, the first for {left}: {}",
            printable(&self.host),
            printable(&self.why)
        )
    }
}

/// What is sent of an image, in words.
fn parts_of(transfers: Transfers) -> Vec<Part> {
    if transfers.sent >= transfers.to_send {
        return vec![(1, "writing manifests".to_owned())];
    }
    let stands_still = transfers.under_way > 0 && transfers.stands_still >= STANDS_STILL;
    let percent = format!("{:>3}%", percent(transfers.sent, transfers.to_send));
    let mut parts = vec![
        (5, bar(transfers.sent, transfers.to_send, 10)),
        (if stands_still { 2 } else { 1 }, percent),
        (
            3,
            format!("{:>21}", amounts(transfers.sent, transfers.to_send)),
        ),
    ];
    if stands_still {
        let still = units::seconds(transfers.stands_still);
        let cut = units::seconds(transfers.cut_in);
        parts.push((1, format!("no bytes for {still}, cut in {cut}")));
        return parts;
    }
    parts.push((4, format!("{:>10}/s", units::bytes(transfers.rate))));
    let left = time_left(transfers.to_send - transfers.sent, transfers.rate);
    parts.extend(left.map(|left| (2, format!("{left} left"))));
    parts
}

/// The parts side by side, without those that give way first where there is no room for all.
fn fitting(mut parts: Vec<Part>, width: usize) -> String {
    loop {
        let texts: Vec<&str> = parts.iter().map(|(_, text)| text.as_str()).collect();
        let line = texts.join("  ");
        let gives_way = parts.iter().map(|(order, _)| *order).max();
        match gives_way {
            Some(order) if order > 0 && measure_text_width(&line) > width => {
                parts.retain(|(other, _)| *other != order);
            }
            _ => return line,
        }
    }
}

/// `12.3 MiB of 1.0 GiB`.
fn amounts(part: u64, whole: u64) -> String {
    format!("{} of {}", units::bytes(part), units::bytes(whole))
}

/// How long so many bytes take at this rate; none while nothing moves.
fn time_left(bytes: u64, rate: u64) -> Option<String> {
    let seconds = bytes.checked_div(rate).filter(|_| bytes > 0)?;
    Some(units::seconds(Duration::from_secs(seconds)))
}

/// How much of a whole a part is; the whole of nothing is all of it.
fn percent(part: u64, whole: u64) -> u128 {
    let hundredths = u128::from(part) * 100;
    hundredths.checked_div(whole.into()).unwrap_or(100).min(100)
}

fn bar(done: u64, all: u64, width: usize) -> String {
    let filled = percent(done, all) * width as u128 / 100;
    let filled = usize::try_from(filled).unwrap_or(width).min(width);
    format!("[{}{}]", "=".repeat(filled), " ".repeat(width - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn sending() -> Transfers {
        Transfers {
            sent: 45 * MIB,
            to_send: 100 * MIB,
            rate: 5 * MIB,
            under_way: 2,
            stands_still: Duration::ZERO,
            cut_in: Duration::from_secs(60),
        }
    }

    fn image(name: &str, transfers: Option<Transfers>) -> ImageView {
        ImageView {
            name: name.to_owned(),
            since: Duration::from_secs(2),
            transfers,
            worker: None,
        }
    }

    fn view(in_flight: Vec<ImageView>) -> View {
        View {
            images: Some(500),
            done: 12,
            failed: 2,
            bytes: 3 * MIB,
            rate: MIB,
            elapsed: Duration::from_secs(42),
            in_flight,
            waiting: Vec::new(),
            ending: None,
        }
    }

    fn waiting(host: &str, images: u64) -> WaitingView {
        WaitingView {
            host: host.to_owned(),
            images,
            left: Duration::from_secs(75),
            why: "429 Too Many Requests".to_owned(),
        }
    }

    #[test]
    fn shows_the_run_and_a_line_per_image() {
        let lines = view(vec![image("library/nginx:1.27", Some(sending()))]).lines(120, 24);
        assert_eq!(
            lines,
            [
                "[                    ]  12/500 images, 2 failed  3.0 MiB of 58.0 MiB  1.0 MiB/s  42.0s  at least 55s left",
                "  library/nginx:1.27  [====      ]   45%  45.0 MiB of 100.0 MiB     5.0 MiB/s  11s left",
            ]
        );
    }

    #[test]
    fn what_tells_least_gives_way_in_a_narrow_terminal() {
        let view = view(vec![image("library/nginx:1.27", Some(sending()))]);
        assert_eq!(
            view.lines(80, 24),
            [
                "12/500 images, 2 failed  3.0 MiB of 58.0 MiB  1.0 MiB/s  at least 55s left",
                "  library/nginx:1.27   45%  45.0 MiB of 100.0 MiB     5.0 MiB/s  11s left",
            ]
        );
        assert_eq!(
            view.lines(60, 24),
            [
                "12/500 images, 2 failed  at least 55s left",
                "  library/nginx:1.27   45%  45.0 MiB of 100.0 MiB  11s left",
            ]
        );
        assert_eq!(view.lines(34, 24)[1], "  …y/nginx:1.27   45%  11s left");
    }

    #[test]
    fn the_worker_of_an_image_is_named_where_there_is_room() {
        let mut at_work = image("nginx:1", Some(sending()));
        at_work.worker = Some("worker-1\u{1b}[2J".to_owned());
        let view = view(vec![at_work]);
        let line = |width| view.lines(width, 24)[1].clone();
        assert!(
            line(120).ends_with("11s left  on worker-1 [2J"),
            "{}",
            line(120)
        );
        assert!(line(80).ends_with("11s left"), "{}", line(80));
    }

    #[test]
    fn a_transfer_that_stands_still_says_so_and_when_it_is_cut() {
        let still = Transfers {
            stands_still: Duration::from_secs(34),
            cut_in: Duration::from_secs(26),
            ..sending()
        };
        let lines = view(vec![image("nginx:1", Some(still))]).lines(80, 24);
        assert_eq!(
            lines[1],
            "  nginx:1   45%  45.0 MiB of 100.0 MiB  no bytes for 34s, cut in 26s"
        );
        let lines = view(vec![image("nginx:1", Some(still))]).lines(40, 24);
        assert_eq!(lines[1], "  nginx:1  no bytes for 34s, cut in 26s");
        // Between two blobs nothing is under way that could stand still.
        let between = Transfers {
            under_way: 0,
            ..still
        };
        let lines = view(vec![image("nginx:1", Some(between))]).lines(80, 24);
        assert!(!lines[1].contains("no bytes"), "{lines:?}");
    }

    #[test]
    fn registries_that_are_waited_for_have_a_line_each() {
        let waits = View {
            waiting: vec![waiting("ghcr.io", 7), waiting("quay.io", 1)],
            ..view(Vec::new())
        };
        assert_eq!(
            waits.lines(80, 24),
            [
                "12/500 images, 2 failed, 8 waiting  3.0 MiB  1.0 MiB/s  42.0s",
                "  ghcr.io: 7 images waiting, the first for 1m15s: 429 Too Many Requests",
                "  quay.io: 1 image waiting, the first for 1m15s: 429 Too Many Requests",
            ]
        );
    }

    #[test]
    fn a_signal_is_told_in_one_line_at_the_end_with_the_time_that_is_left() {
        let view = View {
            images: Some(5),
            ending: Some(EndingView {
                signal: "SIGINT",
                left: Duration::from_secs(4),
            }),
            ..View::default()
        };
        let lines = view.lines(58, 24);
        let last = "SIGINT: ending in order, 4s left; another one ends at once";
        assert_eq!((lines.len(), lines[1].as_str()), (2, last));
        assert_eq!(view.lines(58, 1).len(), 1);
    }

    #[test]
    fn the_time_left_is_no_more_than_known_where_images_are_to_come() {
        let mut last = view(vec![image("nginx:1", Some(sending()))]);
        last.images = Some(13);
        assert!(last.head(120).ends_with("  55s left"), "{}", last.head(120));
        last.images = None;
        assert!(last.head(120).ends_with("  at least 55s left"));
        last.rate = 0;
        assert!(last.head(120).ends_with("  42.0s"), "nothing moves");
    }

    #[test]
    fn an_image_whose_blobs_are_all_there_writes_its_manifests() {
        let sent = Transfers {
            sent: 100 * MIB,
            under_way: 0,
            ..sending()
        };
        for transfers in [sent, Transfers::default()] {
            let lines = view(vec![image("nginx:1", Some(transfers))]).lines(80, 24);
            assert_eq!(lines[1], "  nginx:1  writing manifests");
        }
    }

    #[test]
    fn fits_any_terminal() {
        let name = "registry.example:5000/a/very/long/name/of/an/image:1.27";
        let images = (0..40).map(|_| image(name, Some(sending()))).collect();
        let view = View {
            waiting: (0..9).map(|_| waiting(name, 3)).collect(),
            ..view(images)
        };
        for (width, height) in [(200, 60), (80, 24), (40, 10), (10, 3), (3, 1), (0, 0)] {
            let lines = view.lines(width, height);
            assert!(
                lines.len() <= height.min(MOST_IMAGES + MOST_HOSTS + 1),
                "{width}x{height}: {lines:?}"
            );
            for line in &lines {
                assert!(
                    measure_text_width(line) <= width,
                    "{width}x{height}: {line}"
                );
            }
        }
    }

    #[test]
    fn says_how_many_images_are_not_shown() {
        let images = |number| {
            (0..number)
                .map(|_| image("nginx:1", Some(sending())))
                .collect()
        };
        let many = view(images(40)).lines(80, 24);
        assert_eq!(many.len(), 1 + MOST_IMAGES);
        assert_eq!(many.last().unwrap(), "  and 25 more");
        let all = view(images(16)).lines(80, 24);
        assert!(!all.last().unwrap().contains("more"), "{all:?}");
    }

    #[test]
    fn an_image_that_checks_is_shown_when_it_takes_long() {
        let mut checks = image("nginx:1", None);
        checks.since = Duration::from_millis(999);
        assert_eq!(view(vec![checks]).lines(80, 24).len(), 1);
        let mut checks = image("nginx:1", None);
        checks.since = SLOW_CHECK;
        assert_eq!(view(vec![checks]).lines(80, 24)[1], "  nginx:1  checking");
    }

    #[test]
    fn the_bar_is_full_when_all_is_done() {
        assert_eq!(bar(0, 3, 4), "[    ]");
        assert_eq!(bar(2, 3, 4), "[==  ]");
        assert_eq!(bar(3, 3, 4), "[====]");
        assert_eq!(bar(0, 0, 4), "[====]", "a run of no images is done");
    }
}
