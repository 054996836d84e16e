//! The text of a unit that makes something once.
//!
//! Power may fail at any moment, and what is half made must never be taken for whole. So everything is made beside its
//! place and renamed there at last: where it is there, all of it is.

use image::tree::Stat;
use model::closure::FirstStart;
use model::{Digest, ImagePath};

use super::{Context, FirstStarts, MadeOnce};

/// Where systemd finds units of a vendor.
const UNITS: &str = "/usr/lib/systemd/system";

/// Something that is made once.
pub(super) struct Made<'a> {
    /// The path that people know.
    pub(super) what: &'a ImagePath,
    /// What is there when it was made; empty where only that the directory is not empty says so.
    pub(super) marker: String,
    /// What makes it.
    pub(super) start: FirstStart,
    /// What has to be done around that.
    pub(super) steps: Steps,
}

/// What is done before and after something is made: by root, but for what a user could have root do elsewhere by a link.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Lines of the unit besides commands.
    settings: Vec<String>,
    before: Vec<Vec<String>>,
    after: Vec<Step>,
}

/// A command behind that which makes something.
#[derive(Debug)]
enum Step {
    Root(Vec<String>),
    /// By the user who runs the author's command.
    User(Vec<String>),
}

/// What runs a command in the mount namespace of the node, not in that of the unit.
const AMONG_MOUNTS_OF_THE_NODE: [&str; 3] = ["/usr/bin/nsenter", "--mount=/proc/1/ns/mnt", "--"];

/// The directory beside `real` in which it is made.
pub(super) fn beside(real: &ImagePath) -> Option<ImagePath> {
    let name = [b".", real.file_name()?, b".new"].concat();
    real.parent()?.join(&name).ok()
}

impl Steps {
    /// What is made in its place, by a command that does not say where: its owner and mode afterwards.
    pub(super) fn in_place(path: &ImagePath, stat: &Stat, user: Option<&str>, context: &Names<'_>) -> Self {
        Self { after: owned(path, stat, user, context), ..Self::default() }
    }

    /// Files that a command makes in the directory `stage`, each for its place; the first one is there last of all.
    pub(super) fn of_files(
        files: &[(ImagePath, ImagePath, Stat)],
        stage: &ImagePath,
        user: Option<&str>,
        context: &Names<'_>,
    ) -> Self {
        let mut directories: Vec<ImagePath> = files.iter().filter_map(|(made, ..)| made.parent()).collect();
        directories.insert(0, stage.clone());
        directories.dedup();
        let owner = user.map(|user| ["-o".to_owned(), user.to_owned()]);
        let mut install = words(&["/usr/bin/install", "-d", "-m", "0700"]);
        install.extend(owner.into_iter().flatten());
        install.extend(directories.iter().map(ToString::to_string));
        let mut after: Vec<Step> = files.iter().flat_map(|(made, _, stat)| owned(made, stat, user, context)).collect();
        after.push(Step::Root(words(&["/usr/bin/sync", "-f", &stage.to_string()])));
        let renamed = files.iter().rev();
        let rename =
            |made: &ImagePath, real: &ImagePath| words(&["/usr/bin/mv", "-T", &made.to_string(), &real.to_string()]);
        after.extend(renamed.map(|(made, real, _)| Step::Root(rename(made, real))));
        after.push(Step::Root(remove(stage)));
        Self { settings: Vec::new(), before: vec![remove(stage), install], after }
    }

