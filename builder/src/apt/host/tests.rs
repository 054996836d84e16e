#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use super::*;

fn read(files: &[(&str, &str)]) -> HostSources {
    let files: Vec<HostFile> = files.iter().map(|(name, text)| (PathBuf::from(name), Ok((*text).to_owned()))).collect();
    host_sources(&files, &|path| (path == Path::new("/etc/apt/mirrors/debian.list")).then(|| MIRRORS.to_owned()))
}

const MIRRORS: &str =
    "# mirrors\nhttp://far.example.org/debian\tpriority:2\nhttp://near.example.org/debian/\tpriority:1\n";

/// What a module of `suite` gets, and what is said of the files.
fn chosen(files: &[(&str, &str)], suite: &str) -> String {
    let sources = read(files);
    let HostChoice { archives, keyring, repositories, others } = sources.debian(suite, Some(Arch::Amd64));
    let mut text = String::new();
    for HostArchive { uri, suite, components } in archives {
        text += &format!("{uri} {suite} {}\n", components.join(" "));
    }
    text += &keyring.map_or_else(String::new, |keyring| format!("by {keyring:?}\n"));
    for repository in repositories {
        text += &format!("+ {} by {:?}\n", repository.source().unwrap().name(), repository.keyring.unwrap());
    }
    others.iter().for_each(|other| text += &format!("- {other}\n"));
    for finding in &sources.findings {
        text += &format!("{} {}: {} [{}]\n", finding.severity, finding.place(), finding.message, finding.hint);
    }
    text
}

const DEBIAN: &str = "Types: deb deb-src\n# a comment\nURIs: http://mirror.example.org/debian/\nSuites: bookworm\n bookworm-updates\n\
                      Components: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
                      Types: deb\nURIs: http://mirror.example.org/debian-security\nSuites: bookworm-security\nComponents: main\n";

#[test]
fn main_updates_and_security_are_taken_as_a_whole_in_both_notations() {
    let wanted = "http://mirror.example.org/debian bookworm main contrib\n\
                  http://mirror.example.org/debian bookworm-updates main contrib\n\
                  http://mirror.example.org/debian-security bookworm-security main\n";
    assert_eq!(chosen(&[("debian.sources", DEBIAN)], "bookworm"), wanted);
    let lines = "deb http://mirror.example.org/debian bookworm main # note\n\
                 deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example.org/debian bookworm contrib\n\
                 deb-src http://mirror.example.org/debian bookworm main\n\
                 #deb http://off.example.org/debian bookworm main\n\
                 deb [ arch=amd64,arm64 lang=de ] http://mirror.example.org/debian bookworm-updates main contrib\n\
                 deb\thttp://mirror.example.org/debian-security bookworm-security main\n";
    assert_eq!(chosen(&[("sources.list", lines)], "bookworm"), wanted);
    let mut first: Vec<&str> = lines.lines().collect();
    // Whichever comes first, the suite itself is the first archive.
    first.rotate_left(4);
    assert!(
        chosen(&[("sources.list", &first.join("\n"))], "bookworm")
            .starts_with("http://mirror.example.org/debian bookworm main")
    );
}

#[test]
fn what_debians_own_keys_vouch_for_is_debians_wherever_it_lies() {
    let by = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg";
    let lines = format!(
        "deb [{by}] http://mirror.example.org/debian bookworm main\n\
         deb [{by}] http://mirror.example.org/sec bookworm-security main\n\
         deb [{by}] http://other.example.org/second bookworm-updates main\n\
         deb http://mirror.example.org/unsigned bookworm-updates main\n"
    );
    let found = chosen(&[("/etc/apt/sources.list", &lines)], "bookworm");
    assert_eq!(
        found,
        "http://mirror.example.org/debian bookworm main\n\
         http://mirror.example.org/sec bookworm-security main\n\
         http://other.example.org/second bookworm-updates main\n\
         - http://mirror.example.org/unsigned bookworm-updates main\n"
    );
}

