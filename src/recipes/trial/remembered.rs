//! What services did in a full tree, kept for the next trial of the same services.
//!
//! Only what went well is kept: what fails in the full tree excuses a module, and may have failed by chance. A cache that
//! cannot be used is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use builder::cache::{self, Cache};
use host::Dir;
use model::{Digest, canonical};
use node::trial::sockets::Address;
use node::trial::units::State;
use serde::{Deserialize, Serialize};

use crate::recipes::trial::seen::{Control, InControl};
use crate::recipes::trial::wanted::Services;

/// Counts the ways in which services are watched: what was seen by another one is not believed.
const FORMAT: u32 = 1;

/// The largest entry that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// The states of services that went well.
const WELL: [State; 3] = [State::Up, State::Done, State::Skipped];

/// An entry of the cache that may be there.
pub(crate) struct Remembered<'a> {
    cache: &'a Cache,
    key: Digest,
}

/// What the key is made from.
#[derive(Serialize)]
struct Key<'a> {
    format: u32,
    program: &'static str,
    tree: Digest,
    settle_milliseconds: u128,
    services: BTreeMap<&'a str, String>,
    /// What lies over the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    authored: Option<Digest>,
}

/// What is kept.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    services: BTreeMap<String, KeptService>,
    parts: Vec<(String, String)>,
    listening: BTreeSet<String>,
    ephemeral: (u16, u16),
    not_installed: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptService {
    state: String,
    listening: BTreeSet<String>,
}

impl<'a> Remembered<'a> {
    /// The entry for `services` in the full tree that is in the tar at `path`, with files over it that have the digest
    /// `authored`; none for a directory, which has no digest.
    pub(crate) fn of(
        (path, authored): (&Path, Option<Digest>),
        services: &'a Services,
        settle: Duration,
        cache: Option<&'a Cache>,
    ) -> Option<Self> {
        let cache = cache?;
        let (tree, _) = host::hash::sha256(host::open::file(path).ok()?).ok()?;
        let all = services.all.iter().map(|wanted| {
            let declared = canonical::json(&wanted.declared).map(|text| String::from_utf8_lossy(&text).into_owned());
            (wanted.name.as_str(), declared.unwrap_or_default())
        });
        let program = env!("CARGO_PKG_VERSION");
        let settle_milliseconds = settle.as_millis();
        let key = Key { format: FORMAT, program, tree, settle_milliseconds, services: all.collect(), authored };
        Some(Self { cache, key: Digest::of(&canonical::json(&key).ok()?) })
    }

    fn place(&self) -> Option<PathBuf> {
        Some(self.cache.controls().ok()?.join(self.key.hex()))
    }

    /// What is kept, where that is whole and this user's own.
    pub(crate) fn get(&self) -> Option<Control> {
        let place = self.place()?;
        let file = self.cache.file(&place).ok()?;
        let size = file.metadata().ok()?.len();
        if size > LIMIT {
            return None;
        }
        let kept = serde_json::from_reader(std::io::Read::take(file, LIMIT)).ok()?;
        // Another user's cache may be read without being marked as used.
        let _ = cache::touch(&place);
        to_control(kept)
    }

    /// Keeps what went well.
    pub(crate) fn put(&self, control: &Control) {
        if !control
            .services
            .values()
            .all(|service| WELL.contains(&service.state) && (service.is_good || service.state == State::Skipped))
        {
            return;
        }
        let written = || -> Option<()> {
            let text = serde_json::to_vec_pretty(&of_control(control)).ok()?;
            let directory = self.cache.controls().ok()?;
            Dir::open(&directory).ok()?.replace(self.key.hex(), &text, 0o600).ok()
        };
        if written().is_none() {
            tracing::debug!("what services did in the full tree cannot be kept");
        }
    }
}

