//! Are builds reproducible? Real modules, each built twice in two worlds that differ in everything
//! that must not count: host name, user, clock, directory, umask, locale, time zone, thread count.
//!
//! Each module ships its whole root file system (`/**`), so that one digest judges every file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use clock::Clock;

use crate::command::{Outcome, cache, is_root, read, run, top};
use crate::{debian, demo};

mod clock;
pub(crate) mod over;

/// Name of the module and the Debian packages in it.
type Module = (&'static str, &'static [&'static str]);

/// Packages that draw keys, cookies, passwords or identifiers when they are installed.
const SECRETS: &[&str] = &[
    "dropbear",
    "freeradius",
    "munge",
    "open-iscsi",
    "popularity-contest",
    "rabbitmq-server",
    "sasl2-bin",
    "slapd",
    "ssl-cert",
];

const MODULES: [Module; 22] = [
    ("nginx", &["nginx"]),
    ("apache2", &["apache2"]),
    ("chrony", &["chrony"]),
    ("openssh-server", &["openssh-server"]),
    ("redis-server", &["redis-server"]),
    ("python3", &["python3"]),
    ("perl", &["perl"]),
    ("postgresql", &["postgresql"]),
    ("auditd", &["auditd"]),
    ("apparmor", &["apparmor"]),
    ("prometheus-node-exporter", &["prometheus-node-exporter"]),
    ("curl", &["curl"]),
    ("git", &["git"]),
    ("haproxy", &["haproxy"]),
    ("rsyslog", &["rsyslog"]),
    ("fail2ban", &["fail2ban"]),
    ("certbot", &["certbot"]),
    ("openjdk", &["default-jre-headless"]),
    ("podman", &["podman"]),
    ("systemd", &["systemd"]),
    ("kernel", &["linux-image-cloud-amd64"]),
    ("secrets", SECRETS),
];

/// Those that run in every test: small, and between them they make users, keys and caches.
pub(crate) const CHEAP: [&str; 3] = ["curl", "auditd", "openssh-server"];

/// The account of the second world.
const USER: &str = "module-builder-repro";

/// What one build gave.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Built {
    manifest: String,
    composefs: String,
    files: u64,
    packages: u64,
    rules: BTreeMap<String, usize>,
}

/// Builds every module, or those in `names`, with the release binary; writes the table into the docs
/// when all of them were built.
pub(crate) fn run_verb(names: &[String]) -> Outcome {
    debian::install_test_needs()?;
    if let Some(("over", modules)) = names.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        let (binary, modules) = match modules {
            [option, path, rest @ ..] if option == "--binary" => (PathBuf::from(path), rest),
            _ => (demo::build_binary()?, modules),
        };
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        return over::check(&binary, &modules);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = compare(&demo::build_binary()?, &names)?;
    print!("{}", table(&rows));
    if names.is_empty() {
        let page = top().join("docs/reproducibility.md");
        fs::write(&page, page_text(&rows)).map_err(|error| format!("cannot write {}: {error}", page.display()))?;
    }
    judge(&rows)
}

/// Builds the modules in `names`, or all, twice each, and fails when two builds differ.
pub(crate) fn check(binary: &Path, names: &[&str]) -> Outcome {
    judge(&compare(binary, names)?)
}

struct Row {
    module: &'static str,
    first: Built,
    second: Built,
}

fn compare(binary: &Path, names: &[&str]) -> Outcome<Vec<Row>> {
    if !is_root()? {
        return Err("one of the two worlds is root's and the other a user's: run this as root".to_owned());
    }
    if let Some(unknown) = names.iter().find(|name| MODULES.iter().all(|(module, _)| module != *name)) {
        return Err(format!("there is no module {unknown}"));
    }
    let modules: Vec<Module> =
        MODULES.into_iter().filter(|(name, _)| names.is_empty() || names.contains(name)).collect();
    let account = Account::create()?;
    let first = World::of_root(binary)?;
    let second = World::of_user(binary, &account)?;
    let mut rows = Vec::new();
    let mut earlier: Option<(Module, Built)> = None;
    // The second build of a module runs beside the first of the next one, and so at another time.
    for module in modules.iter().map(Some).chain([None]) {
        let pending = earlier.take();
        let (now, before) = thread::scope(|scope| {
            let now = scope.spawn(|| module.map(|module| first.build(*module)).transpose());
            let before = pending.as_ref().map(|(module, _)| second.build(*module)).transpose();
            (now.join().unwrap_or_else(|_| Err("a build panicked".to_owned())), before)
        });
        if let (Some((module, first)), Some(second)) = (pending, before?) {
            eprintln!("{}: {}", module.0, if first == second { "same" } else { "DIFFERENT" });
            rows.push(Row { module: module.0, first, second });
        }
        earlier = module.copied().zip(now?);
    }
    Ok(rows)
}

fn different(rows: &[Row]) -> Vec<&'static str> {
    rows.iter().filter(|row| row.first != row.second).map(|row| row.module).collect()
}

