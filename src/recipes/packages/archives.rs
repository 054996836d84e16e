//! The archives of a lock, for showing them.

use builder::apt::lock::Lock;
use builder::apt::{Fingerprint, ReleaseInfo};
use model::observe::Observer;
use model::words::count;
use serde::Serialize;

use crate::error::Error;

/// One archive of a lock.
#[derive(Debug, Serialize)]
pub(crate) struct Archive<'a> {
    uri: String,
    suite: String,
    components: Vec<String>,
    /// How many packages come from it, those of all architectures together.
    packages: usize,
    /// The keys of which one has signed it.
    keyring_fingerprints: &'a [Fingerprint],
}

/// Every archive of `lock`, in its order; one that several architectures have is there once.
pub(crate) fn of(lock: &Lock) -> Result<Vec<Archive<'_>>, Error> {
    let mut archives: Vec<Archive<'_>> = Vec::new();
    // What asks for nothing was looked up nowhere.
    for resolution in lock.resolutions.iter().filter(|resolution| resolution.release.is_some()) {
        for (number, source) in lock.inputs.sources(resolution.arch)?.into_iter().enumerate() {
            let packages = resolution.packages.iter().filter(|package| package.archive == number).count();
            match archives.iter_mut().find(|known| (&known.uri, &known.suite) == (&source.uri, &source.suite)) {
                Some(known) => known.packages += packages,
                None => {
                    let keyring_fingerprints = lock.inputs.keys_of(&source);
                    let (uri, suite, components) = (source.uri, source.suite, source.components);
                    archives.push(Archive { uri, suite, components, packages, keyring_fingerprints });
                }
            }
        }
    }
    Ok(archives)
}

impl Archive<'_> {
    /// A line about it.
    pub(crate) fn line(&self) -> String {
        let Self { uri, suite, components, packages, keyring_fingerprints } = self;
        let keys = match keyring_fingerprints {
            [one] => format!("key {one}"),
            all => count(all.len(), "key"),
        };
        let names = [uri.as_str(), suite].into_iter().chain(components.iter().map(String::as_str));
        format!("{}: {}, {keys}", names.collect::<Vec<_>>().join(" "), count(*packages, "package"))
    }
}

/// Warns of each archive that calls itself by other names than in the `old` lock: it may have become another one.
pub(crate) fn compare(old: &Lock, new: &Lock, observer: &dyn Observer) {
    let all = |lock: &Lock| -> Vec<ReleaseInfo> {
        lock.resolutions.iter().flat_map(|resolution| resolution.archives().cloned()).collect()
    };
    let before = all(old);
    let mut said: Vec<String> = Vec::new();
    for now in all(new) {
        let same = before.iter().find(|then| (&then.uri, &then.path) == (&now.uri, &now.path));
        for (field, then, now_is) in same.into_iter().flat_map(|then| changes(then, &now)) {
            let message =
                format!("the archive {} {} changed its {field} from {then:?} to {now_is:?}", now.uri, now.path);
            if !said.contains(&message) {
                observer
                    .warning(&message, "make sure that it is still the archive that you mean before you keep the lock");
                said.push(message);
            }
        }
    }
}

/// What an archive says of itself, and said otherwise before.
fn changes<'a>(then: &'a ReleaseInfo, now: &'a ReleaseInfo) -> Vec<(&'static str, &'a str, &'a str)> {
    let fields = [
        ("Origin", &then.origin, &now.origin),
        ("Label", &then.label, &now.label),
        ("Suite", &then.suite, &now.suite),
        ("Codename", &then.codename, &now.codename),
    ];
    let changed = fields.into_iter().filter(|(_, then, now)| then != now);
    changed.map(|(field, then, now)| (field, then.as_str(), now.as_str())).collect()
}