    /// The directory at `real`, which a command finds there and which really is the one beside it, until all is in it. A
    /// volume that is mounted there cannot be renamed to, and is filled in place.
    pub(super) fn of_directory(real: &ImagePath, stage: &ImagePath, stat: &Stat, context: &Names<'_>) -> Self {
        let (user, group) = context(stat);
        let (at, new) = (real.to_string(), stage.to_string());
        let mode = format!("{:04o}", stat.mode);
        let install = words(&["/usr/bin/install", "-d", "-o", &user, "-g", &group, "-m", &mode, &new]);
        let parent = real.parent().map_or_else(String::new, |parent| parent.to_string());
        let pattern = glob(&String::from_utf8_lossy(stage.file_name().unwrap_or_default()));
        let where_it_is = ["/usr/bin/find", &parent, "-mindepth", "1", "-maxdepth", "1", "-name", &pattern];
        let found = |commands: &[&[&str]]| {
            let run = commands.iter().flat_map(|command| [&["-exec"], *command, &[";"]].concat());
            words(&where_it_is.into_iter().chain(run).collect::<Vec<_>>())
        };
        let after = vec![
            words(&["/usr/bin/sync", "-f", &new]),
            found(&[&["mountpoint", "-q", &at], &["cp", "-aT", "{}", &at], &["rm", "-rf", "{}"]]),
            found(&[&["mv", "-T", "{}", &at]]),
            words(&["/usr/bin/test", "!", "-e", &new]),
        ];
        // All commands of the unit see it in its place; those around it have to see what is there really.
        let settings = vec![format!("BindPaths={}", quoted(&format!("-{}:{}", colons(&new), colons(&at))))];
        let really = |command: Vec<String>| [words(&AMONG_MOUNTS_OF_THE_NODE), command].concat();
        let before = [remove(stage), install].into_iter().map(really).collect();
        Self { settings, before, after: after.into_iter().map(really).map(Step::Root).collect() }
    }
}

/// The names of the user and of the group of an inode.
pub(super) type Names<'a> = dyn Fn(&Stat) -> (String, String) + 'a;

/// Gives what `user`, or root, made its mode and owner. A link that a user made in its place must lead root nowhere: the user
/// changes the mode, and root the owner of what is there itself.
fn owned(path: &ImagePath, stat: &Stat, user: Option<&str>, context: &Names<'_>) -> Vec<Step> {
    let ((owner, group), path) = (context(stat), path.to_string());
    let (owner, mode) = (format!("{owner}:{group}"), format!("{:04o}", stat.mode));
    match user {
        None => vec![
            Step::Root(words(&["/usr/bin/chown", &owner, &path])),
            Step::Root(words(&["/usr/bin/chmod", &mode, &path])),
        ],
        Some(_) => vec![
            Step::User(words(&["/usr/bin/chmod", &mode, &path])),
            Step::Root(words(&["/usr/bin/chown", "-h", &owner, &path])),
            Step::Root(words(&["/usr/bin/test", "!", "-L", &path])),
        ],
    }
}

