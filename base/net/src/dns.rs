//! Host names, each looked up once for all requests of a client.
//!
//! A lookup that loses one packet costs the C library's time-out of five seconds, and eight
//! connections that are opened at once would be eight lookups.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The answers so far, shared by the clones: one is in the HTTP client, one with whoever may
/// [`forget`](Names::forget) them.
#[derive(Clone)]
pub(crate) struct Names {
    lookup: Arc<Lookup>,
    known: Arc<Mutex<HashMap<String, Arc<Answer>>>>,
}

type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Set by the first that asks; whoever asks meanwhile waits for it instead of asking too. The error
/// is taken apart, since it is given to several.
type Answer = OnceLock<Result<Vec<SocketAddr>, (io::ErrorKind, String)>>;

impl Names {
    /// Names as the C library knows them.
    pub(crate) fn new() -> Self {
        // The port is the URL's.
        Self::over(|host| Ok((host, 0).to_socket_addrs()?.collect()))
    }

    fn over(lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup), known: Arc::default() }
    }

    /// Looks every name up again: the addresses led nowhere, and may have changed.
    pub(crate) fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<Answer>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn addresses(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let host = host.to_ascii_lowercase();
        let answer = Arc::clone(self.known().entry(host.clone()).or_default());
        let found = answer.get_or_init(|| (self.lookup)(&host).map_err(|error| (error.kind(), error.to_string())));
        found.clone().map_err(|(kind, message)| {
            // Those who waited share the failure; the next attempt asks anew.
            let mut known = self.known();
            if known.get(&host).is_some_and(|there| Arc::ptr_eq(there, &answer)) {
                known.remove(&host);
            }
            io::Error::new(kind, message)
        })
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || names.addresses(name.as_str())).await??;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Names whose lookups take a while, so that others ask meanwhile, and fail `failures` times; and
    /// how often they were looked up.
    fn slow(failures: usize) -> (Names, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&count);
        let names = Names::over(move |_| {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(200));
            if number < failures { Err(io::Error::other("lost")) } else { Ok(vec![([127, 0, 0, 1], 0).into()]) }
        });
        (names, count)
    }

    fn ask(names: &Names, host: &str) -> Result<usize, String> {
        names.addresses(host).map(|found| found.len()).map_err(|error| error.to_string())
    }

    fn ask_by_eight(names: &Names) -> Vec<Result<usize, String>> {
        thread::scope(|scope| {
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| ask(names, "mirror.example.org"))).collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn a_name_is_looked_up_once_by_all_who_ask_at_once_or_later() {
        let (names, count) = slow(0);
        for _ in 0..3 {
            assert_eq!(ask_by_eight(&names), vec![Ok(1); 8]);
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn another_name_is_another_lookup_and_forgetting_asks_again() {
        let (names, count) = slow(0);
        for host in ["a.example.org", "A.example.org", "b.example.org"] {
            assert_eq!(ask(&names, host), Ok(1));
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
        names.forget();
        assert_eq!(ask(&names, "a.example.org"), Ok(1));
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn a_failure_is_shared_by_those_who_waited_and_not_remembered() {
        let (names, count) = slow(1);
        let found = ask_by_eight(&names);
        assert!(found.contains(&Err("lost".to_owned())), "{found:?}");
        assert_eq!(ask_by_eight(&names), vec![Ok(1); 8]);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
