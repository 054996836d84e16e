//! When something that failed is tried again.

use std::time::Duration;

/// The longest wait before another attempt, also when a server asks for a longer one.
const LONGEST: Duration = Duration::from_secs(60);

/// How often something is tried again, and after which wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many further attempts there are.
    pub retries: u32,
    /// How long to wait before the first of them; it doubles with each one.
    pub backoff: Duration,
}

impl Retry {
    /// How long to wait after as many `attempts`, a minute at most, and not less than the server asks for by
    /// [`retry_after`](super::Error::retry_after); none when there are no further attempts.
    #[must_use]
    pub fn wait(&self, attempts: u32, retry_after: Option<Duration>) -> Option<Duration> {
        let factor = 1_u32 << attempts.saturating_sub(1).min(10);
        let wait = self.backoff.saturating_mul(factor).max(retry_after.unwrap_or_default());
        (attempts <= self.retries).then_some(wait.min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_is_what_the_server_asks_for_and_never_longer_than_a_minute() {
        let retry = Retry { retries: 3, backoff: Duration::from_secs(2) };
        let wait = |attempts, after: Option<u64>| {
            retry.wait(attempts, after.map(Duration::from_secs)).map(|wait| wait.as_secs())
        };
        assert_eq!([1, 2, 3, 4].map(|attempts| wait(attempts, None)), [Some(2), Some(4), Some(8), None]);
        assert_eq!([1, 2, 3, 4].map(|attempts| wait(attempts, Some(5))), [Some(5), Some(5), Some(8), None]);
        assert_eq!([60, 61, u64::MAX].map(|after| wait(1, Some(after))), [Some(60); 3]);
        let patient = Retry { retries: u32::MAX, backoff: Duration::MAX };
        assert_eq!(patient.wait(u32::MAX, None), Some(LONGEST));
    }
}
