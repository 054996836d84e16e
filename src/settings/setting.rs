//! What one row of the table of settings is, and how files, variables and flags reach it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use model::Diagnostic;

use super::flags::{Flags, Global};
use super::origin::{Origin, Value};
use super::parse::{Input, Place, Syntax, Wrong};
use super::show::{Entry, Show};
use crate::environment::Environment;
use crate::error::Error;

/// The variable of the setting `name` is `MODULE_BUILDER_NAME`.
pub(super) const PREFIX: &str = "MODULE_BUILDER_";

/// Who asks for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Build,
    Host,
    Network,
    Output,
}

impl Group {
    pub(super) const ALL: [Self; 4] = [Self::Build, Self::Host, Self::Network, Self::Output];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Build => "What is built",
            Self::Host => "The machine",
            Self::Network => "Network",
            Self::Output => "Output",
        }
    }
}

/// Where a setting may be written, and how. A flag may stand beside each.
pub(super) enum Reach<T> {
    /// It changes bytes: `builder.toml` and the flag only.
    Module(Syntax<T>),
    /// It changes speed and place only: the user's and the machine's files, the variable and the flag, never
    /// the module's files. What comes with the sources could bring a cache with contents of its own, or lead
    /// every download through another's machine.
    User(Syntax<T>),
    /// It changes bytes, and a fleet shares it: `builder.toml`, the user's and the machine's files, and a flag that names
    /// one more file; no variable. None of them is stronger than another: what all of them give counts together.
    Fleet(Shared<T>),
    /// It belongs to one run and stands in no file: the flag, and a variable that other programs know too.
    Run(Option<Foreign<T>>),
}

/// What is given at several places.
pub(super) struct Shared<T> {
    pub(super) syntax: Syntax<T>,
    /// What is given at two places, the earlier first.
    pub(super) and: fn(T, T) -> T,
    /// What of it cannot hold together.
    pub(super) conflicts: fn(&T) -> Vec<Diagnostic>,
}

/// A variable that is not ours alone.
pub(super) struct Foreign<T> {
    pub(super) name: &'static str,
    pub(super) read: fn(&OsStr, &Environment) -> Result<T, Error>,
}

/// The flag of a setting.
pub(super) enum Flag<T> {
    /// It gives the value.
    Value { name: &'static str, given: fn(&Flags, &Global) -> Given<T> },
    /// It names one more file, which holds the setting and nothing else.
    File { name: &'static str, given: fn(&Flags) -> Option<&PathBuf>, hint: &'static str },
}

impl<T> Flag<T> {
    fn name(&self) -> &'static str {
        match self {
            Self::Value { name, .. } | Self::File { name, .. } => name,
        }
    }
}

/// The value of the command line if there is one, or the word that is wrong and a hint.
pub(super) type Given<T> = Option<Result<T, (String, String)>>;

/// One row: everything that there is to know about a setting. `Slots` holds the values that are given, `Settings` those that
/// are effective; the table makes both.
pub(super) struct Setting<T: 'static, Slots: 'static, Settings: 'static> {
    /// Its name in files and in `env`.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) doc: &'static str,
    pub(super) group: Group,
    pub(super) reach: Reach<T>,
    pub(super) flag: Option<Flag<T>>,
    /// What holds where no one says otherwise.
    pub(super) default: fn(&Environment) -> Value<T>,
    /// Its place among the values that are given.
    pub(super) slot: fn(&mut Slots) -> &mut Option<Value<T>>,
    /// Its place among the settings.
    pub(super) field: fn(&Settings) -> &Value<T>,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Module,
    User,
    /// That of either.
    Either,
}

/// A row of whatever type.
pub(super) trait Row<Slots, Settings>: Sync {
    fn name(&self) -> &'static str;
    fn doc(&self) -> &'static str;
    fn group(&self) -> Group;
    /// The files that may hold it; none when no file may.
    fn owner(&self) -> Option<Owner>;
    /// Where a file gives a path.
    fn place(&self) -> Option<Place>;
    /// Whether it is a list of tables.
    fn is_tables(&self) -> bool;
    fn flag(&self) -> Option<&'static str>;
    /// The variable that gives it.
    fn variable(&self) -> Option<String>;
    /// Takes the value of a file below `base`.
    fn take_input(&self, input: &Input<'_>, base: &Path, origin: Origin, slots: &mut Slots) -> Result<(), Wrong>;
    /// Takes the value of `MODULE_BUILDER_NAME`.
    fn take_variable(&self, environment: &Environment, slots: &mut Slots) -> Result<(), Error>;
    /// The file that the flag names, and what helps where there is none.
    fn file_of_flag<'a>(&self, flags: &'a Flags) -> Option<(&'a Path, &'static str)>;
    /// What of the values of several places cannot hold together.
    fn conflicts(&self, slots: &mut Slots) -> Vec<Diagnostic>;
    /// Takes the value of the flag.
    fn take_flag(&self, flags: &Flags, global: &Global, slots: &mut Slots) -> Result<(), Error>;
    /// The effective value.
    fn entry(&self, settings: &Settings) -> Entry;
}

