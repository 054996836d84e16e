//! A signed archive of hand-made packages, a module that is built from it, and runs of the binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use model::Digest;
use testkit::run;

/// A package of the archive.
pub struct Deb {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its architecture.
    pub arch: &'static str,
    /// Its dependencies; empty for none.
    pub depends: &'static str,
    /// How many bytes its one file has; they cannot be compressed.
    pub size: usize,
    /// Whether it has a script `postinst`.
    pub script: bool,
}

impl Deb {
    /// A package of one small file that needs nothing.
    pub fn small(name: &'static str) -> Self {
        Self { name, version: "1", arch: "all", depends: "", size: 100, script: false }
    }
}

/// `tool`, which needs `lib` in the same version, and a script of its own.
pub fn debs(version: &'static str) -> Vec<Deb> {
    let tool = Deb { name: "tool", version, arch: "amd64", depends: "lib", size: 200_000, script: true };
    let lib = Deb { name: "lib", version, arch: "all", depends: "", size: 100_000, script: false };
    vec![tool, lib]
}

/// A directory with an archive, a module and a cache.
pub struct World {
    directory: tempfile::TempDir,
}

impl World {
    /// An archive with `debs`, and a module that asks for `tool`.
    pub fn new(debs: &[Deb]) -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        let home = world.path("gnupg");
        fs::create_dir_all(&home).unwrap();
        run(Command::new("chmod").arg("700").arg(&home));
        let key = ["--passphrase", "", "--quick-gen-key", "test@example.org", "ed25519", "sign", "never"];
        run(world.gpg().args(key));
        fs::create_dir_all(world.path("module")).unwrap();
        fs::write(world.path("module/key.gpg"), run(world.gpg().arg("--export")).stdout).unwrap();
        world.publish(debs, "");
        world.take_from(&format!("file:{}", world.path("archive").display()));
        world.ask_for("tool");
        world
    }

    /// Makes the module's settings name the archive at `mirror`.
    pub fn take_from(&self, mirror: &str) {
        let fixed = "suite = \"test\"\nvariant = \"extract\"\nkeyring = \"key.gpg\"\n";
        fs::write(self.path("module/builder.toml"), format!("{fixed}mirrors = [\"{mirror}\"]\n")).unwrap();
    }

    /// Makes the manifest ask for `packages`.
    pub fn ask_for(&self, packages: &str) {
        let text = format!(
            "schema_version: 1\nname: small\nlicense: MIT\npackage_spec: [{packages}]\nfile_spec: [/usr/share/small/***]\n"
        );
        fs::write(self.path("module/manifest.yaml"), text).unwrap();
    }

    /// A path below the world's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// gpg with the archive's keys.
    pub fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--yes", "--pinentry-mode", "loopback", "--homedir"]).arg(self.path("gnupg"));
        command
    }

    /// Makes the archive hold exactly `debs`; `fields` are added to its Release file.
    pub fn publish(&self, debs: &[Deb], fields: &str) {
        self.publish_changed(debs, fields, &|index| index);
    }

    /// As [`World::publish`], with `change` made to each index before the Release file is signed.
    pub fn publish_changed(&self, debs: &[Deb], fields: &str, change: &dyn Fn(String) -> String) {
        let dists = self.path("archive/dists/test");
        let mut sums = String::new();
        for arch in ["amd64", "arm64"] {
            let folder = dists.join("main").join(format!("binary-{arch}"));
            fs::create_dir_all(&folder).unwrap();
            let own = debs.iter().filter(|deb| [arch, "all"].contains(&deb.arch));
            let index = change(own.map(|deb| self.entry(deb)).collect());
            fs::write(folder.join("Packages"), &index).unwrap();
            let digest = Digest::of(index.as_bytes()).hex();
            sums.push_str(&format!(" {digest} {} main/binary-{arch}/Packages\n", index.len()));
        }
        let text = format!(
            "Origin: Test\nSuite: test\nCodename: test\nDate: Sat, 01 Jan 2022 00:00:00 UTC\n{fields}\
             Architectures: amd64 arm64\nComponents: main\nSHA256:\n{sums}"
        );
        fs::write(self.path("Release"), text).unwrap();
        let signed = dists.join("InRelease");
        run(self.gpg().arg("--clearsign").arg("--output").arg(&signed).arg(self.path("Release")));
    }

    /// Builds the .deb if need be and gives its paragraph of the index.
    fn entry(&self, deb: &Deb) -> String {
        let Deb { name, version, arch, depends, size, script } = deb;
        let pool = self.path("archive/pool");
        let file = pool.join(format!("{name}_{version}_{arch}.deb"));
        if !file.exists() {
            let root = self.path(&format!("packages/{name}-{version}-{arch}"));
            fs::create_dir_all(root.join("usr/share/small")).unwrap();
            fs::create_dir_all(root.join("DEBIAN")).unwrap();
            fs::create_dir_all(&pool).unwrap();
            let seed = format!("{name} {version}").bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte));
            fs::write(root.join("usr/share/small").join(name), testkit::Random::new(seed).bytes(*size)).unwrap();
            // One from before the merge of /usr, as its name says.
            if *name == "aliased" {
                for directory in ["bin", "lib/systemd/system"] {
                    fs::create_dir_all(root.join(directory)).unwrap();
                    fs::write(root.join(directory).join(name), name).unwrap();
                }
            }
            let depends = if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
            let control = format!(
                "Package: {name}\nVersion: {version}\nArchitecture: {arch}\nMaintainer: Test <test@example.org>\n\
                 {depends}Description: a test\n"
            );
            fs::write(root.join("DEBIAN/control"), control).unwrap();
            if *script {
                fs::write(root.join("DEBIAN/postinst"), "#!/bin/sh\nexit 1\n").unwrap();
                run(Command::new("chmod").arg("755").arg(root.join("DEBIAN/postinst")));
            }
            let mut build = Command::new("dpkg-deb");
            build.args(["--root-owner-group", "-Zgzip", "--build"]).arg(&root).arg(&file);
            run(build.env("SOURCE_DATE_EPOCH", "1600000000"));
        }
        let fields = testkit::stdout(Command::new("dpkg-deb").arg("-f").arg(&file));
        let bytes = fs::read(&file).unwrap();
        let filename = format!("pool/{name}_{version}_{arch}.deb");
        format!("{fields}\nFilename: {filename}\nSize: {}\nSHA256: {}\n\n", bytes.len(), Digest::of(&bytes).hex())
    }

    /// The .deb of `tool` in the archive.
    pub fn tool(&self, version: &str) -> PathBuf {
        self.path(&format!("archive/pool/tool_{version}_amd64.deb"))
    }

    /// The program under test with this world's cache.
    pub fn command(&self) -> Command {
        self.wrapped(&[])
    }

    /// As [`World::command`], started by the program and arguments in `wrapper`.
    pub fn wrapped(&self, wrapper: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_module-builder");
        let words: Vec<&str> = wrapper.iter().copied().chain([binary]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.path("home")).env("MODULE_BUILDER_CACHE_DIR", self.path("cache"));
        command.env("COLUMNS", "100").current_dir(self.directory.path());
        command
    }

    /// Runs `VERB -C module --arch amd64 MORE` and gives everything that came out, for a snapshot.
    pub fn tell(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        let text = |bytes: &[u8]| {
            without_keys(&String::from_utf8_lossy(bytes)).replace(self.directory.path().to_str().unwrap(), "[WORLD]")
        };
        let code = output.status.code().expect("the program ends by itself");
        format!("exit code: {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr))
    }

    /// `build` with `more`; the JSON result, or what failed.
    pub fn build(&self, more: &[&str]) -> Result<serde_json::Value, Failed> {
        finished(&self.command().args(BUILD).args(more).output().unwrap())
    }

    /// What `build` wrote: each file of the output with its digest.
    pub fn dist(&self) -> Vec<(PathBuf, Digest)> {
        let mut found = Vec::new();
        collect(&self.path("module/dist"), &mut found);
        found.sort();
        found
    }
}

