//! Work on several threads whose results come back in the order of the input.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Jobs that may wait for a thread.
const QUEUED_JOBS: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads that take jobs from one queue.
pub struct Pool {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// The result of a job, once it is there.
pub struct Pending<T> {
    receiver: Receiver<T>,
    result: Option<T>,
}

impl<T> Pending<T> {
    /// A result that is there without any work.
    pub fn ready(result: T) -> Self {
        Pending {
            receiver: sync_channel(1).1,
            result: Some(result),
        }
    }

    /// Waits for the result; a panic of the job goes on here.
    pub fn wait(mut self) -> T {
        self.settle();
        self.result.expect("a result that was waited for is there")
    }

    /// Waits until the result is there, and leaves it.
    pub fn settle(&mut self) {
        if self.result.is_none() {
            self.result = Some(self.receiver.recv().expect("a job answers unless it panics"));
        }
    }
}

/// A job that no thread has been told of; see [`Pool::start`].
pub struct HeldJob(Job);

impl HeldJob {
    /// Makes a job and the place where its result will be.
    pub fn new<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> (Self, Pending<T>) {
        let (sender, receiver) = sync_channel(1);
        let job = move || {
            // A receiver that has gone away no longer wants the result.
            let _ = sender.send(job());
        };
        let pending = Pending {
            receiver,
            result: None,
        };
        (HeldJob(Box::new(job)), pending)
    }
}

/// Jobs that wait. A channel would wake a thread for each one, which costs more than a small job, since the thread that
/// wakes tends to run at once in the place of the one that sends.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    has_jobs: Condvar,
    has_room: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and a queue is sound after every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, jobs: impl Iterator<Item = HeldJob>) {
        let mut state = self.lock();
        while state.jobs.len() >= QUEUED_JOBS {
            state = self.has_room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let before = state.jobs.len();
        state.jobs.extend(jobs.map(|job| job.0));
        let added = state.jobs.len() - before;
        drop(state);
        match added {
            0 => {}
            1 => self.has_jobs.notify_one(),
            _ => self.has_jobs.notify_all(),
        }
    }

    /// The next job; none when the queue is closed and empty.
    fn pop(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                if state.jobs.len() + 1 == QUEUED_JOBS {
                    self.has_room.notify_all();
                }
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state = self.has_jobs.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Pool {
    /// Starts `threads` threads, at least one.
    pub fn new(threads: usize) -> Self {
        let queue = Arc::new(Queue::default());
        let run = |queue: Arc<Queue>| {
            move || {
                while let Some(job) = queue.pop() {
                    job();
                }
            }
        };
        let threads = (0..threads.max(1)).map(|_| thread::spawn(run(queue.clone())));
        Pool {
            threads: threads.collect(),
            queue,
        }
    }

    /// Queues a job; waits where the queue is full.
    pub fn submit<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Pending<T> {
        let (job, pending) = HeldJob::new(job);
        self.start([job]);
        pending
    }

    /// Queues jobs that were made before, and wakes each thread once; waits where the queue is full.
    pub fn start(&self, jobs: impl IntoIterator<Item = HeldJob>) {
        self.queue.push(jobs.into_iter());
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.has_jobs.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Maps items on the pool's threads and hands the results to `sink` in the order of the items.
///
/// At most `window` results are under way or waiting, which bounds memory.
///
/// # Errors
/// The first error of `sink`; items after it are not begun.
pub(crate) fn map_ordered<I, T, E>(
    pool: &Pool,
    window: usize,
    items: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> T + Send + Sync + 'static,
    mut sink: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E>
where
    I: Send + 'static,
    T: Send + 'static,
{
    let work = Arc::new(work);
    let mut pending = VecDeque::with_capacity(window);
    for item in items {
        if pending.len() >= window.max(1) {
            let next: Pending<T> = pending.pop_front().expect("the window is not empty");
            sink(next.wait())?;
        }
        let work = work.clone();
        pending.push_back(pool.submit(move || work(item)));
    }
    pending.into_iter().try_for_each(|next| sink(next.wait()))
}

/// The number of threads that was asked for; 0 is the default.
pub(crate) fn threads_or_default(asked: usize) -> usize {
    match asked {
        0 => default_threads(),
        asked => asked,
    }
}

/// The number of threads to use where none is asked for.
pub(crate) fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let pool = Pool::new(4);
        let mut results = Vec::new();
        let work = |item: u64| {
            thread::sleep(Duration::from_micros((item * 7919) % 300));
            item * 2
        };
        map_ordered::<_, _, ()>(&pool, 8, 0..200, work, |result| {
            results.push(result);
            Ok(())
        })
        .unwrap();
        assert_eq!(results, (0..200).map(|item| item * 2).collect::<Vec<u64>>());
    }

    #[test]
    fn the_first_error_ends_the_work() {
        let pool = Pool::new(2);
        let result = map_ordered(
            &pool,
            4,
            0..,
            |item: u64| item,
            |result| {
                if result == 10 { Err(result) } else { Ok(()) }
            },
        );
        assert_eq!(result, Err(10));
    }
}
