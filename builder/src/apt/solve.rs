//! From requests to an exact closure. The solve is apt's; here it is asked and its answer read.

use std::collections::BTreeMap;

use model::Digest;
use model::archive::url;
use model::observe::{Observer, Task, Unit};
use model::package::PackageRequest;
use model::resolution::{ResolutionFields, ResolvedFields};

use super::error::Missing;
use super::index::{Index, Record};
use super::lower::{self, Held};
use super::pins::{self, Pin};
use super::source::Source;
use super::state::{self, Release, State, Target};
use super::{Error, Reason, Resolution, Resolved, Settings, Variant, dependencies, failure, over, unserved};
use crate::cache::Cache;

/// Resolves `requests`, and what [`Settings::variant`] adds to them, to an exact closure.
///
/// The lists are fetched anew, unless [`super::Access::offline`] is set. The answer depends on the
/// archives' lists, the requests as a set, and the settings, on nothing of the host.
///
/// # Errors
/// See [`Error`]; every request that cannot be served is in one [`Error::Missing`].
pub fn resolve(
    requests: &[PackageRequest],
    settings: &Settings,
    cache: &Cache,
    observer: &dyn Observer,
) -> Result<Resolution, Error> {
    resolve_keeping(requests, settings, &[], cache, observer)
}

/// As [`resolve`], but a package that is pinned keeps its version unless another one that is not
/// pinned needs it to move.
///
/// # Errors
/// As [`resolve`], and [`Error::Gone`] when the archives no longer have a pinned version.
pub(super) fn resolve_keeping(
    requests: &[PackageRequest],
    settings: &Settings,
    pins: &[Pin],
    cache: &Cache,
    observer: &dyn Observer,
) -> Result<Resolution, Error> {
    if settings.asks_for_nothing(requests) {
        return nothing(settings);
    }
    let _use = cache.in_use(observer)?;
    let state = State::open(settings, cache, observer)?;
    let task = Task::start(observer, "read package lists", None, Unit::Items);
    if !settings.access.offline {
        state.update(observer)?;
    } else if !state.is_complete() {
        return Err(Error::OfflineState { suite: settings.suite.clone(), arch: settings.arch });
    }
    let targets = state.targets()?;
    let index = state::index(&targets)?;
    let releases = releases(&state, &targets)?;
    drop(task);

    let task = Task::start(observer, "resolve packages", None, Unit::Items);
    let mut requests = requests.to_vec();
    requests.sort();
    requests.dedup();
    let of_base = settings.base.iter().flat_map(|base| &base.packages);
    let asked = requests.iter().chain(of_base.filter(|request| !requests.contains(request)));
    let mut missing: Vec<Missing> =
        asked.filter_map(|request| unserved::check(request, &index, &releases, settings)).collect();
    if !missing.is_empty() {
        // The lock of this state is let go first: no one waits for one state while holding another.
        let source = state.sources().first().cloned();
        drop(state);
        if let Some((source, release)) = source.zip(releases.first()) {
            unserved::look_elsewhere(&mut missing, &source, &release.1, settings, (cache, observer));
        }
        return Err(Error::Missing { missing });
    }
    let base = base(&index, &releases, settings, state.sources());
    let solver = Solver { state: &state, index: &index, implied: base, settings, pins };
    let held = lower::held(settings.lower.as_deref().unwrap_or_default(), settings.arch)?;
    let of_base = solver.base(&held)?;
    let closure = solver.over(&of_base, &held, &requests)?;
    let packages = explain((&closure, &of_base, &held), &requests, settings, state.sources())?;
    drop(task);
    let mut releases = releases.into_iter().map(|(info, _)| info);
    let release = releases.next();
    let (suite, variant, arch) = (settings.suite.clone(), settings.made_by(), settings.arch);
    let more_releases = releases.collect();
    let fields = ResolutionFields { arch, suite, variant, requests, release, more_releases, packages };
    Resolution::new(fields).map_err(Error::Odd)
}

/// The closure where nothing is asked for: no archive has to be there for it.
fn nothing(settings: &Settings) -> Result<Resolution, Error> {
    let (suite, variant, arch) = (settings.suite.clone(), settings.made_by(), settings.arch);
    let (requests, more_releases, packages) = (Vec::new(), Vec::new(), Vec::new());
    let fields = ResolutionFields { arch, suite, variant, requests, release: None, more_releases, packages };
    Resolution::new(fields).map_err(Error::Odd)
}

/// One archive's lists, and apt over them.
struct Solver<'a> {
    state: &'a State,
    index: &'a Index,
    /// The names of what is there without being asked for, where apt's patterns do not say it.
    implied: Option<Vec<String>>,
    settings: &'a Settings,
    pins: &'a [Pin],
}

