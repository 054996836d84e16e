//! The table of the settings, one row each. Files, variables, flags, `env`, its help and the check of
//! `docs/formats/builder-toml.md` come from here; a new setting is a row, and a field of [`Flags`](super::Flags) where it has
//! a flag.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use composer::overlay::Rule;
use model::closure::{BaseRequest, ClosureRules, Ship};
use model::file_input::FileInput;
use model::{Arch, Epoch, Secret};

use super::accounts::AccountTables;
use super::closure::{self, ClosureSettings};
use super::file_inputs;
use super::host::{self, HostApt};
use super::module::{self, ModuleSettings};
use super::origin::{Origin, Value, Warning};
use super::overlay;
use super::parse::{self, MOST_JOBS, Syntax};
use super::repository::{self, Repository};
use super::setting::{self, Flag, Foreign, Given, Group, Reach, Setting, Shared};
use crate::environment::Environment;
use crate::error::Error;
use crate::ui::{Color, Progress};

/// Makes the table, the settings and the places of what is given from the rows.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty { $($column:ident: $value:expr,)+ })+) => {
        /// The effective settings.
        #[derive(Debug, Clone)]
        pub(crate) struct Settings {
            $($(#[doc = $doc])+ pub(crate) $name: Value<$type>,)+
            /// What the module's own settings file says; none where the verb has no module.
            pub(super) own: Option<Arc<ModuleSettings>>,
            /// What looks like a setting and is none.
            pub(crate) warnings: Vec<Warning>,
            /// What the host's apt gives where no mirrors are named.
            pub(crate) host_apt: HostApt,
        }

        /// What files, variables and flags give: of each setting the strongest value so far.
        #[derive(Debug, Default)]
        pub(super) struct Slots {
            $($name: Option<Value<$type>>,)+
        }

        #[allow(non_upper_case_globals, reason = "a row has the name of its setting")]
        mod table {
            use super::*;

            $(pub(super) static $name: Setting<$type, Slots, Settings> = Setting {
                name: stringify!($name),
                doc: concat!($($doc),+),
                slot: |slots| &mut slots.$name,
                field: |settings| &settings.$name,
                $($column: $value,)+
            };)+
        }

        /// A row of the table.
        pub(super) type Row = dyn setting::Row<Slots, Settings>;

        /// Every setting.
        pub(super) static ROWS: &[&Row] = &[$(&table::$name),+];

        impl Slots {
            /// These with those of a stronger place.
            pub(super) fn over(self, stronger: Self) -> Self {
                Self { $($name: table::$name.over(self.$name, stronger.$name),)+ }
            }

            /// The settings that are given besides `name`.
            pub(super) fn others(&self, name: &str) -> Vec<&'static str> {
                let given = [$((stringify!($name), self.$name.is_some())),+];
                given.into_iter().filter(|(other, is_given)| *is_given && *other != name).map(|(other, _)| other).collect()
            }

            /// The settings, with the defaults where nothing was given.
            ///
            /// # Errors
            /// When a variable that other programs know too is wrong.
            pub(super) fn settle(
                self,
                own: Option<Arc<ModuleSettings>>,
                warnings: Vec<Warning>,
                environment: &Environment,
            ) -> Result<Settings, Error> {
                Ok(Settings {
                    $($name: table::$name.or_default(self.$name, environment)?,)+
                    own,
                    warnings,
                    host_apt: HostApt::default(),
                })
            }
        }
    };
}

