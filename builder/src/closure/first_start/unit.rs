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
    before: Vec<Step>,
    after: Vec<Step>,
}

/// A command around that which makes something.
#[derive(Debug)]
enum Step {
    Root(Vec<String>),
    /// By the user who runs the author's command.
    User(Vec<String>),
}

/// A user and a group by their names.
pub(super) type Owner = (String, String);

/// Files that a command makes, each for its place.
pub(super) struct Files<'a> {
    /// The path that people know, where it really is, and what it is then. The first one is there last of all.
    pub(super) files: &'a [(ImagePath, ImagePath, Stat)],
    /// A directory that is not there, and whose way from the root only root can change.
    pub(super) stage: &'a ImagePath,
    /// Who runs the command; root where no one is named.
    pub(super) user: Option<&'a str>,
    /// Who has the directory of the real places, where it is not root.
    pub(super) keeper: Option<Owner>,
}

/// The directory in the stage in which the command works.
const WORK: &str = "work";

/// What runs a command in the mount namespace of the node, not in that of the unit.
const AMONG_MOUNTS_OF_THE_NODE: [&str; 3] = ["/usr/bin/nsenter", "--mount=/proc/1/ns/mnt", "--"];

/// The directory beside `real` in which it is made.
pub(super) fn beside(real: &ImagePath) -> Option<ImagePath> {
    let name = [b".", real.file_name()?, b".new"].concat();
    real.parent()?.join(&name).ok()
}

/// Where the command in `stage` makes what people know at `path`.
pub(super) fn worked_at(stage: &ImagePath, path: &ImagePath) -> Option<ImagePath> {
    ImagePath::new([stage.as_bytes(), b"/", WORK.as_bytes(), path.as_bytes()].concat()).ok()
}

/// The name of a stage for `path` that lies elsewhere.
pub(super) fn stage_name(path: &ImagePath) -> String {
    format!(".{}.new", &Digest::of(path.as_bytes()).hex()[..DIGITS])
}

impl Steps {
    /// What is made in its place, by a command that does not say where: its owner and mode afterwards.
    pub(super) fn in_place(path: &ImagePath, stat: &Stat, user: Option<&str>, context: &Names<'_>) -> Self {
        Self { after: owned(path, stat, user, context), ..Self::default() }
    }

    /// Files that a command makes in a stage. What the command's user can change leads root nowhere: the user takes each file
    /// out of the directories in which it was made, and root the file out of the one directory of the user, whose name
    /// only root can change. From then on no one else can put anything in its place.
    pub(super) fn of_files(made: &Files<'_>, context: &Names<'_>) -> Self {
        let Files { files, stage, user, keeper } = made;
        let by_maker = |command: Vec<String>| if user.is_some() { Step::User(command) } else { Step::Root(command) };
        let below = |name: &str| format!("{stage}/{name}");
        let owner: &[&str] = if let Some(user) = user { &["-o", user] } else { &[] };
        let work = below(WORK);
        let mut around: Vec<String> =
            files.iter().filter_map(|(path, ..)| Some(format!("{work}{}", path.parent()?))).collect();
        around.dedup();
        let before = vec![
            Step::Root(remove(stage)),
            Step::Root(words(&["/usr/bin/install", "-d", "-m", "0711", &stage.to_string()])),
            Step::Root(words(&[&["/usr/bin/install", "-d", "-m", "0700"], owner, &[&work]].concat())),
            by_maker(words(
                &["/usr/bin/mkdir", "-p"].into_iter().chain(around.iter().map(String::as_str)).collect::<Vec<_>>(),
            )),
        ];
        let mut after = Vec::new();
        for (number, (path, _, stat)) in files.iter().enumerate() {
            let (out, own) = (format!("{work}/.{number}"), below(&number.to_string()));
            after.push(by_maker(rename(&format!("{work}{path}"), &out)));
            after.push(Step::Root(rename(&out, &own)));
            after.extend(is_file(&own));
            let (user, group) = context(stat);
            after.push(Step::Root(words(&["/usr/bin/chown", &format!("{user}:{group}"), &own])));
            after.push(Step::Root(words(&["/usr/bin/chmod", &format!("{:04o}", stat.mode), &own])));
        }
        after.push(Step::Root(words(&["/usr/bin/sync", "-f", &stage.to_string()])));
        // Into a directory that somebody else has, its owner moves it.
        after.extend(keeper.iter().map(|(user, _)| Step::Root(words(&["/usr/bin/chown", user, &stage.to_string()]))));
        for (number, (_, real, _)) in files.iter().enumerate().rev() {
            let rename = rename(&below(&number.to_string()), &real.to_string());
            after.push(Step::Root(keeper.iter().fold(rename, |command, keeper| by(keeper, command))));
        }
        after.push(Step::Root(remove(stage)));
        Self { settings: Vec::new(), before, after }
    }

