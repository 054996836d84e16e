//! Programs that texts name: `#!` lines, command lines, systemd units.

/// How much of a `#!` line Linux reads, in bytes.
pub(super) const SHEBANG: usize = 256;
/// The most commands that are taken from one unit.
const MAX_COMMANDS: usize = 256;

/// A program that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// A path, or a name to look up in `PATH`.
    pub(super) name: Vec<u8>,
    /// Whether its failure is ignored.
    pub(super) soft: bool,
}

/// What a systemd unit says that matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// The programs of its `Exec...=` lines.
    pub(super) programs: Vec<Program>,
    /// The units that `systemctl enable` would make want it.
    pub(super) wanted_by: Vec<Vec<u8>>,
}

/// The interpreter of a script that begins with `head`, and the program that `env` is to find, as
/// `execve(2)` and `env(1)` read them.
pub(super) fn shebang(head: &[u8]) -> Vec<Program> {
    let Some(line) = head.strip_prefix(b"#!") else { return Vec::new() };
    let line = line.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or_default();
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(interpreter) = words.next().filter(|word| word.starts_with(b"/")) else { return Vec::new() };
    let mut programs = vec![hard(interpreter)];
    if interpreter.ends_with(b"/env") {
        let is_option = |word: &&[u8]| word.starts_with(b"-") || word.contains(&b'=');
        programs.extend(words.find(|word| !is_option(word)).map(hard));
    }
    programs
}

fn hard(name: &[u8]) -> Program {
    Program { name: name.to_vec(), soft: false }
}

/// The program of a command line that a shell or a service manager would run; none where only a
/// shell could say.
pub(super) fn command(line: &[u8]) -> Option<Program> {
    let words = words(line);
    let assignment = |word: &Vec<u8>| {
        let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.len() < word.len() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let program = words.into_iter().find(|word| !assignment(word) && word != b"exec")?;
    let is_plain = !program.iter().any(|byte| b"$`*?[]{}()<>|&;~!#%".contains(byte));
    (is_plain && !BUILT_IN.contains(&program.as_slice())).then(|| hard(&program))
}

/// Words that a shell understands itself.
const BUILT_IN: [&[u8]; 14] = [
    b"cd", b"export", b"if", b"for", b"while", b"test", b"true", b"false", b"set", b"umask", b"ulimit", b"trap", b":",
    b".",
];

/// Parses a unit file or a drop-in. Source of the format: `systemd.syntax(7)`, `systemd.service(5)`.
pub(super) fn unit(bytes: &[u8]) -> Unit {
    let mut section = Vec::new();
    let mut execs: Vec<(Vec<u8>, Vec<Program>)> = Vec::new();
    let mut wanted_by = Vec::new();
    for line in logical_lines(bytes) {
        let line = line.trim_ascii();
        if let Some(name) = line.strip_prefix(b"[").and_then(|line| line.strip_suffix(b"]")) {
            section = name.to_vec();
            continue;
        }
        let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
        let (key, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
        match (section.as_slice(), key) {
            (b"Install", b"WantedBy" | b"RequiredBy" | b"UpheldBy") => {
                wanted_by.extend(words(value));
            }
            (b"Service" | b"Socket" | b"Mount" | b"Swap", key) if key.starts_with(b"Exec") => {
                // An empty value takes back what was said before.
                if value.is_empty() {
                    execs.retain(|(other, _)| other != key);
                } else if execs.len() < MAX_COMMANDS {
                    execs.push((key.to_vec(), unit_programs(value)));
                }
            }
            _ => {}
        }
    }
    Unit { programs: execs.into_iter().flat_map(|(_, programs)| programs).collect(), wanted_by }
}

/// Lines with those that a backslash continues joined, comments left out.
fn logical_lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if matches!(line.trim_ascii_start().first(), Some(b'#' | b';')) {
            continue;
        }
        let (text, continued) = line.strip_suffix(b"\\").map_or((line, false), |text| (text, true));
        match lines.last_mut().filter(|_| open) {
            Some(last) => last.extend([b" ", text].concat()),
            None => lines.push(text.to_vec()),
        }
        open = continued;
    }
    lines
}

