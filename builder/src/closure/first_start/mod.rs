//! What a node makes when a module starts there first: units that run once.

mod own;

use image::tree::{Kind, Stat, Tree};
use model::ImagePath;
use model::closure::{AccountName, ClosureRules, FirstStart, TextPath};

use super::data::{DataDirectory, DataKind};
use super::secrets::{Secret, SecretKind};

/// Where systemd finds units of a vendor.
const UNITS: &str = "/usr/lib/systemd/system";
/// Where programs are looked for.
const PROGRAMS: [&str; 2] = ["/usr/bin", "/usr/sbin"];

/// Units of the first start, and what belongs to them.
#[derive(Debug, Clone, Default)]
pub struct FirstStarts {
    /// Units with their texts.
    pub files: Vec<(ImagePath, String)>,
    /// Links in the place of secrets, and those that start the units.
    pub links: Vec<(ImagePath, String)>,
    /// Directories in `/var` that they need.
    pub directories: Vec<(ImagePath, Stat)>,
    /// What of secrets and data no one makes.
    pub unmade: Vec<ImagePath>,
    /// What the author has made at first start although it is shipped.
    pub shipped: Vec<Shipped>,
    /// What is made although no package's script made it.
    pub own: Vec<ImagePath>,
}

/// Something that is shipped and would be made at first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipped {
    /// What is named.
    pub named: TextPath,
    /// What is shipped: that, or a file in it.
    pub path: ImagePath,
    /// Whether it is a directory of data, and no secret.
    pub is_data: bool,
}

/// What first starts are made of.
pub struct Context<'a, C> {
    /// The module's name.
    pub name: &'a str,
    /// The root file system, in which programs are looked for.
    pub whole: &'a Tree<C>,
    /// What is shipped.
    pub shipped: &'a Tree<C>,
    /// What the author says.
    pub rules: &'a ClosureRules,
    /// The name of the user and of the group with a number.
    pub names: &'a dyn Fn(&Stat) -> (String, String),
    /// The services that wait for it.
    pub services: &'a [String],
    /// The numbers of a user and of its group, by the user's name.
    pub ids: &'a dyn Fn(&str) -> Option<(u32, u32)>,
    /// The directories that every node has.
    pub base: &'a Tree<C>,
}

impl<C> Context<'_, C> {
    /// Whether every node has what is at `path`.
    fn base_has(&self, path: &ImagePath) -> bool {
        self.base.lookup(path).is_some()
    }
}

/// The units that make `secrets` and `data` on a node: by the author's command, else by what each is known to be made by.
#[must_use]
pub fn first_starts<C>(secrets: &[Secret], data: &[DataDirectory], context: &Context<'_, C>) -> FirstStarts {
    let mut all = FirstStarts::default();
    for secret in secrets {
        secret_start(secret, secrets, context, &mut all);
    }
    for directory in data {
        data_start(directory, context, &mut all);
    }
    own::starts(secrets, data, context, &mut all);
    all.directories.sort_by(|one, other| one.0.cmp(&other.0));
    all.directories.dedup_by(|one, other| one.0 == other.0);
    all
}

fn declared<'a>(
    rules: &'a std::collections::BTreeMap<TextPath, FirstStart>,
    path: &ImagePath,
) -> Option<&'a FirstStart> {
    rules.iter().find(|(declared, _)| declared.path() == path).map(|(_, start)| start)
}

fn secret_start<C>(secret: &Secret, secrets: &[Secret], context: &Context<'_, C>, all: &mut FirstStarts) {
    let is_in_var = secret.path.as_bytes().starts_with(b"/var/");
    let real = if is_in_var { Some(secret.path.clone()) } else { kept(context.name, &secret.path) };
    let Some(real) = real else { return all.unmade.push(secret.path.clone()) };
    let own = declared(&context.rules.secrets, &secret.path);
    let start =
        own.cloned().map(|start| start_at(start, &secret.path, &real)).or_else(|| recipe(secret, &real, context));
    let is_companion = own.is_none() && matches!(secret.kind, SecretKind::Companion { .. });
    if start.is_none() && !is_companion {
        return all.unmade.push(secret.path.clone());
    }
    if !is_in_var {
        all.links.push((secret.path.clone(), real.to_string()));
        directories(context, &secret.path, &real, all);
    }
    let Some(start) = start else { return };
    // What was made along with it has an owner and a mode of its own, too.
    let is_companion =
        |other: &&Secret| matches!(&other.kind, SecretKind::Companion { of } if own.is_none() && *of == secret.path);
    let companions = secrets.iter().filter(is_companion);
    let companions = companions.filter_map(|other| Some((kept(context.name, &other.path)?, &other.stat)));
    let made = std::iter::once((real.clone(), &secret.stat)).chain(companions);
    let after: Vec<Vec<String>> = made
        .flat_map(|(path, stat)| {
            let (user, group) = (context.names)(stat);
            [
                vec!["/usr/bin/chown".to_owned(), format!("{user}:{group}"), path.to_string()],
                vec!["/usr/bin/chmod".to_owned(), format!("{:04o}", stat.mode), path.to_string()],
            ]
        })
        .collect();
    let made = Made { what: &secret.path, marker: real.to_string(), start, after: &after };
    unit(&made, context, all);
}