settings! {
    /// The Debian suite
    suite: String {
        group: Group::Build,
        reach: Reach::Module(Syntax::Word(|text| parse::name(text).map(|()| text.to_owned()))),
        flag: Some(Flag::Value { name: "--suite", given: |flags, _| word(flags.suite.as_ref(), parse::name) }),
        default: |_| built_in("trixie".to_owned()),
    }
    /// The Debian archives, else those of the host's apt
    mirrors: Vec<String> {
        group: Group::Build,
        reach: Reach::Module(Syntax::Words(parse::archive, |words| words)),
        flag: Some(Flag::Value { name: "--mirror", given: |flags, _| words(&flags.mirrors, parse::archive) }),
        // Those of the host are known when the suite and the components are.
        default: |_| built_in(Vec::new()),
    }
    /// The archive's components
    components: Vec<String> {
        group: Group::Build,
        reach: Reach::Module(Syntax::Words(parse::name, |words| words)),
        flag: None,
        default: |_| built_in(vec!["main".to_owned()]),
    }
    /// The keys that the archive is checked with, else Debian's own
    keyring: Option<PathBuf> {
        group: Group::Build,
        reach: Reach::Module(Syntax::Path(Some)),
        flag: None,
        default: |_| built_in(None),
    }
    /// Further archives, each with keys of its own
    repository: Vec<Repository> {
        group: Group::Build,
        reach: Reach::Module(Syntax::Tables { path: Some(repository::KEYRING), make: repository::all }),
        flag: None,
        default: |_| built_in(Vec::new()),
    }
    /// Files from addresses
    file: Vec<FileInput> {
        group: Group::Build,
        reach: Reach::Module(Syntax::Tables { path: None, make: file_inputs::all }),
        flag: None,
        default: |_| built_in(Vec::new()),
    }
    /// What is installed besides the requested packages
    variant: String {
        group: Group::Build,
        reach: Reach::Module(Syntax::Word(parse::variant)),
        flag: Some(Flag::Value { name: "--variant", given: |flags, _| flags.variant.clone().map(Ok) }),
        default: |_| built_in("minbase".to_owned()),
    }
    /// The module's version, by semantic versioning
    version: Option<String> {
        group: Group::Build,
        reach: Reach::Module(Syntax::Word(closure::version)),
        flag: None,
        default: |_| built_in(None),
    }
    /// Old states of the archive, for build.apt_snapshot
    snapshot_mirror: Option<String> {
        group: Group::Build,
        reach: Reach::Module(Syntax::Word(|text| parse::url(text).map(|()| Some(text.to_owned())))),
        flag: None,
        default: |_| built_in(None),
    }
    /// The state of the archive instead of build.apt_snapshot, or none
    snapshot: Option<String> {
        group: Group::Build,
        reach: Reach::Run(None),
        flag: Some(Flag::Value {
            name: "--snapshot",
            given: |flags, _| word(flags.snapshot.as_ref(), parse::snapshot).map(|given| given.map(Some)),
        }),
        default: |_| built_in(None),
    }
    /// Owners and modes in the overlay, by pattern
    overlay: Vec<Rule> {
        group: Group::Build,
        reach: Reach::Module(Syntax::Table(overlay::rules)),
        flag: None,
        default: |_| built_in(Vec::new()),
    }
    /// Which files of the packages are shipped without being named
    ship: Ship {
        group: Group::Build,
        reach: Reach::Module(Syntax::Word(closure::ship)),
        flag: None,
        default: |_| built_in(Ship::default()),
    }
    /// Whether manual pages, locales and documentation are shipped
    documentation: bool {
        group: Group::Build,
        reach: Reach::Module(Syntax::Bool(|is| is)),
        flag: None,
        default: |_| built_in(true),
    }
    /// What the module is laid over
    base: BaseRequest {
        group: Group::Build,
        reach: Reach::Module(Syntax::Table(closure::base)),
        flag: None,
        default: |_| built_in(BaseRequest::default()),
    }
    /// What the closure replaces, and who makes what it does not ship
    closure: ClosureRules {
        group: Group::Build,
        reach: Reach::Module(Syntax::Table(closure::rules)),
        flag: None,
        default: |_| built_in(ClosureRules::default()),
    }
    /// The numbers of users and groups, by name
    accounts: AccountTables {
        group: Group::Build,
        reach: Reach::Fleet(Shared {
            syntax: Syntax::Table(AccountTables::read),
            and: AccountTables::and,
            conflicts: AccountTables::conflicts,
        }),
        flag: Some(Flag::File {
            name: "--accounts",
            given: |flags| flags.accounts.as_ref(),
            hint: "name a file with a table [accounts], in which each name has its number",
        }),
        default: |_| built_in(AccountTables::default()),
    }
    /// The architectures, else this machine's
    arch: Vec<Arch> {
        group: Group::Build,
        reach: Reach::Run(None),
        flag: Some(Flag::Value { name: "--arch", given: |flags, _| archs(&flags.archs) }),
        default: |environment| {
            let own = host::named_arch(environment.machine).into_iter().collect();
            Value::new(own, Origin::Host("this machine".to_owned()))
        },
    }
    /// The one time of the build
    epoch: Option<Epoch> {
        group: Group::Build,
        reach: Reach::Run(Some(Foreign { name: "SOURCE_DATE_EPOCH", read: |text, _| host::epoch(text).map(Some) })),
        flag: None,
        default: |_| built_in(None),
    }
    /// Where downloads and root file systems are kept
    cache_dir: Option<PathBuf> {
        group: Group::Host,
        reach: Reach::User(Syntax::Path(Some)),
        flag: Some(Flag::Value { name: "--cache-dir", given: |flags, _| flags.cache_dir.clone().map(Some).map(Ok) }),
        default: host::cache_dir,
    }
    /// How many things to do at once
    jobs: usize {
        group: Group::Host,
        reach: Reach::User(Syntax::Number { most: MOST_JOBS, make: number }),
        flag: Some(Flag::Value { name: "--jobs", given: |flags, _| flags.jobs.map(number).map(Ok) }),
        default: |environment| Value::new(environment.processors, Origin::Host("processors".to_owned())),
    }
    /// The certificate authorities, else the host's
    certificates: Option<PathBuf> {
        group: Group::Network,
        // OpenSSL's variable, which apt does not read and most other programs do.
        reach: Reach::Run(Some(Foreign {
            name: "SSL_CERT_FILE",
            read: |text, environment| Ok(Some(environment.absolute(Path::new(text)))),
        })),
        flag: None,
        default: |_| built_in(None),
    }
    /// The proxy for everything, apt included
    proxy: Option<Secret> {
        group: Group::Network,
        reach: Reach::User(Syntax::Word(|text| parse::proxy(text).map(Some))),
        flag: None,
        default: |_| built_in(None),
    }
    /// When to use colours
    color: Color {
        group: Group::Output,
        reach: Reach::User(Syntax::Word(parse::choice)),
        flag: Some(Flag::Value { name: "--color", given: |_, global| global.color.map(Ok) }),
        default: |_| built_in(Color::default()),
    }
    /// How to show progress
    progress: Progress {
        group: Group::Output,
        reach: Reach::User(Syntax::Word(parse::choice)),
        flag: Some(Flag::Value { name: "--progress", given: |_, global| global.progress.map(Ok) }),
        default: |_| built_in(Progress::default()),
    }
}

