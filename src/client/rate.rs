//! A limit on requests per second, shared by all threads of a client.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Spaces requests evenly; without a rate it lets all through.
pub(super) struct RateLimit {
    spacing: Option<Duration>,
    next: Mutex<Instant>,
}

impl RateLimit {
    /// A limit of so many requests a second.
    pub(super) fn new(requests_per_second: Option<f64>) -> Self {
        let spacing = requests_per_second.filter(|rate| *rate > 0.0);
        RateLimit {
            spacing: spacing.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok()),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits until the next request may be sent.
    pub(super) fn wait(&self) {
        let Some(spacing) = self.spacing else { return };
        let now = Instant::now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(|poison| poison.into_inner());
            let turn = (*next).max(now);
            *next = turn + spacing;
            turn
        };
        std::thread::sleep(turn.saturating_duration_since(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spaced() {
        let limit = RateLimit::new(Some(100.0));
        let start = Instant::now();
        (0..5).for_each(|_| limit.wait());
        assert!(start.elapsed() >= Duration::from_millis(40));
    }
}
