//! Progress on a terminal; notices always.

use super::screen::shows_progress;
use super::{grouped, note};
use crate::model::printable::one_line;
use crate::monitor::Monitor;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::sync::Mutex;
use std::time::Duration;

/// Draws a bar on stderr where that is a terminal, and prints notices there.
pub(super) struct Progress {
    is_shown: bool,
    bar: Mutex<ProgressBar>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Progress {
            is_shown: shows_progress(),
            bar: Mutex::new(ProgressBar::hidden()),
        }
    }

    fn with_bar(&self, action: impl FnOnce(&mut ProgressBar)) {
        if let Ok(mut bar) = self.bar.lock() {
            action(&mut bar);
        }
    }

    /// Removes the bar.
    pub(super) fn done(&self) {
        self.with_bar(|bar| bar.finish_and_clear());
    }
}

/// Does work with a bar, which goes when the work ends.
pub(super) fn with_progress<T>(work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::new();
    let done = work(&progress);
    progress.done();
    done
}

/// Steps a second in whole numbers: the fractions of things mean nothing to a person.
fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let _ = write!(out, "{}/s", grouped(state.per_sec().round() as u64));
}

impl Monitor for Progress {
    fn begin(&self, phase: &str, total: Option<u64>) {
        if !self.is_shown {
            return;
        }
        self.with_bar(|bar| {
            bar.finish_and_clear();
            // Four times a second is enough, and work done within the first second draws nothing.
            let target = ProgressDrawTarget::stderr_with_hz(4);
            *bar = ProgressBar::with_draw_target(total, target);
            let template = match total {
                Some(_) => "{msg} {wide_bar} {human_pos}/{human_len} {rate} {eta}",
                None => "{msg} {spinner} {human_pos} {rate}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.with_key("rate", rate));
            }
            bar.set_message(one_line(phase).into_owned());
            bar.enable_steady_tick(Duration::from_secs(1));
        });
    }

    fn advance(&self, steps: u64) {
        // A hidden bar would ask the clock at each step too.
        if self.is_shown {
            self.with_bar(|bar| bar.inc(steps));
        }
    }

    fn notice(&self, text: &str) {
        self.with_bar(|bar| bar.suspend(|| note(text)));
    }
}
