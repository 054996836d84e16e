//! One build of the template module, and the same tree made by strangers, shared by all tests.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use model::{Digest, VerityDigest};
use testkit::{peer, run};

/// What `build --format json` said.
pub struct Built(serde_json::Value);

impl Built {
    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_else(|| panic!("no {pointer} in {}", self.0))
    }

    pub fn composefs_digest(&self) -> VerityDigest {
        self.text("/composefs_digest").parse().unwrap()
    }

    pub fn manifest_digest(&self) -> Digest {
        self.text("/oci/manifests/amd64").parse().unwrap()
    }

    pub fn index_digest(&self) -> Digest {
        self.text("/oci/index_digest").parse().unwrap()
    }

    fn rootfs(&self) -> &Path {
        Path::new(self.text("/rootfs/archive"))
    }

    fn epoch(&self) -> u64 {
        self.0.pointer("/epoch").and_then(serde_json::Value::as_u64).unwrap()
    }
}

/// The template module, built, and what rsync ships from the same tree.
pub struct World {
    folder: PathBuf,
    module: PathBuf,
    /// The module's output.
    pub dist: PathBuf,
    /// The object store that the build wrote.
    pub objects: PathBuf,
    /// The tree that rsync ships by the safe rule order.
    pub filtered: PathBuf,
    /// What the build said.
    pub built: Built,
}

/// The one world of this test program.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::new)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("show-it")
}

/// The program under test, with a cache that outlives the test so that a second run is quick.
pub fn module_builder() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
    command.env_remove("SOURCE_DATE_EPOCH");
    command.env("MODULE_BUILDER_CACHE_DIR", testkit::warm_cache());
    command
}

fn init(module: &Path) {
    run(module_builder().args(["init", "--name", "show-nginx"]).arg(module));
}

fn build(module: &Path, more: &[&str]) -> Built {
    let output = run(module_builder().args(["build", "--format", "json", "-C"]).arg(module).args(more));
    Built(serde_json::from_slice(&output.stdout).unwrap())
}

impl World {
    fn new() -> Self {
        let folder = folder();
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        let (module, objects) = (folder.join("first/nginx"), folder.join("objects"));
        init(&module);
        let built = build(&module, &["--objects", objects.to_str().unwrap()]);
        let tree = extract(built.rootfs(), &folder.join("tree"));
        lay_over(&module.join("rootfs"), &tree, built.epoch());
        let filtered = ship(&module, &tree, &folder);
        Self { dist: module.join("dist"), folder, module, objects, filtered, built }
    }

    /// A path for a test's own use.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.join("scratch").join(name)
    }

    /// A file with `content` for a test's own use.
    pub fn scratch_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.scratch(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The page in the module's overlay.
    pub fn page(&self) -> PathBuf {
        let overlay = self.module.join("rootfs");
        let pages: Vec<PathBuf> =
            files(&overlay).into_iter().filter(|path| path.extension().is_some_and(|e| e == "html")).collect();
        assert_eq!(pages.len(), 1, "the template has one page: {pages:?}");
        pages[0].clone()
    }

    /// Builds the same module in another directory, with the rootfs made anew.
    pub fn build_again(name: &str) -> Built {
        let module = folder().join(name).join("elsewhere/nginx");
        init(&module);
        build(&module, &["--no-cache"])
    }

    /// Builds the module in the folder `name`, which is made if it is missing.
    pub fn build_into(name: &str) -> PathBuf {
        let module = folder().join(name);
        if !module.exists() {
            init(&module);
        }
        build(&module, &[]);
        module.join("dist")
    }

    /// What a dry run writes.
    pub fn dry_run() -> PathBuf {
        let module = folder().join("dry/nginx");
        init(&module);
        build(&module, &["--dry-run"]);
        module.join("dist")
    }

    /// A root file system of the same suite without the module's packages.
    pub fn base(&self) -> PathBuf {
        let module = self.folder.join("base-module");
        fs::create_dir_all(&module).unwrap();
        fs::write(module.join("manifest.yaml"), "schema_version: 1\nname: base\nfile_spec:\n  - /**\n").unwrap();
        let built = build(&module, &["--emit", "oci"]);
        extract(built.rootfs(), &self.folder.join("base"))
    }
}

