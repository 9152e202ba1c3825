//! Buffers that go round between the threads that read small content and the one that writes it.
//!
//! A buffer that is freed on another thread than the one that made it gives its pages back to the kernel, which has to
//! clear new ones for the next: a fifth of the CPU time of an export of small files to a zip.

use std::sync::{Arc, Mutex, PoisonError};

/// Larger buffers are not kept: they are few, and would take up memory for small content.
const MAX_KEPT_BYTES: usize = 256 << 10;
/// Capacity that waits for use at most.
const MAX_IDLE_BYTES: usize = 8 << 20;

/// A set of buffers; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Idle>>);

#[derive(Debug, Default)]
struct Idle {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Buffers {
    /// An empty buffer of at least this capacity.
    pub(crate) fn take(&self, capacity: usize) -> Vec<u8> {
        let mut buffer = if capacity <= MAX_KEPT_BYTES {
            self.pop().unwrap_or_default()
        } else {
            Vec::new()
        };
        buffer.reserve(capacity);
        buffer
    }

    fn pop(&self) -> Option<Vec<u8>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = idle.buffers.pop()?;
        idle.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Keeps a buffer for later use, or frees it.
    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let capacity = buffer.capacity();
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if capacity <= MAX_KEPT_BYTES && idle.bytes + capacity <= MAX_IDLE_BYTES {
            idle.bytes += capacity;
            idle.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_large_enough() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(10);
        buffer.extend_from_slice(b"content");
        buffers.give_back(buffer);
        let buffer = buffers.take(1_000);
        assert!(buffer.is_empty() && buffer.capacity() >= 1_000);
    }

    #[test]
    fn what_waits_is_bounded() {
        let buffers = Buffers::default();
        for _ in 0..100 {
            buffers.give_back(Vec::with_capacity(MAX_KEPT_BYTES));
            buffers.give_back(Vec::with_capacity(MAX_KEPT_BYTES + 1));
        }
        let idle = buffers.0.lock().unwrap();
        assert_eq!(idle.bytes, MAX_IDLE_BYTES);
        assert_eq!(idle.buffers.len(), MAX_IDLE_BYTES / MAX_KEPT_BYTES);
    }
}
