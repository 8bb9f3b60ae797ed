//! Log lines: where they go, how they look, which there are.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

use image_sync_shared::text::escape_json;
use thiserror::Error;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Filter, Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::traces::SpanLayer;
use crate::options::LogFormat;
use crate::terminal::progress::Screen;
use crate::terminal::text;

/// A level or directive that is none.
#[derive(Debug, Error)]
#[error(
    "'{found}': {reason}; expected error, warn, info, debug, trace, off, or directives such as \
     image_sync_registry=debug"
)]
pub(crate) struct InvalidLevel {
    found: String,
    reason: String,
}

/// Where the log goes.
pub(crate) enum Destination<'a> {
    /// To stderr, beside a display.
    Screen(&'a Screen),
    /// To the end of a file.
    File(Arc<File>),
}

impl<'a> Destination<'a> {
    /// The file, if there is one, else `screen`.
    pub(crate) fn of(screen: &'a Screen, file: Option<&Path>) -> Result<Self, String> {
        let Some(path) = file else {
            return Ok(Self::Screen(screen));
        };
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("--log {}: {error}", path.display()))?;
        Ok(Self::File(Arc::new(file)))
    }
}

/// Starts logging.
pub(crate) fn start(
    to: Destination<'_>,
    format: LogFormat,
    level: &str,
    no_color: bool,
    spans: Option<SpanLayer>,
) -> Result<(), InvalidLevel> {
    let screen = match to {
        Destination::Screen(screen) => screen,
        Destination::File(file) => {
            drop(subscriber(file, format, level, false, spans)?.try_init());
            return Ok(());
        }
    };
    let colour = io::stderr().is_terminal() && !no_color;
    // A second subscriber in one process is a test's, and keeps the first.
    let writer = LogWriter {
        screen: screen.clone(),
        format,
        colour,
    };
    drop(subscriber(writer, format, level, colour, spans)?.try_init());
    Ok(())
}

fn subscriber<W>(
    writer: W,
    format: LogFormat,
    level: &str,
    colour: bool,
    spans: Option<SpanLayer>,
) -> Result<Box<dyn Subscriber + Send + Sync>, InvalidLevel>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = with_context(filter(level)?);
    let spans = tracing_subscriber::registry().with(spans);
    // A stderr that is closed must not end the program: errors of writing are left alone.
    Ok(match format {
        LogFormat::Text => {
            let lines = fmt::layer().with_writer(writer).with_ansi(colour);
            let lines = lines.with_target(false).log_internal_errors(false);
            Box::new(spans.with(lines.with_filter(filter)))
        }
        LogFormat::Json => {
            let lines = json_subscriber::fmt::layer().with_writer(writer);
            let lines = lines.with_target(false).log_internal_errors(false);
            let lines = lines.flatten_event(true).with_current_span(false);
            let lines = lines.flatten_span_list_on_top_level(true);
            Box::new(spans.with(lines.with_filter(filter)))
        }
    })
}

/// A level is that of this program's own lines; libraries only warn. Directives are taken as they are.
fn filter(level: &str) -> Result<EnvFilter, InvalidLevel> {
    let directives = match level.parse::<LevelFilter>() {
        // Both log what is logged anyway: refused certificates, and what becomes of the connection to NATS.
        Ok(own) => format!(
            "{},image_sync={own},rustls_platform_verifier=off,async_nats=off",
            own.min(LevelFilter::WARN)
        ),
        Err(_) => level.to_owned(),
    };
    let invalid = |reason| InvalidLevel {
        found: level.to_owned(),
        reason,
    };
    if let Some(word) = bare_target(&directives) {
        return Err(invalid(format!("{word:?} is no level")));
    }
    EnvFilter::builder()
        .parse(&directives)
        .map_err(|error| invalid(error.to_string()))
}

/// A directive that is neither a level nor says one. It would be taken for a target of which all is logged, and of others
/// nothing: so a level that is misspelled.
fn bare_target(directives: &str) -> Option<&str> {
    let mut words = directives.split(',').map(str::trim);
    words.find(|word| {
        let says_more = word.is_empty() || word.contains(['=', '[']);
        !says_more && word.parse::<LevelFilter>().is_err()
    })
}

/// What `lines` lets through, and the spans that say which run and which image a line is about, whatever its level.
fn with_context<S: Subscriber>(lines: EnvFilter) -> impl Filter<S> {
    let level = match lines.max_level_hint() {
        Some(LevelFilter::OFF) => LevelFilter::OFF,
        _ => LevelFilter::INFO,
    };
    let spans = filter_fn(move |of| {
        of.is_span() && *of.level() <= level && of.target().starts_with("image_sync")
    });
    lines.or(spans.with_max_level_hint(level))
}

/// A line as it is written, whatever is told in it.
fn shown(line: &str, format: LogFormat, colour: bool) -> Cow<'_, str> {
    match format {
        LogFormat::Text => text::log_line(line, colour),
        LogFormat::Json => escape_json(line),
    }
}

