//! Whether the tests notice a defect: cargo-mutants puts single ones into the code, a sample of them by seed.
//!
//! For each mutant the tests of its own package are run, with those that need the peers and root: seconds each.
//! A mutant that only another package's tests would notice counts as missed. The code is changed in a copy below
//! `target/mutants`, whose own target directory stays, so that a second run builds nothing but the mutants.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{Outcome, cache, is_root, read, run, target, top};
use crate::peers;

/// The version that is installed; another one knows other mutants, and so draws another sample.
const VERSION: &str = "27.1.0";

/// What is sampled: the formats, the filter and the readers.
const PACKAGES: [&str; 3] = ["module-builder-model", "module-builder-composer", "module-builder-image"];

/// The least part of the viable mutants that must be caught, in percent.
const WANTED: usize = 95;

/// A build or a test run that takes longer is a mutant that hangs, in seconds. The slowest package takes a minute.
const TIMEOUT: &str = "150";

/// The memory of one process, in bytes: a loop that never ends may be one that collects.
const MEMORY: u64 = 4 << 30;

/// Tests are run more often than built here, and hashing without optimisation is slow.
const PROFILE: [(&str, &str); 2] = [("CARGO_PROFILE_DEV_OPT_LEVEL", "1"), ("CARGO_PROFILE_DEV_DEBUG", "0")];

struct Arguments {
    seed: u64,
    count: usize,
    packages: Vec<String>,
}

/// Draws a sample, tests it, and fails below [`WANTED`].
pub(crate) fn run_verb(arguments: &[String]) -> Outcome {
    let arguments = parse(arguments)?;
    if !is_root()? {
        return Err("the tests mount and change owners: run this as root".to_owned());
    }
    let (program, peers) = (install()?, peers::install()?);
    let tree = copy()?;
    let mutants = |folder: &Path| {
        let mut command = Command::new("prlimit");
        command.current_dir(folder).arg(format!("--data={MEMORY}")).arg(&program).arg("mutants");
        command.args(arguments.packages.iter().map(|package| format!("--package={package}")));
        command
    };
    let list = read(mutants(&tree).args(["--list", "--json"]))?;
    let names = draw(names(&list)?, arguments.seed, arguments.count);
    let output = target().join("mutants");
    let mut command = mutants(&tree);
    command.args(["--in-place", "--features", "peer-tests", "--timeout", TIMEOUT, "--colors", "never"]);
    command.arg("--output").arg(&output).env("MODULE_BUILDER_PEERS", peers).envs(PROFILE);
    // The copy has a target directory of its own, where nothing but mutants is built.
    command.env_remove("CARGO_TARGET_DIR");
    command.args(names.iter().map(|name| format!("--re={}", exactly(name))));
    eprintln!("+ cargo mutants, {} of seed {}", names.len(), arguments.seed);
    // Its status says whether any mutant was missed, which is no error here; without a result there was one.
    let results = output.join("mutants.out/outcomes.json");
    let _ = fs::remove_file(&results);
    command.status().map_err(|error| format!("cannot start cargo-mutants: {error}"))?;
    let text = fs::read_to_string(&results).map_err(|error| format!("cargo-mutants left no result: {error}"))?;
    report(&text, &names)
}

fn parse(arguments: &[String]) -> Outcome<Arguments> {
    let mut parsed = Arguments { seed: 1, count: 200, packages: Vec::new() };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word:?} wants a value, or is not understood"))?;
        let number = || value.parse().map_err(|_| format!("{word} wants a number"));
        match word.as_str() {
            "--seed" => parsed.seed = number()?,
            "--count" => parsed.count = usize::try_from(number()?).map_err(|error| error.to_string())?,
            "--package" => parsed.packages.push(value.clone()),
            _ => return Err(format!("{word:?} is not understood")),
        }
    }
    if parsed.packages.is_empty() {
        parsed.packages = PACKAGES.map(str::to_owned).to_vec();
    }
    Ok(parsed)
}

/// Builds the program into a folder of its own, unless a run before did.
fn install() -> Outcome<PathBuf> {
    let folder = cache()?.join("tools").join(format!("cargo-mutants-{VERSION}"));
    let program = folder.join("bin/cargo-mutants");
    if !program.is_file() {
        let mut command = Command::new("cargo");
        command.args(["install", "--quiet", "--locked", "--version", VERSION, "--root"]).arg(&folder);
        run(command.arg("cargo-mutants"))?;
    }
    Ok(program)
}

