//! Whether the archives of a lock stay, where no one names mirrors.

use std::collections::BTreeSet;

use builder::apt;
use builder::apt::lock::{Inputs, Lock, LockedRepository};
use model::observe::Observer;

/// Whether a new solve asks the archives of the `old` lock, given that no mirrors are named. Those of another suite are none
/// to ask; and where everything is updated, what the host's apt has and the lock has not is taken, such as security updates.
pub(super) fn keeps_archives(old: &Lock, settings: &apt::Settings, everything: bool, observer: &dyn Observer) -> bool {
    let inputs = &old.inputs;
    let same = inputs.suite == settings.suite && inputs.components == settings.components;
    if !same || inputs.snapshot.is_some() {
        return false;
    }
    let suites = |settings: &apt::Settings| -> BTreeSet<String> {
        let sources = settings.sources().unwrap_or_default().into_iter().filter(|source| !source.is_added);
        sources.map(|source| source.suite).collect()
    };
    let is_here = |locked: &&LockedRepository| {
        settings.repositories.iter().any(|own| (&own.uri, &own.suite) == (&locked.uri, &locked.suite))
    };
    if let Some(gone) = inputs.repository.iter().filter(|locked| locked.host).find(|locked| !is_here(locked)) {
        let message = format!("the lock has the archive {} of another host's apt, which this one has not", gone.uri);
        observer.warning(&message, "name it in builder.toml as [[repository]], with its keys");
        return false;
    }
    let before = suites(&apt::Settings { mirrors: inputs.mirrors.clone(), ..settings.clone() });
    let new: Vec<String> = suites(settings).difference(&before).cloned().collect();
    if !new.is_empty() && !everything {
        let message = format!("the host's apt has {}, and the lock was made without", new.join(", "));
        observer.warning(&message, "take packages from there, too, by `module-builder lock --update`");
    }
    new.is_empty() || !everything
}

/// Whether a lock has this archive.
pub(super) fn has(inputs: &Inputs, repository: &apt::Repository) -> bool {
    inputs.repository.iter().any(|locked| (&locked.uri, &locked.suite) == (&repository.uri, &repository.suite))
}
