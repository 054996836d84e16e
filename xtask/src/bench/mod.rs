//! How long things take: whole builds, and the composer against the programs that it replaces.

mod catalogue;
mod compose;
mod fetch;
mod full;
mod inputs;
mod line;
mod lock;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::Outcome;

/// Times whole builds, or what stands first among `arguments`: `compose` the composer, `fetch` the
/// downloads, `catalogue` modules of one base.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments.split_first() {
        None => full::run(),
        Some((verb, rest)) if verb == "compose" => compose::run(rest),
        Some((verb, rest)) if verb == "catalogue" => catalogue::run(rest),
        Some((verb, [])) if verb == "fetch" => fetch::run(),
        Some((verb, _)) => {
            Err(format!("there is no bench `{verb}`: say `compose`, `fetch`, `catalogue`, or nothing for whole builds"))
        }
    }
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Runs `command` and gives back how long it took and what it printed.
fn timed(command: &mut Command) -> Outcome<(Duration, String)> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let time = start.elapsed();
    if output.status.success() {
        return Ok((time, String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    Err(format!("{command:?} ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
