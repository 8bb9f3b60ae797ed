//! What a process remembers for the next one, in a folder.

pub(crate) mod catalog_lock;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use image_sync_queue::memo::{MemoFile, MemoryMemo};
use image_sync_shared::ports::creation_times::CreationTimes;
use image_sync_shared::ports::memo::Memo;
use tracing::debug;

use crate::process::environment::Environment;

const STATE_DIR: &str = "\
Where facts that save requests are kept between runs [env: IMAGE_SYNC_STATE_DIR] \
[default: $XDG_STATE_HOME/image-sync or ~/.local/state/image-sync]";

/// The state file, in its folder.
const MEMO_FILE: &str = "memo.tsv";

/// An option of commands that remember something.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StateArgs {
    #[arg(long, value_name = "DIR", help = STATE_DIR)]
    pub(crate) state_dir: Option<PathBuf>,
}

impl StateArgs {
    /// The folder that the command line or the environment names. None without a home.
    pub(crate) fn folder(&self, environment: &Environment) -> Option<PathBuf> {
        self.state_dir.clone().or_else(|| environment.state_dir())
    }
}

/// What is remembered.
#[derive(Clone)]
pub(crate) struct State {
    /// Facts about content.
    pub(crate) memo: Arc<dyn Memo>,
    /// When images were created.
    pub(crate) creation_times: Arc<dyn CreationTimes>,
}

impl State {
    /// What the folder that `args` or the environment names has; without one, nothing.
    pub(crate) fn open(args: &StateArgs, environment: &Environment) -> Self {
        let folder = args.folder(environment);
        folder.map_or_else(Self::in_memory, |folder| Self::in_folder(&folder))
    }

    fn in_folder(folder: &Path) -> Self {
        Self::of(Arc::new(MemoFile::open(folder.join(MEMO_FILE))))
    }

    /// Nothing yet, and nothing for the next process.
    pub(crate) fn in_memory() -> Self {
        debug!(
            "no state folder, as there is no home: what is learned now is asked for again next time"
        );
        Self::of(Arc::new(MemoryMemo::default()))
    }

    /// Nothing yet, and nothing for the next process: what is read now may be another thing under the same name by then.
    pub(crate) fn of_this_process() -> Self {
        Self::of(Arc::new(MemoryMemo::default()))
    }

    fn of(memo: Arc<impl Memo + CreationTimes + 'static>) -> Self {
        Self {
            creation_times: Arc::clone(&memo) as Arc<dyn CreationTimes>,
            memo,
        }
    }
}
