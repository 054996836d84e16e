//! What a unit's processes run as and where (`systemd.exec(5)`, `systemd.service(5)`).

use super::{Assignment, At, Unit, Value, is_yes, words};

/// Whether an account is a user or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// A user.
    User,
    /// A group.
    Group,
}

/// An account that must be there for the unit to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whether it is a user or a group.
    pub kind: AccountKind,
    /// Its name or number.
    pub name: Value,
    /// The setting: `User`, `Group`, `SupplementaryGroups`, `SocketUser`, `SocketGroup`.
    pub key: &'static str,
    /// Where it stands.
    pub at: At,
}

/// A directory that systemd makes for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirectoryKind {
    /// `RuntimeDirectory=`, in `/run`.
    Runtime,
    /// `StateDirectory=`, in `/var/lib`.
    State,
    /// `CacheDirectory=`, in `/var/cache`.
    Cache,
    /// `LogsDirectory=`, in `/var/log`.
    Logs,
    /// `ConfigurationDirectory=`, in `/etc`.
    Configuration,
}

/// A file of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// Its path.
    pub path: Value,
    /// `-`: the unit starts without it.
    pub is_optional: bool,
    /// Where it stands.
    pub at: At,
}

/// Where the processes start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingDirectory {
    /// Its path, or `~` for the user's home.
    pub path: Value,
    /// `-`: the unit starts without it.
    pub is_optional: bool,
    /// Where it stands.
    pub at: At,
}

impl DirectoryKind {
    fn key(self) -> &'static str {
        match self {
            Self::Runtime => "RuntimeDirectory",
            Self::State => "StateDirectory",
            Self::Cache => "CacheDirectory",
            Self::Logs => "LogsDirectory",
            Self::Configuration => "ConfigurationDirectory",
        }
    }

    fn parent(self) -> &'static str {
        match self {
            Self::Runtime => "/run",
            Self::State => "/var/lib",
            Self::Cache => "/var/cache",
            Self::Logs => "/var/log",
            Self::Configuration => "/etc",
        }
    }
}

impl Unit {
    /// `User=`.
    #[must_use]
    pub fn user(&self) -> Option<Value> {
        self.exec_value("User")
    }

    /// `Group=`.
    #[must_use]
    pub fn group(&self) -> Option<Value> {
        self.exec_value("Group")
    }

    /// `SupplementaryGroups=`.
    #[must_use]
    pub fn supplementary_groups(&self) -> Vec<Value> {
        self.in_exec("SupplementaryGroups").into_iter().flat_map(|line| self.names(&line.value)).collect()
    }

    /// `DynamicUser=`: the user and its group are made when the unit starts.
    #[must_use]
    pub fn has_dynamic_user(&self) -> bool {
        self.in_exec("DynamicUser").last().is_some_and(|line| is_yes(&line.value))
    }

    /// The accounts that someone must have made before the unit can start.
    #[must_use]
    pub fn accounts(&self) -> Vec<Account> {
        let account = |kind, key, line: &Assignment, name| Account { kind, name, key, at: line.at };
        let single =
            |kind, key| self.in_exec(key).pop().map(|line| account(kind, key, line, self.resolve(&line.value)));
        let mut found = Vec::new();
        if !self.has_dynamic_user() {
            found.extend(single(AccountKind::User, "User"));
            found.extend(single(AccountKind::Group, "Group"));
        }
        for line in self.in_exec("SupplementaryGroups") {
            let names = self.names(&line.value).into_iter();
            found.extend(names.map(|name| account(AccountKind::Group, "SupplementaryGroups", line, name)));
        }
        found.extend(single(AccountKind::User, "SocketUser"));
        found.extend(single(AccountKind::Group, "SocketGroup"));
        found
    }

