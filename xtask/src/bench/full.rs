//! How long a module's author waits: the full build, and the rebuilds after it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{median, ratio, timed};
use crate::command::{Outcome, top};
use crate::{debian, demo};

/// Rebuilds are quick, so one of them says little.
const RUNS: u32 = 9;

/// Times the template module: first build with an empty rootfs cache, rebuild with nothing changed,
/// rebuild after an edit of the overlay, dry runs; and the same module, unpacked only.
pub(crate) fn run() -> Outcome {
    debian::install_build_needs()?;
    let binary = demo::build_binary()?;
    let work = top().join("target/bench");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(|error| format!("cannot remove {}: {error}", work.display()))?;
    }
    let (module, unpacked) = (work.join("nginx"), work.join("unpacked"));
    let verb = |module: &Path, verb: &str| {
        let mut command = Command::new(&binary);
        command.args([verb, "-C"]).arg(module).env("MODULE_BUILDER_CACHE_DIR", work.join("cache"));
        command
    };
    for module in [&module, &unpacked] {
        wall(Command::new(&binary).args(["init", "--name", "bench-nginx"]).arg(module))?;
    }
    unpack_only(&unpacked)?;
    // Without a lock each build would ask the archive what is new, and that would be measured.
    wall(&mut verb(&module, "lock"))?;
    wall(&mut verb(&unpacked, "lock"))?;
    let build = || verb(&module, "build");
    let cold = wall(&mut build())?;
    let unchanged = repeated(|_| wall(&mut build()))?;
    let edited = repeated(|run| {
        edit(&module, run)?;
        wall(&mut build())
    })?;
    let listed_in = module.join("listed");
    let list = || wall(build().args(["--dry-run", "--output"]).arg(&listed_in));
    let (first, listed) = (list()?, repeated(|_| list())?);
    wall(&mut verb(&unpacked, "build"))?;
    let extracted = repeated(|_| wall(&mut verb(&unpacked, "build")))?;
    println!("full build, empty caches      {:>9.3} s", cold.as_secs_f64());
    println!("rebuild, nothing changed      {:>9.3} s   1/{:.0}", unchanged.as_secs_f64(), ratio(cold, unchanged));
    println!("rebuild, overlay edited       {:>9.3} s   1/{:.0}", edited.as_secs_f64(), ratio(cold, edited));
    println!("dry run, file lists not known {:>9.3} s", first.as_secs_f64());
    println!("dry run, file lists known     {:>9.3} s   1/{:.0}", listed.as_secs_f64(), ratio(first, listed));
    println!("extract, nothing changed      {:>9.3} s", extracted.as_secs_f64());
    Ok(())
}

/// Makes `module` one whose packages are unpacked only.
fn unpack_only(module: &Path) -> Outcome {
    let path = module.join("builder.toml");
    let failed = |error| format!("cannot change {}: {error}", path.display());
    let text = fs::read_to_string(&path).map_err(failed)?;
    let changed = text.replace("\"minbase\"", "\"extract\"");
    if changed == text {
        return Err(format!("{} does not name its variant", path.display()));
    }
    fs::write(&path, changed).map_err(failed)
}

fn edit(module: &Path, run: u32) -> Outcome {
    let page = module.join("rootfs/usr/share/bench.html");
    let folder = page.parent().unwrap_or(module);
    fs::create_dir_all(folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    fs::write(&page, format!("<p>edit {run}</p>\n"))
        .map_err(|error| format!("cannot write {}: {error}", page.display()))
}

fn repeated(mut once: impl FnMut(u32) -> Outcome<Duration>) -> Outcome<Duration> {
    Ok(median((0..RUNS).map(&mut once).collect::<Outcome<Vec<_>>>()?))
}

fn wall(command: &mut Command) -> Outcome<Duration> {
    Ok(timed(command)?.0)
}