impl Slots {
    /// What those of a module's own file, of `text`, say to whoever works on the module in `directory`.
    pub(super) fn of_module(&self, directory: &Path, text: Option<Vec<u8>>) -> ModuleSettings {
        fn given<T: Clone + Default>(slot: &Option<Value<T>>) -> T {
            slot.as_ref().map(|given| given.value.clone()).unwrap_or_default()
        }
        let added = given(&self.repository).into_iter().filter_map(|added: Repository| added.keyring);
        let keyrings = given(&self.keyring).into_iter().chain(added);
        let accounts = given(&self.accounts);
        ModuleSettings {
            directory: directory.to_owned(),
            overlay: given(&self.overlay),
            files: given(&self.file),
            closure: ClosureSettings {
                ship: given(&self.ship),
                documentation: self.documentation.as_ref().is_none_or(|given| given.value),
                rules: given(&self.closure),
                accounts: accounts.numbers(),
                base: given(&self.base),
            },
            keyrings: keyrings.map(|path| module::keyring_of(Some(directory), path)).collect(),
            accounts,
            snapshot_mirror: given(&self.snapshot_mirror),
            text,
        }
    }
}

fn built_in<T>(value: T) -> Value<T> {
    Value::new(value, Origin::Default)
}

/// A machine with 16-bit sizes has no more to do at once than it can count.
fn number(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn word(text: Option<&String>, check: fn(&str) -> Result<(), String>) -> Given<String> {
    text.map(|text| check(text).map(|()| text.clone()).map_err(|hint| (text.clone(), hint)))
}

/// Each once, in the order of their names.
fn archs(archs: &[Arch]) -> Given<Vec<Arch>> {
    let archs: BTreeSet<Arch> = archs.iter().copied().collect();
    (!archs.is_empty()).then(|| Ok(archs.into_iter().collect()))
}

fn words(words: &[String], check: fn(&str) -> Result<(), String>) -> Given<Vec<String>> {
    let wrong = words.iter().find_map(|word| check(word).err().map(|hint| (word.clone(), hint)));
    (!words.is_empty()).then(|| wrong.map_or_else(|| Ok(words.to_vec()), Err))
}
