//! A catalogue of modules that have one base: whole builds, against mmdebstrap alone for the same packages.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::inputs::clear;
use super::lock::{self, Locked};
use super::{median, ratio, timed};
use crate::command::{Outcome, is_root, read, top};
use crate::{debian, demo};

const USAGE: &str = "say --count N (modules of the catalogue, at most 20), --runs N (of the one more), --binary PATH";

/// One service each. The first is the one more.
const PACKAGES: [&str; 21] = [
    "haproxy",
    "redis-server",
    "chrony",
    "apache2",
    "prometheus-node-exporter",
    "vsftpd",
    "openssh-server",
    "squid",
    "memcached",
    "dnsmasq",
    "php-fpm",
    "nginx",
    "rsyslog",
    "postfix",
    "stunnel4",
    "tinyproxy",
    "unbound",
    "mosquitto",
    "lighttpd",
    "ntpsec",
    "bind9",
];

const SETTINGS: &str =
    "suite = \"trixie\"\nship = \"closure\"\ndocumentation = false\n\n[base]\npackages = [\"systemd\", \"dbus\"]\n";

/// What a run is to measure.
struct Options {
    count: usize,
    runs: u32,
    binary: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self { count: PACKAGES.len() - 1, runs: 3, binary: None };
        let mut words = arguments.iter();
        while let (Some(option), value) = (words.next(), words.next().ok_or(USAGE)) {
            match option.as_str() {
                "--count" => options.count = value?.parse().map_err(|_| USAGE)?,
                "--runs" => options.runs = value?.parse().map_err(|_| USAGE)?,
                "--binary" => options.binary = Some(PathBuf::from(value?)),
                _ => return Err(USAGE.to_owned()),
            }
        }
        let is_sound = (1..PACKAGES.len()).contains(&options.count) && options.runs > 0;
        if is_sound { Ok(options) } else { Err(USAGE.to_owned()) }
    }
}

/// Builds the modules one after the other, each in turn with mmdebstrap, where nothing but their .debs is known; then one
/// more where their base is.
pub(super) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    debian::install_build_needs()?;
    let binary = options.binary.map_or_else(demo::build_binary, Ok)?;
    let catalogue = Catalogue::new(binary, &PACKAGES[..=options.count])?;
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    for module in &catalogue.modules[1..] {
        let (build, alone) = (timed(&mut catalogue.verb("build", module))?.0, catalogue.alone(module)?);
        println!("{:26} {}", module.name, line(build, alone));
        ours += build;
        theirs += alone;
    }
    println!("{:26} {}   wanted 0.33", format!("{} modules, cold", options.count), line(ours, theirs));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let more = &catalogue.modules[0];
    for _ in 0..options.runs {
        ours.push(timed(catalogue.verb("build", more).arg("--no-cache"))?.0);
        theirs.push(catalogue.alone(more)?);
    }
    println!("{:26} {}   wanted 0.50", "one more, base known", line(median(ours), median(theirs)));
    Ok(())
}

fn line(ours: Duration, theirs: Duration) -> String {
    let (build, alone) = (ours.as_secs_f64(), theirs.as_secs_f64());
    format!("build {build:>7.2} s   mmdebstrap {alone:>7.2} s   ratio {:.2}", ratio(ours, theirs))
}

struct Module {
    name: &'static str,
    folder: PathBuf,
    locked: Vec<Locked>,
}

struct Catalogue {
    binary: PathBuf,
    work: PathBuf,
    modules: Vec<Module>,
}

impl Catalogue {
    /// Locks the modules, downloads what they need, and makes a repository of it for mmdebstrap.
    fn new(binary: PathBuf, names: &[&'static str]) -> Outcome<Self> {
        let work = top().join("target/bench-catalogue");
        clear(&work)?;
        let mut catalogue = Self { binary, work, modules: Vec::new() };
        for name in names {
            let folder = catalogue.work.join(name);
            let manifest = format!("schema_version: 1\nname: {name}\npackage_spec:\n  - {name}\n");
            write(&folder.join("manifest.yaml"), &manifest)?;
            write(&folder.join("builder.toml"), SETTINGS)?;
            let mut module = Module { name, folder, locked: Vec::new() };
            timed(&mut catalogue.verb("lock", &module))?;
            timed(&mut catalogue.verb("fetch", &module))?;
            module.locked = lock::read(&module.folder.join("module.lock"))?.packages;
            catalogue.modules.push(module);
        }
        catalogue.make_repository()?;
        Ok(catalogue)
    }

    fn verb(&self, verb: &str, module: &Module) -> Command {
        let mut command = Command::new(&self.binary);
        command.args([verb, "-C"]).arg(&module.folder).args(["--progress", "none"]);
        command.env("MODULE_BUILDER_CACHE_DIR", self.work.join("cache"));
        command
    }

    fn make_repository(&self) -> Outcome {
        let all: BTreeMap<&str, &Locked> =
            self.modules.iter().flat_map(|module| &module.locked).map(|locked| (locked.hex(), locked)).collect();
        let mut packages = String::new();
        for (hex, locked) in all {
            let deb = locked.deb(&self.work.join("cache"));
            let name = format!("pool/{hex}.deb");
            let target = self.work.join("repository").join(&name);
            write(&target, "")?;
            fs::copy(&deb, &target).map_err(|error| format!("cannot copy {}: {error}", deb.display()))?;
            let control = read(Command::new("dpkg-deb").arg("-f").arg(&deb))?;
            let size = fs::metadata(&deb).map_err(|error| format!("cannot look at {}: {error}", deb.display()))?.len();
            packages.push_str(control.trim_end());
            packages.push_str(&format!("\nFilename: {name}\nSize: {size}\nSHA256: {hex}\n\n"));
        }
        let index = self.work.join("repository/Packages");
        write(&index, &packages)?;
        let sum = read(Command::new("sha256sum").arg(&index))?;
        let sum = sum.split(' ').next().unwrap_or_default();
        let release = format!(
            "Suite: trixie\nCodename: trixie\nArchitectures: {}\nComponents: main\nSHA256:\n {sum} {} Packages\n",
            read(Command::new("dpkg").arg("--print-architecture"))?.trim(),
            packages.len()
        );
        write(&self.work.join("repository/Release"), &release)
    }

    /// How long mmdebstrap takes for the packages of `module`, with nothing of ours.
    fn alone(&self, module: &Module) -> Outcome<Duration> {
        let mut command = Command::new("mmdebstrap");
        command.arg(if is_root()? { "--mode=root" } else { "--mode=unshare" });
        command.args(["--variant=essential", "--skip=check/signed-by", "--aptopt=APT::Sandbox::User \"root\""]);
        let names: Vec<&str> = module.locked.iter().map(|locked| locked.name.as_str()).collect();
        command.arg(format!("--include={}", names.join(","))).arg("trixie").arg(self.work.join("alone.tar"));
        command.arg(format!("deb [trusted=yes] copy://{} ./", self.work.join("repository").display()));
        let scratch = self.work.join("scratch");
        fs::create_dir_all(&scratch).map_err(|error| format!("cannot create {}: {error}", scratch.display()))?;
        Ok(timed(command.env("TMPDIR", scratch))?.0)
    }
}

/// Writes a file, in a folder that is made where there is none.
fn write(path: &Path, text: &str) -> Outcome {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