impl<T: Show, Slots, Settings> Setting<T, Slots, Settings> {
    fn syntax(&self) -> Option<&Syntax<T>> {
        match &self.reach {
            Reach::Module(syntax) | Reach::User(syntax) => Some(syntax),
            Reach::Fleet(shared) => Some(&shared.syntax),
            Reach::Run(_) => None,
        }
    }

    /// What holds of a value and of one of a stronger place.
    pub(super) fn over(&self, weaker: Option<Value<T>>, stronger: Option<Value<T>>) -> Option<Value<T>> {
        match (&self.reach, weaker, stronger) {
            (Reach::Fleet(shared), Some(weaker), Some(stronger)) => {
                Some(Value::new((shared.and)(weaker.value, stronger.value), weaker.origin.and(stronger.origin)))
            }
            (_, weaker, stronger) => stronger.or(weaker),
        }
    }

    /// The value that was given, else that of the variable that other programs know, else the default.
    ///
    /// # Errors
    /// When that variable is wrong.
    pub(super) fn or_default(&self, given: Option<Value<T>>, environment: &Environment) -> Result<Value<T>, Error> {
        if let Some(value) = given {
            return Ok(value);
        }
        if let Reach::Run(Some(Foreign { name, read })) = &self.reach
            && let Some(text) = environment.variable(name)
        {
            return Ok(Value::new(read(text, environment)?, Origin::Environment((*name).to_owned())));
        }
        Ok((self.default)(environment))
    }
}

impl<T: Show, Slots, Settings> Row<Slots, Settings> for Setting<T, Slots, Settings> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn group(&self) -> Group {
        self.group
    }

    fn owner(&self) -> Option<Owner> {
        match &self.reach {
            Reach::Module(_) => Some(Owner::Module),
            Reach::User(_) => Some(Owner::User),
            Reach::Fleet(_) => Some(Owner::Either),
            Reach::Run(_) => None,
        }
    }

    fn place(&self) -> Option<Place> {
        self.syntax().and_then(Syntax::place)
    }

    fn is_tables(&self) -> bool {
        matches!(self.syntax(), Some(Syntax::Tables { .. }))
    }

    fn flag(&self) -> Option<&'static str> {
        self.flag.as_ref().map(Flag::name)
    }

    fn variable(&self) -> Option<String> {
        match &self.reach {
            Reach::Module(_) | Reach::Fleet(_) => None,
            Reach::User(_) => Some(own_variable(self.name)),
            Reach::Run(foreign) => foreign.as_ref().map(|foreign| foreign.name.to_owned()),
        }
    }

    fn take_input(&self, input: &Input<'_>, base: &Path, origin: Origin, slots: &mut Slots) -> Result<(), Wrong> {
        let Some(syntax) = self.syntax() else { return Err(Wrong::Type("given elsewhere".to_owned())) };
        *(self.slot)(slots) = Some(Value::new(syntax.input(input, base)?, origin));
        Ok(())
    }

    fn take_variable(&self, environment: &Environment, slots: &mut Slots) -> Result<(), Error> {
        let variable = own_variable(self.name);
        let Some(value) = environment.variable(&variable) else { return Ok(()) };
        let syntax = match &self.reach {
            Reach::Module(_) | Reach::Fleet(_) => {
                let message = format!("the environment variable {variable} would change the bytes of the module");
                let hint = format!("unset it, and write `{}` into builder.toml or give the flag", self.name);
                return Err(Error::input(message).hint(hint));
            }
            Reach::User(syntax) => syntax,
            Reach::Run(_) => return Ok(()),
        };
        let wrong = |hint| Error::input(format!("the environment variable {variable} is wrong")).hint(hint);
        let text = value.to_str().ok_or_else(|| wrong("give text in UTF-8".to_owned()))?;
        let value = syntax.variable(text, &environment.current_dir).map_err(wrong)?;
        *(self.slot)(slots) = Some(Value::new(value, Origin::Environment(variable)));
        Ok(())
    }

    fn file_of_flag<'a>(&self, flags: &'a Flags) -> Option<(&'a Path, &'static str)> {
        match &self.flag {
            Some(Flag::File { given, hint, .. }) => Some((given(flags)?, hint)),
            Some(Flag::Value { .. }) | None => None,
        }
    }

    fn conflicts(&self, slots: &mut Slots) -> Vec<Diagnostic> {
        match (&self.reach, (self.slot)(slots)) {
            (Reach::Fleet(shared), Some(given)) => (shared.conflicts)(&given.value),
            _ => Vec::new(),
        }
    }

    fn take_flag(&self, flags: &Flags, global: &Global, slots: &mut Slots) -> Result<(), Error> {
        let Some(Flag::Value { name, given }) = &self.flag else { return Ok(()) };
        let Some(given) = given(flags, global) else { return Ok(()) };
        let value =
            given.map_err(|(word, hint)| Error::usage(format!("the value `{word}` of {name} is wrong")).hint(hint))?;
        *(self.slot)(slots) = Some(Value::new(value, Origin::Flag(name)));
        Ok(())
    }

    fn entry(&self, settings: &Settings) -> Entry {
        let value = (self.field)(settings);
        Entry { name: self.name, value: value.value.show(), origin: value.origin.clone() }
    }
}

/// `MODULE_BUILDER_NAME`.
pub(super) fn own_variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase())
}
