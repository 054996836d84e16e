//! The composer against the programs that it replaces, in turns, with a warm page cache.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::inputs::{Bench, Input, clear};
use super::{median, ratio, timed};
use crate::command::Outcome;
use crate::peers;

const USAGE: &str = "say any of: a b c (whole builds), digest, filter, image, verity; and --runs N";

/// Times what `arguments` name, or everything.
pub(super) fn run(arguments: &[String]) -> Outcome {
    let mut names: Vec<&str> = Vec::new();
    let mut runs = None;
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--runs" => runs = Some(words.next().and_then(|count| count.parse().ok()).ok_or(USAGE)?),
            "a" | "b" | "c" | "digest" | "filter" | "image" | "verity" => names.push(word),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let peers = peers::install()?.join("bin");
    let bench = Bench::new()?;
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let turns = Turns { bench, peers, runs };
    for (name, input) in Input::ALL {
        if wanted(name) {
            turns.build(name, input)?;
        }
    }
    if wanted("digest") {
        turns.digest()?;
    }
    if wanted("filter") {
        turns.filter()?;
    }
    if wanted("image") {
        let (_, printed) = timed(&mut turns.bench.measure(&["image", "9"]))?;
        let times: Vec<Duration> = figures(&printed, "image").map(Duration::from_secs_f64).collect();
        println!("image   writing 180,000 entries: {:.3} s", median(times).as_secs_f64());
    }
    if wanted("verity") {
        turns.verity()?;
    }
    Ok(())
}

struct Turns {
    bench: Bench,
    peers: std::path::PathBuf,
    runs: Option<u32>,
}

/// Reads everything below `path` into the page cache.
fn warm(path: &Path) -> Outcome {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("cannot read {path}: {error}")
    };
    let metadata = path.symlink_metadata().map_err(failed(path))?;
    if metadata.is_dir() {
        let entries = std::fs::read_dir(path).map_err(failed(path))?;
        return entries.into_iter().try_for_each(|entry| warm(&entry.map_err(failed(path))?.path()));
    }
    if metadata.is_file() {
        let mut file = std::fs::File::open(path).map_err(failed(path))?;
        std::io::copy(&mut file, &mut std::io::sink()).map_err(failed(path))?;
    }
    Ok(())
}

/// Our runs of one kind.
#[derive(Default)]
struct Side {
    times: Vec<Duration>,
    /// What the last run printed.
    printed: String,
}

impl Side {
    fn add(&mut self, (time, printed): (Duration, String)) {
        self.times.push(time);
        self.printed = printed;
    }
}

/// A step of the peers' pipeline.
struct Step {
    name: &'static str,
    time: Duration,
    /// Whether only `module.tar.zst` needs it.
    packing: bool,
}

type Steps = Vec<Step>;

/// The figures that `measure` printed under `name`.
fn figures<'a>(printed: &'a str, name: &'a str) -> impl Iterator<Item = f64> + 'a {
    let values = printed.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '));
    values.filter_map(|value| value.trim().parse().ok())
}

impl Turns {
    fn peer(&self, name: &str) -> Command {
        Command::new(self.peers.join(name))
    }

    fn runs(&self, usual: u32) -> u32 {
        self.runs.unwrap_or(usual).max(1)
    }

    /// Everything from the root file system to durable files, with and without `module.tar.zst`.
    fn build(&self, name: &str, input: Input) -> Outcome {
        let root = self.bench.folder(input)?;
        let manifest = self.bench.work.join("all.yaml");
        let outputs = self.bench.work.join("outputs");
        clear(&outputs)?;
        let (mut plain, mut packed, mut peers) = (Side::default(), Side::default(), Vec::new());
        let mut next = 0;
        // Each run writes to a place of its own. A file system that has just removed thousands of
        // files is slow to make new ones, and whoever comes next would pay for it.
        let mut place = || {
            next += 1;
            outputs.join(next.to_string())
        };
        for _ in 0..self.runs(if input == Input::Debian { 5 } else { 1 }) {
            for (side, mode) in [(&mut plain, "tar"), (&mut packed, "zstd")] {
                self.settle(&root)?;
                let mut ours = self.bench.measure(&["build"]);
                side.add(timed(ours.arg(&root).arg(&manifest).arg(place()).arg(mode))?);
            }
            self.settle(&root)?;
            peers.push(self.pipeline(&root, &place())?);
        }
        clear(&outputs)?;
        let sum =
            |steps: &Steps, with: bool| steps.iter().filter(|step| with || !step.packing).map(|step| step.time).sum();
        for (what, side, with) in [("plain", plain, false), ("zstd ", packed, true)] {
            let theirs = median(peers.iter().map(|steps| sum(steps, with)).collect());
            let ours = median(side.times);
            let [ours_seconds, theirs_seconds] = [ours, theirs].map(|time| time.as_secs_f64());
            println!(
                "build {name} {what} ours {ours_seconds:.2} s, theirs {theirs_seconds:.2} s: {:.1} times",
                ratio(theirs, ours)
            );
            println!("        ours (last run): {}", side.printed.trim_end().replace('\n', ", "));
        }
        let steps = peers.last().into_iter().flatten();
        let steps: Vec<String> = steps.map(|step| format!("{} {:.2}", step.name, step.time.as_secs_f64())).collect();
        println!("        theirs (last run): {}", steps.join(", "));
        Ok(())
    }