/// The path below the directory of a module in `/var/lib` at which a secret really is.
fn kept(name: &str, path: &ImagePath) -> Option<ImagePath> {
    ImagePath::new([format!("/var/lib/module-{name}").as_bytes(), path.as_bytes()].concat()).ok()
}

/// The author's command, with the path where the secret really is for the one where it was made.
fn start_at(start: FirstStart, path: &ImagePath, real: &ImagePath) -> FirstStart {
    let (path, real) = (path.to_string(), real.to_string());
    FirstStart { command: start.command.iter().map(|word| word.replace(&path, &real)).collect(), ..start }
}

/// The directories around `real`, each like the one around `path` of which it is the image.
fn directories<C>(context: &Context<'_, C>, path: &ImagePath, real: &ImagePath, all: &mut FirstStarts) {
    let (mut of, mut at) = (path.parent(), real.parent());
    while let (Some(original), Some(kept)) = (of, at) {
        let node = context.whole.lookup(&original).map(|id| context.whole.node(id));
        let mut stat = node.map_or_else(|| Stat::root_owned(0o755, Default::default()), |node| node.stat.clone());
        if original.is_root() {
            stat = Stat::root_owned(0o755, stat.mtime);
        }
        all.directories.push((kept.clone(), stat));
        if original.is_root() {
            return;
        }
        (of, at) = (original.parent(), kept.parent());
    }
}

/// How a known kind of secret is made at `real`; none where its program is not there.
fn recipe<C>(secret: &Secret, real: &ImagePath, context: &Context<'_, C>) -> Option<FirstStart> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let command = match &secret.kind {
        SecretKind::OpenSsh { algorithm } => {
            let program = program(context.whole, "ssh-keygen")?;
            words(&[&program, "-q", "-N", "", "-C", "", "-t", algorithm, "-f", &real.to_string()])
        }
        SecretKind::Pem { certificate } => {
            let program = program(context.whole, "openssl")?;
            let certificate = kept(context.name, certificate)?.to_string();
            let key = real.to_string();
            words(&[
                &program,
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-sha256",
                "-days",
                "3650",
                "-subj",
                "/CN=localhost",
                "-keyout",
                &key,
                "-out",
                &certificate,
            ])
        }
        SecretKind::Tsig => {
            let program = program(context.whole, "rndc-confgen")?;
            words(&[&program, "-a", "-c", &real.to_string()])
        }
        SecretKind::Companion { .. } | SecretKind::Unknown => return None,
    };
    Some(FirstStart { command, user: None })
}

fn data_start<C>(data: &DataDirectory, context: &Context<'_, C>, all: &mut FirstStarts) {
    let own = declared(&context.rules.data, &data.path).cloned();
    let Some(start) = own.or_else(|| data_recipe(data, context)) else {
        return all.unmade.push(data.path.clone());
    };
    let marker = match data.kind {
        DataKind::PostgresCluster => format!("{}/PG_VERSION", data.path),
        DataKind::InnoDb => format!("{}/ibdata1", data.path),
        DataKind::Unknown => String::new(),
    };
    let made = Made { what: &data.path, marker, start, after: &[] };
    unit(&made, context, all);
}

