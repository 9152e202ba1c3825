//! Work on several threads whose results come back in the order of the input.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads that take jobs from one queue.
pub struct Pool {
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// The result of a job, once it is there.
pub struct Pending<T> {
    receiver: Receiver<T>,
    result: Option<T>,
}

impl<T> Pending<T> {
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

/// A job that no thread has been told of: starting several in one go wakes each thread once.
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

/// Jobs that may wait for a thread; to sleep until there is room for each single one would cost more than a small job.
const QUEUED_JOBS: usize = 64;

impl Pool {
    /// Starts `threads` threads, at least one.
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let (sender, receiver) = sync_channel::<Job>(QUEUED_JOBS.max(threads * 4));
        let receiver = Arc::new(Mutex::new(receiver));
        let run = |receiver: Arc<Mutex<Receiver<Job>>>| {
            move || loop {
                let job = receiver.lock().map(|queue| queue.recv());
                match job {
                    Ok(Ok(job)) => job(),
                    _ => break,
                }
            }
        };
        Pool {
            jobs: Some(sender),
            threads: (0..threads)
                .map(|_| thread::spawn(run(receiver.clone())))
                .collect(),
        }
    }

    /// Queues a job; waits where the queue is full.
    pub fn submit<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Pending<T> {
        let (job, pending) = HeldJob::new(job);
        self.start(job);
        pending
    }

    /// Queues a job that was made before; waits where the queue is full.
    pub fn start(&self, job: HeldJob) {
        let jobs = self
            .jobs
            .as_ref()
            .expect("the queue is open until the pool is dropped");
        jobs.send(job.0)
            .expect("the threads wait for jobs until the pool is dropped");
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
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
pub fn map_ordered<I, T, E>(
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

/// The number of threads to use where none is asked for.
pub fn default_threads() -> usize {
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