/// Brings the copy up to date with the files that git knows. A run that was killed leaves a mutant in it, so
/// whatever differs is written again; what is equal keeps its time, so that cargo builds it no second time.
fn copy() -> Outcome<PathBuf> {
    let tree = target().join("mutants/tree");
    let list = read(Command::new("git").current_dir(top()).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let known: Vec<&str> = list.split_terminator('\0').filter(|name| top().join(name).is_file()).collect();
    remove_others(&tree, &tree, &known)?;
    for name in known {
        let (from, to) = (top().join(name), tree.join(name));
        let content = fs::read(&from).map_err(|error| format!("cannot read {}: {error}", from.display()))?;
        if fs::read(&to).is_ok_and(|old| old == content) {
            continue;
        }
        let folder = to.parent().map_or(Ok(()), fs::create_dir_all);
        folder
            .and_then(|()| fs::write(&to, content))
            .map_err(|error| format!("cannot write {}: {error}", to.display()))?;
    }
    Ok(tree)
}

/// Removes the files below `folder` that are not in the project any more: cargo would find tests in them.
fn remove_others(tree: &Path, folder: &Path, known: &[&str]) -> Outcome {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(tree).unwrap_or(&path);
        if name == Path::new("target") {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_others(tree, &path, known)?;
        } else if !name.to_str().is_some_and(|name| known.contains(&name)) {
            fs::remove_file(&path).map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
        }
    }
    Ok(())
}

/// The mutants' names, which hold file, line and column.
fn names(list: &str) -> Outcome<Vec<String>> {
    let list: Vec<Value> =
        serde_json::from_str(list).map_err(|error| format!("cargo-mutants listed no JSON: {error}"))?;
    let names: Option<Vec<String>> = list.iter().map(|mutant| Some(mutant["name"].as_str()?.to_owned())).collect();
    names.filter(|names| !names.is_empty()).ok_or_else(|| "cargo-mutants listed no mutants".to_owned())
}

/// The `count` mutants whose names come first in the order that `seed` gives them. The same seed, code and version
/// of cargo-mutants give the same sample, and a larger one holds every smaller one.
fn draw(mut names: Vec<String>, seed: u64, count: usize) -> Vec<String> {
    names.sort_by_cached_key(|name| (rank(seed, name), name.clone()));
    names.truncate(count);
    names
}

/// FNV-1a of the seed and the name, mixed by the last steps of SplitMix64, since FNV alone leaves the high bits of
/// names that are much alike much alike.
fn rank(seed: u64, name: &str) -> u64 {
    let text = format!("{seed} {name}");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// An expression that is this name alone.
fn exactly(name: &str) -> String {
    let escaped =
        name.chars().map(|c| if r"\.+*?()|[]{}^$#&-~".contains(c) { format!("\\{c}") } else { c.to_string() });
    format!("^{}$", escaped.collect::<String>())
}

/// Prints what became of the mutants and of those that no test noticed each one.
fn report(text: &str, drawn: &[String]) -> Outcome {
    let results: Value = serde_json::from_str(text).map_err(|error| format!("cargo-mutants wrote no JSON: {error}"))?;
    let outcomes = results["outcomes"].as_array().ok_or("cargo-mutants wrote no outcomes")?;
    let mut packages: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut missed = Vec::new();
    for outcome in outcomes {
        let summary = outcome["summary"].as_str().unwrap_or_default();
        let Some(mutant) = outcome["scenario"].get("Mutant") else {
            if summary != "Success" {
                return Err("the tests fail without a mutant".to_owned());
            }
            continue;
        };
        let name = mutant["name"].as_str().unwrap_or_default();
        // cargo-mutants tries fields that are left out of a struct whatever it was asked for.
        if !drawn.iter().any(|drawn| drawn == name) {
            continue;
        }
        *packages.entry(mutant["package"].as_str().unwrap_or_default()).or_default().entry(summary).or_default() += 1;
        if summary == "MissedMutant" {
            missed.push(name);
        }
    }
    println!("{:28} {:>6} {:>6} {:>8} {:>8}", "package", "caught", "missed", "timeout", "unviable");
    let kinds = ["CaughtMutant", "MissedMutant", "Timeout", "Unviable"];
    for (package, found) in &packages {
        let [caught, missed, timeout, unviable] = kinds.map(|kind| found.get(kind).copied().unwrap_or_default());
        println!("{package:28} {caught:>6} {missed:>6} {timeout:>8} {unviable:>8}");
    }
    missed.iter().for_each(|name| println!("missed: {name}"));
    let [caught, missed, timeout, unviable] =
        kinds.map(|kind| packages.values().filter_map(|found| found.get(kind)).sum::<usize>());
    if caught + missed + timeout + unviable < drawn.len() {
        return Err(format!("only {} of {} mutants were tried", caught + missed + timeout + unviable, drawn.len()));
    }
    // A mutant that hangs is one that someone would notice.
    let (noticed, viable) = (caught + timeout, caught + missed + timeout);
    println!("{noticed} of {viable} viable mutants were caught");
    if noticed * 100 >= viable * WANTED {
        Ok(())
    } else {
        Err(format!("less than {WANTED} % of the mutants were caught"))
    }
}
