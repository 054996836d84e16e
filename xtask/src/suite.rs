//! Every check of the project, in the order in which the cheap ones come first.

use std::env;
use std::process::Command;

use crate::command::{self, Outcome, is_installed, is_root, top};
use crate::{debian, licences, peers, repro, works};

/// Checks the style and runs every test; `filters` goes on to `cargo test`.
pub(crate) fn run(filters: &[String]) -> Outcome {
    debian::install_test_needs()?;
    let peers = peers::install()?;
    command::run(cargo().args(["fmt", "--all", "--check"]))?;
    command::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        FEATURES,
        "--",
        "-D",
        "warnings",
    ]))?;
    licences::check()?;
    // The fuzz targets run on nightly alone, but every toolchain can say whether they still fit.
    let targets = top().join("fuzz/Cargo.toml");
    command::run(cargo().args(["fmt", "--check", "--manifest-path"]).arg(&targets))?;
    let mut fuzz = cargo();
    fuzz.args(["clippy", "--all-targets", "--manifest-path"]).arg(&targets).args(["--", "-D", "warnings"]);
    command::run(fuzz.env("CARGO_TARGET_DIR", command::target()))?;
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--features", FEATURES]).args(filters);
    tests.env("MODULE_BUILDER_PEERS", &peers);
    start_as_root(&mut tests)?;
    command::run(&mut tests)?;
    let binary = command::target().join("debug/module-builder");
    works::check(&binary, &works::QUICK)?;
    repro::check(&binary, &repro::CHEAP)?;
    repro::over::check(&binary, &repro::over::CHEAP)
}

/// One feature turns on the tests that need peers and root, in every crate that has such tests.
const FEATURES: &str = "peer-tests,module-builder-image/peer-tests,module-builder-builder/peer-tests,\
                        module-builder-composer/peer-tests,module-builder-oci/peer-tests";

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(top());
    command
}

/// Lets cargo start the test programs by sudo where this process is not root: mounts, owners and
/// device nodes cannot be tested otherwise.
fn start_as_root(tests: &mut Command) -> Outcome {
    if is_root()? {
        return Ok(());
    }
    if !is_installed("sudo") {
        return Err("the tests mount and change owners: run this as root, or install sudo".to_owned());
    }
    for target in ["X86_64", "AARCH64"] {
        tests.env(format!("CARGO_TARGET_{target}_UNKNOWN_LINUX_GNU_RUNNER"), "sudo -E");
    }
    Ok(())
}
