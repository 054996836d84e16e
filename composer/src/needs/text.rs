//! Programs that texts name: `#!` lines and command lines.

use model::unit::UnitName;

/// How much of a `#!` line Linux reads, in bytes.
pub(super) const SHEBANG: usize = 256;
/// A program that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// A path, or a name to look up in `PATH`.
    pub(super) name: Vec<u8>,
    /// Whether its failure is ignored.
    pub(super) soft: bool,
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

/// The names of the units that a command line has `systemctl` start, stop or enable. One without a kind is a
/// service's.
pub(super) fn started_units(line: &[u8]) -> Vec<UnitName> {
    const VERBS: [&[u8]; 8] = [
        b"start",
        b"stop",
        b"restart",
        b"try-restart",
        b"reload",
        b"reload-or-restart",
        b"try-reload-or-restart",
        b"enable",
    ];
    let is_systemctl = |name: &[u8]| name.rsplit(|byte| *byte == b'/').next() == Some(b"systemctl".as_slice());
    if !command(line).is_some_and(|program| is_systemctl(&program.name)) {
        return Vec::new();
    }
    let mut words = words(line).into_iter().skip_while(|word| !is_systemctl(word)).skip(1);
    let mut words = words.by_ref().filter(|word| !word.starts_with(b"-"));
    if !words.next().is_some_and(|verb| VERBS.contains(&verb.as_slice())) {
        return Vec::new();
    }
    // What follows a sign of the shell is another command.
    let names = words.take_while(|word| !word.iter().any(|byte| b";&|<>".contains(byte)));
    let name = |word: Vec<u8>| {
        let text = String::from_utf8(word).ok()?;
        UnitName::parse(&text).or_else(|_| UnitName::parse(&format!("{text}.service"))).ok()
    };
    names.filter_map(name).collect()
}

/// Words that a shell understands itself.
const BUILT_IN: [&[u8]; 14] = [
    b"cd", b"export", b"if", b"for", b"while", b"test", b"true", b"false", b"set", b"umask", b"ulimit", b"trap", b":",
    b".",
];

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
    fn the_units_that_a_command_line_starts_are_named() {
        let read = |line: &str| started_units(line.as_bytes()).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(read("systemctl --no-block start nginx a.socket"), ["nginx.service", "a.socket"]);
        assert_eq!(read("A=1 /bin/systemctl enable --now x@main && echo y"), ["x@main.service"]);
        for none in [
            "systemctl daemon-reload",
            "systemctl",
            "systemctl status x",
            "echo systemctl start x",
            "systemctl start $X",
        ] {
            assert_eq!(read(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn no_text_makes_the_readers_panic() {
        let mut random = testkit::Random::from_environment();
        for _ in 0..20_000 {
            let length = random.below(60);
            let bytes: Vec<u8> =
                (0..length).map(|_| *random.pick(b"[Service]\nExec=\\\"'%$;-@#!/ a\r\0\xff")).collect();
            let _ =
                (shebang(&bytes), command(&bytes), started_units(&[b"systemctl start ", bytes.as_slice()].concat()));
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
}