fn remove(path: &ImagePath) -> Vec<String> {
    words(&["/usr/bin/rm", "-rf", &path.to_string()])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A pattern of find that matches `name` alone.
fn glob(name: &str) -> String {
    name.chars().flat_map(|c| ['\\'].into_iter().filter(move |_| "*?[\\".contains(c)).chain([c])).collect()
}

/// A path in a list whose items colons divide.
fn colons(path: &str) -> String {
    path.replace('\\', "\\\\").replace(':', "\\:")
}

/// Adds the unit that makes it, and the links that start the unit.
pub(super) fn add<C>(made: &Made<'_>, context: &Context<'_, C>, all: &mut FirstStarts) {
    let name = name(context.name, made.what);
    let targets = ["basic.target"].into_iter().chain(context.services.iter().map(String::as_str));
    for target in targets {
        if let Ok(path) = ImagePath::new(format!("{UNITS}/{target}.wants/{name}")) {
            all.links.push((path, format!("../{name}")));
        }
    }
    if let Ok(path) = ImagePath::new(format!("{UNITS}/{name}")) {
        all.made.push(MadeOnce { path: made.what.clone(), unit: path.clone(), start: made.start.clone() });
        all.files.push((path, text(made, context.services)));
    }
}

fn text(made: &Made<'_>, services: &[String]) -> String {
    let condition = match made.marker.as_str() {
        "" => format!("ConditionDirectoryNotEmpty=!{}", specifiers(&made.what.to_string())),
        marker => format!("ConditionPathExists=!{}", specifiers(marker)),
    };
    let before: String = services.iter().map(|service| format!(" {service}")).collect();
    let mut text = format!(
        "# Written by module-builder: {what} is made once on each machine, and not shipped.\n[Unit]\nDescription=Make {what}\n\
         DefaultDependencies=no\nAfter=sysinit.target\nBefore=basic.target{before} shutdown.target\nConflicts=shutdown.target\n\
         {condition}\n\n[Service]\nType=oneshot\nUMask=0077\n",
        what = specifiers(&made.what.to_string())
    );
    if let Some(user) = &made.start.user {
        text += &format!("User={user}\n");
    }
    for setting in &made.steps.settings {
        text += &format!("{setting}\n");
    }
    for command in &made.steps.before {
        text += &format!("ExecStartPre=+{}\n", line(command));
    }
    text += &format!("ExecStart={}\n", line(&made.start.command));
    for command in &made.steps.after {
        text += &match command {
            Step::Root(command) => format!("ExecStart=+{}\n", line(command)),
            Step::User(command) => format!("ExecStart={}\n", line(command)),
        };
    }
    text
}

/// The longest name of a unit (systemd's `UNIT_NAME_MAX` counts the byte behind it) and of a file.
const LONGEST_NAME: usize = 255;
/// The digits of a digest that stand for the end of a path: 128 bits.
const DIGITS: usize = 32;

/// The name of the unit that makes what is at `path`. Two paths have two names.
fn name(module: &str, path: &ImagePath) -> String {
    let escaped = escaped(path);
    let room = LONGEST_NAME.saturating_sub(format!("module-{module}-.service").len());
    if escaped.len() <= room {
        return format!("module-{module}-{escaped}.service");
    }
    let beginning = &escaped[..room.saturating_sub(DIGITS + 1)];
    let digest = Digest::of(path.as_bytes()).hex();
    format!("module-{module}-{beginning}-{}.service", &digest[..DIGITS])
}

/// A path as a part of a unit's name, as `systemd-escape --path` writes it: slashes are dashes, and what is neither a letter,
/// a digit, `:`, `_` nor a point within it is `\xNN`.
fn escaped(path: &ImagePath) -> String {
    let byte = |(at, byte): (usize, &u8)| match byte {
        b'/' => "-".to_owned(),
        b'.' if at > 0 => ".".to_owned(),
        b':' | b'_' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    path.relative().iter().enumerate().map(byte).collect()
}

/// A text in a unit, where `%` begins a specifier.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// A command line of a unit (systemd.service(5), "COMMAND LINES"): `%` and `$` stand for themselves, and what is not plain
/// is quoted.
fn line(command: &[String]) -> String {
    command.iter().map(|word| quoted(word).replace('$', "$$")).collect::<Vec<_>>().join(" ")
}

/// A word of a unit's setting, in quotes where it is not plain.
fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@:,=%$".contains(c));
    let escaped: String = specifiers(word)
        .chars()
        .flat_map(|c| ['\\'].into_iter().filter(move |_| "\"\\".contains(c)).chain([c]))
        .collect();
    if is_plain { escaped } else { format!("\"{escaped}\"") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn of(path: &str) -> String {
        name("x", &ImagePath::new(path).unwrap())
    }

    /// What systemd-escape(1) makes of each.
    #[test]
    fn two_paths_have_two_names_of_units() {
        for (path, escaped) in [
            ("/etc/hs/a.key", "etc-hs-a.key"),
            ("/etc/hs-a.key", r"etc-hs\x2da.key"),
            ("/etc/a b@c:d_.x", r"etc-a\x20b\x40c:d_.x"),
            ("/.x/é", r"\x2ex-\xc3\xa9"),
            (r"/etc/a\b", r"etc-a\x5cb"),
        ] {
            assert_eq!(of(path), format!("module-x-{escaped}.service"));
        }
    }

    #[test]
    fn a_path_that_no_name_holds_is_named_by_its_digest() {
        let directory = format!("/etc/{}", "d".repeat(230));
        let (one, other) = (of(&format!("{directory}/one")), of(&format!("{directory}/two")));
        assert!(one.len() == 255 && other.len() == 255 && one != other, "{one}\n{other}");
        let longest = format!("/etc/{}", "d".repeat(255 - "module-x-.service".len() - "etc-".len()));
        assert_eq!(of(&longest), format!("module-x-etc-{}.service", &longest[5..]));
        assert_eq!(of(&format!("{longest}d")).len(), 255);
    }
}
