//! The first missing thing: what a service that is down lacks, from its last words and from how it ended.

use super::units::Unit;

/// What a service lacks, or met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// A shared library that the dynamic loader did not find.
    Library {
        /// Its name.
        name: String,
        /// The program that needs it, where the loader names one.
        program: Option<String>,
    },
    /// A symbol or version that a library does not have.
    Symbol {
        /// What the loader said.
        said: String,
    },
    /// A user that is not there.
    User {
        /// The name; empty where it is not known.
        name: String,
    },
    /// A group that is not there.
    Group {
        /// The name; empty where it is not known.
        name: String,
    },
    /// A program, or the interpreter of a script, that is not there.
    Program {
        /// Its path; empty where it is not known.
        path: String,
    },
    /// A file or directory that is not there.
    Path {
        /// Its path.
        path: String,
    },
    /// A file or directory that may not be used so.
    Denied {
        /// Its path; empty where it is not known.
        path: String,
    },
    /// A file or directory on what cannot be written to.
    ReadOnly {
        /// Its path; empty where it is not known.
        path: String,
    },
    /// An address that another holds.
    AddressInUse {
        /// What was said.
        said: String,
    },
    /// A right of the kernel's that a trial does not have.
    NotPermitted {
        /// What was said.
        said: String,
    },
    /// A module of an interpreted language.
    LanguageModule {
        /// Its name.
        name: String,
    },
}

/// The condition that did not hold, as systemd names it in `log`: `ConditionPathExists=/etc/x`.
#[must_use]
pub fn condition(log: &[String]) -> Option<String> {
    let named = |line: &String| {
        let (_, rest) = line.split_once("unmet condition check (")?;
        Some(rest.split_once(')').map_or(rest, |(condition, _)| condition).to_owned())
    };
    log.iter().rev().find_map(named)
}

/// Why systemd did not come to start `unit`, by its own first words in `log`: `Failed to load environment files: ...`.
#[must_use]
pub fn refusal(unit: &str, log: &[String]) -> Option<String> {
    let said = |line: &String| {
        let rest = line.strip_prefix(unit)?.strip_prefix(": ")?;
        rest.starts_with("Failed to ").then(|| rest.trim_end_matches('.').to_owned())
    };
    log.iter().filter_map(said).find(|said| !said.starts_with("Failed to start") && !said.starts_with("Failed with"))
}

impl std::fmt::Display for Lack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Library { name, program: Some(program) } => {
                write!(f, "the library {name} is missing, which {program} needs")
            }
            Self::Library { name, program: None } => write!(f, "the library {name} is missing"),
            Self::Symbol { said } => write!(f, "a library is another version than the program needs: {said}"),
            Self::User { name } if name.is_empty() => write!(f, "the user that it runs as is missing"),
            Self::User { name } => write!(f, "the user {name} is missing"),
            Self::Group { name } if name.is_empty() => write!(f, "the group that it runs as is missing"),
            Self::Group { name } => write!(f, "the group {name} is missing"),
            Self::Program { path } if path.is_empty() => write!(f, "its program is missing"),
            Self::Program { path } => write!(f, "the program {path}, or what interprets it, is missing"),
            Self::Path { path } => write!(f, "{path} is missing"),
            Self::Denied { path } if path.is_empty() => write!(f, "it may not use a file that it needs"),
            Self::Denied { path } => write!(f, "it may not use {path}"),
            Self::ReadOnly { path } if path.is_empty() => write!(f, "it writes to what cannot be written to on a node"),
            Self::ReadOnly { path } if is_of_kernel(path) => {
                write!(f, "it writes to {path}, a setting of the kernel, which a trial does not allow")
            }
            Self::ReadOnly { path } => write!(f, "it writes to {path}, which cannot be written to on a node"),
            Self::AddressInUse { said } => write!(f, "an address is in use: {said}"),
            Self::NotPermitted { said } => write!(f, "the kernel does not permit it: {said}"),
            Self::LanguageModule { name } => write!(f, "the language module {name} is missing"),
        }
    }
}

impl Lack {
    /// The same text for the same cause: without what a program says of one start, as addresses and process numbers.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Library { name, .. } => Self::Library { name: name.clone(), program: None }.to_string(),
            Self::Symbol { .. } => "a library is another version than the program needs".to_owned(),
            Self::AddressInUse { .. } => "an address is in use".to_owned(),
            Self::NotPermitted { .. } => "the kernel does not permit it".to_owned(),
            Self::User { .. }
            | Self::Group { .. }
            | Self::Program { .. }
            | Self::Path { .. }
            | Self::Denied { .. }
            | Self::ReadOnly { .. }
            | Self::LanguageModule { .. } => self.to_string(),
        }
    }
}