fn judge(rows: &[Row]) -> Outcome {
    match different(rows).as_slice() {
        [] => Ok(()),
        names => Err(format!("not reproducible: {}", names.join(", "))),
    }
}

/// A throw-away account with subordinate ids, removed when dropped.
struct Account {
    home: PathBuf,
    _lock: File,
}

impl Account {
    fn create() -> Outcome<Self> {
        let home = PathBuf::from("/var/tmp").join(USER);
        // There is one account of this name: another run would take it away.
        let path = home.with_extension("lock");
        let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
        let lock = lock.map_err(|error| format!("cannot lock {}: {error}", path.display()))?;
        // What a killed run left behind.
        let _ = Command::new("userdel").args(["--remove", USER]).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&home);
        run(Command::new("useradd").args(["--create-home", "--home-dir"]).arg(&home).arg(USER))?;
        Ok(Self { home, _lock: lock })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = Command::new("userdel").args(["--remove", USER]).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Everything that must not count, in one of its two states.
struct World {
    folder: PathBuf,
    binary: PathBuf,
    cache: PathBuf,
    user: Option<&'static str>,
    host: &'static str,
    umask: &'static str,
    locale: &'static str,
    zone: &'static str,
    threads: &'static str,
    /// `None`: the host's.
    clock: Option<Clock>,
}

impl World {
    fn of_root(binary: &Path) -> Outcome<Self> {
        let folder = top().join("target/repro");
        clean(&folder)?;
        Ok(Self {
            binary: binary.to_owned(),
            cache: cache()?.join("repro"),
            folder,
            user: None,
            host: "first",
            umask: "022",
            locale: "C.UTF-8",
            zone: "UTC",
            threads: "1",
            clock: None,
        })
    }

    fn of_user(binary: &Path, account: &Account) -> Outcome<Self> {
        let folder = account.home.join("a folder with blanks/and ünusual letters");
        clean(&folder)?;
        // The user must be able to read the program wherever the checkout is.
        let copy = folder.join("module-builder");
        fs::copy(binary, &copy).map_err(|error| format!("cannot copy the program: {error}"))?;
        let clock = Some(Clock::new(&folder)?);
        let world = Self {
            binary: copy,
            cache: account.home.join("cache"),
            folder,
            user: Some(USER),
            host: "second.example.org",
            umask: "077",
            locale: "tr_TR.UTF-8",
            zone: "Asia/Kolkata",
            threads: "5",
            clock,
        };
        world.share_downloads()?;
        world.hand_over()?;
        Ok(world)
    }

    /// The second world may start from the first one's .debs: they are checked by sha256.
    fn share_downloads(&self) -> Outcome {
        fs::create_dir_all(&self.cache).map_err(|error| error.to_string())?;
        let debs = cache()?.join("repro/debs");
        if debs.is_dir() {
            run(Command::new("cp").arg("-r").arg(debs).arg(&self.cache))?;
        }
        Ok(())
    }

    fn hand_over(&self) -> Outcome {
        for path in [&self.folder, &self.cache] {
            run(Command::new("chown").args(["-R", USER]).arg(path))?;
        }
        Ok(())
    }

    fn build(&self, (name, packages): Module) -> Outcome<Built> {
        let module = self.folder.join(name);
        fs::create_dir_all(&module).map_err(|error| error.to_string())?;
        let list: String = packages.iter().map(|package| format!("  - {package}\n")).collect();
        let manifest = format!("schema_version: 1\nname: {name}\npackage_spec:\n{list}file_spec:\n  - /**\n");
        fs::write(module.join("manifest.yaml"), manifest).map_err(|error| error.to_string())?;
        if self.user.is_some() {
            run(Command::new("chown").args(["-R", USER]).arg(&module))?;
        }
        let json = read(&mut self.command(&module))?;
        let built = Built::parse(&json).ok_or_else(|| format!("the build of {name} printed no result:\n{json}"));
        // A root file system with everything in it is large; its digests are what is needed.
        fs::remove_dir_all(&module).map_err(|error| error.to_string())?;
        built
    }