#[test]
fn another_suite_has_its_own_updates_and_security_at_the_same_places() {
    assert_eq!(
        chosen(&[("debian.sources", DEBIAN)], "trixie"),
        "http://mirror.example.org/debian trixie main contrib\n\
         http://mirror.example.org/debian trixie-updates main contrib\n\
         http://mirror.example.org/debian-security trixie-security main\n"
    );
    let sid = chosen(&[("debian.sources", DEBIAN)], "sid");
    assert!(sid.starts_with("http://mirror.example.org/debian sid main contrib\n- "), "{sid}");
    let old = "deb http://mirror.example.org/debian buster main\ndeb http://security.debian.org buster/updates main\n\
               deb http://mirror.example.org/debian buster-backports main\n";
    insta::assert_snapshot!([chosen(&[("a.list", old)], "buster"), chosen(&[("a.list", old)], "trixie")].join("---\n"));
}

#[test]
fn the_archives_of_others_are_taken_by_their_own_keys_for_the_hosts_suite_alone() {
    let vendors = "deb [signed-by=/etc/apt/keyrings/v.asc] https://vendor.example.org/linux/debian bookworm stable\n\
                   deb [arch=arm64 signed-by=/k/arm.gpg] https://arm.example.org ./\n\
                   deb [signed-by=/k/a.gpg,/k/b.gpg] https://flat.example.org/deb/ /\n\
                   deb https://unnamed.example.org/apt bookworm main\n\
                   deb http://mirror.example.org/debian sid main\n\
                   deb [signed-by=0123456789ABCDEF0123456789ABCDEF01234567] https://print.example.org bookworm main\n";
    let inline = "Types: deb\nURIs: https://inline.example.org\nSuites: ./\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n AAAA\n -----END PGP PUBLIC KEY BLOCK-----\n";
    let files = [("a.list", vendors), ("debian.sources", DEBIAN), ("inline.sources", inline)];
    insta::assert_snapshot!([chosen(&files, "bookworm"), chosen(&files, "trixie")].join("---\n"));
    let company = "deb [signed-by=/k/own.gpg] http://mirror.company.example/debian bookworm main\n\
                   deb http://security.debian.org/debian-security bookworm-security main\n";
    assert_eq!(
        chosen(&[("a.list", company)], "bookworm"),
        "http://mirror.company.example/debian bookworm main\nby At(\"/k/own.gpg\")\n\
         + http://security.debian.org/debian-security bookworm-security main by At(\"/usr/share/keyrings/debian-archive-keyring.gpg\")\n"
    );
    // A mirror inside a company, with the company's keys.
    let own = DEBIAN.replace("/usr/share/keyrings/debian-archive-keyring.gpg", "/k/own.gpg");
    let own = own
        .replace("bookworm-security\n", "bookworm-security\nSigned-By: /k/own.gpg\n")
        .replace("org/debian", "org/repo");
    assert!(chosen(&[("own.sources", &own)], "bookworm").ends_with("bookworm-security main\nby At(\"/k/own.gpg\")\n"));
}

#[test]
fn nothing_widens_what_is_trusted() {
    let lines = "deb [trusted=yes] http://mirror.example.org/debian bookworm main\n\
                 deb [allow-insecure=yes check-valid-until=no signed-by=/k/v.gpg] http://vendor.example.org ./\n\
                 deb [trusted=no] http://mirror.example.org/debian bookworm-updates main\n";
    let stanza = "Types: deb\nURIs: http://weak.example.org\nSuites: ./\nTrusted: yes\nAllow-Weak: on\nSigned-By: /k/w.gpg\n\n\
                  Types: deb\nURIs: http://past.example.org\nSuites: ./\nSnapshot: 20250520T000000Z\nSigned-By: /k/w.gpg\n";
    insta::assert_snapshot!(chosen(&[("/etc/apt/sources.list", lines), ("/etc/apt/x.sources", stanza)], "bookworm"));
}