/// The kernel's own trees, in which a trial lets nothing be written; a node does.
fn is_of_kernel(path: &str) -> bool {
    ["/proc/sys/", "/sys/"].iter().any(|tree| path.starts_with(tree))
}

/// Exit statuses by which systemd says what it could not do before the program, systemd.exec(5).
const CHDIR: i32 = 200;
const EXEC: i32 = 203;
const GROUP: i32 = 216;
const USER: i32 = 217;

/// What a unit that is down lacks: by the first of its `lines` that says so, or else by how it ended.
#[must_use]
pub fn of_unit(unit: &Unit, lines: &[String]) -> Option<Lack> {
    match unit.status {
        USER if !unit.by_signal => return Some(Lack::User { name: unit.user.clone() }),
        GROUP if !unit.by_signal => return Some(Lack::Group { name: unit.group.clone() }),
        _ => {}
    }
    let named = |lack| match lack {
        Lack::User { name } if name.is_empty() => Lack::User { name: unit.user.clone() },
        Lack::Group { name } if name.is_empty() => Lack::Group { name: unit.group.clone() },
        lack => lack,
    };
    of_lines(lines).map(named).or_else(|| match unit.status {
        EXEC => Some(Lack::Program { path: String::new() }),
        CHDIR if !unit.directory.is_empty() => {
            Some(Lack::Path { path: unit.directory.trim_start_matches(['!', '-']).to_owned() })
        }
        _ => None,
    })
}

/// What the first of the lines that says so names.
#[must_use]
pub fn of_lines(lines: &[String]) -> Option<Lack> {
    let of =
        |(at, line): (usize, &String)| of_line(line).or_else(|| reason_alone(lines.get(at.checked_sub(1)?)?, line));
    lines.iter().enumerate().find_map(of)
}

/// What is missing where a line is the reason alone, and the one before it says of what.
fn reason_alone(before: &str, line: &str) -> Option<Lack> {
    let is_reason = line.trim().trim_end_matches('.').eq_ignore_ascii_case("no such file or directory");
    paths(before).last().filter(|_| is_reason).map(|path| Lack::Path { path })
}

/// What a line names, where it says that something is missing.
#[must_use]
pub fn of_line(line: &str) -> Option<Lack> {
    loader(line).or_else(|| manager(line)).or_else(|| language(line)).or_else(|| system(line))
}

/// The words of the dynamic loader.
fn loader(line: &str) -> Option<Lack> {
    if let Some((before, after)) = line.split_once("error while loading shared libraries: ") {
        let (name, why) = after.split_once(": ")?;
        let program = before.trim_end().strip_suffix(':').and_then(|it| it.rsplit(' ').next());
        let program = program.filter(|program| !program.is_empty()).map(str::to_owned);
        return match why.contains("No such file or directory") {
            true => Some(Lack::Library { name: name.to_owned(), program }),
            false => Some(Lack::Symbol { said: after.to_owned() }),
        };
    }
    let is_version = line.contains("' not found (required by ") && line.contains("version `");
    if is_version || line.contains("symbol lookup error: ") || line.contains("undefined symbol: ") {
        return Some(Lack::Symbol { said: line.trim().to_owned() });
    }
    // What a program says of a library that it opens itself.
    let (before, _) = line.split_once(": cannot open shared object file: No such file or directory")?;
    let name = before.rsplit([' ', '(', '"', '\'']).next().filter(|name| name.contains(".so"))?;
    Some(Lack::Library { name: name.to_owned(), program: None })
}

/// The words of systemd, and of this program ahead of a service without a unit, about what comes before a program.
fn manager(line: &str) -> Option<Lack> {
    /// What this program itself says.
    const OWN: &str = "cannot run ";
    let line = line.strip_suffix(" (os error 2)").unwrap_or(line);
    let missing = line.strip_suffix(": No such file or directory").or_else(|| line.strip_suffix(": Not a directory"));
    if let Some(rest) = missing {
        for words in ["Failed at step EXEC spawning ", "Unable to locate executable ", "Failed to execute ", OWN] {
            if let Some((_, path)) = rest.split_once(words) {
                return Some(Lack::Program { path: unquoted(path) });
            }
        }
        for words in ["Failed to set up mount namespacing: ", "Changing to the requested working directory failed"] {
            if let Some((_, path)) = rest.split_once(words) {
                return paths(path).next().map(|path| Lack::Path { path });
            }
        }
        if let Some((_, rest)) = rest.split_once("Failed to load environment files") {
            return paths(rest).next().map(|path| Lack::Path { path });
        }
    }
    for words in ["Failed to determine user credentials", "Failed to determine credentials for user"] {
        if let Some((_, rest)) = line.split_once(words) {
            let name = rest.trim_start_matches([':', ' ']).split([':', ' ']).next().map(unquoted).unwrap_or_default();
            let is_name = rest.trim_start_matches(' ').starts_with(['\'', '"']);
            return Some(Lack::User { name: if is_name { name } else { String::new() } });
        }
    }
    line.contains("Failed to determine group credentials").then(|| Lack::Group { name: String::new() })
}

