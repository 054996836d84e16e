//! The project's own chores, run as `cargo xtask VERB`.
//!
//! `demo` and `test` are the only set-up that a fresh Debian with a Rust toolchain needs.

#![allow(clippy::disallowed_methods, reason = "chores of the developers read their own files")]

use std::env;
use std::process::ExitCode;

mod bench;
mod command;
mod debian;
mod demo;
mod fuzz;
mod licences;
mod mutants;
mod peers;
mod repro;
mod suite;
mod works;

const USAGE: &str = "\
cargo xtask VERB

  demo     install what a build needs, build the template module, show what came out
  test     install what the tests need, check the style, run every test
  peers    install the peers only, print their folder
  bench    time full and warm builds of the template module; with `compose`, the composer
           against the programs that it replaces; with `fetch`, downloads against curl; with
           `catalogue`, modules of one base against mmdebstrap
  repro    build real modules twice each, in two different worlds, and compare: [MODULE...];
           with `over`, modules made over their base and from nothing: over [--binary PATH] [MODULE...]
  works    make modules of real packages by `init --package`, build and try them: [NAME...]
           [--suite SUITE] [--keep DIR] [--binary FILE]
  fuzz     feed the readers with bytes of any kind, by libFuzzer: [TARGET] [--seconds N]
  mutants  put single defects into the code and see whether a test fails, for a sample of them:
           [--seed N] [--count N] [--package NAME]...
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("demo") => demo::run(),
        Some("test") => suite::run(&arguments[1..]),
        Some("peers") => peers::install().map(|folder| println!("{}", folder.display())),
        Some("bench") => bench::run(&arguments[1..]),
        Some("fuzz") => fuzz::run_verb(&arguments[1..]),
        Some("mutants") => mutants::run_verb(&arguments[1..]),
        Some("repro") => repro::run_verb(&arguments[1..]),
        Some("works") => works::run_verb(&arguments[1..]),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