fn extract(archive: &Path, to: &Path) -> PathBuf {
    fs::create_dir_all(to).unwrap();
    let options = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf"];
    run(peer("tar").args(options).arg(archive).arg("-C").arg(to));
    to.to_owned()
}

/// Lays the overlay over the extracted tree as docs/formats/manifest.md says, by other means than ours.
fn lay_over(overlay: &Path, tree: &Path, epoch: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
    for file in files(overlay) {
        let target = tree.join(file.strip_prefix(overlay).unwrap());
        let mut made = Vec::new();
        let mut parent = target.parent().unwrap().to_owned();
        while !parent.exists() {
            made.push(parent.clone());
            parent = parent.parent().unwrap().to_owned();
        }
        let parent_time = fs::metadata(&parent).unwrap().modified().unwrap();
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let mode = if target.exists() {
            fs::metadata(&target).unwrap().mode() & 0o7777
        } else if fs::metadata(&file).unwrap().mode() & 0o100 != 0 {
            0o755
        } else {
            0o644
        };
        fs::copy(&file, &target).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
        chown(&target, Some(0), Some(0)).unwrap();
        set_time(&target, time);
        for directory in made {
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
            set_time(&directory, time);
        }
        set_time(&parent, parent_time);
    }
}

fn set_time(path: &Path, time: SystemTime) {
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Ships by rsync with the one safe order of rules: excludes, `+ */`, includes, `- *`.
fn ship(module: &Path, tree: &Path, folder: &Path) -> PathBuf {
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(module.join("dist/manifest.json")).unwrap()).unwrap();
    let patterns = |field: &str| -> Vec<String> {
        let list = manifest.get(field).and_then(|value| value.as_array()).cloned().unwrap_or_default();
        list.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let includes = [patterns("protected_spec"), patterns("file_spec")].concat();
    let mut rules: Vec<String> = patterns("mask").iter().map(|pattern| format!("- {pattern}")).collect();
    rules.push("+ */".to_owned());
    rules.extend(includes.iter().map(|pattern| format!("+ {pattern}")));
    rules.push("- *".to_owned());
    let file = folder.join("rsync.rules");
    fs::write(&file, rules.join("\n") + "\n").unwrap();
    let shipped = folder.join("filtered");
    let merge = format!("--filter=merge {}", file.display());
    run(peer("rsync").args(["-aHAX", "--prune-empty-dirs", &merge]).arg(format!("{}/", tree.display())).arg(&shipped));
    ship_named_directories(&includes, tree, &shipped, folder);
    shipped
}

/// rsync prunes the empty directories that a pattern names by a trailing slash; we ship them.
fn ship_named_directories(includes: &[String], tree: &Path, shipped: &Path, folder: &Path) {
    let mut rules = Vec::new();
    for pattern in includes.iter().filter(|pattern| pattern.ends_with('/')) {
        let slashes = pattern.char_indices().filter(|(at, c)| *at > 0 && *c == '/');
        rules.extend(slashes.map(|(at, _)| format!("+ {}", &pattern[..=at])));
    }
    rules.push("- *".to_owned());
    let file = folder.join("rsync.directories");
    fs::write(&file, rules.join("\n") + "\n").unwrap();
    let merge = format!("--filter=merge {}", file.display());
    run(peer("rsync").args(["-aHAX", &merge]).arg(format!("{}/", tree.display())).arg(shipped));
}

/// Paths of the template module that a maintainer script makes.
pub fn made_by_maintainer_scripts(path: &str) -> bool {
    path == "/etc/nginx/sites-enabled/default" || path.starts_with("/etc/nginx/modules-enabled/")
}
