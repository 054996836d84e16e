//! `[Install]`: what `systemctl enable` makes of a unit.

use super::{Unit, Value};

/// What a unit asks `systemctl enable` for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Install {
    /// Units that are to want it.
    pub wanted_by: Vec<Value>,
    /// Units that are to require it.
    pub required_by: Vec<Value>,
    /// Units that are to keep it up.
    pub upheld_by: Vec<Value>,
    /// Units that are enabled with it.
    pub also: Vec<Value>,
    /// Other names of it.
    pub alias: Vec<Value>,
    /// The instance that a template is enabled for where no one says which.
    pub default_instance: Option<Value>,
}

impl Install {
    /// Whether `systemctl enable` has anything to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let lists = [&self.wanted_by, &self.required_by, &self.upheld_by, &self.also, &self.alias];
        lists.iter().all(|list| list.is_empty())
    }

    /// The units that start it, by whatever bond.
    pub fn starters(&self) -> impl Iterator<Item = &Value> {
        self.wanted_by.iter().chain(&self.required_by).chain(&self.upheld_by)
    }
}

impl Unit {
    /// What stands in `[Install]`.
    #[must_use]
    pub fn install(&self) -> Install {
        let list = |key| self.all("Install", key).into_iter().flat_map(|line| self.names(&line.value)).collect();
        Install {
            wanted_by: list("WantedBy"),
            required_by: list("RequiredBy"),
            upheld_by: list("UpheldBy"),
            also: list("Also"),
            alias: list("Alias"),
            default_instance: self.last("Install", "DefaultInstance").map(|line| self.resolve(&line.value)),
        }
    }
}
