//! A module and a root file system of a few files, made anew for each test.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;

/// Older than the build's epoch, so that the times of the test's own files never show.
const OLD: u64 = 1_600_000_000;

/// The module `m` and the root file system `root` in an empty directory.
pub(crate) struct Small {
    directory: tempfile::TempDir,
}

impl Small {
    pub(crate) fn new() -> Self {
        let small = Self { directory: tempfile::tempdir().unwrap() };
        small.write(
            "m/manifest.yaml",
            "schema_version: 1\nname: web\nfile_spec:\n  - /usr/share/web/***\n  - /etc/***\n",
        );
        small.write("m/rootfs/etc/page.html", "<h1>hello</h1>\n");
        let lines: Vec<String> = (1..=100).map(|number| format!("line {number}\n")).collect();
        small.write("root/usr/share/web/list", &lines.concat());
        small.write("root/usr/share/web/twin", "twin\n");
        small.write("root/etc/conf", "conf\n");
        fs::hard_link(small.path("root/usr/share/web/list"), small.path("root/usr/share/web/other")).unwrap();
        small.link("root/usr/share/web/link", "list");
        small
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self.mode(name, 0o644);
    }

    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(String) -> String) {
        let before = fs::read_to_string(self.path(name)).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after);
        fs::write(self.path(name), after).unwrap();
    }

    pub(crate) fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn link(&self, name: &str, target: &str) {
        let _ = fs::remove_file(self.path(name));
        symlink(target, self.path(name)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// The program in a world of its own, without arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = cargo_bin_cmd!("module-builder");
        command.env_clear().env("HOME", self.path("home")).env("SOURCE_DATE_EPOCH", "1700000000");
        command.env("COLUMNS", "100").current_dir(self.directory.path());
        command
    }

    /// Builds into `output`, from files that are all of one old time.
    pub(crate) fn build(&self, output: &str) {
        self.build_with(output, &[]);
    }

    pub(crate) fn build_with(&self, output: &str, more: &[&str]) {
        age(&self.path("root"));
        let output = self.path(output);
        let mut command = self.command();
        command.args(["build", "-C", "m", "--rootfs", "root", "--quiet", "--output"]).arg(output);
        if !more.contains(&"--arch") {
            command.args(["--arch", "amd64"]);
        }
        command.args(more).assert().success();
    }

    /// Exit code, standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command().args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(self.directory.path().to_str().unwrap(), "[SMALL]")
        };
        (output.status.code().expect("the program ends by itself"), text(output.stdout), text(output.stderr))
    }

    /// The same in one text, masked.
    pub(crate) fn show(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        self.mask(&format!("exit code: {code}\n--- stdout\n{out}--- stderr\n{err}"))
    }

    /// Takes out the digests and compressed sizes, which are other tests' business, and the user who
    /// runs the test.
    pub(crate) fn mask(&self, text: &str) -> String {
        let stat = fs::metadata(self.directory.path()).unwrap();
        let text = text.replace(&format!(" {}:{},", stat.uid(), stat.gid()), ",");
        let text = text.replace(&format!("\"uid\": {}", stat.uid()), "\"uid\": 0");
        let text = text.replace(&format!("\"gid\": {}", stat.gid()), "\"gid\": 0");
        let line = |line: &str| match line.split_once("module.tar.zst differs (") {
            Some((start, rest)) => format!("{start}module.tar.zst differs{}\n", rest.split_once(')').unwrap().1),
            None => format!("{line}\n"),
        };
        let text: String = text.lines().map(line).collect();
        let mut parts = text.split("sha256:");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + "sha256:[..]" + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, serde_json::Value) {
        let (code, out, err) = self.run(&[arguments, &["--format", "json"]].concat());
        (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
    }
}

/// Gives everything below `path` one old time.
fn age(path: &Path) {
    let stat = path.symlink_metadata().unwrap();
    if stat.is_symlink() {
        // Links are newer than the epoch and are clamped to it.
        return;
    }
    if stat.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| age(&entry.unwrap().path()));
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(OLD);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}
