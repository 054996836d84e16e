//! Running other programs, with errors that name them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a chore stopped, as a sentence.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// Runs `command`, letting it print, and fails when it does.
pub(crate) fn run(command: &mut Command) -> Outcome {
    eprintln!("+ {}", line(command));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` ended with {status}", line(command))),
        Err(error) => Err(format!("cannot start `{}`: {error}", line(command))),
    }
}

/// Runs `command` and gives back what it printed to standard output.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| format!("cannot start `{}`: {error}", line(command)))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}` ended with {}:\n{errors}", line(command), output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{}` printed no UTF-8", line(command)))
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Whether the program `name` is on the search path, or where only root has it.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|folder| folder.join(name).is_file())
}

/// Whether this process has root rights.
pub(crate) fn is_root() -> Outcome<bool> {
    Ok(read(Command::new("id").arg("-u"))?.trim() == "0")
}

/// A command that runs `program` as root: itself, or by sudo.
pub(crate) fn as_root(program: &str) -> Outcome<Command> {
    if is_root()? {
        return Ok(Command::new(program));
    }
    if !is_installed("sudo") {
        return Err(format!("`{program}` needs root rights: run this as root, or install sudo"));
    }
    let mut command = Command::new("sudo");
    command.args(["-E", "--", program]);
    Ok(command)
}

/// The project's top folder.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| top().join("target"), |folder| top().join(folder))
}

/// The folder below the user's cache directory for what the chores install and keep. The program's own cache is another one: it
/// takes no directory that holds what it did not make.
pub(crate) fn cache() -> Outcome<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("module-builder-xtask"))
}
