use super::*;

fn said(line: &str) -> Option<String> {
    of_line(line).map(|lack| lack.to_string())
}

#[test]
fn the_first_missing_thing_is_read_from_what_programs_say() {
    for (line, expected) in [
        (
            "/usr/bin/redis-server: error while loading shared libraries: liblzf.so.1: cannot open shared object file: No such file or directory",
            "the library liblzf.so.1 is missing, which /usr/bin/redis-server needs",
        ),
        (
            "x: /lib/libc.so.6: version `GLIBC_2.42' not found (required by x)",
            "a library is another version than the program needs: x: /lib/libc.so.6: version `GLIBC_2.42' not found (required by x)",
        ),
        (
            "x: symbol lookup error: x: undefined symbol: ssl_new",
            "a library is another version than the program needs: x: symbol lookup error: x: undefined symbol: ssl_new",
        ),
        (
            "Cannot load modules/mod_ssl.so into server: libssl.so.3: cannot open shared object file: No such file or directory",
            "the library libssl.so.3 is missing",
        ),
        (
            "a.service: Failed at step EXEC spawning /usr/sbin/a: No such file or directory",
            "the program /usr/sbin/a, or what interprets it, is missing",
        ),
        (
            "a.service: Unable to locate executable '/usr/sbin/a': No such file or directory",
            "the program /usr/sbin/a, or what interprets it, is missing",
        ),
        (
            "a.service: Failed to set up mount namespacing: /var/lib/a: No such file or directory",
            "/var/lib/a is missing",
        ),
        ("cannot change to the directory /var/lib/a: No such file or directory (os error 2)", "/var/lib/a is missing"),
        ("a.service: Failed to determine user credentials: No such process", "the user that it runs as is missing"),
        ("ModuleNotFoundError: No module named 'flask'", "the language module flask is missing"),
        (
            "Can't locate DBI.pm in @INC (you may need to install the DBI module)",
            "the language module DBI.pm is missing",
        ),
        ("Error: Cannot find module 'express'", "the language module express is missing"),
        (
            "<internal:x>:136:in 'require': cannot load such file -- sinatra (LoadError)",
            "the language module sinatra is missing",
        ),
        (
            "Fatal error, can't open config file '/etc/redis/redis.conf': No such file or directory",
            "/etc/redis/redis.conf is missing",
        ),
        (
            "[Warning] Can't create test file '/var/lib/db/trial.lower-test' (Errcode: 2 \"No such file or directory\")",
            "/var/lib/db is missing",
        ),
        (
            "(2)No such file or directory: AH02291: Cannot access directory '/var/log/web/' for main error log",
            "/var/log/web is missing",
        ),
        ("Can't open the log file: Permission denied", "it may not use a file that it needs"),
        ("open /var/lib/x/db: permission denied", "it may not use /var/lib/x/db"),
        (
            "mkdir: cannot create directory \u{2018}/etc/x\u{2019}: Read-only file system",
            "it writes to /etc/x, which cannot be written to on a node",
        ),
        ("bind: Address already in use", "an address is in use: bind: Address already in use"),
        (
            "Fatal error : adjtimex(0x8001) failed : Operation not permitted",
            "the kernel does not permit it: Fatal error : adjtimex(0x8001) failed : Operation not permitted",
        ),
        ("AH00543: httpd: bad user name www-data", "the user www-data is missing"),
        ("dnsmasq: unknown user or group: dnsmasq", "the user dnsmasq is missing"),
        ("can't find the user memcache to switch to", "the user memcache is missing"),
        (
            "[ALERT] config : parsing [/etc/x.cfg:8] : cannot find group id for 'haproxy' (0:Success)",
            "the group haproxy is missing",
        ),
    ] {
        assert_eq!(said(line).as_deref(), Some(expected), "{line}");
    }
    for line in ["Started a.service - A.", "", "listening on [::]:80", "error while loading shared libraries: x"] {
        assert_eq!(said(line), None, "{line}");
    }
}

#[test]
fn how_a_unit_ended_says_what_no_line_does() {
    let unit = |status: i32| Unit {
        status,
        user: "redis".to_owned(),
        group: "adm".to_owned(),
        directory: "!/srv/x".to_owned(),
        ..Unit::default()
    };
    let of = |status: i32, lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        of_unit(&unit(status), &lines).map(|lack| lack.to_string())
    };
    assert_eq!(of(217, &["anything"]).as_deref(), Some("the user redis is missing"));
    assert_eq!(of(216, &[]).as_deref(), Some("the group adm is missing"));
    assert_eq!(of(200, &[]).as_deref(), Some("/srv/x is missing"));
    assert_eq!(of(203, &[]).as_deref(), Some("its program is missing"));
    assert_eq!(
        of(1, &["first", "open /a: permission denied", "open /b: permission denied"]).as_deref(),
        Some("it may not use /a")
    );
    assert_eq!(of(1, &["it went wrong"]), None);
}

#[test]
fn what_a_service_said_last_is_not_what_systemd_says_of_it() {
    let lines = [
        "Starting a.service - A...",
        "no hostkeys available",
        "a.service: Failed with result 'exit-code'.",
        "Failed to start a.service - A.",
    ];
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    assert_eq!(last_words("a.service", &lines).as_deref(), Some("no hostkeys available"));
    assert_eq!(last_words("a.service", &lines[..1]), None);
}

#[test]
fn no_line_makes_the_readers_panic() {
    let mut random = testkit::Random::from_environment();
    let words = [
        "No such file or directory",
        "permission denied",
        "unknown user",
        "Failed at step EXEC spawning ",
        "error while loading shared libraries: ",
        "/a",
        ":",
        " ",
        "'",
        "\u{2018}",
        "\u{130}",
        "Unknown User",
        "Can't locate ",
        " in @INC",
    ];
    for _ in 0..20_000 {
        let count = random.below(8);
        let line: String = (0..count).map(|_| *random.pick(&words)).collect();
        let _ = said(&line);
    }
}

#[test]
fn a_reason_on_a_line_of_its_own_is_about_the_line_before_it() {
    let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let found =
        of_lines(&lines(&["Reading /etc/x.conf, at line 516", ">>> 'dir /var/lib/x'", "No such file or directory"]));
    assert_eq!(found, Some(Lack::Path { path: "/var/lib/x".to_owned() }));
    assert_eq!(of_lines(&lines(&["No such file or directory"])), None);
    assert_eq!(of_lines(&lines(&["all is well", "No such file or directory."])), None);
    assert_eq!(of_lines(&lines(&["Reading /etc/x.conf", "good bye"])), None);
}

#[test]
fn systemds_own_words_name_a_condition_and_what_it_could_not_get() {
    let log = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let skipped = log(&[
        "other",
        "web.service - Web was skipped because of an unmet condition check (ConditionFileNotEmpty=/etc/web.conf).",
    ]);
    assert_eq!(condition(&skipped).as_deref(), Some("ConditionFileNotEmpty=/etc/web.conf"));
    assert_eq!(condition(&log(&["a condition (x)"])), None);
    let refused = log(&[
        "web.service: Failed to load environment files: No such file or directory",
        "web.service: Failed to run 'start' task: No such file or directory",
        "web.service: Failed with result 'resources'.",
        "Failed to start web.service - Web.",
    ]);
    let said = refusal("web.service", &refused).unwrap();
    assert_eq!(said, "Failed to load environment files: No such file or directory");
    assert_eq!(refusal("other.service", &refused), None);
}
