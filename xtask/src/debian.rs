//! What comes from the host's own Debian: the programs that a build and its tests start.

use std::process::Command;

use crate::command::{Outcome, as_root, is_installed, read, run};

/// A program and the package that brings it.
struct Need {
    program: &'static str,
    package: &'static str,
}

const BUILD: [Need; 3] = [
    Need { program: "mmdebstrap", package: "mmdebstrap" },
    Need { program: "newuidmap", package: "uidmap" },
    Need { program: "gpgv", package: "gpgv" },
];

const TEST: [Need; 14] = [
    Need { program: "setcap", package: "libcap2-bin" },
    Need { program: "setfattr", package: "attr" },
    Need { program: "setfacl", package: "acl" },
    Need { program: "gpg", package: "gpg" },
    Need { program: "unshare", package: "util-linux" },
    Need { program: "ip", package: "iproute2" },
    Need { program: "curl", package: "curl" },
    Need { program: "cpio", package: "cpio" },
    Need { program: "datefudge", package: "datefudge" },
    Need { program: "openssl", package: "openssl" },
    Need { program: "socat", package: "socat" },
    Need { program: "busybox", package: "busybox" },
    Need { program: "systemd-escape", package: "systemd" },
    // Without a service that starts by itself.
    Need { program: "tinyproxy", package: "tinyproxy-bin" },
];

/// Installs what `module-builder build` starts.
pub(crate) fn install_build_needs() -> Outcome {
    install(&BUILD)
}

/// Installs what the tests start beside the peers.
pub(crate) fn install_test_needs() -> Outcome {
    install(&BUILD)?;
    install(&TEST)
}

fn install(needs: &[Need]) -> Outcome {
    let missing: Vec<&str> = needs.iter().filter(|need| !is_installed(need.program)).map(|need| need.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_installed("apt-get") {
        return Err(format!("this is no Debian: install {} by hand", missing.join(", ")));
    }
    run(as_root("apt-get")?.args(["-q", "update"]))?;
    let mut command = as_root("apt-get")?;
    command.env("DEBIAN_FRONTEND", "noninteractive");
    run(command.args(["-q", "-y", "--no-install-recommends", "install"]).args(missing))
}

/// The archive that the host's apt sources name for Debian itself.
pub(crate) fn mirror() -> Outcome<String> {
    let format = "$(REPO_URI)|$(ORIGIN)|$(LABEL)";
    let list = || read(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]));
    let find = |text: &str| {
        text.lines()
            .filter_map(|line| line.strip_suffix("|Debian|Debian"))
            .map(|uri| uri.trim_end_matches('/').to_owned())
            .next()
    };
    if let Some(uri) = find(&list()?) {
        return Ok(uri);
    }
    // On a fresh machine apt has not read the Release files yet, and the origin is not known.
    run(as_root("apt-get")?.args(["-q", "update"]))?;
    find(&list()?).ok_or_else(|| "the host's apt sources name no Debian archive: is this a Debian 12 or 13?".to_owned())
}
