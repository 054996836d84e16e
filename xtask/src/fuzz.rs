//! Feeds the readers of what comes from outside with bytes of any kind: libFuzzer over `fuzz/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Outcome, cache, is_installed, read, run, target, top};

/// How long each target runs where no one says it.
const SECONDS: u32 = 60;

/// What every target gets: a hang is anything over ten seconds, and no reader may need 2 GiB. Inputs of
/// 64 KiB hold every structure, and are quick to read.
const LIMITS: [&str; 4] = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1"];

/// Runs the targets one after the other, all of them or the one that `arguments` name.
pub(crate) fn run_verb(arguments: &[String]) -> Outcome {
    let (wanted, seconds) = parse(arguments)?;
    if !is_installed("cargo-fuzz") {
        return Err("cargo-fuzz is missing: `rustup toolchain install nightly`, then `cargo install cargo-fuzz`".into());
    }
    let list = read(&mut fuzz("list"))?;
    let targets: Vec<&str> = list.lines().filter(|target| wanted.is_none_or(|wanted| wanted == *target)).collect();
    if targets.is_empty() {
        return Err(format!("there is no such target; there are:\n{list}"));
    }
    let corpus = cache()?.join("fuzz");
    let scratch = corpus.join(format!("scratch-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|error| format!("cannot create {}: {error}", scratch.display()))?;
    let outcome = run_all(&targets, &corpus, &scratch, seconds);
    let _ = fs::remove_dir_all(&scratch);
    outcome
}

/// The target's name, where one is given, and the seconds for each.
fn parse(arguments: &[String]) -> Outcome<(Option<&str>, u32)> {
    let (mut wanted, mut seconds) = (None, SECONDS);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                let number = words.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                seconds = number.ok_or("--seconds wants a number")?;
            }
            word if word.starts_with('-') || wanted.is_some() => return Err(format!("{word:?} is not understood")),
            word => wanted = Some(word),
        }
    }
    Ok((wanted, seconds))
}

/// One finding does not keep the other targets from running.
fn run_all(targets: &[&str], corpus: &Path, scratch: &Path, seconds: u32) -> Outcome {
    let seeds = corpus.join("seeds");
    let mut writer = Command::new("cargo");
    writer.args(["run", "--quiet", "--example", "seeds", "--manifest-path"]).arg(folder().join("Cargo.toml"));
    run(writer.arg("--").arg(&seeds))?;
    let mut failed = Vec::new();
    for name in targets {
        let own = corpus.join("corpus").join(name);
        fs::create_dir_all(&own).map_err(|error| format!("cannot create {}: {error}", own.display()))?;
        // Rust's own checks find what there is to find; the sanitizer would halve the speed.
        let mut command = fuzz("run");
        command.args(["--sanitizer", "none", "--target-dir"]).arg(target().join("fuzz")).arg(name);
        command.arg(&own).arg(seeds.join(name)).arg("--").args(LIMITS).arg(format!("-max_total_time={seconds}"));
        if let Err(error) = run(command.env("TMPDIR", scratch)) {
            failed.push(format!("{name}: {error}"));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

fn folder() -> PathBuf {
    top().join("fuzz")
}

fn fuzz(verb: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", verb, "--fuzz-dir"]).arg(folder());
    command
}
