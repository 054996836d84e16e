//! Values that exist only if their rules hold.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};

/// What must hold of a value before anyone may use it.
pub trait Rules {
    /// What is wrong with a value, for a message.
    type Fault: std::error::Error;

    /// Looks at everything that the value holds.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn check(&self) -> Result<(), Self::Fault>;
}

/// A value whose [`Rules`] hold. It can be read like the value itself and not be changed: what is changed is
/// checked anew. Reading one by serde checks it, too, so that no file makes one by another way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Checked<T>(T);

impl<T: Rules> Checked<T> {
    /// Checks `value`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(value: T) -> Result<Self, T::Fault> {
        value.check()?;
        Ok(Self(value))
    }
}

impl<T: Rules + Clone> Checked<T> {
    /// Another one, which differs from this in what `change` does; it is checked like every one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn changed(&self, change: impl FnOnce(&mut T)) -> Result<Self, T::Fault> {
        let mut value = self.0.clone();
        change(&mut value);
        Self::new(value)
    }
}

impl<T> Checked<T> {
    /// The value alone, to make another one of.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Rules + Deserialize<'de>> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(T::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