/// How a known kind of data is made.
fn data_recipe<C>(data: &DataDirectory, context: &Context<'_, C>) -> Option<FirstStart> {
    let path = data.path.to_string();
    let (user, _) = (context.names)(&Stat { uid: data.uid, ..Stat::root_owned(0o700, Default::default()) });
    let command = match data.kind {
        DataKind::PostgresCluster => {
            let program = anywhere(context.whole, "initdb")?;
            vec![
                program,
                "-D".to_owned(),
                path,
                "--auth-local=peer".to_owned(),
                "--auth-host=scram-sha-256".to_owned(),
                "--encoding=UTF8".to_owned(),
                "--locale=C.UTF-8".to_owned(),
            ]
        }
        DataKind::InnoDb => match program(context.whole, "mariadb-install-db") {
            Some(program) => {
                vec![
                    program,
                    format!("--datadir={path}"),
                    "--skip-test-db".to_owned(),
                    "--skip-name-resolve".to_owned(),
                    "--auth-root-socket-user=root".to_owned(),
                ]
            }
            None => {
                vec![program(context.whole, "mysqld")?, format!("--datadir={path}"), "--initialize-insecure".to_owned()]
            }
        },
        DataKind::Unknown => return None,
    };
    Some(FirstStart { command, user: AccountName::parse(&user).ok() })
}

fn program<C>(tree: &Tree<C>, name: &str) -> Option<String> {
    let path = |directory: &&str| ImagePath::new(format!("{directory}/{name}")).ok();
    let found = PROGRAMS.iter().filter_map(path).find(|path| tree.lookup(path).is_some());
    found.map(|path| path.to_string())
}

/// A program that is not where programs are looked for: the first of the name that can be run.
fn anywhere<C>(tree: &Tree<C>, name: &str) -> Option<String> {
    let is_it = |kind: &Kind<C>, mode: u16| matches!(kind, Kind::Regular(_)) && mode & 0o111 != 0;
    let mut found = tree
        .walk()
        .filter(|(path, _, node)| path.file_name() == Some(name.as_bytes()) && is_it(&node.kind, node.stat.mode));
    found.next().map(|(path, ..)| path.to_string())
}

/// Something that is made once.
struct Made<'a> {
    what: &'a ImagePath,
    /// What is there when it was made; empty where only that the directory is not empty says so.
    marker: String,
    start: FirstStart,
    /// What root does afterwards.
    after: &'a [Vec<String>],
}

fn unit<C>(made: &Made<'_>, context: &Context<'_, C>, all: &mut FirstStarts) {
    let name = format!("module-{}-{}.service", context.name, slug(made.what));
    let condition = match made.marker.as_str() {
        "" => format!("ConditionDirectoryNotEmpty=!{}", specifiers(&made.what.to_string())),
        marker => format!("ConditionPathExists=!{}", specifiers(marker)),
    };
    let before: String = context.services.iter().map(|service| format!(" {service}")).collect();
    let mut text = format!(
        "# Written by module-builder: {what} is made once on each machine, and not shipped.\n[Unit]\nDescription=Make {what}\n\
         DefaultDependencies=no\nAfter=sysinit.target\nBefore=basic.target{before} shutdown.target\nConflicts=shutdown.target\n\
         {condition}\n\n[Service]\nType=oneshot\nUMask=0077\n",
        what = specifiers(&made.what.to_string())
    );
    if let Some(user) = &made.start.user {
        text += &format!("User={user}\n");
    }
    text += &format!("ExecStart={}\n", line(&made.start.command));
    for command in made.after {
        text += &format!("ExecStart=+{}\n", line(command));
    }
    let targets = ["basic.target"].into_iter().chain(context.services.iter().map(String::as_str));
    for target in targets {
        if let Ok(path) = ImagePath::new(format!("{UNITS}/{target}.wants/{name}")) {
            all.links.push((path, format!("../{name}")));
        }
    }
    if let Ok(path) = ImagePath::new(format!("{UNITS}/{name}")) {
        all.files.push((path, text));
    }
}

/// A path as a part of a unit's name.
fn slug(path: &ImagePath) -> String {
    let text = String::from_utf8_lossy(path.relative()).into_owned();
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "_.".contains(c) { c } else { '-' }).take(120).collect()
}

/// A text in a unit, where `%` begins a specifier.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// A command line of a unit (systemd.service(5), "COMMAND LINES"): `%` and `$` stand for themselves, and what is not plain
/// is quoted.
fn line(command: &[String]) -> String {
    let word = |word: &String| {
        let escaped: String = word
            .chars()
            .map(|c| match c {
                '%' => "%%".to_owned(),
                '$' => "$$".to_owned(),
                '"' | '\\' => format!("\\{c}"),
                c => c.to_string(),
            })
            .collect();
        let is_plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@:,=%$".contains(c));
        if is_plain { escaped } else { format!("\"{escaped}\"") }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}
