//! Work, room and memory that a stranger's input asks for: each has a bound, and an error that names the cause.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use crate::small::Small;

/// A manifest with these patterns as its `file_spec`.
fn manifest(patterns: impl IntoIterator<Item = String>) -> String {
    patterns.into_iter().fold("schema_version: 1\nname: web\nfile_spec:\n".to_owned(), |mut text, pattern| {
        let _ = writeln!(text, "  - '{pattern}'");
        text
    })
}

/// A name of 200 letters that is another one for each `seed`.
fn name(seed: u32) -> String {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let letter = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 29 == 0 { 'b' } else { 'a' }
    };
    (0..200).map(letter).collect()
}

/// As [`Small::run`], which ends in time: exit code and both outputs.
fn in_time(small: &Small, arguments: &[&str], limit: Duration) -> (i32, String, String) {
    let begin = Instant::now();
    let mut command = small.command();
    let output = command.args(arguments).timeout(limit).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or_else(|| panic!("still at work after {:?}", begin.elapsed()));
    (code, text(&output.stdout), text(&output.stderr))
}

const BUILD: [&str; 5] = ["build", "-C", "m", "--rootfs", "root"];

#[test]
fn patterns_that_begin_alike_cost_as_much_as_one() {
    let small = Small::new();
    small.write("m/manifest.yaml", &manifest((0..3000).map(|n| format!("/**/{}b{n}", "a*".repeat(60)))));
    (0..20).for_each(|n| small.write(&format!("root/srv/{}{n}", "a".repeat(200)), ""));
    let (code, _, err) = in_time(&small, &BUILD, Duration::from_secs(20));
    assert_eq!(code, 1);
    assert!(err.contains("the module would ship no file"), "{err}");
}

#[test]
fn patterns_that_take_too_much_work_are_refused_with_the_place_of_the_worst() {
    let small = Small::new();
    let letter = |n: u32| char::from_u32(n).unwrap();
    // No two begin alike, so that nothing can be shared, and no two names lead to the same states.
    let pattern = |n: u32| {
        let set = format!("[a{}{}{}]", letter(48 + n % 10), letter(65 + n / 10 % 26), letter(99 + n / 260));
        format!("/**/{set}*{}z", "a*".repeat(if n == 1000 { 90 } else { 60 }))
    };
    small.write("m/manifest.yaml", &manifest((0..3000).map(pattern)));
    (0..900).for_each(|n| small.write(&format!("root/srv/{}", name(n)), ""));
    let (code, out, err) = in_time(&small, &BUILD, Duration::from_secs(60));
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    // The name's place in the file: line 1 to 3 are its head.
    assert!(err.contains("error[pattern-too-costly]: of the 3000 patterns of its list this one takes"), "{err}");
    assert!(err.contains("[m/manifest.yaml:1004:5]"), "{err}");
    assert!(err.contains("help: write names out where a pattern has many `*`"), "{err}");
    assert!(!small.path("m/dist").exists());
}

#[test]
fn patterns_of_every_other_kind_end_in_time() {
    let sets = (0..200).map(|n| format!("/usr/{}*{n}", "[[:alpha:]]".repeat(300)));
    let marks = (0..240).map(|n| format!("/{}{n}", "?".repeat(4000)));
    let stars = (0..300).map(|n| format!("{}{n}", "/**/a".repeat(500)));
    let deep = (0..250).map(|n| format!("/{}x{n}", "*/".repeat(1900)));
    let all: Vec<String> = (0..3000).map(|n| format!("/usr/**[!{n}]*")).collect();
    for patterns in [sets.collect::<Vec<_>>(), marks.collect(), stars.collect(), deep.collect(), all] {
        let small = Small::new();
        small.write("m/manifest.yaml", &manifest(patterns));
        let below = "abcdefghij/".repeat(250);
        (0..50).for_each(|n| small.write(&format!("root/usr/{below}{n}"), ""));
        let (code, _, err) = in_time(&small, &BUILD, Duration::from_secs(60));
        assert!(code <= 1, "{code}: {}", &err[err.len().saturating_sub(500)..]);
    }
}