#[test]
fn what_is_wrong_or_not_taken_is_said_with_its_place() {
    let lines = "deb\nwrong line\n  deb  [arch=amd64  http://mirror.example.org/debian bookworm main\n\
                 deb [arch] http://mirror.example.org/debian bookworm main\ndeb http://mirror.example.org/debian\n\
                 deb http://mirror.example.org/debian bookworm\ndeb http://mirror.example.org/deb ./ main\n\
                 deb http://mirror.example.org/debian ../x main\ndeb http://mirror.example.org/debian bookworm ma\"in\n\
                 deb http://user:secret-word@mirror.example.org/debian bookworm main\n\
                 deb cdrom:[Debian GNU/Linux 12]/ bookworm main\ndeb tor+http://x.example.org/debian bookworm main\n\
                 deb mirror+file:/etc/apt/mirrors/none.list bookworm main\ndeb http://mirror.example.org/debian bookworm main\n";
    let stanzas = "Enabled: no\nTypes: deb\nURIs: ftp://off.example.org\nSuites: x\n\n# only this\n\nURIs: http://a.example.org\nSuites: x\n\n\
                   Types: deb\nSuites: x\n\nno colon\nTypes: deb\n\nTypes: deb\nURIs: http://b.example.org/debian\n  gopher://ä.example.org\n\
                   Suites: bookworm-updates -o\nComponents: main\n";
    let found = chosen(&[("/etc/apt/sources.list", lines), ("/etc/apt/x.sources", stanzas)], "bookworm");
    assert!(!found.contains("secret-word"), "{found}");
    insta::assert_snapshot!(found);
}

#[test]
fn unreadable_and_huge_files_are_said_and_the_others_count() {
    let files = [
        (PathBuf::from("/etc/apt/sources.list"), Err("it is larger than 1 MiB".to_owned())),
        (PathBuf::from("/etc/apt/debian.sources"), Ok(DEBIAN.to_owned())),
        (PathBuf::from("/etc/apt/many.list"), Ok("deb http://m.example.org ./\n".repeat(ENTRY_LIMIT + 5))),
    ];
    let sources = host_sources(&files, &|_| None);
    assert_eq!(sources.debian("bookworm", None).archives.len(), 3);
    let said: Vec<String> =
        sources.findings.iter().map(|found| format!("{}: {}", found.place(), found.message)).collect();
    assert_eq!(
        said,
        [
            "/etc/apt/sources.list: the host's apt sources are not read: it is larger than 1 MiB",
            "/etc/apt/many.list: only the first 1000 archives of the file count",
        ]
    );
}

#[test]
fn a_list_of_mirrors_gives_the_one_that_apt_tries_first() {
    let cloud = "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: bookworm bookworm-updates\nComponents: main\n";
    assert_eq!(
        chosen(&[("debian.sources", cloud)], "bookworm"),
        "http://near.example.org/debian bookworm main\nhttp://near.example.org/debian bookworm-updates main\n"
    );
}

#[test]
fn no_damage_to_a_file_makes_the_reader_panic() {
    let good =
        format!("{DEBIAN}\ndeb [arch=amd64 signed-by=/k/v.gpg] http://mirror.example.org/debian bookworm main\n");
    let mut random = testkit::Random::from_environment();
    for _ in 0..5_000 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=random.below(5) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            match random.below(3) {
                0 => bytes[at] = *random.pick(b"\n :,[]#=-./0a\xff\r\t"),
                1 => bytes.truncate(at + 1),
                _ => drop(bytes.splice(at..at, random.pick(&[b"\n\n", b"[ ", b"] ", b"\xc3\xa4"]).to_vec())),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let files = ["x.sources", "x.list"].map(|name| (PathBuf::from(name), Ok(text.clone())));
        let sources = host_sources(&files, &|_| None);
        let choice = sources.debian("bookworm", Some(Arch::Amd64));
        assert!(choice.archives.iter().all(|found| model::archive::uri(&found.uri).is_ok()));
        assert!(choice.repositories.iter().all(|found| found.source().is_ok() && found.keyring.is_some()));
    }
}