/// The text without the fingerprints of keys, which each world makes anew.
fn without_keys(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        let is_key = word.len() == 40 && !word.contains(|c: char| c.is_ascii_lowercase());
        out += &if is_key { part.replacen(word, "[KEY]", 1) } else { part.to_owned() };
    }
    out
}

/// A build of the world's module for programs.
pub const BUILD: [&str; 6] = ["build", "-C", "module", "--arch", "amd64", "--format=json"];

/// A run that failed.
#[derive(Debug)]
pub struct Failed {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it said.
    pub stderr: String,
}

impl Failed {
    /// Fails the test unless this is an error with `code` that says `words`, and no bug.
    #[track_caller]
    pub fn is(&self, code: i32, words: &str) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert!(self.stderr.contains(words), "{words:?} is not in:\n{}", self.stderr);
    }
}

/// The JSON result of a run.
pub fn finished(output: &Output) -> Result<serde_json::Value, Failed> {
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        code => Err(Failed { code, stderr: String::from_utf8_lossy(&output.stderr).into_owned() }),
    }
}

/// The digest that names everything that was built.
pub fn manifest(built: &serde_json::Value) -> &str {
    built.pointer("/oci/manifests/amd64").and_then(serde_json::Value::as_str).expect("a build has a manifest digest")
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Digest)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let digest = Digest::of(&fs::read(&path).unwrap());
            found.push((path, digest));
        }
    }
}