#[test]
fn a_sparse_file_is_refused_before_it_is_read() {
    for (size, code, message) in [
        (4u64 << 40, 1, "/etc/sparse has 4.0 TiB, and a file of a module has at most 256.0 GiB"),
        (u64::MAX >> 1, 1, "and a file of a module has at most 256.0 GiB"),
    ] {
        for (place, hint) in
            [("m/rootfs/etc/sparse", "take it out of rootfs/"), ("root/etc/sparse", "leave it out by `mask`")]
        {
            let small = Small::new();
            small.write(place, "");
            let file = fs::OpenOptions::new().write(true).open(small.path(place)).unwrap();
            if file.set_len(size).is_err() {
                // This file system has no such files.
                continue;
            }
            let (found, out, err) = in_time(&small, &BUILD, Duration::from_secs(20));
            assert_eq!((found, out.as_str()), (code, ""), "{err}");
            assert!(err.contains(message), "{err}");
            assert!(err.contains(&format!("help: {hint}, or make it smaller: a sparse file ships with")), "{err}");
        }
    }
}

#[test]
fn many_sparse_files_are_too_much_together_and_links_to_one_are_not() {
    let small = Small::new();
    let sparse = |name: &str, size: u64| {
        small.write(name, "");
        fs::OpenOptions::new().write(true).open(small.path(name)).unwrap().set_len(size).unwrap();
    };
    (0..60).for_each(|n| sparse(&format!("m/rootfs/etc/sparse-{n}"), 20 << 30));
    let (code, _, err) = in_time(&small, &BUILD, Duration::from_secs(20));
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("the files have 1.2 TiB together, and a module has at most 1.0 TiB"), "{err}");
    assert!(err.contains("the largest file is /etc/sparse-0 with 20.0 GiB"), "{err}");

    let small = Small::new();
    small.write("root/etc/sparse", "");
    let file = fs::OpenOptions::new().write(true).open(small.path("root/etc/sparse")).unwrap();
    file.set_len(1 << 20).unwrap();
    (0..100).for_each(|n| {
        fs::hard_link(small.path("root/etc/sparse"), small.path(&format!("root/etc/link-{n}"))).unwrap();
    });
    small.build("m/dist");
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_read() {
    let small = Small::new();
    let free = {
        let room = rustix::fs::statvfs(small.path("m")).unwrap();
        room.f_bavail * room.f_frsize
    };
    // One file more than there is room for, each below the limit of one.
    let size = (free / 4).clamp(1 << 30, 200 << 30);
    let count = free / size + 2;
    if u128::from(size) * u128::from(count) > 1 << 40 {
        return;
    }
    for n in 0..count {
        let name = format!("m/rootfs/etc/sparse-{n}");
        small.write(&name, "");
        // Files of one size might be one object.
        fs::OpenOptions::new().write(true).open(small.path(&name)).unwrap().set_len(size + n).unwrap();
    }
    let (code, out, err) = in_time(&small, &BUILD, Duration::from_secs(20));
    assert_eq!((code, out.as_str()), (4, ""), "{err}");
    assert!(err.contains("there is no room for the module in m/dist: it takes"), "{err}");
    assert!(err.contains("the largest file is /etc/sparse-"), "{err}");
    assert!(!small.path("m/dist").exists());
}

#[test]
fn a_thousand_findings_of_a_large_manifest_are_shown_in_time() {
    let small = Small::new();
    let long = |n: usize| if n.is_multiple_of(2) { "z".repeat(90) } else { "y".repeat(380) };
    small.write("m/manifest.yaml", &manifest((0..2000).map(|n| format!("etc/{}{n}", long(n)))));
    let (code, _, err) = in_time(&small, &["validate", "m"], Duration::from_secs(10));
    assert_eq!(code, 1);
    assert!(err.contains("╭─[m/manifest.yaml:4:5]"), "{err}");
    assert!(err.contains(" 3 │ file_spec:\n 4 │   - 'etc/zzz"), "{err}");
}

