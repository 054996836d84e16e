//! Whether the downloads of one module saturate the line.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::inputs::clear;
use super::line::{self, Shape};
use super::{lock, median, timed};
use crate::command::{Outcome, top};
use crate::{debian, demo};

const RUNS: u32 = 5;

/// 100 Mbit/s, and 40 ms to the mirror and back.
const SLOW: Shape = Shape { delay: Duration::from_millis(40), rate: 12_500_000 };

/// Times the template module's downloads into an empty cache against curl: over the line as it is,
/// and over a slow one.
pub(super) fn run() -> Outcome {
    debian::install_test_needs()?;
    let bench = Bench::new(demo::build_binary()?)?;
    let size: usize = bench.files.values().map(Vec::len).sum();
    println!("{} files, {size} bytes; medians of {RUNS} runs in turns", bench.files.len());
    bench.turns("the line as it is", None)?;
    let address = line::serve(SLOW, bench.files.clone())?;
    let least = f64::from(u32::try_from(size).unwrap_or(u32::MAX)) / f64::from(SLOW.rate);
    println!("a line of {} bytes/s with {} ms: at least {least:.2} s", SLOW.rate, SLOW.delay.as_millis());
    bench.turns("the slow line", Some(&format!("http://{address}")))
}

struct Bench {
    binary: PathBuf,
    work: PathBuf,
    /// What the lock names, by URL.
    files: HashMap<String, Vec<u8>>,
}

impl Bench {
    fn new(binary: PathBuf) -> Outcome<Self> {
        let work = top().join("target/bench-fetch");
        clear(&work)?;
        let mut bench = Self { binary, work, files: HashMap::new() };
        timed(Command::new(&bench.binary).args(["init", "--name", "bench-nginx"]).arg(bench.work.join("nginx")))?;
        timed(&mut bench.verb("lock"))?;
        timed(&mut bench.verb("fetch"))?;
        let mut urls = String::new();
        for locked in lock::read(&bench.work.join("nginx/module.lock"))?.packages {
            let file = locked.deb(&bench.work.join("cache"));
            urls.push_str(&format!("url = \"{}\"\nremote-name\n", locked.url));
            bench.files.insert(line::unescaped(&locked.url), read(&file)?);
        }
        write(&bench.work.join("urls"), &urls)?;
        Ok(bench)
    }

    fn verb(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.args([verb, "-C"]).arg(self.work.join("nginx"));
        command.env("MODULE_BUILDER_CACHE_DIR", self.work.join("cache"));
        command
    }

    fn turns(&self, what: &str, proxy: Option<&str>) -> Outcome {
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            clear(&self.work.join("cache/debs"))?;
            let mut fetch = self.verb("fetch");
            proxy.map(|proxy| fetch.env("MODULE_BUILDER_PROXY", proxy));
            times[0].push(timed(&mut fetch)?.0);
            times[1].push(self.curl(&["--parallel", "--parallel-max", "8"], proxy)?);
            times[2].push(self.curl(&[], proxy)?);
        }
        let names = ["module-builder fetch", "curl --parallel-max 8", "curl, one by one"];
        for (name, times) in names.into_iter().zip(times) {
            println!("{what:18} {name:22} {:>7.2} s", median(times).as_secs_f64());
        }
        Ok(())
    }

    fn curl(&self, flags: &[&str], proxy: Option<&str>) -> Outcome<Duration> {
        let folder = self.work.join("curl");
        clear(&folder)?;
        fs::create_dir_all(&folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail"]).args(flags);
        if let Some(proxy) = proxy {
            command.args(["--proxy", proxy]);
        }
        Ok(timed(command.arg("--config").arg(self.work.join("urls")).current_dir(folder))?.0)
    }
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
