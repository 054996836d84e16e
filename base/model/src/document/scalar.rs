//! Plain scalars by the core schema of YAML 1.2.2, section 10.3.2: `yes` and `on` are strings.

/// A scalar's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// From the least i64 to the greatest u64.
    Integer(i128),
    /// Finite.
    Float(f64),
    /// Text.
    String(String),
    /// A number that JSON cannot carry: infinite, not a number, or an integer beyond 64 bits.
    Beyond,
    /// A scalar about which a fault was reported already.
    Broken,
}

impl Scalar {
    /// What the scalar is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with a fraction",
            Self::String(_) => "a string",
            Self::Beyond => "a number out of range",
            Self::Broken => "nothing",
        }
    }

    /// Whether the core schema's tag (`int`, without its prefix) fits the value.
    pub(super) fn has_tag(&self, tag: &str) -> bool {
        match self {
            Self::Null => tag == "null",
            Self::Boolean(_) => tag == "bool",
            Self::Integer(_) => tag == "int",
            Self::Float(_) | Self::Beyond => tag == "float",
            Self::String(_) | Self::Broken => false,
        }
    }
}

/// The value of a scalar that was written without quotes and without a tag.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Boolean(true),
        "false" | "False" | "FALSE" => return Scalar::Boolean(false),
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0o").filter(|digits| all(digits, |b| matches!(b, b'0'..=b'7'))) {
        return integer(i128::from_str_radix(digits, 8).ok());
    }
    if let Some(digits) = text.strip_prefix("0x").filter(|digits| all(digits, |b| b.is_ascii_hexdigit())) {
        return integer(i128::from_str_radix(digits, 16).ok());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if all(unsigned, |b| b.is_ascii_digit()) {
        return integer(text.parse().ok());
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Scalar::Beyond;
    }
    if is_float(unsigned) {
        return text.parse().ok().filter(|value: &f64| value.is_finite()).map_or(Scalar::Beyond, Scalar::Float);
    }
    Scalar::String(text.to_owned())
}

fn all(text: &str, test: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(test)
}

fn integer(value: Option<i128>) -> Scalar {
    let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
    value.filter(|value| range.contains(value)).map_or(Scalar::Beyond, Scalar::Integer)
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |text: &str| all(text, |b| b.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_schema_is_followed() {
        for (text, scalar) in [
            ("~", Scalar::Null),
            ("True", Scalar::Boolean(true)),
            ("+12", Scalar::Integer(12)),
            ("0o17", Scalar::Integer(15)),
            ("0xff", Scalar::Integer(255)),
            ("18446744073709551615", Scalar::Integer(i128::from(u64::MAX))),
            ("18446744073709551616", Scalar::Beyond),
            ("-.inf", Scalar::Beyond),
            ("1e999", Scalar::Beyond),
            ("1.", Scalar::Float(1.0)),
            (".5e-1", Scalar::Float(0.05)),
        ] {
            assert_eq!(resolve(text), scalar, "{text}");
        }
        for text in ["yes", "on", "1_000", "0b1", "1.2.3", "e5", ".", "-", "inf", "NaN", "0o8", "--1", "1e", "nUll"] {
            assert_eq!(resolve(text), Scalar::String(text.to_owned()));
        }
    }
}
