//! Which licences and sources the product is made of: `cargo deny check`, by the rules in `deny.toml`.
//!
//! Advisories are not among the checks: their database is fetched from a place that a machine without the
//! whole internet cannot reach, and a test must not depend on the day.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{Outcome, cache, run, top};

/// The version that is installed and asked; a new one may know other rules.
const VERSION: &str = "0.20.2";

/// Checks licences, banned crates and sources of the product, and of the fuzz targets, which are a workspace of their own.
pub(crate) fn check() -> Outcome {
    let program = install()?;
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let mut command = Command::new(&program);
        command.current_dir(top()).args(["--log-level", "error", "--manifest-path", manifest]);
        run(command.args(["--config", "deny.toml", "check", "licenses", "bans", "sources"]))?;
    }
    Ok(())
}

/// Builds the program into a folder of its own, unless a run before did.
fn install() -> Outcome<PathBuf> {
    let folder = cache()?.join("tools").join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if !program.is_file() {
        // cargo puts the program into place when it is whole, so a killed run leaves none.
        let mut command = Command::new("cargo");
        command.args(["install", "--quiet", "--locked", "--version", VERSION, "--root"]).arg(&folder).arg("cargo-deny");
        run(&mut command)?;
    }
    Ok(program)
}
