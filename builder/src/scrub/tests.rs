#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use image::tree::{Entries, Mtime, Node, Stat};
use model::observe::Collected;

use super::matching::{rule_for, wants_head};
use super::rule::{Look, Seen};
use super::*;
use crate::dpkg::Database;

const KEY: &[u8] = b"Bag Attributes\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n";

const WIREGUARD: &[u8] = b"[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n";

fn taken(path: &str, look: Look<'_>, owned: bool) -> Option<&'static str> {
    let path = ImagePath::new(path).unwrap();
    rule_for(Seen { path: &path, look, owned, closed: false }).map(|rule| rule.name)
}

#[test]
fn each_rule_takes_what_it_is_for() {
    let mut firebird = [0; 64];
    firebird[..20].copy_from_slice(b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x20\x0d\x80");
    let timed = b"\xf3\x0d\x0d\x0a\0\0\0\0time";
    let cases: &[(&str, &str, Look<'_>)] = &[
        ("machine-id", "/etc/machine-id", Look::Regular(b"")),
        ("dbus-machine-id", "/var/lib/dbus/machine-id", Look::Regular(b"")),
        ("ssh-host-keys", "/etc/ssh/ssh_host_ed25519_key", Look::Regular(KEY)),
        ("ssh-host-keys", "/etc/ssh/ssh_host_rsa_key.pub", Look::Regular(b"")),
        ("ssh-host-keys", "/etc/dropbear/dropbear_rsa_host_key", Look::Regular(b"\0\0\0\x07ssh-rsa")),
        ("service-keys", "/etc/courier/dhparams.pem", Look::Regular(b"-----BEGIN DH PARAMETERS-----\n")),
        ("service-keys", "/etc/bind/rndc.key", Look::Regular(b"key \"k\" { algorithm hmac-sha256; secret \"x\"; };")),
        ("service-keys", "/etc/xrdp/rsakeys.ini", Look::Regular(b"[keys]\npri_exp=0x01\n")),
        ("service-keys", "/etc/varnish/secret", Look::Regular(b"0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11\n")),
        ("service-keys", "/etc/sasldb2", Look::Regular(b"\0")),
        ("service-keys", "/etc/freeradius/3.0/certs/dh", Look::Regular(b"-----BEGIN DH PARAMETERS-----\n")),
        ("service-keys", "/var/lib/rabbitmq/.erlang.cookie", Look::Regular(b"ABCDEFGHIJKLMNOPQRST")),
        ("private-keys", "/etc/anything/key.pem", Look::Regular(KEY)),
        ("private-keys", "/etc/wireguard/wg0.conf", Look::Regular(WIREGUARD)),
        (
            "service-keys",
            "/usr/share/odd/rndc.conf",
            Look::Regular(b"# x\nkey k { algorithm hmac-md5; secret \"x\"; };"),
        ),
        ("service-keys", "/usr/local/etc/odd/site.id", Look::Regular(b"id=0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11\n")),
        ("generated-passwords", "/etc/ppp/chap-secrets", Look::Regular(b"app * Xy7kLm29QpRt5vBn *\n")),
        ("generated-passwords", "/opt/odd/a/pw.conf", Look::Regular(b"pwd = Xy7kLm29QpRt5vBn\n")),
        ("random-seeds", "/var/lib/systemd/random-seed", Look::Regular(b"")),
        ("host-identifiers", "/etc/nvme/hostid", Look::Regular(b"")),
        ("host-identifiers", "/etc/survey.conf", Look::Regular(b"MY_HOSTID=\"0\"\n")),
        ("host-identifiers", "/etc/iscsi/initiatorname.iscsi", Look::Regular(b"InitiatorName=iqn.1993-08.org:01:0\n")),
        ("generated-passwords", "/etc/backup/fd.conf", Look::Regular(b"Password = \"aB3xYz0kQ\"\n")),
        ("generated-passwords", "/var/lib/ucf/cache/:etc:backup:fd.conf", Look::Regular(b"Password = aB3xYz0kQ\n")),
        ("ucf-digests", "/var/lib/ucf/hashfile", Look::Regular(b"0  /etc/x\n")),
        ("installation-logs", "/var/log/munin/munin-node-configure.log", Look::Regular(b"1\n")),
        ("generated-passwords", "/var/lib/app/secret.inc.php", Look::Regular(b"$c['x_secret'] = 'kdj3HGd8sKq';\n")),
        ("database-clusters", "/var/lib/firebird/4.0/system/security4.fdb", Look::Regular(&firebird)),
        ("etc-history", "/etc/.git", Look::Directory),
        ("initial-ram-disks", "/boot/initrd.img-6.12.0-amd64", Look::Regular(b"070701")),
        ("debconf-passwords", "/var/cache/debconf/passwords.dat", Look::Regular(b"")),
        ("set-passwords", "/etc/shadow", Look::Regular(b"root:*:1:0:9:7:::\nx:$6$salt$hashed-word:1:0:9:7:::\n")),
        ("shadow-last-change", "/etc/shadow", Look::Regular(b"root:*:1:0:9:7:::\n")),
        ("service-keys", "/etc/odd/key.der", Look::Regular(b"\x30\x06\x02\x01\0\x02\x01\0")),
        ("service-keys", "/usr/share/odd/id", Look::Regular(b"0123456789abcdef0123456789abcdef\n")),
        ("service-keys", "/var/lib/odd/uuid", Look::Regular(b"0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11\n")),
        ("hostname", "/etc/hostname", Look::Regular(b"")),
        ("resolv-conf", "/etc/resolv.conf", Look::Symlink(b"../srv/x")),
        ("resolv-conf", "/etc/resolv.conf", Look::Symlink(b"run/x")),
        ("resolv-conf", "/etc/.resolv.conf.systemd-resolved.bak", Look::Regular(b"")),
        ("build-apparatus", "/etc/apt/sources.list", Look::Regular(b"")),
        ("apt-state", "/var/cache/apt/archives/lock", Look::Regular(b"")),
        ("dpkg-locks", "/var/lib/dpkg/lock", Look::Regular(b"")),
        ("package-logs", "/var/log/apt/history.log", Look::Regular(b"")),
        ("login-records", "/var/log/wtmp", Look::Regular(b"")),
        ("ldconfig-cache", "/var/cache/ldconfig/aux-cache", Look::Regular(b"")),
        ("made-caches", "/var/cache/man/index.db", Look::Regular(b"")),
        ("timed-byte-code", "/usr/lib/python3/__pycache__/a.pyc", Look::Regular(timed)),
        ("backup-files", "/etc/shadow-", Look::Regular(b"")),
        ("backup-files", "/var/lib/dpkg/status-old", Look::Regular(b"")),
        ("backup-files", "/var/lib/ucf/hashfile.0", Look::Regular(b"")),
        ("dpkg-leftovers", "/usr/bin/x.dpkg-new", Look::Regular(b"")),
        ("volatile-directories", "/run/lock", Look::Directory),
        ("shadow-last-change", "/etc/shadow", Look::Regular(b"")),
        ("java-trust-store", "/etc/ssl/certs/java/cacerts", Look::Regular(b"\xfe\xed\xfe\xed\0\0\0\x02")),
    ];
    for (name, path, look) in cases {
        assert_eq!(taken(path, *look, false), Some(*name), "{path}");
    }
    for rule in rules() {
        let is_tried = rule.paths.is_empty() || cases.iter().any(|(name, ..)| *name == rule.name);
        assert!(is_tried, "the rule {} has no case", rule.name);
    }
}

#[test]
fn what_only_resembles_stays() {
    let hashed = b"\xf3\x0d\x0d\x0a\x03\0\0\0hash";
    for (path, look, owned) in [
        ("/usr/lib/python3/__pycache__/a.pyc", Look::Regular(&hashed[..]), false),
        ("/usr/share/doc/x/example-key.pem", Look::Regular(KEY), true),
        ("/etc/ssl/certs/ca-certificates.crt", Look::Regular(b"-----BEGIN CERTIFICATE-----\n"), false),
        ("/etc/x", Look::Regular(b"see -----BEGIN PRIVATE KEY-----"), false),
        ("/etc/ssh/sshd_config", Look::Regular(b""), false),
        ("/etc/ssl/certs/x.pem", Look::Symlink(b"/usr/share/ca-certificates/x.crt"), false),
        ("/var/lib/dbus/machine-id", Look::Symlink(b"/etc/machine-id"), true),
        ("/etc/ssl/certs/java/cacerts", Look::Regular(b"\xfe\xed\xfe\xed\0\0\0\x02"), true),
        ("/etc/ssl/certs/java/cacerts", Look::Regular(b"\x30\x82 PKCS #12"), false),
        ("/etc/ssl/certs/java/cacerts", Look::Symlink(b"../ca"), false),
        ("/etc/ldap/slapd.d", Look::Directory, true),
        ("/etc/dropbear/run", Look::Regular(b""), false),
        ("/boot/initrd.img-6.12.0-amd64", Look::Regular(b"070701"), true),
        ("/etc/cron.d/survey", Look::Regular(b"7 3 * * *"), false),
        ("/etc/ssl/certs/site.pem", Look::Regular(b"-----BEGIN CERTIFICATE-----\n"), false),
        ("/etc/app/private/app.key", Look::Symlink(b"/etc/ssl/private/host.key"), false),
        ("/etc/app/app.conf", Look::Regular(b"Password = \"aB3xYz0kQ\"\n"), true),
        // What is only guessed to be drawn wants a name that says so, or to be closed to others.
        ("/etc/app/words", Look::Regular(b"0123456789abcdef0123456789abcdef\n"), false),
        ("/etc/app/key.sha256", Look::Regular(b"0123456789abcdef0123456789abcdef\n"), false),
        ("/etc/app/partition-type", Look::Regular(b"0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11\n"), false),
        ("/etc/app/users", Look::Regular(b"app * Xy7kLm29QpRt5vBn *\n"), false),
        ("/var/lib/dpkg/info/app.postinst", Look::Regular(b"pwd = Xy7kLm29QpRt5vBn\n"), false),
        ("/etc/app/authorized_keys", Look::Regular(b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI admin\n"), false),
        ("/tmp", Look::Directory, true),
        ("/run", Look::Directory, true),
        ("/var/cache/apt", Look::Directory, true),
        ("/etc/machine-id", Look::Directory, false),
        ("/var/lib/dpkg/status", Look::Regular(b""), false),
        ("/var/log/nginx", Look::Directory, false),
        ("/var/log/README", Look::Symlink(b"../../usr/share/doc/README"), true),
        ("/var/lib/ucf/registry", Look::Regular(b""), false),
        ("/etc/resolv.conf", Look::Symlink(b"../run/systemd/resolve/stub-resolv.conf"), false),
        ("/etc/resolv.conf", Look::Symlink(b"/run/resolvconf/resolv.conf"), false),
        ("/etc/hostname", Look::Symlink(b"/var/run/hostname"), false),
    ] {
        assert_eq!(taken(path, look, owned), None, "{path}");
    }
}

#[test]
fn heads_are_asked_for_where_a_content_rule_may_hold() {
    let wants = |path: &str, owned, size| wants_head(&ImagePath::new(path).unwrap(), owned, size);
    assert!(wants("/etc/k", false, 500));
    assert!(!wants("/etc/k", true, 500) && !wants("/usr/lib/big", false, (1 << 20) + 1));
    assert!(wants("/usr/lib/__pycache__/a.pyc", true, 1 << 20));
    assert!(wants("/etc/ssl/certs/java/cacerts", false, 170_000));
}

#[test]
fn the_last_change_of_a_password_is_never_later_than_the_epoch() {
    let epoch = Epoch::from_seconds(100 * 86_400 + 5).unwrap();
    let before = b"root:*:200:0:99999:7:::\ndaemon:*:99:0:99999:7:::\nx:!*::::::\n";
    let scrubbed = |content: &[u8]| {
        let mut tree = tree(&[("etc/shadow", content)]);
        let ownership = Ownership::new(&tree, Database::default());
        let applied = apply(&mut tree, &ownership, epoch, &Collected::default());
        applied.map(|scrubbed| (content_of(&tree, "/etc/shadow"), scrubbed.len()))
    };
    assert!(matches!(scrubbed(before), Err(Error::Rewrite { fault: Fault::Shadow { line: 3 }, .. })));
    let before = b"root:*:200:0:99999:7:::\ndaemon:*:99:0:99999:7:::\nx:!*:::::::";
    let after = b"root:*:100:0:99999:7:::\ndaemon:*:99:0:99999:7:::\nx:!*:::::::".to_vec();
    assert_eq!(scrubbed(before).unwrap(), (after.clone(), 1));
    assert_eq!(scrubbed(&after).unwrap(), (after, 0), "nothing is to be changed");
    // A password that a script set.
    let before =
        b"root:*:99:0:99999:7:::\nx:$6$salt$hashed/word.1:200:0:99999:7:::\ny:!$y$j9T$salt$hashed:9:0:9:7:::\n";
    let after = b"root:*:99:0:99999:7:::\nx:!:100:0:99999:7:::\ny:!:9:0:9:7:::\n".to_vec();
    assert_eq!(scrubbed(before).unwrap(), (after, 1));
    assert!(matches!(scrubbed(&vec![b':'; 5 << 20]), Err(Error::Content(image::Error::TooLarge { .. }))));
}

#[test]
fn an_emptied_file_is_empty_and_a_name_says_one_thing() {
    let mut tree = tree(&[("etc/machine-id", b"0123"), ("etc/hostname", b"host"), ("etc/passwd", b"")]);
    let ownership = Ownership::new(&tree, Database::default());
    let found: Vec<String> = find(&tree, &ownership).unwrap().iter().map(|one| one.path.to_string()).collect();
    assert_eq!(found, ["/etc/hostname", "/etc/machine-id"]);
    let mut apply = || apply(&mut tree, &ownership, Epoch::from_seconds(0).unwrap(), &Collected::default()).unwrap();
    assert_eq!((apply().len(), apply().len()), (2, 0), "once is enough");
    assert_eq!(content_of(&tree, "/etc/machine-id"), b"");
    assert!(tree.lookup(&ImagePath::new("/etc/hostname").unwrap()).is_none());
    let all: BTreeMap<_, _> = rules().iter().map(|rule| (rule.name, (rule.reason, rule.secret))).collect();
    assert!(rules().iter().all(|rule| all[rule.name] == (rule.reason, rule.secret)), "one name, one rule for its user");
}

#[test]
fn a_closed_file_that_a_script_made_may_be_a_secret() {
    let may_be = |path: &str, owned, mode, size| may_be_secret(&ImagePath::new(path).unwrap(), owned, mode, size);
    assert!(may_be("/etc/cluster/authkey", false, 0o400, 128));
    assert!(may_be("/etc/cluster/authkey", false, 0o640, 1));
    assert!(!may_be("/etc/cluster/authkey", true, 0o400, 128), "a package brought it: all have it");
    assert!(!may_be("/etc/cluster/config", false, 0o644, 128) && !may_be("/etc/.pwd.lock", false, 0o600, 0));
    assert!(!may_be("/etc/shadow", false, 0o640, 500));
}

#[test]
fn what_is_guessed_counts_where_it_is_closed_to_others() {
    let path = ImagePath::new("/etc/app/words").unwrap();
    let look = Look::Regular(b"0123456789abcdef0123456789abcdef\n");
    let taken = |path, closed| rule_for(Seen { path, look, owned: false, closed }).map(|rule| rule.name);
    assert_eq!((taken(&path, false), taken(&path, true)), (None, Some("service-keys")));
    let digest = ImagePath::new("/etc/app/words.md5").unwrap();
    assert_eq!(taken(&digest, true), None, "the name says what it is");
}

#[test]
fn what_resembles_a_secret_is_told_by_its_content() {
    let resembles = |path: &str, content: &[u8]| resembles_secret(&ImagePath::new(path).unwrap(), content);
    let token = b"0123456789abcdef0123456789abcdef\n";
    assert!(resembles("/etc/app/words", token) && resembles("/etc/app/x", b"password = vault1_lookup_Db\n"));
    assert!(!resembles("/etc/app/words.md5", token) && !resembles("/boot/words", token));
    assert!(!resembles("/etc/app/x", b"password = ChangeMe\nproxy_bypass = LocalNetOnly\n"));
    for key in [WIREGUARD, KEY, b"\x30\x06\x02\x01\0\x02\x01\0", b"LUKS\xba\xbe\0\x02"] {
        assert!(holds_key(key), "{}", String::from_utf8_lossy(key));
    }
    assert!(!holds_key(token) && !holds_key(b"-----BEGIN CERTIFICATE-----\n") && !holds_key(b"see PrivateKey = x\n"));
}

#[test]
fn what_others_have_too_is_no_secret() {
    let (token, key) = ("0123456789abcdef0123456789abcdef\n", "-----BEGIN PRIVATE KEY-----\nxxxxxxxx\n");
    let status = "Package: app\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nMaintainer: x\n";
    let sums = format!("{}  usr/share/app/changed\n", "0".repeat(32));
    let files = [
        ("var/lib/dpkg/status", status),
        ("var/lib/dpkg/info/app.list", "/.\n/usr\n/usr/share/app/key\n/usr/share/app/token\n/usr/share/app/changed\n"),
        ("var/lib/dpkg/info/app.md5sums", &sums),
        ("usr/share/app/key", key),
        ("usr/share/app/changed", "password = Xy7kLm29QpRt5vBn\n"),
        ("etc/app/key", key),
        ("etc/app/token", token),
        ("etc/app/app.conf", "password = Xy7kLm29QpRt5vBn\n"),
    ];
    let taken = |more: &[(&str, &str)]| found(&[&files[..], more].concat());
    let [password, token_path] = ["generated-passwords /etc/app/app.conf", "service-keys /etc/app/token"];
    assert_eq!(taken(&[]), [password, token_path], "a copy of a file that a script wrote over is the script's");
    assert_eq!(taken(&[("usr/share/app/token", token)]), [password]);
}

#[test]
fn a_digest_of_a_neighbour_is_no_secret() {
    let digest = "5d41402abc4b2a76b9719d911017c592\n";
    let files = [("etc/app/app.conf", "hello"), ("etc/app/id", digest)];
    assert_eq!(found(&files), [""; 0]);
    assert_eq!(found(&files[1..]), ["service-keys /etc/app/id"]);
}

#[test]
fn a_public_key_of_ssh_is_known_by_its_private_one() {
    let public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI root@host\n";
    let files = [
        ("etc/app/a.pub", public),
        ("etc/app/key", "-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        ("etc/app/key.pub", public),
    ];
    assert_eq!(found(&files), ["private-keys /etc/app/key", "ssh-host-keys /etc/app/key.pub"]);
    assert_eq!(found(&files[..1]), [""; 0]);
}

/// A tree of these files, and of the directories around them.
fn tree(files: &[(&str, &[u8])]) -> Tree<Vec<u8>> {
    let stat = || Stat::root_owned(0o755, Mtime::default());
    let mut tree = Tree::new(stat());
    for (path, content) in files {
        let mut directory = NodeId::ROOT;
        let mut names: Vec<&str> = path.split('/').collect();
        let name = names.pop().unwrap();
        for name in names {
            let there = tree.node(directory).entries().unwrap().get(name.as_bytes()).copied();
            directory = there.unwrap_or_else(|| {
                let new = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).unwrap();
                tree.link(directory, name.as_bytes(), new).unwrap();
                new
            });
        }
        let file = tree.add(Node { stat: stat(), kind: Kind::Regular(content.to_vec()) }).unwrap();
        tree.link(directory, name.as_bytes(), file).unwrap();
    }
    tree
}

fn content_of(tree: &Tree<Vec<u8>>, path: &str) -> Vec<u8> {
    match &tree.node(tree.lookup(&ImagePath::new(path).unwrap()).unwrap()).kind {
        Kind::Regular(content) => content.clone(),
        other => panic!("{other:?}"),
    }
}

/// Which rules matched something in a tree of these files, and what was noted.
fn scrubbed(files: &[(&str, &str)]) -> (Vec<&'static str>, Vec<String>) {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (*path, content.as_bytes())).collect();
    let mut tree = tree(&files);
    let ownership = Ownership::read(&tree).unwrap();
    let notes = Collected::default();
    let scrubbed = apply(&mut tree, &ownership, Epoch::from_seconds(0).unwrap(), &notes).unwrap();
    (scrubbed.iter().map(|entry| entry.rule).collect(), notes.texts())
}

#[test]
fn an_empty_file_is_no_secret_to_tell_of() {
    let passwords = "var/cache/debconf/passwords.dat";
    let (rules, notes) = scrubbed(&[(passwords, "")]);
    assert_eq!((rules, notes), (vec!["debconf-passwords"], vec![]));
    let (_, notes) = scrubbed(&[(passwords, "Value: hunter2\n")]);
    assert!(matches!(notes.as_slice(), [note] if note.starts_with("left out /var/cache/debconf/passwords.dat: ")));
}

/// An initramfs with one file.
fn initramfs(name: &str, content: &str) -> String {
    let member = |name: &str, mode: usize, content: &str| {
        let fields = [1, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        let digits: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        let pad = |text: String| text.clone() + &"\0".repeat(text.len().next_multiple_of(4) - text.len());
        pad(pad(format!("070701{digits}{name}\0")) + content)
    };
    member(name, 0o100_600, content) + &member("TRAILER!!!", 0, "")
}

const INITRAMFS: &str = "boot/initrd.img-6.12";

#[test]
fn an_initramfs_without_a_secret_stays() {
    let content = initramfs("etc/fstab", "none");
    assert_eq!(scrubbed(&[(INITRAMFS, &content), ("etc/ssh/ssh_host_rsa_key", "secret")]).0, ["ssh-host-keys"]);
    assert!(scrubbed(&[(INITRAMFS, &content)]).0.is_empty());
}

#[test]
fn a_key_is_found_wherever_it_begins_in_its_file() {
    let text = "Certificate:\n".repeat(4000) + "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n";
    assert_eq!(scrubbed(&[("etc/server.pem", &text)]).0, ["private-keys"]);
}

#[test]
fn a_key_inside_of_an_archive_is_found() {
    let key = "k.pem\0\0-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n";
    assert_eq!(scrubbed(&[("etc/k.tar", key)]).0, ["private-keys"]);
    assert!(scrubbed(&[("etc/program", "\0see -----BEGIN PRIVATE KEY-----\nand so on\n")]).0.is_empty());
}

#[test]
fn an_initramfs_that_holds_a_secret_is_left_out_and_named() {
    let told = |files: &[(&str, &str)]| {
        let (rules, notes) = scrubbed(files);
        assert!(rules.contains(&"initial-ram-disks"), "{rules:?}");
        notes.into_iter().find(|note| note.starts_with("left out /boot")).unwrap()
    };
    let copy = initramfs("conf/key", "secret");
    let note = told(&[(INITRAMFS, &copy), ("etc/hostid", "secret")]);
    assert!(note.starts_with("left out /boot/initrd.img-6.12 (it holds /conf/key): an initial RAM disk"), "{note}");
    let alone = initramfs("./etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.x");
    let note = told(&[(INITRAMFS, &alone)]);
    assert!(note.contains("(it holds /etc/iscsi/initiatorname.iscsi)"), "{note}");
    let note = told(&[(INITRAMFS, "lzo or what")]);
    assert!(
        note.contains("(it holds neither a cpio archive nor one compressed by gzip, xz or zstd at byte 0)"),
        "{note}"
    );
}

#[test]
fn the_name_of_the_rules_changes_only_with_a_rule() {
    assert_eq!(version().to_string(), "sha256:dd62c9616650ba6f79f3c09cc1a3f6914b034e5612706948b551f6af5f5cd950");
}

/// Which rule takes each file of a tree of these, and links; a content `->X` is a link to X.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let regular: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (*path, content.as_bytes())).collect();
    let mut tree = tree(&regular);
    for (path, content) in files {
        if let Some(target) = content.strip_prefix("->") {
            let id = tree.lookup(&ImagePath::new(format!("/{path}")).unwrap()).unwrap();
            tree.node_mut(id).kind = Kind::Symlink(target.as_bytes().into());
        }
    }
    let ownership = Ownership::read(&tree).unwrap();
    find(&tree, &ownership).unwrap().iter().map(|one| format!("{} {}", one.rule.name, one.path)).collect()
}

#[test]
fn a_certificate_is_known_by_its_key_and_a_link_by_its_certificate() {
    let (key, certificate) = ("-----BEGIN PRIVATE KEY-----\nxxxxxxxx\n", "-----BEGIN CERTIFICATE-----\nx\n");
    let files = [
        ("etc/ssl/private/host.key", key),
        ("etc/ssl/certs/host.pem", certificate),
        ("etc/ssl/certs/0a1b2c3d.0", "->host.pem"),
        ("etc/ssl/certs/0a1b2c3d.1", "->/etc/ssl/certs/other.pem"),
        ("etc/ssl/certs/other.pem", certificate),
        ("etc/app/host.pem", "->/etc/ssl/certs/host.pem"),
    ];
    assert_eq!(
        found(&files),
        [
            "service-key-links /etc/ssl/certs/0a1b2c3d.0",
            "service-keys /etc/ssl/certs/host.pem",
            "private-keys /etc/ssl/private/host.key"
        ],
        "a link to a secret is none"
    );
    assert_eq!(found(&files[1..]), [""; 0], "a certificate alone is for everyone");
}

#[test]
fn all_that_is_in_a_directory_of_data_is_data() {
    let files = [
        ("var/lib/db/17/main/PG_VERSION", "17\n"),
        ("var/lib/db/17/main/base/1/PG_VERSION", "17\n"),
        ("var/lib/db/17/main/server.key", "-----BEGIN PRIVATE KEY-----\n"),
        ("var/lib/db/other", "x"),
        ("var/lib/db/17/main/conf", "->/etc/db.conf"),
        ("var/lib/my/ibdata1", ""),
        ("var/lib/my/mysql/user.frm", "x"),
        ("etc/directory/config.d/cn=config.ldif", "dn: cn=config\n"),
        ("usr/share/db/PG_VERSION", "17\n"),
    ];
    let taken = found(&files);
    assert!(taken.iter().all(|line| line.starts_with("database-clusters /")), "{taken:?}");
    let paths: Vec<&str> = taken.iter().map(|line| &line["database-clusters ".len()..]).collect();
    assert_eq!(
        paths,
        [
            "/etc/directory/config.d/cn=config.ldif",
            "/var/lib/db/17/main/PG_VERSION",
            "/var/lib/db/17/main/base",
            "/var/lib/db/17/main/base/1",
            "/var/lib/db/17/main/base/1/PG_VERSION",
            "/var/lib/db/17/main/server.key",
            "/var/lib/my/ibdata1",
            "/var/lib/my/mysql",
            "/var/lib/my/mysql/user.frm",
        ]
    );
}

#[test]
fn who_drew_an_identifier_drew_its_time_too() {
    let files = [("etc/cron.d/survey", "7 3 * * * root x\n"), ("etc/cron.d/other", "7 3 * * * root x\n")];
    assert_eq!(found(&files), [""; 0]);
    let with = [&files[..], &[("etc/survey.conf", "MY_HOSTID=\"0123456789abcdef0123456789abcdef\"\n")]].concat();
    assert_eq!(found(&with), ["random-schedules /etc/cron.d/survey", "host-identifiers /etc/survey.conf"]);
}
