//! A real module, built from the template, from nothing but a fresh Debian and a Rust toolchain.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, Outcome, read, top};
use crate::debian;

/// Installs what a build needs, builds the template module and shows what came out.
pub(crate) fn run() -> Outcome {
    debian::install_build_needs()?;
    let binary = build_binary()?;
    let module = top().join("target/demo/nginx");
    if module.exists() {
        fs::remove_dir_all(&module).map_err(|error| format!("cannot remove {}: {error}", module.display()))?;
    }
    run_quietly(Command::new(&binary).args(["init", "--name", "demo-nginx"]).arg(&module))?;
    run_quietly(Command::new(&binary).arg("validate").arg(&module))?;
    run_quietly(Command::new(&binary).args(["build", "-C"]).arg(&module))?;
    eprintln!();
    show(&binary, &module.join("dist"))
}

/// Compiles the release binary and gives back where it is.
pub(crate) fn build_binary() -> Outcome<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command::run(Command::new(cargo).args(["build", "--release", "--package", "module-builder"]).current_dir(top()))?;
    Ok(command::target().join("release/module-builder"))
}

fn run_quietly(command: &mut Command) -> Outcome {
    command::run(command.stdout(std::process::Stdio::null()))
}

fn show(binary: &Path, dist: &Path) -> Outcome {
    print!("{}", read(Command::new(binary).arg("inspect").arg(dist))?);
    println!("OCI layout: {}", dist.join("oci").display());
    Ok(())
}