    /// Waits for the disk, so that no side pays for the other's writes, and reads the input, since a
    /// kernel may take the page cache away while no one uses it.
    fn settle(&self, input: &Path) -> Outcome {
        timed(Command::new("sync").arg("-f").arg(&self.bench.work))?;
        warm(input)
    }

    /// What the composer replaces, step by step.
    fn pipeline(&self, root: &Path, out: &Path) -> Outcome<Steps> {
        let (selection, image, tar) = (out.join("selection"), out.join("module.cfs"), out.join("module.tar"));
        std::fs::create_dir_all(&selection).map_err(|error| error.to_string())?;
        let mut steps = Vec::new();
        let mut step = |name, packing, command: &mut Command| -> Outcome {
            steps.push(Step { name, time: timed(command)?.0, packing });
            Ok(())
        };
        let rules = format!("--filter=merge {}", self.bench.work.join("all.rsync").display());
        let from = root.join("");
        step("rsync", false, self.peer("rsync").args(["-aHAX", "-m", &rules]).arg(from).arg(&selection))?;
        let store = format!("--digest-store={}", out.join("objects").display());
        let versions = ["--min-version=1", "--max-version=1"];
        step("mkcomposefs", false, self.peer("mkcomposefs").args(versions).arg(store).arg(&selection).arg(&image))?;
        step("fsverity", false, self.peer("fsverity").arg("digest").arg(&image))?;
        let plain = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1700000000", "-cf"];
        step("tar", false, self.peer("tar").args(plain).arg(&tar).arg("-C").arg(out).args(["module.cfs", "objects"]))?;
        step("zstd", true, self.peer("zstd").args(["-q", "-3", "-T0"]).arg(&tar))?;
        step(
            "sha256sum of files",
            false,
            Command::new("find").arg(&selection).args(["-type", "f", "-exec", "sha256sum", "{}", "+"]),
        )?;
        step("sha256sum of tar", false, Command::new("sha256sum").arg(&tar).arg(&image))?;
        step("sha256sum of zst", true, Command::new("sha256sum").arg(out.join("module.tar.zst")))?;
        step("sync", false, Command::new("sync").arg("-f").arg(out))?;
        Ok(steps)
    }

    /// Two commands in turns.
    fn versus(
        &self,
        what: &str,
        (input, runs): (&Path, u32),
        ours: impl Fn() -> Command,
        theirs: impl Fn() -> Command,
    ) -> Outcome<String> {
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        let mut printed = String::new();
        for _ in 0..self.runs(runs) {
            warm(input)?;
            let (time, figures) = timed(&mut ours())?;
            our_times.push(time);
            printed = figures;
            warm(input)?;
            their_times.push(timed(&mut theirs())?.0);
        }
        let (ours, theirs) = (median(our_times), median(their_times));
        println!(
            "{what}: ours {:.3} s, theirs {:.3} s: {:.2} times",
            ours.as_secs_f64(),
            theirs.as_secs_f64(),
            ratio(theirs, ours)
        );
        Ok(printed)
    }

    fn digest(&self) -> Outcome {
        let tree = self.bench.folder(Input::Tree)?;
        let ours = || {
            let mut command = self.bench.measure(&["digest"]);
            command.arg(&tree);
            command
        };
        let theirs = || {
            let mut command = self.peer("mkcomposefs");
            command.args(["--min-version=1", "--max-version=1", "--print-digest-only"]).arg(&tree);
            command
        };
        let printed = self.versus("digest  of (b)", (&tree, 5), ours, theirs)?;
        println!("        ours (last run): {}", printed.trim_end().replace('\n', ", "));
        Ok(())
    }

    fn filter(&self) -> Outcome {
        let tree = self.bench.folder(Input::Tree)?;
        let (manifest, empty) = (self.bench.work.join("500.yaml"), self.bench.work.join("empty"));
        std::fs::create_dir_all(&empty).map_err(|error| error.to_string())?;
        let ours = || {
            let mut command = self.bench.measure(&["filter"]);
            command.arg(&tree).arg(&manifest);
            command
        };
        let rules = format!("--filter=merge {}", manifest.with_extension("rsync").display());
        let theirs = || {
            let mut command = self.peer("rsync");
            command.args(["-an", "-m", &rules]).arg(tree.join("")).arg(&empty);
            command
        };
        let printed = self.versus("filter  500 patterns, 180,000 paths, scan included", (&tree, 5), ours, theirs)?;
        println!("        ours (last run): {}", printed.trim_end().replace('\n', ", "));
        Ok(())
    }

    fn verity(&self) -> Outcome {
        let file = self.bench.folder(Input::Large)?.join("file");
        let ours = |threads: &'static str| {
            let file = &file;
            move || {
                let mut command = self.bench.measure(&["verity"]);
                command.arg(file).arg(threads);
                command
            }
        };
        let theirs = || {
            let mut command = self.peer("fsverity");
            command.arg("digest").arg(&file);
            command
        };
        self.versus("verity  one thread", (&file, 5), ours("1"), theirs)?;
        self.versus("verity  two threads against one (as theirs)", (&file, 5), ours("2"), ours("1"))?;
        Ok(())
    }
}
