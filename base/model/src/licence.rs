//! Licences: from the short names of Debian's copyright files to SPDX expressions.
//!
//! Source of the names: the machine-readable copyright format 1.0 ("DEP-5"), "License short name".

/// The SPDX expression that says what `short` says; none where there is none, such as for an exception that has
/// only a name for people.
#[must_use]
pub fn spdx(short: &str) -> Option<String> {
    let mut words = Vec::new();
    for word in short.split_ascii_whitespace() {
        words.push(match word {
            "or" | "OR" => "OR".to_owned(),
            "and" | "AND" => "AND".to_owned(),
            name => identifier(name)?,
        });
    }
    let expression = words.join(" ");
    (expression.len() <= 1024 && spdx::Expression::parse(&expression).is_ok()).then_some(expression)
}

fn identifier(name: &str) -> Option<String> {
    let (base, is_later) = name.strip_suffix('+').map_or((name, false), |base| (base, true));
    let lower = base.to_ascii_lowercase();
    if let Some((family, version)) = ["agpl-", "lgpl-", "gpl-", "gfdl-"]
        .iter()
        .find_map(|family| lower.strip_prefix(family).map(|version| (family.trim_end_matches('-'), version)))
    {
        let version = if version.contains('.') { version.to_owned() } else { format!("{version}.0") };
        let end = if is_later { "or-later" } else { "only" };
        return known(&format!("{}-{version}-{end}", family.to_ascii_uppercase()), false);
    }
    let name = match lower.as_str() {
        "expat" => "MIT",
        "apache-2" => "Apache-2.0",
        "artistic" => "Artistic-1.0-Perl",
        "artistic-2" => "Artistic-2.0",
        "cc0" => "CC0-1.0",
        "zlib/libpng" => "Zlib",
        _ => base,
    };
    known(name, is_later)
}

/// The identifier as SPDX writes it, whatever its case is here.
fn known(name: &str, is_later: bool) -> Option<String> {
    let id = spdx::identifiers::LICENSES.iter().find(|id| id.name.eq_ignore_ascii_case(name))?;
    Some(format!("{}{}", id.name, if is_later { "+" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_of_debian_are_spdx_expressions_or_none() {
        for (short, wanted) in [
            ("GPL-2", Some("GPL-2.0-only")),
            ("GPL-2+", Some("GPL-2.0-or-later")),
            ("LGPL-2.1+", Some("LGPL-2.1-or-later")),
            ("AGPL-3.0", Some("AGPL-3.0-only")),
            ("GFDL-1.3+", Some("GFDL-1.3-or-later")),
            ("Expat", Some("MIT")),
            ("BSD-3-clause", Some("BSD-3-Clause")),
            ("Apache-2.0", Some("Apache-2.0")),
            ("PostgreSQL", Some("PostgreSQL")),
            ("PHP-3.01", Some("PHP-3.01")),
            ("MPL-1.1+", Some("MPL-1.1+")),
            ("GPL-2+ or Artistic", Some("GPL-2.0-or-later OR Artistic-1.0-Perl")),
            ("GPL-2 and Expat", Some("GPL-2.0-only AND MIT")),
            ("GPL-2+ with OpenSSL exception", None),
            ("public-domain", None),
            ("GPL-9", None),
            ("GPL", None),
            ("or", None),
            ("", None),
            ("Expat Expat", None),
        ] {
            assert_eq!(spdx(short).as_deref(), wanted, "{short}");
        }
    }
}