    /// `build`, in this world. The shells only set the host name and the umask, and bring the clock in.
    fn command(&self, module: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--uts", "--mount", "sh", "-euc", r#"hostname "$1"; umask "$2"; shift 2; exec "$@""#, "sh"]);
        command.args([self.host, self.umask]);
        if let Some(clock) = &self.clock {
            command.args(["sh", "-euc", clock::MOUNT, "sh"]).arg(&clock.library).arg(&clock.script);
        }
        if let Some(user) = self.user {
            command.args(["runuser", "-u", user, "--"]);
        }
        command.args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
        command.arg(format!("LC_ALL={}", self.locale)).arg(format!("TZ={}", self.zone));
        command.arg(format!("MODULE_BUILDER_JOBS={}", self.threads));
        command.arg(format!("MODULE_BUILDER_CACHE_DIR={}", self.cache.display()));
        if self.clock.is_some() {
            command.args(Clock::environment());
        }
        command.arg(&self.binary).args(["build", "--no-cache", "--format", "json", "--progress", "none", "-C"]);
        command.arg(module);
        command
    }
}

fn clean(folder: &Path) -> Outcome {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    fs::create_dir_all(folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))
}

impl Built {
    fn parse(json: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(json).ok()?;
        let manifests = value.pointer("/oci/manifests")?.as_object()?;
        let rules =
            value.get("scrubbed")?.as_array()?.iter().filter_map(|entry| {
                Some((entry.get("rule")?.as_str()?.to_owned(), entry.get("paths")?.as_array()?.len()))
            });
        Some(Self {
            manifest: manifests.values().next()?.as_str()?.to_owned(),
            composefs: value.get("composefs_digest")?.as_str()?.to_owned(),
            files: value.get("files")?.as_u64()?,
            packages: value.get("packages")?.as_u64()?,
            rules: rules.collect(),
        })
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = "| module | packages | files | manifest digest | twice the same | rules that it took (files) |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for Row { module, first, second } in rows {
        let rules: Vec<String> = first.rules.iter().map(|(rule, files)| format!("{rule} ({files})")).collect();
        let short: String = first.manifest.chars().take("sha256:".len() + 12).collect();
        text.push_str(&format!(
            "| {module} | {} | {} | `{short}` | {} | {} |\n",
            first.packages,
            first.files,
            if first == second { "yes" } else { "NO" },
            rules.join(", ")
        ));
    }
    text
}

/// What was found, as the first thing that the page says.
fn verdict(rows: &[Row]) -> String {
    let count = rows.len();
    match different(rows).as_slice() {
        [] => format!("All {count} modules were the same in both worlds."),
        names => {
            let same = count - names.len();
            format!("{same} of {count} modules were the same in both worlds. **Different: {}.**", names.join(", "))
        }
    }
}

fn page_text(rows: &[Row]) -> String {
    let (verdict, table, days, count) = (verdict(rows), table(rows), clock::DAYS, rows.len());
    let secrets = SECRETS.join(", ");
    format!(
        "# Reproducibility\n\n\
         `cargo xtask repro` builds {count} modules of different kinds, each with its whole root file system (`/**`), in two\n\
         worlds, and compares the OCI manifest's digest, the composefs digest, the counts and what was scrubbed. This page is\n\
         its output, written with the verdict; digests change as the archive moves on.\n\n\
         {verdict}\n\n\
         | | first world | second world |\n|---|---|---|\n\
         | user | root | a user with subordinate ids |\n\
         | host name | first | second.example.org |\n\
         | directory | below the checkout | with blanks and letters beyond ASCII |\n\
         | umask | 022 | 077 |\n\
         | locale, time zone | C.UTF-8, UTC | tr_TR.UTF-8, Asia/Kolkata |\n\
         | threads | 1 | 5 |\n\
         | clock | the host's | {days} days ahead |\n\n\
         The clock that is ahead is Debian's datefudge: it answers the program itself, mmdebstrap and everything that this\n\
         starts, maintainer scripts included, and each build checks that it did. The kernel keeps the host's clock, by which\n\
         it stamps the files that a build writes; so does apt while it resolves the packages.\n\n\
         {table}\n\
         The module `secrets` has packages that draw keys, cookies, passwords or identifiers when they are installed:\n\
         {secrets}.\n\n\
         The rules are explained in [hermetic-build.md](hermetic-build.md); the number is how many files each took.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_tells_the_verdict() {
        let built = |manifest: &str| Built {
            manifest: manifest.to_owned(),
            composefs: String::new(),
            files: 1,
            packages: 1,
            rules: BTreeMap::new(),
        };
        let row = |module, second| Row { module, first: built("a"), second: built(second) };
        assert!(page_text(&[row("x", "a"), row("y", "a")]).contains("All 2 modules were the same"));
        let page = page_text(&[row("x", "a"), row("y", "b"), row("z", "a")]);
        assert!(page.contains("2 of 3 modules were the same in both worlds. **Different: y.**"), "{page}");
        assert!(judge(&[row("y", "b")]).is_err() && judge(&[row("x", "a")]).is_ok());
    }
}