/// Runs the program with a limit of `ulimit`, such as `-v 100000`: exit code and standard error.
fn limited(small: &Small, limit: &str, arguments: &[&str]) -> (i32, String) {
    let program = small.command();
    let script = format!("ulimit {limit}; exec \"$0\" \"$@\"");
    let mut command = assert_cmd::Command::new("sh");
    command.args(["-c", &script]).arg(program.get_program()).args(arguments).current_dir(small.path(""));
    command.env("SOURCE_DATE_EPOCH", "1700000000").env("HOME", small.path("home"));
    let output = command.timeout(Duration::from_secs(60)).output().unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("{limit}: ended by {:?}", output.status));
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn where_memory_is_short_a_large_input_is_an_error_and_no_abort() {
    let small = Small::new();
    let names = (0..12_000).map(|n| format!("/usr/share/doc/package-{n}/some/deep/directory/file-{n}.txt"));
    small.write("large/manifest.yaml", &manifest(names));
    for directory in 0..300 {
        (0..60).for_each(|n| small.write(&format!("root/usr/share/web/{directory}/{n}"), ""));
    }
    small.build("dist");
    let runs: [&[&str]; 4] = [
        &["validate", "large"],
        &["build", "-C", "m", "--rootfs", "root", "--output", "again", "--quiet"],
        &["inspect", "dist"],
        &["diff", "dist", "dist"],
    ];
    // Below this the debug build's own threads can take the last of it between two questions.
    for limit in [200_000, 250_000, 300_000, 400_000] {
        for run in runs {
            let (code, err) = limited(&small, &format!("-v {limit}"), run);
            assert!(code == 0 || code == 4, "{limit} {run:?}: {code}: {err}");
            assert!(code == 0 || err.contains("there is not enough memory"), "{limit} {run:?}: {err}");
        }
    }
}

#[test]
fn a_limit_that_was_met_is_named() {
    let small = Small::new();
    let (code, err) = limited(&small, "-n 4", &["build", "-C", "m", "--rootfs", "root"]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("help: this process may not open more files at once: raise the limit, `ulimit -n`"), "{err}");
}

/// A root file system as a tar with a device of each kind and programs with rights of their own.
fn special_root(small: &Small) {
    let mut builder = tar::Builder::new(fs::File::create(small.path("special.tar")).unwrap());
    let mut add = |name: &str, kind, mode| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(0);
        header.set_mtime(1_600_000_000);
        header.set_device_major(8).unwrap();
        header.set_device_minor(0).unwrap();
        header.set_cksum();
        builder.append_data(&mut header, name, std::io::empty()).unwrap();
    };
    add("etc/disk", tar::EntryType::Block, 0o666);
    add("etc/console", tar::EntryType::Char, 0o666);
    add("etc/root-shell", tar::EntryType::Regular, 0o4755);
    add("etc/plain", tar::EntryType::Regular, 0o755);
    builder.into_inner().unwrap();
}

#[test]
fn devices_and_set_id_files_of_a_given_root_file_system_are_named() {
    let small = Small::new();
    special_root(&small);
    let build = ["build", "-C", "m", "--rootfs", "special.tar"];
    let (code, _, err) = small.run(&build);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("warning[device-node]: /etc/console, /etc/disk are devices"), "{err}");
    assert!(err.contains("warning[special-rights]: /etc/root-shell runs with rights of its own"), "{err}");
    assert_eq!(small.run(&[&build[..], &["--strict"]].concat()).0, 1);
    let allowed =
        ["--strict", "--allow", "device-node", "--allow", "special-rights", "--allow", "pattern-takes-nothing"];
    let (code, _, err) = small.run(&[&build[..], &allowed].concat());
    assert_eq!(code, 0, "{err}");
}
