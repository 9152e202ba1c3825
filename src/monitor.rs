//! What a long operation tells while it works; the library itself never prints.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Told of progress and of things a person should know; silent by default.
pub trait Monitor: Send + Sync {
    /// A phase begins; `total` is the number of steps, where it is known.
    fn begin(&self, phase: &str, total: Option<u64>) {
        let _ = (phase, total);
    }

    /// Steps of the current phase were done.
    fn advance(&self, steps: u64) {
        let _ = steps;
    }

    /// Something a person should know that does not end the work.
    fn notice(&self, text: &str) {
        let _ = text;
    }
}

/// A wish that work end early, from another thread or a signal; its clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks for the end; returns whether that was asked for before.
    pub fn set(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Monitor for Silent {}
