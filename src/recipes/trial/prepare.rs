//! A room is put together: the layers on disk, the trial's own one over them, accounts and the linker's cache made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use host::process::Invocation;
use host::{Dir, Links};
use model::{Diagnostic, Severity};
use node::trial::accounts::{self, Accounts};
use node::trial::{Form, Room, drop_in, own};

use crate::error::Error;
use crate::recipes::trial::wanted::{self, Services};

/// The largest text of a tree that is read: a unit, a list of accounts.
pub(crate) const TEXT_LIMIT: u64 = 4 << 20;

/// Where sysusers.d is, the directory that counts first.
const SYSUSERS: [&str; 4] = ["etc/sysusers.d", "run/sysusers.d", "usr/local/lib/sysusers.d", "usr/lib/sysusers.d"];

/// Layers on disk, in a directory of the run.
pub(crate) struct OnDisk {
    /// The directory of the room.
    pub(crate) room: Dir,
    /// Names in it, the uppermost first.
    pub(crate) names: Vec<PathBuf>,
    /// How many of them are modules; the rest is what they lie over.
    pub(crate) modules: usize,
    /// What the layers come to.
    pub(crate) form: Form,
}

impl OnDisk {
    /// The text at the first of `paths` that a layer has.
    fn text(&self, paths: &[String]) -> Result<Option<String>, Error> {
        for path in paths {
            for name in &self.names {
                let layer = self.room.directory(name, Links::Below)?;
                // A link that leads out of the layer is none to a text of it.
                if let Ok(Some(bytes)) = layer.read_if_there(path, Links::Below, TEXT_LIMIT) {
                    return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        Ok(None)
    }

    /// What the modules' sysusers.d asks for.
    fn accounts(&self) -> Result<Vec<accounts::Wanted>, Error> {
        let mut texts: BTreeMap<std::ffi::OsString, (usize, String)> = BTreeMap::new();
        for place in SYSUSERS {
            for (module, name) in self.names[..self.modules].iter().enumerate() {
                let layer = self.room.directory(name, Links::Below)?;
                let Ok(directory) = layer.directory(place, Links::Below) else { continue };
                for file in directory.names()? {
                    if let Ok(Some(bytes)) = directory.read_if_there(&file, Links::Refuse, TEXT_LIMIT) {
                        texts.entry(file).or_insert_with(|| (module, String::from_utf8_lossy(&bytes).into_owned()));
                    }
                }
            }
        }
        // Of two lines for one name the first counts, in the order of the files' names. A module knows that of its own lines; two
        // modules with two numbers for a name each have files that belong to theirs.
        let mut wanted: Vec<(usize, accounts::Wanted)> = Vec::new();
        for (module, text) in texts.values() {
            for line in accounts::wanted(text) {
                let is_first = |(of, other): &(usize, accounts::Wanted)| {
                    (of, &other.name, other.is_group) == (module, &line.name, line.is_group)
                };
                if !wanted.iter().any(is_first) {
                    wanted.push((*module, line));
                }
            }
        }
        Ok(wanted.into_iter().map(|(_, wanted)| wanted).collect())
    }

    /// What the units of `services` need to be another way in a trial.
    fn drop_ins(&self, services: &Services) -> Result<BTreeMap<String, String>, Error> {
        let mut found = BTreeMap::new();
        for unit in services.units() {
            if let Some(text) = self.text(&wanted::places(&unit))?.and_then(|text| drop_in::drop_in(&text)) {
                found.insert(unit, text);
            }
        }
        Ok(found)
    }
}

/// Puts the room together and runs what a node runs before its services; what is wrong with that is found.
///
/// # Errors
/// When something cannot be written, or the machine does not allow it.
pub(crate) fn prepare(layers: &OnDisk, services: &Services, found: &mut Vec<Diagnostic>) -> Result<Room, Error> {
    let own = own::layer(&services.units(), &layers.drop_ins(services)?);
    let asked = layers.accounts()?;
    let mut room = Room::new(&layers.room, layers.names.clone(), &own, layers.form)?;
    if layers.form == Form::Installed {
        // Packages made their accounts; those of files that lie over the tree are made here.
        if layers.names.len() > 1 {
            room.prepare(Invocation::new("systemd-sysusers"))?;
        }
        return Ok(room);
    }
    let sysusers = room.prepare(Invocation::new("systemd-sysusers"))?;
    match &sysusers {
        Some(captured) if !captured.status.success() => {
            let said = last_line(&captured.stderr);
            found.push(error(
                "accounts-failed",
                format!("systemd-sysusers failed: {said}"),
                "correct the line that it names",
            ));
        }
        Some(_) => {}
        None if !asked.is_empty() => {
            let message = "the base has no systemd-sysusers, which makes the accounts that the modules ask for";
            found.push(error(
                "accounts-failed",
                message,
                "name a base with the package systemd, or systemd-standalone-sysusers",
            ));
        }
        None => {}
    }
    if sysusers.is_some() {
        found.extend(wrong_accounts(layers, &room, &asked)?);
    }
    if let Some(captured) = room.prepare(Invocation::new("ldconfig"))?
        && !captured.status.success()
    {
        let message = format!("ldconfig failed: {}", last_line(&captured.stderr));
        found.push(error("linker-cache-failed", message, "correct what it names").in_file("ld.so.conf.d"));
    }
    Ok(room)
}

fn error(code: &'static str, message: impl Into<String>, hint: &str) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, message, hint).in_file("sysusers.d")
}

fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    model::path::escape(text.trim().lines().last().unwrap_or_default().as_bytes())
}

/// Accounts that did not come out as the modules ask for them.
fn wrong_accounts(layers: &OnDisk, room: &Room, asked: &[accounts::Wanted]) -> Result<Vec<Diagnostic>, Error> {
    let text = |path: &str| -> Result<String, Error> {
        match room.made(path, TEXT_LIMIT)? {
            Some(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            None => Ok(layers.text(&[path.to_owned()])?.unwrap_or_default()),
        }
    };
    let accounts = Accounts::parse(&text("etc/passwd")?, &text("etc/group")?);
    let found = |wrong: accounts::Wrong| {
        let hint = match wrong.is_missing {
            true => {
                "write its group before it, with a line `g`: systemd-sysusers makes no account whose group is not there"
            }
            false => {
                "give it an id that nothing else has, and the same in every module: systemd-sysusers takes another one without a word"
            }
        };
        error(if wrong.is_missing { "account-missing" } else { "account-id" }, wrong.what, hint)
    };
    Ok(accounts.wrong(asked).into_iter().map(found).collect())
}
