//! Real root file systems from the real archive: by root and by a user, twice, killed, failing,
//! unpacked only. Needs root, mmdebstrap, uidmap and the host's Debian mirror.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a panic is a failed test, and one test speaks to another process"
)]

#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use builder::apt::{Resolution, Variant};
use builder::cache::Cache;
use builder::dpkg::Database;
use builder::ownership::Ownership;
use builder::rootfs::{self, Error, Failure, IsolationMode, Options, Rootfs, Script, deb, deb_contents};
use builder::scrub;
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::observe::{Collected, Event, Silent};
use model::{Arch, Epoch, ImagePath};
use support::{
    EPOCH, Files, User, add_package, builder_process, by_user, cache_at, differences, files, locked, options,
    write_order,
};
use testkit::{run, stdout};

/// What `postinst` of the probe writes down, and a key that it makes.
const PROBE: &str = "mkdir -p /etc/mb-probe
self='import socket
server = socket.create_server((\"127.0.0.1\", 0))
client = socket.create_connection(server.getsockname())
server.accept()[0].sendall(b\"itself\")
print(\"reached\", client.recv(9).decode())'
{ cat /proc/net/dev | sed 1,2d | cut -d: -f1; echo \"host $(hostname)\"; echo \"umask $(umask)\"; echo \"zone $TZ\"; echo \"locale $LC_ALL\"; echo \"epoch $SOURCE_DATE_EPOCH\"; echo \"resolv $(cat /etc/resolv.conf)\"; echo \"file $(cat /etc/hostname)\"; echo \"shared $(ls -A /dev/shm)\"; python3 -c \"$self\"; env | cut -d= -f1 | sort; } > /etc/mb-probe/seen
{ echo '-----BEGIN PRIVATE KEY-----'; head -c 48 /dev/urandom | base64; echo '-----END PRIVATE KEY-----'; } > /etc/mb-probe/key.pem";

/// The same as a tree; of what is no directory, link or file only the name counts.
fn tree(files: &Files) -> Tree<Vec<u8>> {
    let mut tree = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    for (name, (header, content)) in files {
        let path = ImagePath::new(name.as_bytes()).unwrap();
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
        let kind = match header.split(' ').next().unwrap() {
            "Directory" => Kind::Directory(Entries::new()),
            "Symlink" => Kind::Symlink(content.as_slice().into()),
            "Regular" => Kind::Regular(content.clone()),
            _ => Kind::Fifo,
        };
        let node = tree.add(Node { stat: Stat::root_owned(0o755, Mtime::default()), kind }).unwrap();
        tree.link(tree.lookup(&parent).unwrap_or(NodeId::ROOT), name, node).unwrap();
    }
    tree
}

/// Applies the rules; gives the paths that each matched.
fn scrubbed(files: &mut Files) -> BTreeMap<&'static str, Vec<String>> {
    let mut tree = tree(files);
    let ownership = Ownership::read(&tree).unwrap();
    let scrubbed = scrub::apply(&mut tree, &ownership, Epoch::from_seconds(EPOCH).unwrap(), &Silent).unwrap();
    files.retain(|name, (_, content)| {
        let Some(node) = tree.lookup(&ImagePath::new(name.as_bytes()).unwrap()) else { return false };
        if let Kind::Regular(now) = &tree.node(node).kind {
            content.clone_from(now);
        }
        true
    });
    let paths = |paths: &[ImagePath]| paths.iter().map(ImagePath::to_string).collect();
    scrubbed.iter().map(|one| (one.rule, paths(&one.paths))).collect()
}

fn build(resolution: &Resolution, debs: &[PathBuf], cache: &Cache) -> Result<Rootfs, Error> {
    rootfs::build(resolution, debs, &options(IsolationMode::Root), cache, &Silent)
}

/// By root in one place, by a user in another with umask 077, other times: the tars differ in what
/// is random only, and after scrubbing in nothing. The packages' scripts saw no network and nothing
/// of the host.
#[test]
fn root_and_a_user_make_the_same_tree_without_network_or_host() {
    let folder = tempfile::tempdir().unwrap();
    let (mut resolution, mut debs) = locked(&["openssh-server", "python3"], Variant::Minbase, Arch::Amd64);
    add_package(&mut resolution, &mut debs, folder.path(), PROBE);

    let shared = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();

    let odd = cache_at(folder.path().join("a cache with ü & 'odd' letters"));
    let seen = Collected::default();
    let by_root = rootfs::build(&resolution, &debs, &options(IsolationMode::Root), &odd, &seen).unwrap();
    assert!(!by_root.reused);
    let events = seen.events();
    let is_item = |wanted: &str| events.iter().any(|event| matches!(event, Event::Item { name, .. } if name == wanted));
    assert!(is_item("unpacking openssh-server") && is_item("setting up mb-probe"), "progress names packages");

    let user = User::new();
    let (home, archive) = by_user(&user, &resolution, &debs);
    drop(shared);
    let temporary = fs::read_dir(home.path().join("cache/tmp")).unwrap().count();
    assert_eq!(temporary, 0, "the user's build leaves nothing behind");

    let (mut one, mut two) = (files(&by_root.archive), files(&archive));
    let raw = differences(&one, &two);
    let random = |name: &String| name.starts_with("/etc/ssh/ssh_host_") || name == "/etc/mb-probe/key.pem";
    assert!(raw.iter().all(random), "more than random keys differs: {raw:?}");
    assert_eq!(raw.len(), 7, "{raw:?}");

    let text = String::from_utf8(one["/etc/mb-probe/seen"].1.clone()).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[0], "lo", "the only interface is the loopback:\n{text}");
    let wanted = [
        "host localhost",
        "umask 0022",
        "zone UTC",
        "locale C.UTF-8",
        "epoch 1750000000",
        "resolv",
        "file localhost",
        "shared",
        "reached itself",
    ];
    assert_eq!(lines[1..10], wanted, "{text}");
    for name in &lines[10..] {
        assert!(
            !name.starts_with("CARGO") && !name.starts_with("MB_") && *name != "USER",
            "{name} leaked into the build"
        );
    }
    assert!(
        !one.values().any(|(_, content)| {
            let path = folder.path().as_os_str().as_encoded_bytes();
            content.windows(path.len()).any(|window| window == path)
        }),
        "a path of the host is in the tree"
    );

    let taken = scrubbed(&mut one);
    scrubbed(&mut two);
    assert_eq!(differences(&one, &two), BTreeSet::new());
    assert_eq!(taken["ssh-host-keys"].len(), 6);
    assert_eq!(taken["private-keys"], ["/etc/mb-probe/key.pem"]);
    for gone in ["/etc/hostname", "/etc/resolv.conf", "/etc/passwd-", "/var/lib/dpkg/status-old"] {
        assert!(!one.contains_key(gone), "{gone}");
    }
    assert!(one["/etc/machine-id"].1.is_empty());

    // Again: taken from the cache, at once.
    let start = Instant::now();
    let again = build(&resolution, &debs, &odd).unwrap();
    assert!(again.reused && again.record == by_root.record && start.elapsed() < Duration::from_secs(1));
    let explained = rootfs::explain(&resolution, &options(IsolationMode::Root), &odd).unwrap();
    assert!(explained.cached && explained.changes.is_empty());
    let other = Options { epoch: Epoch::from_seconds(1).unwrap(), ..options(IsolationMode::Auto) };
    let changes = rootfs::explain(&resolution, &other, &odd).unwrap().changes;
    assert_eq!(changes.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), ["epoch"]);
}

#[test]
fn debs_are_read_as_dpkg_reads_them() {
    let (resolution, debs) = locked(&["nginx"], Variant::Minbase, Arch::Amd64);
    assert!(debs.len() > 50, "only {} packages", debs.len());
    let folder = tempfile::tempdir().unwrap();
    let cache = cache_at(folder.path().join("cache"));
    let first = deb_contents::read(&resolution, &debs, &cache, &Silent).unwrap();
    let kept: Vec<_> =
        deb_contents::read_cached(&resolution, &cache, &Silent).unwrap().into_iter().map(Option::unwrap).collect();
    assert_eq!(kept, first);
    for ((resolved, path), listing) in resolution.packages.iter().zip(&debs).zip(kept) {
        let listed = stdout(Command::new("dpkg-deb").arg("-c").arg(path).env("LC_ALL", "C.UTF-8").env("TZ", "UTC"));
        let listed: Vec<String> = listed.lines().map(normal_line).collect();
        assert_eq!(listing.entries, deb::contents(path).unwrap(), "{}", resolved.package.name);
        let read: Vec<String> = listing.entries.iter().map(entry_line).collect();
        assert_eq!(read, listed, "{}", resolved.package.name);
        let fields = stdout(Command::new("dpkg-deb").arg("-f").arg(path));
        let metadata = listing.metadata;
        assert_eq!(metadata, deb::metadata(path).unwrap(), "{}", resolved.package.name);
        assert_eq!(metadata.control.to_string().trim_end(), fields, "{}", resolved.package.name);
        let members = stdout(Command::new("dpkg-deb").args(["--ctrl-tarfile"]).arg(path).stdout(Stdio::piped()));
        let scripts = ["config", "postinst", "postrm", "preinst", "prerm"];
        let held: Vec<&str> = scripts.into_iter().filter(|script| members.contains(&format!("./{script}\0"))).collect();
        assert_eq!(metadata.maintainer_scripts, held, "{}", resolved.package.name);
    }
    let mut random = testkit::Random::from_environment();
    let smallest = debs.iter().min_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let sound = fs::read(smallest).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    for _ in 0..300 {
        let mut bytes = sound.clone();
        let index = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        bytes[index] ^= 1 << random.below(8);
        file.reopen().unwrap().write_all(&bytes).unwrap();
        let _ = (deb::contents(file.path()), deb::metadata(file.path()));
    }
}

/// `MODE SIZE PATH[ -> TARGET| link to PATH]` of a line of `dpkg-deb -c`.
fn normal_line(line: &str) -> String {
    let mut rest = line;
    let mut words = Vec::new();
    for _ in 0..5 {
        let (word, after) = rest.split_once(' ').unwrap();
        words.push(word);
        rest = after.trim_start();
    }
    let rest = rest.replace("\\\\", "\\");
    format!("{} {} {} {rest}", words[0], words[1], words[2])
}

fn entry_line(entry: &deb::DebEntry) -> String {
    let relative = |path: &ImagePath| String::from_utf8(path.relative().to_vec()).unwrap();
    let (kind, tail) = match &entry.kind {
        deb::DebKind::Directory => ('d', if entry.path.is_root() { "" } else { "/" }.to_owned()),
        deb::DebKind::Regular => ('-', String::new()),
        deb::DebKind::Symlink(target) => ('l', format!(" -> {}", String::from_utf8(target.to_vec()).unwrap())),
        deb::DebKind::HardLink(target) => ('h', format!(" link to ./{}", relative(target))),
        other => panic!("no package of the closure holds {other:?}"),
    };
    let mut mode = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = entry.mode >> shift;
        mode.push(if bits & 4 != 0 { 'r' } else { '-' });
        mode.push(if bits & 2 != 0 { 'w' } else { '-' });
        mode.push(match (bits & 1 != 0, entry.mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    let owner = |id: u32| match id {
        0 => "root".to_owned(),
        42 => "shadow".to_owned(),
        50 => "staff".to_owned(),
        8 => "mail".to_owned(),
        other => other.to_string(),
    };
    let path = relative(&entry.path);
    format!("{mode} {}/{} {} ./{path}{tail}", owner(entry.uid), owner(entry.gid), entry.size)
}

/// A foreign architecture, unpacked without running anything of it.
#[test]
fn extract_needs_no_emulation() {
    let folder = tempfile::tempdir().unwrap();
    let (resolution, debs) = locked(&["nginx"], Variant::Extract, Arch::Arm64);
    let rootfs = build(&resolution, &debs, &cache_at(folder.path().join("cache"))).unwrap();
    let elsewhere = build(&resolution, &debs, &cache_at(folder.path().join("another place"))).unwrap();
    assert_eq!(rootfs.record.sha256, elsewhere.record.sha256, "the cache's path does not reach the tar");
    let files = files(&rootfs.archive);
    let program = &files["/usr/sbin/nginx"].1;
    assert_eq!(&program[..4], b"\x7fELF");
    assert_eq!(u16::from_le_bytes([program[18], program[19]]), 183, "an AArch64 program");
    assert_eq!(rootfs.record.maintainer_scripts["nginx"], ["postinst", "prerm"]);
    assert!(
        !Ownership::read(&tree(&files)).unwrap().has_packages(),
        "dpkg's database knows nothing of an unpacked tree"
    );
    let unpacked =
        resolution.packages.iter().zip(&debs).map(|(resolved, path)| {
            (resolved.package.clone(), deb::metadata(path).unwrap(), deb::contents(path).unwrap())
        });
    let database = Database::from_packages(unpacked.collect());
    let owner = |path: &str| database.owner(&ImagePath::new(path).unwrap()).map(|owner| owner.package.name.clone());
    assert_eq!(owner("/usr/sbin/nginx").as_deref(), Some("nginx"));
    for installed in database.present() {
        for path in &installed.files {
            let merged = ["/bin/", "/sbin/", "/lib/", "/lib64/"].iter().any(|top| path.to_string().starts_with(top));
            assert!(merged || files.contains_key(&path.to_string()), "{path} was not unpacked");
        }
    }
}

/// Java's own keytool finds the same certificates in the store, under its checksum, with other times.
#[test]
fn javas_trust_store_keeps_every_certificate_and_no_time() {
    const STORE: &str = "/etc/ssl/certs/java/cacerts";
    let folder = tempfile::tempdir().unwrap();
    let (resolution, debs) = locked(&["default-jre-headless"], Variant::Minbase, Arch::Amd64);
    let rootfs = build(&resolution, &debs, &cache_at(folder.path().join("cache"))).unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    run(Command::new("tar").arg("-xf").arg(&rootfs.archive).arg("-C").arg(&root));
    let keytool = || -> (Vec<String>, BTreeSet<String>) {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--mount-proc", "--root"]).arg(&root);
        command.args(["env", "-i", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"]);
        let listed = stdout(command.args(["keytool", "-list", "-rfc", "-storepass", "changeit", "-keystore", STORE]));
        let (times, rest) = listed.lines().map(str::to_owned).partition(|line| line.starts_with("Creation date:"));
        let times: Vec<String> = times;
        (rest, times.into_iter().collect())
    };
    let (certificates, times) = keytool();
    let count = certificates.iter().filter(|line| *line == "Entry type: trustedCertEntry").count();
    assert!(count > 100 && certificates.contains(&format!("Your keystore contains {count} entries")), "{count}");
    assert!(!times.contains("Creation date: Jun 15, 2025"), "{times:?}");

    let mut files = files(&rootfs.archive);
    let before = files[STORE].1.clone();
    assert_eq!(scrubbed(&mut files)["java-trust-store"], [STORE]);
    let after = &files[STORE].1;
    assert_eq!(after.len(), before.len());
    fs::write(root.join(&STORE[1..]), after).unwrap();
    assert_eq!(keytool(), (certificates, BTreeSet::from(["Creation date: Jun 15, 2025".to_owned()])));
}

#[test]
fn a_failing_script_is_named_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut resolution, mut debs) = locked(&[], Variant::Essential, Arch::Amd64);
    add_package(&mut resolution, &mut debs, folder.path(), "echo this went wrong >&2\nexit 7");
    let cache = cache_at(folder.path().join("cache"));
    let error = build(&resolution, &debs, &cache).unwrap_err();
    let Error::Failed { failure: Failure::MaintainerScript { package, script, what, reason }, log } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((package.as_str(), *script, reason), ("mb-probe", Script::Postinst, &None));
    assert!(what.contains("exit status 7"), "{what}");
    assert!(log.iter().any(|line| line.contains("this went wrong")), "{log:?}");
    assert_eq!(fs::read_dir(cache.rootfs().unwrap()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(cache.temporary().unwrap()).unwrap().count(), 0);
}

/// SIGKILL of the builder ends everything it started, and the next build works.
#[test]
fn a_killed_build_leaves_no_process_no_mount_and_no_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (resolution, debs) = locked(&[], Variant::Essential, Arch::Amd64);
    let order = write_order(folder.path(), &resolution, &debs);
    let place = folder.path().join("cache");
    let cache = cache_at(place.clone());
    let mut killed = 0;
    for wait in [600, 1500, 2500, 5000] {
        let mut child = builder_process(&place, &order, "root").stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            // On an idle machine the longest wait is longer than the build.
            fs::remove_dir_all(cache.rootfs().unwrap()).unwrap();
            break;
        }
        killed += 1;
        let until = Instant::now() + Duration::from_secs(10);
        while !users_of(&place).is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(users_of(&place), Vec::<String>::new(), "after {wait} ms");
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        assert!(!mounts.contains(place.to_str().unwrap()), "{mounts}");
        assert_eq!(fs::read_dir(cache.rootfs().unwrap()).unwrap().count(), 0);
    }
    assert!(killed > 0, "a build took less than the shortest wait");
    // Whatever the next build is made of.
    drop(cache.in_use(&Silent).unwrap());
    assert_eq!(fs::read_dir(cache.temporary().unwrap()).unwrap().count(), 0, "what was left is swept up");
    let rootfs = build(&resolution, &debs, &cache).unwrap();
    assert!(!rootfs.reused);
    assert_eq!(fs::read_dir(cache.temporary().unwrap()).unwrap().count(), 0);
    // A damaged entry is seen and made again.
    let mut bytes = fs::read(&rootfs.archive).unwrap();
    bytes[1000] ^= 1;
    fs::write(&rootfs.archive, bytes).unwrap();
    let again = build(&resolution, &debs, &cache).unwrap();
    assert!(!again.reused && again.record.sha256 == rootfs.record.sha256);
}

/// The programs that were started with a path below `place`.
fn users_of(place: &Path) -> Vec<String> {
    let place = place.as_os_str().as_encoded_bytes();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines
        .filter(|line| line.windows(place.len()).any(|window| window == place))
        .map(|line| String::from_utf8_lossy(&line).chars().take(200).collect())
        .collect()
}
