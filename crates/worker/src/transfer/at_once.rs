//! Some requests of one image at the same time, never all of them.

use std::future::Future;

use futures_util::stream::{self, Stream, StreamExt as _};

/// Makes requests number 0 to `count` (excluded), `limit` of them at the same time, and yields each outcome as it comes.
/// Dropping the stream drops what is under way. A request is told its number, since a closure over borrowed items would not be
/// general enough for a spawned task.
pub(crate) fn at_once<F: Future>(
    limit: usize,
    count: usize,
    request: impl FnMut(usize) -> F,
) -> impl Stream<Item = F::Output> {
    stream::iter(0..count)
        .map(request)
        .buffer_unordered(limit.max(1))
}
