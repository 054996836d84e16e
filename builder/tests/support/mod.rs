//! The real closure of a request, packages that are made here beside it, and builds of both.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use builder::apt::{self, FetchOptions, Resolution, Resolved, Settings, Variant};
use builder::cache::Cache;
use builder::rootfs::{IsolationMode, Options};
use model::observe::Silent;
use model::package::{Package, PackageFields, PackageRequest};
use model::resolution::ResolvedFields;
use model::{Arch, Digest, Epoch, ImagePath};
use testkit::{run, stdout};

pub(crate) const EPOCH: i64 = 1_750_000_000;

pub(crate) fn options(mode: IsolationMode) -> Options {
    Options { epoch: Epoch::from_seconds(EPOCH).unwrap(), mode, fresh: false, from_nothing: false }
}

/// The cache that reruns share: downloads and apt states only.
fn shared() -> Cache {
    let home = env::var_os("HOME").expect("HOME is set");
    cache_at(Path::new(&home).join(".cache/module-builder/test"))
}

/// A cache, for runs that start this test's own program ahead of apt or mmdebstrap.
pub(crate) fn cache_at(path: PathBuf) -> Cache {
    host::process::register(Path::new(env!("CARGO_BIN_EXE_build-rootfs"))).unwrap();
    Cache::new(path)
}

fn mirror() -> String {
    let mut files: Vec<PathBuf> = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .chain([PathBuf::from("/etc/apt/sources.list")])
        .collect();
    files.sort();
    let files: Vec<_> =
        files.into_iter().filter_map(|path| Some((path.clone(), Ok(fs::read_to_string(path).ok()?)))).collect();
    let found = apt::host_sources(&files, &|_| None).debian("trixie", None);
    found.archives.first().expect("the host has a Debian archive in /etc/apt").uri.clone()
}

/// The locked closure and its .debs, from the archive or the shared cache.
pub(crate) fn locked(requests: &[&str], variant: Variant, arch: Arch) -> (Resolution, Vec<PathBuf>) {
    // apt works in one state at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut settings = Settings::new("trixie", vec![mirror()], arch);
    settings.variant = variant;
    let requests: Vec<_> = requests.iter().map(|text| PackageRequest::parse(text).unwrap()).collect();
    let cache = shared();
    let resolution = apt::resolve(&requests, &settings, &cache, &Silent).unwrap();
    let debs = apt::fetch(&resolution, &cache, &FetchOptions::default(), &Silent).unwrap();
    (resolution, debs)
}

/// A package that is made here.
pub(crate) struct Made<'a> {
    pub(crate) name: &'a str,
    /// Files of its control archive beside `control`; scripts hold their first line.
    pub(crate) control: &'a [(&'a str, &'a str)],
    /// Programs that it installs, by path.
    pub(crate) programs: &'a [(&'a str, &'a str)],
}

/// Adds a package to the closure that is made here, with a `postinst`.
pub(crate) fn add_package(resolution: &mut Resolution, debs: &mut Vec<PathBuf>, folder: &Path, postinst: &str) {
    let postinst = format!("#!/bin/sh\nset -e\n{postinst}\n");
    let made = Made { name: "mb-probe", control: &[("postinst", &postinst)], programs: &[] };
    add(resolution, debs, folder, &made);
}

/// Adds a package to the closure.
pub(crate) fn add(resolution: &mut Resolution, debs: &mut Vec<PathBuf>, folder: &Path, made: &Made<'_>) {
    let path = deb(folder, made);
    let bytes = fs::read(&path).unwrap();
    let (name, version) = (made.name.to_owned(), "1".to_owned());
    let file = format!("{name}.deb");
    let package = PackageFields {
        name: name.clone(),
        arch: "all".into(),
        version: version.clone(),
        source: name,
        source_version: version,
    };
    let resolved = ResolvedFields {
        package: Package::new(package).unwrap(),
        url: model::archive::url(&resolution.archives().next().unwrap().uri, &file),
        path: file,
        size: bytes.len() as u64,
        sha256: Digest::of(&bytes),
        reason: apt::Reason::Requested,
        archive: 0,
        base: false,
        module: None,
    };
    let resolved = Resolved::new(resolved).unwrap();
    let at = resolution.packages.partition_point(|other| other.package.name < resolved.package.name);
    *resolution = resolution.changed(|fields| fields.packages.insert(at, resolved)).unwrap();
    debs.insert(at, path);
}