/// Writes log lines beside the display, which come one by one.
#[derive(Clone, Debug)]
struct LogWriter {
    screen: Screen,
    format: LogFormat,
    colour: bool,
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let shown = shown(&text, self.format, self.colour);
        self.screen.write(shown.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, error, info, info_span, warn};
    use tracing_subscriber::Registry;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(move || writer.clone(), format, level, false, None).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            warn!(image = "nginx", "own warning");
            info!("own information");
            debug!("own detail");
            info!(target: "hyper", "foreign information");
            error!(target: "async_nats::connector", "told twice");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_level_is_that_of_the_programs_own_lines() {
        let text = logged(LogFormat::Text, "info");
        assert!(
            text.contains("own information") && !text.contains("own detail"),
            "{text}"
        );
        let text = logged(LogFormat::Text, "debug");
        assert!(
            text.contains("own detail") && !text.contains("foreign"),
            "{text}"
        );
        assert!(!text.contains("told twice"), "{text}");
        assert_eq!(logged(LogFormat::Text, "off"), "");
        let text = logged(LogFormat::Text, "error");
        assert_eq!(text, "");
    }

    #[test]
    fn directives_are_taken_as_they_are() {
        let text = logged(LogFormat::Text, "hyper=info");
        assert!(
            text.contains("foreign information") && !text.contains("own"),
            "{text}"
        );
        let text = logged(LogFormat::Text, "info,async_nats=debug");
        assert!(text.contains("told twice"), "{text}");
    }

    #[test]
    fn a_line_says_which_image_it_is_about_at_every_level() {
        for level in ["error", "warn", "info", "image_sync_registry=error"] {
            let lines = Lines::default();
            let writer = lines.clone();
            let writer = move || writer.clone();
            let subscriber = subscriber(writer, LogFormat::Text, level, false, None).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                let _job = info_span!("job", image = "nginx").entered();
                error!(target: "image_sync_registry", "failed");
            });
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            assert!(text.contains("image=\"nginx\""), "{level}: {text}");
        }
    }

    #[test]
    fn no_spans_are_made_where_nothing_is_logged() {
        let most = |level| {
            let filter: &dyn Filter<Registry> = &with_context(filter(level).unwrap());
            filter.max_level_hint()
        };
        assert_eq!(most("off"), Some(LevelFilter::OFF));
        assert_eq!(most("error"), Some(LevelFilter::INFO));
    }

    #[test]
    fn json_has_an_object_per_line_with_its_fields_and_those_of_its_spans_at_the_top() {
        let lines = Lines::default();
        let writer = lines.clone();
        let writer = move || writer.clone();
        let subscriber = subscriber(writer, LogFormat::Json, "warn", false, None).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let _job = info_span!("job", run_id = "r1", attempt = 2).entered();
            let _copy = info_span!("copy").entered();
            warn!(image = "nginx", "own warning");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let mut line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert!(line["timestamp"].take().is_string(), "{text}");
        let expected = serde_json::json!({
            "timestamp": null, "level": "WARN", "message": "own warning",
            "image": "nginx", "run_id": "r1", "attempt": 2, "name": "copy",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_a_registry_says_forges_no_line_and_does_not_play_with_the_terminal() {
        let evil = "x\n2026 ERROR forged\u{9b}31m\u{7f}\u{202e}\u{1b}[31m";
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = Lines::default();
            let writer = lines.clone();
            let subscriber =
                subscriber(move || writer.clone(), format, "info", false, None).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                let _job = info_span!("job", run = %evil, image = evil).entered();
                warn!(error = %evil, "failed: {evil}");
            });
            let line = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            let shown = shown(&line, format, false);
            let inside = shown.strip_suffix('\n').unwrap();
            let bad = |c: char| image_sync_shared::text::is_deceptive(c);
            assert!(!inside.contains(bad), "{inside:?}");
            if format == LogFormat::Json {
                let json: serde_json::Value = serde_json::from_str(inside).unwrap();
                assert_eq!(json["error"], evil);
            }
        }
    }

    #[test]
    fn a_level_that_is_none_is_an_error_that_names_the_known_ones() {
        let error = filter("image_sync=loud").unwrap_err().to_string();
        assert!(
            error.contains("'image_sync=loud'") && error.contains("expected error, warn"),
            "{error}"
        );
        for (level, word) in [
            ("nonsense", "nonsense"),
            ("info,hyper", "hyper"),
            ("dbug, hyper=info", "dbug"),
        ] {
            let error = filter(level).unwrap_err().to_string();
            let told = format!("'{level}': \"{word}\" is no level; expected error, warn");
            assert!(error.starts_with(&told), "{error}");
        }
        for level in ["INFO", "0", "info,hyper=debug,", "[job{image}]=debug,[job]"] {
            filter(level).unwrap_or_else(|error| panic!("{level}: {error}"));
        }
    }
}
