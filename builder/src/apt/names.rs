//! Host names, each looked up once for all downloads of a fetch.
//!
//! ureq asks its resolver before every request, even when it then takes a connection that it kept.
//! A lookup that loses one packet costs the C library's time-out of five seconds, so that a hundred
//! small files could wait for the resolver far longer than for the line.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

/// The answers so far, shared by the clones: one is in the HTTP client, one with whoever may
/// [`forget`](Names::forget) them.
#[derive(Debug, Clone)]
pub(super) struct Names {
    inner: Arc<dyn Resolver>,
    known: Arc<Mutex<HashMap<Key, Arc<Answer>>>>,
}

/// Scheme, host and port, on which the addresses depend.
type Key = (String, String);

/// Set by the first that asks; whoever asks meanwhile waits for it instead of asking too.
type Answer = OnceLock<Result<ResolvedSocketAddrs, Failed>>;

impl Names {
    pub(super) fn new() -> Self {
        Self::over(Arc::new(DefaultResolver::default()))
    }

    fn over(inner: Arc<dyn Resolver>) -> Self {
        Self { inner, known: Arc::default() }
    }

    /// Looks every name up again: the addresses led nowhere, and may have changed.
    pub(super) fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, Arc<Answer>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let text = |part: Option<&str>| part.unwrap_or_default().to_ascii_lowercase();
        let key = (text(uri.scheme_str()), text(uri.authority().map(|authority| authority.as_str())));
        let answer = Arc::clone(self.known().entry(key.clone()).or_default());
        let found = answer.get_or_init(|| self.inner.resolve(uri, config, timeout).map_err(Failed::of));
        found.clone().map_err(|failed| {
            // Those who waited share the failure; the next attempt asks anew.
            let mut known = self.known();
            if known.get(&key).is_some_and(|there| Arc::ptr_eq(there, &answer)) {
                known.remove(&key);
            }
            failed.into()
        })
    }
}

/// A resolver's error, which unlike ureq's can be given to several.
#[derive(Debug, Clone)]
enum Failed {
    NotFound,
    BadUri(String),
    Timeout(Timeout),
    Other(io::ErrorKind, String),
}

impl Failed {
    fn of(error: Error) -> Self {
        match error {
            Error::HostNotFound => Self::NotFound,
            Error::BadUri(message) => Self::BadUri(message),
            Error::Timeout(which) => Self::Timeout(which),
            Error::Io(error) => Self::Other(error.kind(), error.to_string()),
            error => Self::Other(io::ErrorKind::Other, error.to_string()),
        }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NotFound => Self::HostNotFound,
            Failed::BadUri(message) => Self::BadUri(message),
            Failed::Timeout(which) => Self::Timeout(which),
            Failed::Other(kind, message) => Self::Io(io::Error::new(kind, message)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Answers after a while, so that others ask meanwhile, and fails as often as it is told to.
    #[derive(Debug, Default)]
    struct Slow {
        asked: AtomicUsize,
        failures: usize,
    }

    impl Resolver for Slow {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(200));
            if number < self.failures {
                return Err(Error::Io(io::Error::other("lost")));
            }
            let mut found = self.empty();
            found.push(([127, 0, 0, 1], 80).into());
            Ok(found)
        }
    }

    fn ask(names: &Names, uri: &str) -> Result<usize, String> {
        let timeout =
            NextTimeout { after: Duration::from_secs(9).into(), reason: Timeout::Resolve, ..NextTimeout::default() };
        let config = ureq::Agent::config_builder().build();
        let found = names.resolve(&uri.parse().unwrap(), &config, timeout);
        found.map(|addresses| addresses.len()).map_err(|error| error.to_string())
    }

    fn ask_by_eight(names: &Names) -> Vec<Result<usize, String>> {
        thread::scope(|scope| {
            let uri = |number| format!("http://mirror.example.org/{number}");
            let asking: Vec<_> = (0..8).map(|number| scope.spawn(move || ask(names, &uri(number)))).collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn a_name_is_looked_up_once_by_all_who_ask_at_once_or_later() {
        let slow = Arc::new(Slow::default());
        let names = Names::over(slow.clone());
        for _ in 0..3 {
            assert_eq!(ask_by_eight(&names), vec![Ok(1); 8]);
        }
        assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn another_name_port_or_scheme_is_another_lookup_and_forgetting_asks_again() {
        let slow = Arc::new(Slow::default());
        let names = Names::over(slow.clone());
        for uri in [
            "http://a.example.org/x",
            "http://A.example.org/y",
            "http://b.example.org",
            "https://a.example.org",
            "http://a.example.org:81",
        ] {
            assert_eq!(ask(&names, uri), Ok(1));
        }
        assert_eq!(slow.asked.load(Ordering::SeqCst), 4);
        names.forget();
        assert_eq!(ask(&names, "http://a.example.org/z"), Ok(1));
        assert_eq!(slow.asked.load(Ordering::SeqCst), 5);
    }

    #[test]
    fn a_failure_is_shared_by_those_who_waited_and_not_remembered() {
        let slow = Arc::new(Slow { failures: 1, ..Slow::default() });
        let names = Names::over(slow.clone());
        let found = ask_by_eight(&names);
        assert!(found.contains(&Err("io: lost".to_owned())), "{found:?}");
        assert_eq!(ask_by_eight(&names), vec![Ok(1); 8]);
        assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
    }
}