fn deb(folder: &Path, made: &Made<'_>) -> PathBuf {
    let Made { name, control, programs } = made;
    let tree = folder.join(name);
    let write = |path: &str, text: &str, mode| {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let fields =
        format!("Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: probe\n");
    write("DEBIAN/control", &fields, 0o644);
    for (file, text) in *control {
        write(&format!("DEBIAN/{file}"), text, if text.starts_with("#!") { 0o755 } else { 0o644 });
    }
    for (path, text) in *programs {
        write(path, text, 0o755);
    }
    fs::set_permissions(tree.join("DEBIAN"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.join(format!("{name}.deb"));
    let mut command = Command::new("dpkg-deb");
    command.args(["--root-owner-group", "--build"]).arg(&tree).arg(&path);
    run(command.env("SOURCE_DATE_EPOCH", EPOCH.to_string()));
    path
}

pub(crate) type Files = BTreeMap<String, (String, Vec<u8>)>;

/// Every entry of a tar: its header as text, and its content (a link's target).
pub(crate) fn files(archive: &Path) -> Files {
    let mut files = Files::new();
    let mut archive = tar::Archive::new(std::io::BufReader::new(fs::File::open(archive).unwrap()));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = ImagePath::new(&*entry.path_bytes()).unwrap().to_string();
        let mut content = entry.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default();
        let extensions: Vec<String> = entry
            .pax_extensions()
            .unwrap()
            .into_iter()
            .flatten()
            .map(|extension| format!("{:?}", extension.unwrap().value_bytes()))
            .collect();
        entry.read_to_end(&mut content).unwrap();
        let h = entry.header();
        let header = format!(
            "{:?} {:o} {}:{} {} {extensions:?}",
            h.entry_type(),
            h.mode().unwrap(),
            h.uid().unwrap(),
            h.gid().unwrap(),
            h.mtime().unwrap()
        );
        files.insert(path, (header, content));
    }
    files
}

pub(crate) fn differences(a: &Files, b: &Files) -> BTreeSet<String> {
    a.keys().chain(b.keys()).filter(|name| a.get(*name) != b.get(*name)).cloned().collect()
}

/// A user with subordinate ids who is gone when the guard is dropped.
pub(crate) struct User(pub(crate) String);

impl User {
    pub(crate) fn new() -> Self {
        let user = Self(format!("mb-test-{}", std::process::id()));
        run(Command::new("useradd").args(["--create-home", "--shell", "/bin/sh", &user.0]));
        if !fs::read_to_string("/etc/subuid").unwrap().contains(&format!("{}:", user.0)) {
            let range = "700000-765535";
            run(Command::new("usermod").args(["--add-subuids", range, "--add-subgids", range, &user.0]));
        }
        user
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = Command::new("userdel").args(["--remove", &self.0]).output();
    }
}

/// The program that makes one root file system as another process, copied to where a user may start it.
pub(crate) fn builder_process(cache: &Path, order: &Path, mode: &str) -> Command {
    let program = order.with_file_name("program");
    fs::copy(env!("CARGO_BIN_EXE_build-rootfs"), &program).unwrap();
    let mut command = Command::new(program);
    command.arg(cache).arg(order).arg(mode).stdin(Stdio::null());
    command
}

pub(crate) fn write_order(folder: &Path, resolution: &Resolution, debs: &[PathBuf]) -> PathBuf {
    let pool = folder.join("debs");
    fs::create_dir(&pool).unwrap();
    let copies: Vec<PathBuf> = debs.iter().map(|deb| pool.join(deb.file_name().unwrap())).collect();
    for (deb, copy) in debs.iter().zip(&copies) {
        fs::copy(deb, copy).unwrap();
    }
    let order = folder.join("order.json");
    fs::write(&order, serde_json::to_vec(&(resolution, copies)).unwrap()).unwrap();
    order
}

/// What the user makes of it, in a user namespace: the user's home, which has to stay until all is read, and the tar there.
pub(crate) fn by_user(user: &User, resolution: &Resolution, debs: &[PathBuf]) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::Builder::new().prefix("home").tempdir_in(format!("/home/{}", user.0)).unwrap();
    let order = write_order(home.path(), resolution, debs);
    let child = builder_process(&home.path().join("cache"), &order, "unshare");
    let program = child.get_program().to_owned();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user.0, "--regid", &user.0, "--init-groups", "--"]).arg(program).args(child.get_args());
    command.envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(Command::new("chown").args(["-R", &user.0]).arg(home.path()));
    run(Command::new("chmod").arg("700").arg(home.path()));
    let said = stdout(&mut command);
    let archive = said.lines().find_map(|line| line.strip_prefix("archive ")).expect("the user's build says where");
    (home, PathBuf::from(archive))
}
