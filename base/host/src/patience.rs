//! Waiting that is not silent.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// When a wait is reported.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// For the first time.
    pub first: Duration,
    /// How much later again; after that each time that the wait has doubled.
    pub again: Duration,
}

/// Does `work`, and calls `report` from another thread each time that it is to be reported that the work still goes on.
/// What `report` is given is how long the work has taken.
pub fn reporting<T>(moments: Moments, report: &(dyn Fn(Duration) + Sync), work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        // Made in here, so that it is dropped before the thread is waited for, should the work panic.
        let (_working, end) = mpsc::channel::<()>();
        scope.spawn(move || {
            let (mut waited, mut next) = (Duration::ZERO, moments.first);
            while end.recv_timeout(next) == Err(RecvTimeoutError::Timeout) {
                waited += next;
                report(waited);
                next = waited.max(moments.again);
            }
        });
        work()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const NEVER: Moments = Moments { first: Duration::from_secs(60), again: Duration::from_secs(60) };
    const SOON: Moments = Moments { first: Duration::from_millis(1), again: Duration::from_millis(1) };

    #[test]
    fn long_work_is_told_and_short_work_is_not() {
        let reported = AtomicU32::new(0);
        let count = |_| {
            reported.fetch_add(1, Ordering::Relaxed);
        };
        assert_eq!(reporting(NEVER, &count, || 7), 7);
        assert_eq!(reported.load(Ordering::Relaxed), 0);
        reporting(SOON, &count, || {
            while reported.load(Ordering::Relaxed) < 3 {
                thread::sleep(Duration::from_millis(1));
            }
        });
    }

    #[test]
    fn work_that_panics_waits_for_nobody() {
        let outcome = std::panic::catch_unwind(|| reporting(NEVER, &|_| {}, || panic!("work")));
        assert!(outcome.is_err());
    }
}
