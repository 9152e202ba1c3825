//! How many large files are uploaded at once: parts of each are held in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Files that are uploaded beside one another whatever their sizes add up to.
const SMALL_BYTES: u64 = 1 << 20;
/// Larger ones that are uploaded at once.
const LANES: usize = 2;

/// See the module.
#[derive(Default)]
pub(crate) struct Lanes([Mutex<()>; LANES]);

impl Lanes {
    /// Waits until a file of this size may go. Those of one `number` go one after the other, unless they are small.
    pub(crate) fn enter(&self, number: usize, size_bytes: u64) -> Option<MutexGuard<'_, ()>> {
        let lane = &self.0[number % LANES];
        (size_bytes > SMALL_BYTES).then(|| lane.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
