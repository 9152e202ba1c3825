//! Whether a request is repeated, and how long to wait before.

use super::error::{ClientError, FailureKind};
use super::options::ClientOptions;
use std::time::{Duration, Instant};

/// Longest wait, a server's `Retry-After` excepted.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Whether sending a request twice does what sending it once does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It does: repeated after every failure that may pass.
    Safe,
    /// It does not, as with calls that create: repeated only where the server certainly did nothing (no
    /// connection, 429). After other failures [`ClientError::outcome_unknown`](super::ClientError::outcome_unknown) says whether to look first.
    Unsafe,
}

impl Repeat {
    /// Whether a request that failed so is sent again.
    pub(super) fn allows(self, error: &ClientError) -> bool {
        let is_safe = self == Repeat::Safe;
        match error {
            ClientError::Failed {
                kind: FailureKind::Connect,
                ..
            }
            | ClientError::Status { status: 429, .. } => true,
            ClientError::Failed { kind, .. } => {
                is_safe && matches!(kind, FailureKind::Timeout | FailureKind::Broken)
            }
            ClientError::Status { status, .. } => is_safe && is_passing(*status) && !error.is_unknown_route(),
            // An answer that ends too soon was cut on its way.
            ClientError::NotMlflow {
                source: Some(source), ..
            } => is_safe && source.is_eof(),
            _ => false,
        }
    }
}

/// The repetitions of one request.
pub(super) struct Retries {
    left: u32,
    next_wait: Duration,
    deadline: Instant,
}

impl Retries {
    /// A fresh count; `attempts` may lower the number of tries in all.
    pub(super) fn new(options: &ClientOptions, attempts: Option<u32>) -> Self {
        let retries = attempts.map_or(options.max_retries, |attempts| attempts.saturating_sub(1));
        Retries {
            left: retries.min(options.max_retries),
            next_wait: options.retry_base,
            deadline: Instant::now() + options.retry_deadline,
        }
    }

    /// The wait before the next try, or none where it is time to give up.
    pub(super) fn next(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let wait = retry_after.unwrap_or_else(|| jittered(self.next_wait));
        self.next_wait = (self.next_wait * 2).min(LONGEST_WAIT);
        (Instant::now() + wait < self.deadline).then_some(wait)
    }
}

/// Between half of a wait and one and a half of it, so that threads do not come back together.
fn jittered(wait: Duration) -> Duration {
    // The hasher's keys are random; nothing here needs more than that.
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(0) % 1_000;
    wait / 2 + wait.mul_f64(random as f64 / 1_000.0)
}

/// Whether a status may pass with time.
fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504 | 506..=599)
}

/// The wait that a `Retry-After` header asks for: seconds, or a date.
pub(super) fn parse_retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value.trim()).ok()?;
    let wait_ms = date.timestamp().as_millisecond() - jiff::Timestamp::now().as_millisecond();
    Some(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(parse_retry_after(" 3 "), Some(Duration::from_secs(3)));
        assert_eq!(
            parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(parse_retry_after("soon"), None);
    }

    #[test]
    fn waits_grow_and_end() {
        let options = ClientOptions {
            max_retries: 3,
            ..ClientOptions::default()
        };
        let mut retries = Retries::new(&options, None);
        let waits: Vec<_> = std::iter::from_fn(|| retries.next(None)).collect();
        assert_eq!(waits.len(), 3);
        assert!(waits[2] >= options.retry_base * 2);
        assert_eq!(
            Retries::new(&options, None).next(Some(Duration::from_secs(9_999))),
            None
        );
        assert_eq!(Retries::new(&options, Some(1)).next(None), None);
    }
}
