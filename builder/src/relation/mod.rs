//! Relations between packages: what fields such as `Depends` and `Provides` say.
//!
//! Source: Debian policy 7.1. Borrowed from the field's text; what is no relation is none, since dpkg and apt have
//! refused it before it can matter here.

use model::version::compare;

/// How the version of a package must stand to the one that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and `<` of old
    EarlierOrEqual,
    /// `=`, and nothing
    Equal,
    /// `>=`, and `>` of old
    LaterOrEqual,
    /// `>>`
    Later,
}

/// One alternative of a dependency, or one name that is provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The package's name.
    pub name: &'a str,
    /// What follows the name after a colon: an architecture, `any` or `native`.
    pub qualifier: Option<&'a str>,
    /// The version that it must have.
    pub version: Option<(Operator, &'a str)>,
}

/// The parts of a field between its commas. Each is a group of [`alternatives`].
pub fn groups(field: &str) -> impl Iterator<Item = &str> {
    field.split(',')
}

/// The alternatives of a group.
pub fn alternatives(group: &str) -> impl Iterator<Item = Relation<'_>> {
    group.split('|').filter_map(Relation::parse)
}

/// The names of a `Provides` field with their versions.
pub fn provided(field: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let relations = groups(field).filter_map(Relation::parse);
    relations.map(|relation| (relation.name, relation.version.map(|(_, version)| version)))
}

impl<'a> Relation<'a> {
    /// Reads one relation, without the bars and commas around it. The restrictions `[arch]` and `<profile>` are passed
    /// over: only the relations of source packages have them, and they are met where a binary package was built.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| c.is_whitespace() || "([<".contains(c)).unwrap_or(text.len());
        let (package, rest) = text.split_at(end);
        let (name, qualifier) = match package.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (package, None),
        };
        let (version, mut rest) = match rest.trim_start().strip_prefix('(') {
            Some(rest) => {
                let (constraint, rest) = rest.split_once(')')?;
                (Some(parse_constraint(constraint)?), rest.trim_start())
            }
            None => (None, rest.trim_start()),
        };
        while let Some(open) = rest.chars().next() {
            let close = match open {
                '[' => ']',
                '<' => '>',
                _ => return None,
            };
            rest = rest.split_once(close)?.1.trim_start();
        }
        (!name.is_empty()).then_some(Self { name, qualifier, version })
    }

    /// Whether a package of this name with `version` will do; none stands for a name that is provided without one.
    #[must_use]
    pub fn accepts(&self, version: Option<&str>) -> bool {
        let Some((operator, wanted)) = self.version else { return true };
        // An unversioned Provides satisfies no versioned dependency.
        let Some(version) = version else { return false };
        let order = compare(version, wanted);
        match operator {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }
}

fn parse_constraint(text: &str) -> Option<(Operator, &str)> {
    let text = text.trim();
    let (operator, version) = text.split_at(text.find(|c| !"<>=".contains(c))?);
    let operator = match operator {
        "<<" => Operator::Earlier,
        "<=" | "<" => Operator::EarlierOrEqual,
        // deb-control(5) asks for an operator; dpkg and apt take none for `=`.
        "=" | "" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return None,
    };
    Some((operator, version.trim_start()))
}

#[cfg(test)]
mod tests;
