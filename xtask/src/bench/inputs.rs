//! What the composer's bench works on, generated once and kept under the target directory.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Outcome, is_root, run, top};
use crate::debian;

/// An input: `a` is a Debian root, `b` a tree of 150,000 files, `c` one large file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Debian,
    Tree,
    Large,
}

impl Input {
    pub(super) const ALL: [(&'static str, Self); 3] = [("a", Self::Debian), ("b", Self::Tree), ("c", Self::Large)];
}

/// Programs and folders of a run.
pub(super) struct Bench {
    /// The composer's steps, one verb each.
    pub(super) measure: PathBuf,
    /// Where inputs stay and outputs come and go.
    pub(super) work: PathBuf,
}

/// What both sides ship, as a manifest has it and as rsync reads it.
const MANIFEST: &str = "\
schema_version: 1
name: bench
mask:
  - \"/usr/share/doc/***\"
  - \"/usr/share/man/***\"
  - \"/**/*.pyc\"
file_spec:
  - \"/usr/***\"
  - \"/etc/***\"
  - \"/var/lib/***\"
  - \"/file\"
";
const RSYNC: &str = "\
- /usr/share/doc/***
- /usr/share/man/***
- /**/*.pyc
+ */
+ /usr/***
+ /etc/***
+ /var/lib/***
+ /file
- *
";

impl Bench {
    pub(super) fn new() -> Outcome<Self> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| top().join("target"), PathBuf::from);
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let package = ["build", "--release", "--package", "module-builder-composer", "--example", "measure"];
        run(Command::new(cargo).args(package).current_dir(top()))?;
        let bench = Self { measure: target.join("release/examples/measure"), work: target.join("bench-compose") };
        fs::create_dir_all(&bench.work).map_err(|error| format!("cannot create {}: {error}", bench.work.display()))?;
        for (name, text) in [("all.yaml", MANIFEST), ("all.rsync", RSYNC)] {
            let path = bench.work.join(name);
            fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        run(bench.measure(&["patterns", "500"]).arg(bench.work.join("500.yaml")))?;
        Ok(bench)
    }

    /// The program with its steps, to be given more arguments.
    pub(super) fn measure(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.measure);
        command.args(arguments);
        command
    }

    /// The folder of `input`, generated unless a run before did.
    pub(super) fn folder(&self, input: Input) -> Outcome<PathBuf> {
        let name = match input {
            Input::Debian => "debian",
            Input::Tree => "tree",
            Input::Large => "large",
        };
        let folder = self.work.join(name);
        if folder.is_dir() {
            return Ok(folder);
        }
        let partial = self.work.join(format!("{name}.partial"));
        clear(&partial)?;
        match input {
            Input::Debian => run(&mut debian_root(&partial)?)?,
            Input::Tree => run(self.measure(&["tree"]).arg(&partial))?,
            Input::Large => {
                fs::create_dir_all(&partial).map_err(|error| error.to_string())?;
                run(self.measure(&["file"]).arg(partial.join("file")))?;
            }
        }
        fs::rename(&partial, &folder).map_err(|error| format!("cannot name {}: {error}", folder.display()))?;
        Ok(folder)
    }
}

fn debian_root(folder: &Path) -> Outcome<Command> {
    debian::install_build_needs()?;
    let mode = if is_root()? { "--mode=root" } else { "--mode=unshare" };
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=minbase", "--quiet", "--include=nginx", mode, "trixie"]).arg(folder);
    command.arg(debian::mirror()?);
    Ok(command)
}

/// Removes a folder that may not be there.
pub(super) fn clear(folder: &Path) -> Outcome {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}
