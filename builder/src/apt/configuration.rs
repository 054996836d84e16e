//! What apt knows: its whole configuration, and its sources with their keys.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::keyring::Keyring;
use super::source::Source;
use super::{Error, Settings};

/// apt's whole configuration. The error is the text that cannot be quoted in it.
pub(super) fn configuration(directory: &Path, settings: &Settings) -> Result<Vec<u8>, String> {
    let quotable = |text: &str| {
        let fine = !text.contains(|c: char| c.is_control() || "\"\\".contains(c));
        if fine { Ok(text.to_owned()) } else { Err(model::path::escape(text.as_bytes())) }
    };
    let root = directory.to_str().ok_or_else(|| model::path::escape(directory.as_os_str().as_bytes()))?;
    let root = quotable(root)?;
    let arch = settings.arch;
    let mut text = format!(
        r#"Dir "{root}/";
Dir::State "{root}/";
Dir::State::lists "{root}/lists/";
Dir::State::status "{root}/status";
Dir::State::extended_states "{root}/extended_states";
Dir::Cache "{root}/";
Dir::Cache::archives "{root}/archives/";
Dir::Etc "{root}/etc/";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::netrc "/dev/null";
Dir::Etc::netrcparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{root}/etc/";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::Log "{root}/log/";
Dir::Log::planner "/dev/null";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "root";
APT::Solver "internal";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
APT::Get::Show-Versions "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowReleaseInfoChange "true";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
pkgCacheGen::ForceEssential ",";
"#
    );
    if let Some(path) = &settings.access.certificates {
        let bytes = path.as_os_str().as_bytes();
        let path = quotable(path.to_str().ok_or_else(|| model::path::escape(bytes))?)?;
        text.push_str(&format!("Acquire::https::CaInfo \"{path}\";\n"));
    }
    Ok(text.into_bytes())
}

/// The sources as apt reads them. Each names its keyring, in the text itself: a keyring that apt finds anywhere else would
/// vouch for every archive, and a path may hold what apt splits lists at.
pub(super) fn sources_text(sources: &[Source], keyrings: &[Keyring]) -> Result<String, Error> {
    let mut text = String::new();
    for (source, keyring) in sources.iter().zip(keyrings) {
        let Source { uri, suite, components, is_snapshot, .. } = source;
        text += &format!("Types: deb\nURIs: {uri}\nSuites: {suite}\n");
        if !components.is_empty() {
            text += &format!("Components: {}\n", components.join(" "));
        }
        if *is_snapshot {
            // The Release file of a moment long ago has long been out of date; that is why it was pinned.
            text += "Check-Valid-Until: no\n";
        }
        text += "Signed-By:\n";
        for line in keyring.armoured()?.lines() {
            text += &format!(" {}\n", if line.is_empty() { "." } else { line });
        }
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use std::fs;
    use std::path::PathBuf;

    use model::Arch;

    use super::*;
    use crate::apt::{KeyringFile, Repository};

    fn settings() -> Settings {
        Settings::new("trixie", vec!["http://mirror.example.org/debian".to_owned()], Arch::Arm64)
    }

    #[test]
    fn the_configuration_is_what_apt_must_know() {
        let text = configuration(Path::new("/state"), &settings()).unwrap();
        insta::assert_snapshot!(String::from_utf8(text).unwrap());
    }

    #[test]
    fn nothing_can_add_a_line_to_the_configuration() {
        let mut hostile = settings();
        hostile.access.certificates = Some(PathBuf::from("/x\"; DPkg::Pre-Invoke { \"id\" }; //"));
        assert!(configuration(Path::new("/state"), &hostile).is_err());
        assert!(configuration(Path::new("/a\"b"), &settings()).is_err());
        assert!(configuration(Path::new("/a\nb"), &settings()).is_err());
    }

    #[test]
    fn each_archive_has_its_own_keyring_and_only_a_snapshot_has_no_expiry() {
        let directory = tempfile::tempdir().unwrap();
        let key = |name: &str, last: u8| {
            // A public key packet of version 4 with a body that no one signs by.
            let path = directory.path().join(name);
            fs::write(&path, [0x98, 8, 4, 0, 0, 0, 0, 1, 0, last]).unwrap();
            KeyringFile::At(path)
        };
        let mut settings = Settings { keyring: Some(key("debian.gpg", 1)), ..settings() };
        settings.snapshot = Some("20250520T000000Z".to_owned());
        settings.snapshot_mirror = Some("http://snapshot.example.org/debian".to_owned());
        settings.repositories = vec![Repository {
            uri: "https://vendor.example.org".to_owned(),
            suite: "./".to_owned(),
            components: Vec::new(),
            architectures: Vec::new(),
            keyring: Some(key("vendor.gpg", 2)),
            is_hosts: false,
        }];
        let sources = settings.sources().unwrap();
        let keyrings = Keyring::of_each(&settings, &sources).unwrap();
        insta::assert_snapshot!(sources_text(&sources, &keyrings).unwrap());
    }
}
