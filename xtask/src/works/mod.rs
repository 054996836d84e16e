//! Do modules come up that `init --package` wrote? Real packages, each made into a module, built and tried with nothing
//! added by hand.

mod application;
mod row;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use application::Application;
use row::Row;
use serde_json::Value;

use crate::command::{Outcome, cache, top};
use crate::{debian, demo};

/// A module that has to come up: the package that `init` is given, and the application that is added to what it wrote.
struct Work {
    package: &'static str,
    application: Option<Application>,
}

/// A package that brings its services itself.
const fn of(package: &'static str) -> Work {
    Work { package, application: None }
}

static WORKS: [Work; 15] = [
    of("redis-server"),
    of("chrony"),
    of("apache2"),
    of("mariadb-server"),
    of("postgresql"),
    of("prometheus-node-exporter"),
    of("haproxy"),
    of("vsftpd"),
    of("openssh-server"),
    of("squid"),
    of("memcached"),
    of("dnsmasq"),
    of("php-fpm"),
    Work { package: "ruby", application: Some(application::RUBY) },
    Work { package: "nodejs", application: Some(application::NODE) },
];

/// Those that are tried in every run of the tests: small, and between them they make accounts and directories, and listen.
pub(crate) const QUICK: [&str; 3] = ["redis-server", "prometheus-node-exporter", "vsftpd"];

/// The suite of a module that names none.
const SUITE: &str = "trixie";

/// What is asked of a run.
struct Run {
    binary: PathBuf,
    suite: String,
    folder: PathBuf,
    cache: PathBuf,
    is_kept: bool,
}

/// Tries all, or those that `arguments` name: `[NAME...] [--suite SUITE] [--keep DIR] [--binary FILE]`.
pub(crate) fn run_verb(arguments: &[String]) -> Outcome {
    debian::install_build_needs()?;
    let mut names: Vec<&str> = Vec::new();
    let (mut suite, mut keep, mut binary) = (None, None, None);
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        let place = match argument {
            "--suite" => &mut suite,
            "--keep" => &mut keep,
            "--binary" => &mut binary,
            name if name.starts_with('-') => return Err(format!("`works` has no option {name}")),
            name => {
                names.push(name);
                continue;
            }
        };
        *place = Some(rest.next().ok_or(format!("{argument} needs a value"))?);
    }
    if names.is_empty() && suite.is_some_and(|suite| suite != SUITE) {
        names.extend(QUICK);
    }
    let binary = binary.map_or_else(demo::build_binary, |path| Ok(PathBuf::from(path)))?;
    let rows = try_all(&Run::new(binary, suite.unwrap_or(SUITE), keep)?, &names)?;
    print!("{}", row::table(&rows));
    row::judge(&rows)
}

/// Tries those of the suite's own in `names` with the program at `binary`.
pub(crate) fn check(binary: &Path, names: &[&str]) -> Outcome {
    let rows = try_all(&Run::new(binary.to_owned(), SUITE, None)?, names)?;
    print!("{}", row::table(&rows));
    row::judge(&rows)
}

fn try_all(run: &Run, names: &[&str]) -> Outcome<Vec<Row>> {
    let works = chosen(names)?;
    let mut rows = Vec::new();
    for work in works {
        let row = run.attempt(work)?;
        eprintln!("{}", row.line());
        rows.push(row);
    }
    if !run.is_kept {
        clear(&run.folder)?;
    }
    Ok(rows)
}

/// The works with these names, in their order; all where none is given.
fn chosen(names: &[&str]) -> Outcome<Vec<&'static Work>> {
    if names.is_empty() {
        return Ok(WORKS.iter().collect());
    }
    let find = |name: &&str| {
        WORKS.iter().find(|work| work.package == *name).ok_or_else(|| {
            let all: Vec<&str> = WORKS.iter().map(|work| work.package).collect();
            format!("{name} is not among the works: {}", all.join(", "))
        })
    };
    names.iter().map(find).collect()
}

impl Run {
    fn new(binary: PathBuf, suite: &str, keep: Option<&str>) -> Outcome<Self> {
        let folder = keep.map_or_else(|| top().join("target/works"), PathBuf::from);
        let (suite, cache, is_kept) = (suite.to_owned(), cache()?.join("works"), keep.is_some());
        Ok(Self { binary, suite, folder, cache, is_kept })
    }

    /// `init`, `build`, `build --strict` and `test` of one of them.
    fn attempt(&self, work: &Work) -> Outcome<Row> {
        let directory = self.folder.join(work.package);
        clear(&directory)?;
        let mut row = Row::new(work.package);
        let init = self.start(&["init", "--package", work.package, "--suite", &self.suite, "-C"], &directory)?;
        if !init.status.success() {
            row.missing = Some(row::first_error("init", &init));
            return Ok(row);
        }
        if let Some(application) = &work.application {
            application.add(&directory)?;
        }
        let begun = Instant::now();
        let build = self.start(&["build", "--format", "json", "--progress", "none", "-C"], &directory)?;
        row.build = begun.elapsed();
        let built = serde_json::from_slice::<Value>(&build.stdout).unwrap_or_default();
        if !build.status.success() {
            row.missing = Some(row::first_error("build", &build));
            return Ok(row);
        }
        row.size(&built);
        let strict = self.start(&["build", "--strict", "--progress", "none", "-C"], &directory)?;
        row.findings = row::findings(&strict);
        if !strict.status.success() && row.findings.is_empty() {
            row.findings.push(row::first_error("strict", &strict));
        }
        let begun = Instant::now();
        let test = self.start(&["test", "--format", "json", "--progress", "none"], &directory)?;
        row.test = begun.elapsed();
        row.trial(&test);
        if !self.is_kept {
            clear(&directory)?;
        }
        self.forget(work, &built)?;
        Ok(row)
    }

    fn start(&self, arguments: &[&str], directory: &Path) -> Outcome<Output> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg(directory).env("MODULE_BUILDER_CACHE_DIR", &self.cache);
        command.env_remove("SOURCE_DATE_EPOCH").stdin(Stdio::null());
        command.output().map_err(|error| format!("cannot start {command:?}: {error}"))
    }

    /// Takes the root file system that only this work has out of the cache: all of them are larger than many disks have
    /// room for. That of the base stays, and those of the quick ones, which are tried again and again.
    fn forget(&self, work: &Work, built: &Value) -> Outcome {
        if QUICK.contains(&work.package) {
            return Ok(());
        }
        let archive = built.pointer("/rootfs/archive").and_then(Value::as_str).map(Path::new);
        match archive.and_then(Path::parent).filter(|entry| entry.starts_with(&self.cache)) {
            Some(entry) => clear(entry),
            None => Ok(()),
        }
    }
}

/// Removes a folder that may not be there.
fn clear(folder: &Path) -> Outcome {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_are_chosen_by_name() {
        let names = |works: Vec<&Work>| works.iter().map(|work| work.package).collect::<Vec<_>>();
        assert_eq!(names(chosen(&QUICK).unwrap()), QUICK);
        assert_eq!(chosen(&[]).unwrap().len(), WORKS.len());
        assert!(chosen(&["nowhere"]).is_err_and(|why| why.starts_with("nowhere is not among the works: ")));
    }
}
