//! Does it matter how a root file system was made? Modules that ship what their base lacks, once over the base's root file
//! system and once with all packages installed from nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Built, clean};
use crate::command::{Outcome, read, run, target, top};

/// Between them they make accounts, alternatives, keys, data bases and links.
pub(super) const MODULES: [&str; 9] = [
    "redis-server",
    "chrony",
    "apache2",
    "openssh-server",
    "postgresql",
    "squid",
    "php-fpm",
    "mariadb-server",
    "haproxy",
];

/// Those that run in every test.
pub(crate) const CHEAP: [&str; 1] = ["redis-server"];

const SETTINGS: &str = "suite = \"trixie\"\nship = \"closure\"\n\n[base]\npackages = [\"systemd\", \"dbus\"]\n\n\
                        [closure]\nreplaces = [\"/etc/alternatives/awk\", \"/etc/alternatives/awk.1.gz\", \
                        \"/etc/alternatives/nawk\", \"/etc/alternatives/nawk.1.gz\"]\n";

/// Builds the modules in `names`, or all, in both ways, and fails when a digest differs.
pub(crate) fn check(binary: &Path, names: &[&str]) -> Outcome {
    let other = build_other()?;
    let world = World { binary: binary.to_owned(), other, folder: top().join("target/repro-over") };
    clean(&world.folder)?;
    let mut different = Vec::new();
    for name in MODULES.iter().filter(|name| names.is_empty() || names.contains(name)) {
        let (over, from_nothing) = world.both(name)?;
        eprintln!("{name}: {} over its base and from nothing", if over == from_nothing { "same" } else { "DIFFERENT" });
        if over != from_nothing {
            eprintln!("{over:?}\n{from_nothing:?}");
            different.push(*name);
        }
    }
    if different.is_empty() { Ok(()) } else { Err(format!("it depends on the base: {}", different.join(", "))) }
}

/// The tests' own program, which can make a root file system in the way that builds do not.
fn build_other() -> Outcome<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "module-builder-builder", "--bin", "build-rootfs"]);
    run(command.args(["--features", "module-builder-builder/peer-tests"]).current_dir(top()))?;
    Ok(target().join("debug/build-rootfs"))
}

struct World {
    binary: PathBuf,
    other: PathBuf,
    folder: PathBuf,
}

impl World {
    /// What the module of the package `name` is in either way.
    fn both(&self, name: &str) -> Outcome<(Built, Built)> {
        let module = self.folder.join(name);
        fs::create_dir_all(&module).map_err(|error| error.to_string())?;
        let manifest = format!("schema_version: 1\nname: {name}\npackage_spec:\n  - {name}\n");
        for (file, text) in [("manifest.yaml", manifest.as_str()), ("builder.toml", SETTINGS)] {
            fs::write(module.join(file), text).map_err(|error| error.to_string())?;
        }
        read(&mut self.verb("lock", &module))?;
        let over = read(self.verb("build", &module).args(["--format", "json", "--output"]).arg(module.join("over")))?;
        let archive = archive(&over)?;
        let sum = || read(Command::new("sha256sum").arg(&archive));
        let before = sum()?;
        self.make_from_nothing(&module)?;
        if sum()? == before {
            return Err(format!("the root file system of {name} was not made in another way"));
        }
        let mut again = self.verb("build", &module);
        let again = read(again.args(["--format", "json", "--output"]).arg(module.join("from-nothing")))?;
        let is_reused = |text: &str| serde_json::from_str::<Value>(text).ok()?.pointer("/rootfs/reused")?.as_bool();
        if is_reused(&again) != Some(true) {
            return Err(format!(
                "the second build of {name} did not take the root file system that was made from nothing"
            ));
        }
        let parse = |text: &str| Built::parse(text).ok_or_else(|| format!("the build of {name} printed no result"));
        Ok((parse(&over)?, parse(&again)?))
    }

    fn verb(&self, verb: &str, module: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(verb).args(["--progress", "none", "-C"]).arg(module);
        command.env("MODULE_BUILDER_CACHE_DIR", self.cache());
        command
    }

    fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    /// Puts what all packages together make into the place of what was made over the base.
    fn make_from_nothing(&self, module: &Path) -> Outcome {
        let path = module.join("over/build.json");
        let text = fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let record: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let missing = || format!("{} has no such value", path.display());
        let resolution = record.pointer("/inputs/rootfs/resolution").ok_or_else(missing)?;
        let epoch = record.pointer("/inputs/epoch").and_then(Value::as_i64).ok_or_else(missing)?;
        let packages = resolution.get("packages").and_then(Value::as_array).ok_or_else(missing)?;
        let deb = |package: &Value| {
            let hex = package.get("sha256")?.as_str()?.trim_start_matches("sha256:").to_owned();
            Some(self.cache().join("debs/sha256").join(&hex[..2]).join(format!("{hex}.deb")))
        };
        let debs: Vec<PathBuf> = packages.iter().map(deb).collect::<Option<_>>().ok_or_else(missing)?;
        let order = module.join("order.json");
        fs::write(&order, json!([resolution, debs]).to_string()).map_err(|error| error.to_string())?;
        let mut command = Command::new(&self.other);
        command.arg(self.cache()).arg(order).arg("root").arg(epoch.to_string()).arg("from-nothing");
        read(&mut command).map(drop)
    }
}

/// Where the root file system is that a build says it read.
fn archive(result: &str) -> Outcome<PathBuf> {
    let value: Value = serde_json::from_str(result).map_err(|error| error.to_string())?;
    let path = value.pointer("/rootfs/archive").and_then(Value::as_str);
    path.map(PathBuf::from).ok_or_else(|| "the build did not say where its root file system is".to_owned())
}