    /// The directories of one kind that systemd makes and gives to the service's user, by their whole paths.
    #[must_use]
    pub fn directories(&self, kind: DirectoryKind) -> Vec<Value> {
        let lines = self.in_exec(kind.key()).into_iter();
        let words = lines.flat_map(|line| words::names(&line.value));
        // `NAME:LINK` and `NAME:LINK:FLAGS` make links besides.
        let names = words.filter_map(|word| word.split(':').next().filter(|name| !name.is_empty()).map(str::to_owned));
        names.map(|name| self.resolve(&name).map(|name| format!("{}/{name}", kind.parent()))).collect()
    }

    /// `EnvironmentFile=`.
    #[must_use]
    pub fn environment_files(&self) -> Vec<EnvironmentFile> {
        let read = |line: &Assignment| {
            let (path, is_optional) = optional(&line.value);
            EnvironmentFile { path: self.resolve(path), is_optional, at: line.at }
        };
        self.in_exec("EnvironmentFile").into_iter().map(read).collect()
    }

    /// The variables of `Environment=`, in their order. One that only the node knows is left out.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let words = self.in_exec("Environment").into_iter().filter_map(|line| words::command(&line.value)).flatten();
        let variable = |word: words::Word| {
            let value = self.resolve(&word.text);
            let (name, value) = value.known()?.split_once('=')?;
            is_variable(name).then(|| (name.to_owned(), value.to_owned()))
        };
        words.filter_map(variable).collect()
    }

    /// `WorkingDirectory=`.
    #[must_use]
    pub fn working_directory(&self) -> Option<WorkingDirectory> {
        let line = self.in_exec("WorkingDirectory").pop()?;
        let (path, is_optional) = optional(&line.value);
        Some(WorkingDirectory { path: self.resolve(path), is_optional, at: line.at })
    }

    /// `RootDirectory=` or `RootImage=`: the programs are looked for in there and not on the node.
    #[must_use]
    pub fn root(&self) -> Option<Value> {
        self.exec_value("RootDirectory").or_else(|| self.exec_value("RootImage"))
    }

    /// `Type=`, as it is written.
    #[must_use]
    pub fn service_type(&self) -> Option<&str> {
        self.last("Service", "Type").map(|line| line.value.as_str())
    }

    /// `RemainAfterExit=`: the service is active after its command ended.
    #[must_use]
    pub fn remains_after_exit(&self) -> bool {
        self.last("Service", "RemainAfterExit").is_some_and(|line| is_yes(&line.value))
    }

    /// `Restart=`, as it is written.
    #[must_use]
    pub fn restart(&self) -> Option<&str> {
        self.last("Service", "Restart").map(|line| line.value.as_str())
    }

    /// `PIDFile=`; a relative one is below `/run`.
    #[must_use]
    pub fn pid_file(&self) -> Option<Value> {
        let value = self.resolve(&self.last("Service", "PIDFile")?.value);
        Some(value.map(|path| if path.starts_with('/') { path } else { format!("/run/{path}") }))
    }

    /// `BusName=`.
    #[must_use]
    pub fn bus_name(&self) -> Option<Value> {
        self.last("Service", "BusName").map(|line| self.resolve(&line.value))
    }

    fn exec_value(&self, key: &str) -> Option<Value> {
        self.in_exec(key).pop().map(|line| self.resolve(&line.value))
    }
}

fn is_variable(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit()) && name.bytes().all(is_word)
}

/// The variables of a file that `EnvironmentFile=` names (`systemd.exec(5)`): lines `NAME=value`, quotes around a value
/// taken away. One that continues over lines is left out.
#[must_use]
pub fn environment_of(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(super::MAX_BYTES)]);
    let variable = |line: &str| {
        let (name, value) = line.trim().split_once('=')?;
        let value = value.trim();
        let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        let is_whole = !value.ends_with('\\') && (quoted.is_some() || !value.starts_with(['"', '\'']));
        (is_variable(name) && is_whole).then(|| (name.to_owned(), quoted.unwrap_or(value).to_owned()))
    };
    text.lines().filter_map(variable).take(super::MAX_WORDS).collect()
}

fn optional(value: &str) -> (&str, bool) {
    value.strip_prefix('-').map_or((value, false), |path| (path, true))
}
