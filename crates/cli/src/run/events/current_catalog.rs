//! The catalog as it is now, for a program that lasts: its files are read again when they change.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_catalog::selection::by_hint::HintIndex;
use image_sync_shared::config::Config;
use image_sync_shared::image::hint::Hint;
use image_sync_shared::panics::lock;
use image_sync_webhook::receive::{Catalog, Concerned};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::process::exit::Problem;
use crate::process::file_stamp::stamp_of;
use crate::run::setup::Loaded;

/// How often it is looked at whether the config changed.
const LOOK: Duration = Duration::from_secs(10);
/// How often all of it is read again, as files that it includes and lists may have changed.
const WHOLE: Duration = Duration::from_secs(600);

/// A config, with what events concern of it.
pub(crate) struct Known {
    pub(crate) loaded: Loaded,
    index: HintIndex,
}

impl Known {
    fn new(loaded: Loaded) -> Self {
        let index = HintIndex::new(loaded.images.clone(), &loaded.config);
        Self { loaded, index }
    }
}

/// The catalog as it was read last.
pub(crate) struct CurrentCatalog(Mutex<Arc<Known>>);

impl CurrentCatalog {
    pub(crate) fn new(loaded: Loaded) -> Self {
        Self(Mutex::new(Arc::new(Known::new(loaded))))
    }

    /// As it is now.
    pub(crate) fn known(&self) -> Arc<Known> {
        Arc::clone(&lock(&self.0))
    }

    /// Reads it again, whenever it changed, until `stop` is cancelled. One that is wrong is told of, and the former one counts.
    pub(crate) async fn keep_current<L>(&self, load: L, stop: &CancellationToken)
    where
        L: Fn() -> Result<Loaded, Problem> + Clone + Send + 'static,
    {
        let file = self.known().loaded.file.clone();
        let (mut stamp, mut read) = (stamp_of(&file), Instant::now());
        while stop.run_until_cancelled(sleep(LOOK)).await.is_some() {
            let now = stamp_of(&file);
            if now == stamp && read.elapsed() < WHOLE {
                continue;
            }
            (stamp, read) = (now, Instant::now());
            self.read_again(load.clone()).await;
        }
    }

    async fn read_again<L>(&self, load: L)
    where
        L: FnOnce() -> Result<Loaded, Problem> + Send + 'static,
    {
        let before = self.known();
        let read = spawn_blocking(move || load().map(Known::new)).await;
        let known = match read {
            Ok(Ok(known)) => known,
            Ok(Err(problem)) => return warn!("the former config counts: {problem}"),
            Err(panic) => return error!("the former config counts: {panic}"),
        };
        let (old, new) = (&before.loaded, &known.loaded);
        if needs_restart(&old.config, &new.config) {
            warn!("settings, registries or webhooks changed: they count after a restart");
        }
        if old.images != new.images || old.config != new.config {
            info!(file = %new.file.display(), "the config changed and was read again");
        }
        *lock(&self.0) = Arc::new(known);
    }
}

impl Catalog for CurrentCatalog {
    fn concerned(&self, hint: &Hint, tags: &[String]) -> Concerned {
        let concerned = self.known().index.concerned(hint, tags);
        Concerned {
            at_source: concerned.at_source,
            at_target: concerned.at_target,
            why_not: concerned.why_not.map(|why| why.to_string()),
        }
    }
}

/// Whether something changed that is taken from the config at the start alone.
fn needs_restart(old: &Config, new: &Config) -> bool {
    old.settings != new.settings || old.registries != new.registries || old.webhooks != new.webhooks
}