    /// The directory at `real`, which a command finds there and which really is the one beside it, until all is in it. A
    /// volume that is mounted there cannot be renamed to, and is filled in place. In a directory of its own user nothing is
    /// done by root, whom that user could lead elsewhere.
    pub(super) fn of_directory(
        real: &ImagePath,
        stage: &ImagePath,
        stat: &Stat,
        is_around_own: bool,
        context: &Names<'_>,
    ) -> Self {
        let owner = context(stat);
        let (at, new) = (real.to_string(), stage.to_string());
        let mode = format!("{:04o}", stat.mode);
        let install = words(&["/usr/bin/install", "-d", "-o", &owner.0, "-g", &owner.1, "-m", &mode, &new]);
        let parent = real.parent().map_or_else(|| "/".to_owned(), |parent| parent.to_string());
        // A condition without a shell: each command is run where the one before ended well. Nothing else of the directory is looked at,
        // where others come and go.
        let each = |commands: &[&[&str]]| {
            let run = commands.iter().flat_map(|command| [&["-exec"], *command, &[";"]].concat());
            words(&["/usr/bin/find", &parent, "-maxdepth", "0"].into_iter().chain(run).collect::<Vec<_>>())
        };
        let after = vec![
            words(&["/usr/bin/sync", "-f", &new]),
            each(&[&["mountpoint", "-q", &at], &["cp", "-aT", &new, &at], &["rm", "-rf", &new]]),
            each(&[&["test", "-e", &new], &["mv", "-T", &new, &at]]),
            words(&["/usr/bin/test", "!", "-e", &new]),
        ];
        // All commands of the unit see it in its place; those around it have to see what is there really.
        let settings = vec![format!("BindPaths={}:{}", apart(&format!("-{new}")), apart(&at))];
        let really = |command: Vec<String>| {
            let command = if is_around_own { by(&owner, command) } else { command };
            Step::Root([words(&AMONG_MOUNTS_OF_THE_NODE), command].concat())
        };
        let before = [remove(stage), install].into_iter().map(really).collect();
        Self { settings, before, after: after.into_iter().map(really).collect() }
    }
}

/// The names of the user and of the group of an inode.
pub(super) type Names<'a> = dyn Fn(&Stat) -> Owner + 'a;

/// Gives what `user`, or root, made in its place its mode and owner. A link that a user made there must lead root nowhere: the user
/// changes the mode, and root the owner of what is there itself.
fn owned(path: &ImagePath, stat: &Stat, user: Option<&str>, context: &Names<'_>) -> Vec<Step> {
    let ((owner, group), path) = (context(stat), path.to_string());
    let (owner, mode) = (format!("{owner}:{group}"), format!("{:04o}", stat.mode));
    let chmod = words(&["/usr/bin/chmod", &mode, &path]);
    let chmod = if user.is_some() { Step::User(chmod) } else { Step::Root(chmod) };
    let chown = Step::Root(words(&["/usr/bin/chown", "-h", &owner, &path]));
    is_file(&path).into_iter().chain([chmod, chown]).collect()
}

/// Fails where `path` is anything but a regular file.
fn is_file(path: &str) -> [Step; 2] {
    [&["/usr/bin/test", "!", "-L", path][..], &["/usr/bin/test", "-f", path]].map(|test| Step::Root(words(test)))
}

/// The command, run by `owner` instead of root.
fn by((user, group): &Owner, command: Vec<String>) -> Vec<String> {
    let program = ["/usr/bin/setpriv", "--reuid", user, "--regid", group, "--init-groups", "--"];
    [words(&program), command].concat()
}

fn rename(from: &str, to: &str) -> Vec<String> {
    words(&["/usr/bin/mv", "-T", from, to])
}

fn remove(path: &ImagePath) -> Vec<String> {
    words(&["/usr/bin/rm", "-rf", &path.to_string()])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A path in a setting whose items colons divide. In quotes a colon is none of these.
fn apart(path: &str) -> String {
    if path.contains(':') { in_quotes(path) } else { quoted(path) }
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
        "" => format!("ConditionDirectoryNotEmpty=!{}", directory(&made.what.to_string())),
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
    let step = |step: &Step| match step {
        Step::Root(command) => format!("+{}", line(command)),
        Step::User(command) => line(command),
    };
    made.steps.before.iter().for_each(|before| text += &format!("ExecStartPre={}\n", step(before)));
    text += &format!("ExecStart={}\n", line(&made.start.command));
    made.steps.after.iter().for_each(|after| text += &format!("ExecStart={}\n", step(after)));
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

/// The path of a directory in a condition, which systemd reads without quotes: a blank at its end would be lost without the slash.
fn directory(path: &str) -> String {
    let end = if path.ends_with(char::is_whitespace) { "/" } else { "" };
    format!("{}{end}", specifiers(path))
}

/// A command line of a unit (systemd.service(5), "COMMAND LINES"): `%` and `$` stand for themselves, and what is not plain
/// is quoted.
fn line(command: &[String]) -> String {
    command.iter().map(|word| quoted(word).replace('$', "$$")).collect::<Vec<_>>().join(" ")
}

/// A word of a unit's setting, in quotes where it is not plain.
fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@:,=%$".contains(c));
    if is_plain { specifiers(word) } else { in_quotes(word) }
}

fn in_quotes(word: &str) -> String {
    let escaped: String = specifiers(word)
        .chars()
        .flat_map(|c| ['\\'].into_iter().filter(move |_| "\"\\".contains(c)).chain([c]))
        .collect();
    format!("\"{escaped}\"")
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
