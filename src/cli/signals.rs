//! What an ended command leaves: nothing half-made.

use super::{Exit, Progress, note, say, with_progress};
use std::path::Path;

/// Removes what an earlier run left beside the output when it was killed, and says so.
pub(super) fn clear_leftovers(output: &Path) {
    for left in crate::archive::remove_leftovers(output) {
        note(left);
    }
}

/// Lets Ctrl-C and SIGTERM remove what is being made before they end the process.
pub(super) fn remove_on_signal() {
    // Where no handler can be set, a signal ends the process, and the next one clears up.
    let _ = ctrlc::set_handler(|| end_at_once());
}

/// Makes an output with progress: what an earlier run left beside it is removed before, and a signal leaves nothing half-made.
pub(super) fn making<T>(output: &Path, make: impl FnOnce(&Progress) -> T) -> T {
    clear_leftovers(output);
    remove_on_signal();
    with_progress(make)
}

/// Ends the process and leaves nothing half-made.
pub(super) fn end_at_once() -> ! {
    crate::archive::abandon_all();
    say("error: interrupted: nothing was made");
    std::process::exit(Exit::Interrupted as i32);
}