impl<'a> Solver<'a> {
    /// What `requests` need, with the versions of `held` for the packages that they are of.
    fn closure(&self, requests: &[PackageRequest], held: &[&'a Record]) -> Result<Vec<&'a Record>, Error> {
        let held: BTreeMap<&str, &Record> = held.iter().map(|record| (record.package.name.as_str(), *record)).collect();
        let closure = self.plan(requests, &held)?;
        if self.pins.is_empty() {
            return Ok(closure);
        }
        let missing_pins = pins::missing_pins(self.pins, self.index);
        let mut pinned = pins::find(self.pins, self.index, &missing_pins);
        pinned.retain(|name, _| !held.contains_key(name));
        pins::unpin(&mut pinned, &closure);
        pins::check(&mut pinned, &closure, self.index)?;
        pinned.extend(held);
        self.plan(requests, &pinned)
    }

    fn plan(&self, requests: &[PackageRequest], pinned: &BTreeMap<&str, &Record>) -> Result<Vec<&'a Record>, Error> {
        plan(self.state, self.index, (requests, self.implied.clone()), self.settings, pinned)
    }

    /// What the base has, with what modules bring that lie below.
    fn base(&self, held: &BTreeMap<&str, Held<'_>>) -> Result<Vec<&'a Record>, Error> {
        let Some(asked) = &self.settings.base else { return Ok(Vec::new()) };
        let requests: Vec<PackageRequest> = asked.packages.iter().cloned().chain(lower::requests(held)).collect();
        let records = lower::records(held, self.index)?;
        let found = self.closure(&requests, &records)?;
        over::check(&records, &found, &[])?;
        Ok(found)
    }

    /// What `requests` need over the packages of the base, which keep their versions.
    fn over(
        &self,
        base: &[&'a Record],
        held: &BTreeMap<&str, Held<'_>>,
        requests: &[PackageRequest],
    ) -> Result<Vec<&'a Record>, Error> {
        let Some(asked) = &self.settings.base else { return self.closure(requests, &[]) };
        let asked: Vec<PackageRequest> = asked.packages.iter().cloned().chain(lower::requests(held)).collect();
        let requests: Vec<PackageRequest> = asked.iter().chain(requests).cloned().collect();
        let over = match self.closure(&requests, base) {
            Err(refused @ Error::Unsatisfiable { .. }) => {
                // What would do without the base says what is in the way.
                let free = |request: &PackageRequest| PackageRequest { version: None, suite: None, ..request.clone() };
                let count = asked.len();
                let free: Vec<PackageRequest> =
                    requests[..count].iter().map(free).chain(requests[count..].iter().cloned()).collect();
                let (asked, own) = free.split_at(count);
                let Ok(free) = self.plan(&free, &BTreeMap::new()) else {
                    return Err(self.in_the_way(asked, own).unwrap_or(refused));
                };
                over::check(base, &free, own)?;
                return Err(refused);
            }
            closure => closure?,
        };
        over::check(base, &over, &requests[asked.len()..])?;
        Ok(over)
    }

    /// The first package of a base that `requests`, which can be installed without it, cannot be installed beside.
    fn in_the_way(&self, base: &[PackageRequest], requests: &[PackageRequest]) -> Option<Error> {
        let none = BTreeMap::new();
        self.plan(requests, &none).ok()?;
        let is_lost = |one: &&PackageRequest| {
            let beside: Vec<PackageRequest> = requests.iter().chain([*one]).cloned().collect();
            matches!(self.plan(&beside, &none), Err(Error::Unsatisfiable { .. }))
        };
        base.iter().find(is_lost).map(|lost| over::lost(&lost.name, requests))
    }
}

fn releases(state: &State, targets: &[Target]) -> Result<Vec<Release>, Error> {
    (0..state.sources().len()).map(|number| state.release(number, targets)).collect()
}

/// What apt is asked to install. The patterns for the base are those of mmdebstrap, so that what is
/// locked is what mmdebstrap installs: packages count for the base only by what the suite itself
/// says of them.
fn arguments(requests: &[PackageRequest], settings: &Settings, base: Option<Vec<String>>) -> Vec<String> {
    let mut arguments = base.unwrap_or_else(|| patterns(settings));
    // Only one architecture is known to apt here, so that a qualifier says nothing more.
    let plain = |request: &PackageRequest| PackageRequest { arch: None, ..request.clone() }.to_string();
    arguments.extend(requests.iter().map(plain));
    arguments
}

/// The names of the base, where an archive was added that may call itself as the suite is called, and its packages
/// essential: what the patterns would mean, were it not there.
fn base(index: &Index, releases: &[Release], settings: &Settings, sources: &[Source]) -> Option<Vec<String>> {
    if !sources.iter().any(|source| source.is_added) {
        return None;
    }
    let is_suite = |number: usize| {
        let named =
            releases.get(number).is_some_and(|(info, _)| [&info.suite, &info.codename].contains(&&settings.suite));
        named && sources.get(number).is_some_and(|source| !source.is_added)
    };
    let (variant, arch) = (settings.implied(), settings.arch.debian());
    let belongs = |record: &&Record| {
        let by_priority = variant.priorities().contains(&record.priority.as_str());
        let is_base = variant.has_essential() && record.essential || by_priority;
        // As in the pattern, what is for all architectures counts as for this one.
        is_base && is_suite(record.source) && [arch, "all"].contains(&record.package.arch.as_str())
    };
    let mut names: Vec<String> =
        index.records.iter().filter(belongs).map(|record| record.package.name.clone()).collect();
    names.extend((variant == Variant::Apt).then(|| "apt".to_owned()));
    names.sort();
    names.dedup();
    Some(names)
}

fn patterns(settings: &Settings) -> Vec<String> {
    let suite = settings.suite.replace('.', "\\.").replace('+', "\\+");
    let narrow = |what: &str| {
        let arch = settings.arch;
        format!("?narrow(?or(?archive(^{suite}$),?codename(^{suite}$)),?architecture({arch}),{what})")
    };
    let mut arguments = Vec::new();
    if settings.implied().has_essential() {
        arguments.push(narrow("?essential"));
    }
    if settings.implied() == Variant::Apt {
        arguments.push("apt".to_owned());
    }
    let priorities: Vec<String> =
        settings.implied().priorities().iter().map(|priority| format!("?priority({priority})")).collect();
    if !priorities.is_empty() {
        let any = if priorities.len() == 1 { priorities.concat() } else { format!("?or({})", priorities.join(",")) };
        arguments.push(narrow(&format!("?and({any},?not(?essential))")));
    }
    arguments
}

/// apt's plan, as records sorted by name and architecture.
fn plan<'a>(
    state: &State,
    index: &'a Index,
    (requests, base): (&[PackageRequest], Option<Vec<String>>),
    settings: &Settings,
    pinned: &BTreeMap<&str, &Record>,
) -> Result<Vec<&'a Record>, Error> {
    let wanted = arguments(requests, settings, base);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let preferences = match pinned.is_empty() {
        true => None,
        false => Some(state.preferences(&pins::preferences(pinned))?),
    };
    let outcome = state.apt_get(|apt| {
        // The digest of each file, by which its archive is found where several have the name.
        let apt = apt.option("-q").assign("-oAcquire::ForceHash", "SHA256");
        let apt = preferences.iter().fold(apt, |apt, path| apt.assign("-oDir::Etc::preferences", path));
        apt.options(["--print-uris", "--yes"]).operand("install").option("--").operands(wanted)
    })?;
    if !outcome.status.success() {
        if let Some(explanation) = failure::unsatisfiable(&outcome.stdout, &outcome.stderr) {
            return Err(Error::Unsatisfiable { arch: settings.arch, explanation });
        }
        return Err(failure::error("install", &[outcome.stdout, outcome.stderr].concat()));
    }
    let mut closure = Vec::new();
    for line in String::from_utf8_lossy(&outcome.stdout).lines().filter(|line| line.starts_with('\'')) {
        let unknown = || Error::Plan { what: model::path::escape(line.as_bytes()).chars().take(200).collect() };
        let (url, rest) = line[1..].split_once('\'').unwrap_or_default();
        let sha256 = rest.split_ascii_whitespace().find_map(|word| Digest::from_hex(word.strip_prefix("SHA256:")?));
        closure.push(find(url, sha256, state.sources(), index).ok_or_else(unknown)?);
    }
    let key = |record: &&Record| (record.package.name.clone(), record.package.arch.clone());
    closure.sort_by_key(key);
    if let Some(pair) = closure.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
        return Err(Error::Plan { what: format!("{} twice", pair[0].package.name) });
    }
    Ok(closure)
}