fn of_control(control: &Control) -> Kept {
    let service = |service: &InControl| KeptService {
        state: service.state.name().to_owned(),
        listening: texts(&service.listening),
    };
    let services = control.services.iter().map(|(name, it)| (name.clone(), service(it))).collect();
    let (listening, not_installed) = (texts(&control.listening), control.not_installed.clone());
    Kept { services, parts: control.parts.clone(), listening, ephemeral: control.ephemeral, not_installed }
}

fn texts(addresses: &BTreeSet<Address>) -> BTreeSet<String> {
    addresses.iter().map(ToString::to_string).collect()
}

fn addresses(texts: &BTreeSet<String>) -> Option<BTreeSet<Address>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

/// None where it holds what no run writes.
fn to_control(kept: Kept) -> Option<Control> {
    let service = |service: KeptService| {
        let state = WELL.into_iter().find(|state| state.name() == service.state)?;
        let listening = addresses(&service.listening)?;
        Some(InControl { state, is_good: state != State::Skipped, cause: None, listening })
    };
    let services = kept.services.into_iter().map(|(name, it)| Some((name, service(it)?))).collect::<Option<_>>()?;
    let Kept { parts, listening, ephemeral, not_installed, .. } = kept;
    let listening = addresses(&listening)?;
    Some(Control { services, parts, listening, is_complete: true, ephemeral, not_installed })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn control(state: State, is_good: bool) -> Control {
        let listening: BTreeSet<Address> =
            ["tcp 127.0.0.1:80", "unix /run/a b"].map(|text| text.parse().unwrap()).into();
        let service = InControl { state, is_good, cause: None, listening: listening.clone() };
        let services = [("x.service".to_owned(), service)].into();
        let parts = vec![("x.service".to_owned(), "y.service".to_owned())];
        Control {
            services,
            parts,
            listening,
            is_complete: true,
            ephemeral: (1, 2),
            not_installed: vec!["p".to_owned()],
        }
    }

    #[test]
    fn what_went_well_is_known_to_the_next_run_of_the_same_services_and_tree() {
        let folder = tempfile::tempdir().unwrap();
        let (tar, other) = (folder.path().join("tar"), folder.path().join("other"));
        fs::write(&tar, "a tree").unwrap();
        fs::write(&other, "another tree").unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        let services = Services::default();
        let entry =
            |path: &Path, settle| Remembered::of((path, None), &services, Duration::from_secs(settle), Some(&cache));
        let first = entry(&tar, 1).unwrap();
        assert!(first.get().is_none());
        for bad in [control(State::Down, false), control(State::Up, false), control(State::Waiting, false)] {
            first.put(&bad);
            assert!(first.get().is_none(), "{bad:?}");
        }
        first.put(&control(State::Up, true));
        let known = entry(&tar, 1).unwrap().get().unwrap();
        assert_eq!(known.services, control(State::Up, true).services);
        assert_eq!((known.ephemeral, known.not_installed), ((1, 2), vec!["p".to_owned()]));
        assert!(entry(&other, 1).unwrap().get().is_none());
        assert!(entry(&tar, 2).unwrap().get().is_none());
        assert!(entry(folder.path(), 1).is_none(), "a directory has no digest");
        let over = Some(Digest::of(b"a file over it"));
        assert!(Remembered::of((&tar, over), &services, Duration::from_secs(1), Some(&cache)).unwrap().get().is_none());
        assert!(Remembered::of((&tar, None), &services, Duration::ZERO, None).is_none());
        // What another may have written, or what no run writes.
        let place = first.place().unwrap();
        let text = fs::read_to_string(&place).unwrap();
        fs::write(&place, text.replace("\"up\"", "\"down\"")).unwrap();
        assert!(first.get().is_none());
        fs::remove_file(&place).unwrap();
        fs::write(folder.path().join("theirs"), text).unwrap();
        std::os::unix::fs::symlink(folder.path().join("theirs"), &place).unwrap();
        assert!(first.get().is_none());
    }
}
