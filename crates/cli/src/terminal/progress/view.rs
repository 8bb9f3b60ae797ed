//! The progress display as lines of text, which a terminal of any size can hold.

use std::time::Duration;

use console::{Alignment, measure_text_width, pad_str};

use crate::terminal::text::{keep_end, keep_start, printable};
use crate::terminal::units;

/// Lines for images at most: more than that nobody reads.
const MOST_IMAGES: usize = 16;
/// An image that only checks is shown after this time; most are through long before, and their lines would flicker.
const SLOW_CHECK: Duration = Duration::from_secs(1);

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
}

/// An image in work.
#[derive(Debug, Default)]
pub(super) struct ImageView {
    /// What it is called.
    pub(super) name: String,
    /// How long it is in work.
    pub(super) since: Duration,
    /// Blobs that are through.
    pub(super) done_blobs: usize,
    /// Their bytes.
    pub(super) done_bytes: u64,
    /// Blobs under way.
    pub(super) blobs: Vec<BlobView>,
}

/// A blob under way.
#[derive(Debug, Default)]
pub(super) struct BlobView {
    /// Its digest, cut short.
    pub(super) name: String,
    /// Bytes sent.
    pub(super) sent: u64,
    /// Bytes in all.
    pub(super) size: u64,
}

impl View {
    /// At most `height` lines of at most `width` columns.
    pub(super) fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let mut shown: Vec<&ImageView> = self.in_flight.iter().filter(|i| i.is_shown()).collect();
        let room = height.saturating_sub(1).min(MOST_IMAGES);
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
        lines.extend(shown.iter().map(|image| image.line(name_width)));
        let others = self.in_flight.len() - shown.len();
        if others > 0 && !shown.is_empty() {
            lines.push(format!("  and {others} more"));
        }
        lines.truncate(height);
        lines
            .iter()
            .map(|line| keep_start(line, width).into_owned())
            .collect()
    }

    fn head(&self, width: usize) -> String {
        let of_all = self.images.map_or(String::new(), |all| format!("/{all}"));
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let text = format!(
            "{}{of_all} images{failed}  {}  {}/s  {}",
            self.done,
            units::bytes(self.bytes),
            units::bytes(self.rate),
            units::duration(self.elapsed),
        );
        match self.images {
            Some(all) if width >= 72 => format!("{} {text}", bar(self.done, all, 20)),
            _ => text,
        }
    }
}

impl ImageView {
    fn is_shown(&self) -> bool {
        !self.blobs.is_empty() || self.done_blobs > 0 || self.since >= SLOW_CHECK
    }

    fn line(&self, name_width: usize) -> String {
        let name = printable(&self.name);
        let name = keep_end(&name, name_width);
        let name = pad_str(&name, name_width, Alignment::Left, None);
        if self.blobs.is_empty() && self.done_blobs == 0 {
            return format!("  {name}  checking");
        }
        // A manifest may say any size.
        let sum = |of: fn(&BlobView) -> u64| self.blobs.iter().map(of).fold(0, u64::saturating_add);
        let (sent, size) = (sum(|blob| blob.sent), sum(|blob| blob.size));
        let mut parts = vec![format!(
            "  {name}  {:>10} of {:<10}",
            units::bytes(self.done_bytes.saturating_add(sent)),
            units::bytes(self.done_bytes.saturating_add(size)),
        )];
        if self.done_blobs > 0 {
            parts.push(format!(
                "{} done",
                units::count(self.done_blobs as u64, "blob")
            ));
        }
        let blobs = self.blobs.iter();
        parts.extend(blobs.map(|blob| format!("{} {}%", blob.name, percent(blob.sent, blob.size))));
        parts.join("  ")
    }
}

/// How much of a whole a part is; the whole of nothing is all of it.
fn percent(part: u64, whole: u64) -> u128 {
    let hundredths = u128::from(part) * 100;
    hundredths.checked_div(whole.into()).unwrap_or(100).min(100)
}

fn bar(done: u32, all: u32, width: usize) -> String {
    let filled = percent(done.into(), all.into()) * width as u128 / 100;
    let filled = usize::try_from(filled).unwrap_or(width).min(width);
    format!("[{}{}]", "=".repeat(filled), " ".repeat(width - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copying(name: &str, blobs: usize) -> ImageView {
        let blob = |number: usize| BlobView {
            name: format!("{number:08}"),
            sent: 512 * 1024,
            size: 1024 * 1024,
        };
        ImageView {
            name: name.to_owned(),
            since: Duration::from_secs(2),
            done_blobs: 1,
            done_bytes: 1024 * 1024,
            blobs: (0..blobs).map(blob).collect(),
        }
    }

    fn view(in_flight: Vec<ImageView>) -> View {
        View {
            images: Some(500),
            done: 12,
            failed: 2,
            bytes: 3 * 1024 * 1024,
            rate: 1024 * 1024,
            elapsed: Duration::from_secs(42),
            in_flight,
        }
    }

    #[test]
    fn shows_the_run_and_a_line_per_image() {
        let lines = view(vec![copying("library/nginx:1.27", 2)]).lines(120, 24);
        assert_eq!(
            lines,
            [
                "[                    ] 12/500 images, 2 failed  3.0 MiB  1.0 MiB/s  42.0s",
                "  library/nginx:1.27     2.0 MiB of 3.0 MiB     1 blob done  00000000 50%  00000001 50%",
            ]
        );
    }

    #[test]
    fn fits_any_terminal() {
        let name = "registry.example:5000/a/very/long/name/of/an/image:1.27";
        let view = view((0..40).map(|_| copying(name, 9)).collect());
        for (width, height) in [(200, 60), (80, 24), (40, 10), (10, 3), (3, 1), (0, 0)] {
            let lines = view.lines(width, height);
            assert!(
                lines.len() <= height.min(MOST_IMAGES + 1),
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
        let many = view((0..40).map(|_| copying("nginx:1", 1)).collect()).lines(80, 24);
        assert_eq!(many.len(), 1 + MOST_IMAGES);
        assert_eq!(many.last().unwrap(), "  and 25 more");
        let all = view((0..16).map(|_| copying("nginx:1", 1)).collect()).lines(80, 24);
        assert!(!all.last().unwrap().contains("more"), "{all:?}");
    }

    #[test]
    fn an_image_that_checks_is_shown_when_it_takes_long() {
        let mut image = ImageView {
            name: "nginx:1".to_owned(),
            ..ImageView::default()
        };
        assert_eq!(view(vec![image]).lines(80, 24).len(), 1);
        image = ImageView {
            name: "nginx:1".to_owned(),
            since: SLOW_CHECK,
            ..ImageView::default()
        };
        assert_eq!(view(vec![image]).lines(80, 24)[1], "  nginx:1  checking");
    }

    #[test]
    fn the_bar_is_full_when_all_is_done() {
        assert_eq!(bar(0, 3, 4), "[    ]");
        assert_eq!(bar(2, 3, 4), "[==  ]");
        assert_eq!(bar(3, 3, 4), "[====]");
        assert_eq!(bar(0, 0, 4), "[====]", "a run of no images is done");
    }
}