/// The programs of one `Exec...=` value: several commands are separated by a `;` of its own.
fn unit_programs(value: &[u8]) -> Vec<Program> {
    let words = words(value);
    let commands = words.split(|word| word == b";");
    let program = |command: &[Vec<u8>]| {
        let word = command.first()?;
        let name = word.iter().position(|byte| !b"@-:+!|".contains(byte)).map(|at| &word[at..])?;
        let soft = word[..word.len() - name.len()].contains(&b'-');
        let name = without_percent(name)?;
        (!name.contains(&b'$')).then_some(Program { name, soft })
    };
    commands.filter_map(program).collect()
}

/// `%%` is a percent sign; any other specifier depends on the node.
fn without_percent(name: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' && rest.next() != Some(&b'%') {
            return None;
        }
        out.push(*byte);
    }
    Some(out)
}

/// The words of a line: blanks separate, quotes join, a backslash takes the next byte as it is.
fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        match (*byte, quote) {
            (b'\\', None | Some(b'"')) => word.get_or_insert_default().extend(bytes.next()),
            (byte, Some(open)) if byte == open => quote = None,
            (b'"' | b'\'', None) => {
                quote = Some(*byte);
                word.get_or_insert_default();
            }
            (byte, None) if byte.is_ascii_whitespace() => words.extend(word.take()),
            (byte, _) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(programs: &[Program]) -> Vec<String> {
        let name = |program: &Program| {
            format!("{}{}", if program.soft { "-" } else { "" }, String::from_utf8_lossy(&program.name))
        };
        programs.iter().map(name).collect()
    }

    #[test]
    fn interpreters_are_read_as_the_kernel_reads_them() {
        let read = |head: &str| names(&shebang(head.as_bytes()));
        assert_eq!(read("#!/bin/sh -e\nexit"), ["/bin/sh"]);
        assert_eq!(read("#! /usr/bin/perl"), ["/usr/bin/perl"]);
        assert_eq!(read("#!/usr/bin/env python3\n"), ["/usr/bin/env", "python3"]);
        assert_eq!(read("#!/usr/bin/env -S A=1 node --x\n"), ["/usr/bin/env", "node"]);
        for none in ["", "#", "#!", "#! \n/bin/sh", "#!perl\n", "# !/bin/sh"] {
            assert_eq!(read(none), [""; 0], "{none:?}");
        }
    }

    #[test]
    fn a_commands_program_is_its_first_word_that_is_no_assignment() {
        let read = |line: &str| command(line.as_bytes()).map(|program| String::from_utf8(program.name).unwrap());
        assert_eq!(read("/usr/sbin/nginx -g \"daemon off;\"").as_deref(), Some("/usr/sbin/nginx"));
        assert_eq!(read("LANG=C exec '/opt/a b/run' x").as_deref(), Some("/opt/a b/run"));
        assert_eq!(read("systemctl start x").as_deref(), Some("systemctl"));
        for unknown in ["", "$HOME/run", "(cd /x && y)", "cd /x && y", "if true; then", "`x`"] {
            assert_eq!(read(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn a_units_programs_and_wishes_are_read() {
        let text = "[Unit]\nExecStart=/not/a/service\n[Service]\nExecStartPre=-/bin/rm -f x\n# ExecStart=/no\n\
                    ExecStart=/old\nExecStart=\nExecStart=@!/usr/sbin/new \\\n# in between\n  arg ; +mkdir /x\n\
                    ExecStop=/opt/%i/stop\nExecReload=\"/opt/a b\" 100%%\nExecStopPost=${X}\n\
                    [Install]\nWantedBy=multi-user.target graphical.target\nRequiredBy=x.target\n";
        let unit = unit(text.as_bytes());
        assert_eq!(names(&unit.programs), ["-/bin/rm", "/usr/sbin/new", "mkdir", "/opt/a b"]);
        let wanted: Vec<_> = unit.wanted_by.iter().map(|name| String::from_utf8_lossy(name)).collect();
        assert_eq!(wanted, ["multi-user.target", "graphical.target", "x.target"]);
    }

    #[test]
    fn no_text_makes_the_readers_panic() {
        let mut random = testkit::Random::from_environment();
        for _ in 0..20_000 {
            let length = random.below(60);
            let bytes: Vec<u8> =
                (0..length).map(|_| *random.pick(b"[Service]\nExec=\\\"'%$;-@#!/ a\r\0\xff")).collect();
            let text = [b"[Service]\nExecStart=", bytes.as_slice()].concat();
            let _ = (unit(&text), shebang(&bytes), command(&bytes));
        }
    }

    #[test]
    fn words_are_joined_by_quotes_and_backslashes() {
        let read = |line: &str| {
            words(line.as_bytes()).into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>()
        };
        for (line, wanted) in [
            ("a  b\tc", &["a", "b", "c"][..]),
            ("'a b' \"c d\"", &["a b", "c d"]),
            ("a'b'c", &["abc"]),
            ("'' x", &["", "x"]),
            ("a\\ b", &["a b"]),
            ("\"a\\\"b\"", &["a\"b"]),
            ("'a\\'", &["a\\"]),
            ("\"a'b\" 'c\"d'", &["a'b", "c\"d"]),
            ("'open x", &["open x"]),
            ("x\\", &["x"]),
            ("", &[]),
        ] {
            assert_eq!(read(line), wanted, "{line}");
        }
    }

    #[test]
    fn a_program_is_soft_only_by_its_own_dash() {
        let read = |value: &str| {
            let programs = unit_programs(value.as_bytes()).into_iter();
            programs.map(|one| (String::from_utf8(one.name).unwrap(), one.soft)).collect::<Vec<_>>()
        };
        let one = |name: &str, soft| vec![(name.to_owned(), soft)];
        assert_eq!(
            (read("/a -x"), read("-/a-b"), read("@-:+!|/a")),
            (one("/a", false), one("/a-b", true), one("/a", true))
        );
        assert_eq!(
            (read("/a%%b"), read("/a%b"), read("/a%"), read("-"), read("/a$x")),
            (one("/a%b", false), vec![], vec![], vec![], vec![])
        );
        assert_eq!(read("/a ; -/b ;c").len(), 2);
    }

    #[test]
    fn an_assignment_has_a_name_of_letters_digits_and_underscores() {
        let read = |line: &str| command(line.as_bytes()).map(|program| String::from_utf8(program.name).unwrap());
        let name = |name: &str| Some(name.to_owned());
        assert_eq!((read("A_1=x run"), read("A-1=x run"), read("=x run")), (name("run"), name("A-1=x"), name("run")));
        assert_eq!((read("exec run"), read("execs run"), read("run exec")), (name("run"), name("execs"), name("run")));
        for built_in in
            ["cd /", "export A", "true", ":", ". /etc/profile", "a|b", "a;b", "~/x", "!x", "#x", "%x", "a>b", "a&"]
        {
            assert_eq!(read(built_in), None, "{built_in}");
        }
    }

    #[test]
    fn sections_and_keys_of_a_unit_count_where_systemd_reads_them() {
        let programs = |text: &str| unit(text.as_bytes()).programs.len();
        for (section, count) in [("Service", 1), ("Socket", 1), ("Mount", 1), ("Swap", 1), ("Unit", 0), ("Install", 0)]
        {
            assert_eq!(programs(&format!("[{section}]\nExecStart=/a\n")), count, "{section}");
        }
        assert_eq!(programs("ExecStart=/a\n"), 0);
        assert_eq!(programs("[Service]\r\n  ExecStart = /a \r\nNotExec=/b\n;ExecStop=/c\nExecStop\n"), 1);
        assert_eq!(programs("[Service]\nExecStart=/a\nExecStop=/b\nExecStart=\n"), 1);
        let many = format!("[Service]\n{}", "ExecStartPre=/a\n".repeat(300));
        assert_eq!(programs(&many), 256);
        let wanted = |key: &str| unit(format!("[Install]\n{key}=a b\n").as_bytes()).wanted_by.len();
        assert_eq!(["WantedBy", "RequiredBy", "UpheldBy", "Also", "Alias"].map(wanted), [2, 2, 2, 0, 0]);
    }
}