/// The record that a URL of apt's plan means. apt writes the path percent-encoded. Several archives may list the path,
/// be it at one URI or one below the other: then the one counts whose digest apt has.
fn find<'a>(url: &str, sha256: Option<Digest>, sources: &[Source], index: &'a Index) -> Option<&'a Record> {
    let found = sources.iter().enumerate().filter_map(|(number, source)| {
        let rest = url.strip_prefix(source.uri.as_str())?.strip_prefix('/')?;
        index.at(number, &percent_decode(rest)?).or_else(|| index.at(number, rest))
    });
    let mut fitting = found.filter(|record| sha256.is_none() || record.sha256.is_none() || record.sha256 == sha256);
    fitting.next()
}

pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = tail.get(..2)?;
            bytes.extend(hex::decode(digits).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

fn explain(
    (closure, of_base, held): (&[&Record], &[&Record], &BTreeMap<&str, Held<'_>>),
    requests: &[PackageRequest],
    settings: &Settings,
    sources: &[Source],
) -> Result<Vec<Resolved>, Error> {
    let variant = settings.implied();
    let in_base = |record: &Record| of_base.iter().any(|base| base.package == record.package);
    let mut known = BTreeMap::new();
    for (number, record) in closure.iter().enumerate() {
        let base = |word: &str| Reason::Base(word.to_owned());
        if requests.iter().any(|request| request.name == record.package.name) {
            known.insert(number, Reason::Requested);
        } else if variant.has_essential() && record.essential {
            known.insert(number, base("essential"));
        } else if variant.priorities().contains(&record.priority.as_str()) {
            known.insert(number, base(&record.priority));
        } else if variant == Variant::Apt && record.package.name == "apt" {
            known.insert(number, base("apt"));
        } else if in_base(record) {
            known.insert(number, base("base"));
        }
    }
    let reasons = dependencies::reasons(closure, known, &Reason::Base(variant.name().to_owned()));
    let resolved = closure.iter().zip(reasons).map(|(record, reason)| {
        let missing = || Error::Index {
            path: record.path.clone().into(),
            message: format!("the package {} has no SHA256", record.package.name),
        };
        let fields = ResolvedFields {
            package: record.package.clone(),
            url: url(&sources[record.source].uri, &record.path),
            path: record.path.clone(),
            size: record.size,
            sha256: record.sha256.ok_or_else(missing)?,
            reason,
            archive: record.source,
            base: in_base(record),
            module: held
                .get(record.package.name.as_str())
                .and_then(|held| held.module)
                .filter(|_| in_base(record))
                .map(str::to_owned),
        };
        Resolved::new(fields).map_err(Error::Odd)
    });
    resolved.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use model::Arch;

    use super::*;

    #[test]
    fn apt_is_asked_for_what_mmdebstrap_would_install() {
        let requests = ["g++:amd64=4:14.2.0-1", "nginx/trixie"].map(|text| PackageRequest::parse(text).unwrap());
        let mut settings = Settings::new("trixie", Vec::new(), Arch::Amd64);
        let mut asked = String::new();
        for variant in Variant::ALL {
            settings.variant = variant;
            asked.push_str(&format!("{variant}:\n"));
            arguments(&requests, &settings, None).iter().for_each(|line| asked.push_str(&format!("  {line}\n")));
        }
        insta::assert_snapshot!(asked);
    }

    #[test]
    fn urls_lead_back_to_their_paths() {
        let path = "pool/main/g/gcc-14/g++-14_1:2~rc1_amd64.deb";
        let url = url("http://mirror.example.org/debian", path);
        assert_eq!(url, "http://mirror.example.org/debian/pool/main/g/gcc-14/g%2b%2b-14_1%3a2~rc1_amd64.deb");
        assert_eq!(percent_decode(url.strip_prefix("http://mirror.example.org/debian/").unwrap()).unwrap(), path);
        // One archive below another, and two suites at one address.
        let sources =
            ["file:/srv", "file:/srv/a", "file:/srv/a"].map(|uri| Source { uri: uri.to_owned(), ..Source::default() });
        let mut index = Index::default();
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path().join("Packages");
        let sums = ["0", "1", "2"].map(|digit| Digest::from_hex(&digit.repeat(64)).unwrap());
        for (number, (sum, path)) in sums.iter().zip(["a/x.deb", "x.deb", "x.deb"]).enumerate() {
            let text = format!(
                "Package: xx\nVersion: 1\nArchitecture: all\nFilename: {path}\nSize: 1\nSHA256: {}\n",
                sum.hex()
            );
            std::fs::write(&packages, text).unwrap();
            index.read(&packages, number).unwrap();
        }
        let found = |sum| find("file:/srv/a/x.deb", sum, &sources, &index).map(|record| record.source);
        assert_eq!(sums.map(|sum| found(Some(sum))), [Some(0), Some(1), Some(2)]);
        assert_eq!((found(None), found(Some(Digest::of(b"other")))), (Some(0), None));
        assert_eq!(percent_decode("%2"), None);
        assert_eq!(percent_decode("%zz"), None);
        assert_eq!(percent_decode("%ff"), None);
    }
}