/// The words of interpreters about modules of their languages.
fn language(line: &str) -> Option<Lack> {
    let quoted = |rest: &str| rest.split(['\'', '"', '`']).nth(1).map(str::to_owned);
    let name = if let Some((_, rest)) = line.split_once("ModuleNotFoundError: No module named") {
        quoted(rest)
    } else if let Some((_, rest)) = line.split_once("Error: Cannot find module") {
        quoted(rest)
    } else if let Some((_, rest)) = line.split_once("Can't locate ") {
        rest.split_once(" in @INC").map(|(name, _)| name.to_owned())
    } else if let Some((_, rest)) = line.split_once("cannot load such file -- ") {
        rest.split([' ', ')']).next().map(str::to_owned)
    } else {
        None
    };
    name.filter(|name| !name.is_empty()).map(|name| Lack::LanguageModule { name })
}

/// What the system's own reasons mean, and the path beside them.
fn system(line: &str) -> Option<Lack> {
    let said = || line.trim().to_owned();
    let lower = line.to_ascii_lowercase();
    let path = || paths(line).last();
    if lower.contains("address already in use") {
        return Some(Lack::AddressInUse { said: said() });
    }
    if lower.contains("read-only file system") {
        return Some(Lack::ReadOnly { path: path().unwrap_or_default() });
    }
    if lower.contains("no such file or directory") {
        // What cannot be made is not what is missing, but what it would be in.
        let around = |path: String| match path.rsplit_once('/') {
            Some((parent, _)) if lower.contains("create") && !parent.is_empty() => parent.to_owned(),
            _ => path,
        };
        return path().map(|path| Lack::Path { path: around(path) });
    }
    if lower.contains("permission denied") {
        return Some(Lack::Denied { path: path().unwrap_or_default() });
    }
    if lower.contains("operation not permitted") {
        return Some(Lack::NotPermitted { said: said() });
    }
    unknown_name(line, &lower)
}

/// An account that a program of the tree does not know.
fn unknown_name(line: &str, lower: &str) -> Option<Lack> {
    const BEFORE: [&str; 6] = ["unknown", "bad", "cannot find", "can't find", "no such", "invalid"];
    /// Words between those and the name.
    const BETWEEN: [&str; 11] =
        ["the", "user", "group", "id", "for", "name", "named", "called", "or", "system", "account"];
    let (words, at) = BEFORE.iter().find_map(|words| Some((words, lower.find(words)?)))?;
    // Both have the same length where what was found is plain.
    let rest = line.get(at + words.len()..).filter(|_| line.len() == lower.len())?;
    let mut words = rest.split([' ', '\'', '"', '`', '(', ')', ':', ',']).filter(|word| !word.is_empty());
    let is_about = |kind: &str| rest.to_ascii_lowercase().trim_start().trim_start_matches("the ").starts_with(kind);
    let (is_user, is_group) = (is_about("user"), is_about("group"));
    let name = words.find(|word| !BETWEEN.contains(&word.to_ascii_lowercase().as_str()))?.trim_end_matches(['.', ';']);
    let name = name.to_owned();
    match (is_user, is_group) {
        (true, _) => Some(Lack::User { name }),
        (_, true) => Some(Lack::Group { name }),
        _ => None,
    }
}

/// What the service itself said last, and not systemd about it.
#[must_use]
pub fn last_words(unit: &str, lines: &[String]) -> Option<String> {
    const OF_MANAGER: [&str; 8] = [
        "Starting ",
        "Started ",
        "Stopping ",
        "Stopped ",
        "Failed to start ",
        "Listening on ",
        "Reached ",
        "Finished ",
    ];
    let is_of_manager = |line: &&String| {
        line.starts_with(&format!("{unit}: "))
            || line.starts_with(&format!("{unit} - "))
            || OF_MANAGER.iter().any(|it| line.starts_with(it))
    };
    lines.iter().rev().find(|line| !is_of_manager(line)).cloned()
}

/// The absolute paths that a line names, without the quotes and signs around them.
fn paths(line: &str) -> impl Iterator<Item = String> + '_ {
    let words = line.split([' ', '\'', '"', '`', '(', ')', '=', ',', '\u{2018}', '\u{2019}', '[', ']', '<', '>']);
    let clean = |word: &str| word.trim_end_matches([':', '.', ';', ',', '/']).to_owned();
    words.filter(|word| word.starts_with('/') && word.len() > 1 && !word.starts_with("//")).map(clean)
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['\'', '"', '`']).to_owned()
}

#[cfg(test)]
mod tests;
