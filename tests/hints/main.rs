//! Whose fault each error of a library is, and what to do about it, in one table: a change of an exit code or a hint is
//! seen here, and an error without a row does not compile.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

mod building;
mod composing;
mod files;
mod node;
mod oci;
mod packages;

use model::Explain;

/// The rows of a type's variants. The patterns are matched as a whole, so that a variant that is new has to get one.
macro_rules! rows {
    ($name:literal, $type:ty: $($pattern:pat => $error:expr),+ $(,)?) => {{
        let is_known = |error: &$type| match error { $($pattern => {})+ };
        let mut rows = Vec::new();
        $(
            let error: $type = $error;
            is_known(&error);
            assert!(matches!(&error, $pattern), "{error:?} stands at another variant's place");
            rows.push($crate::row($name, stringify!($pattern), &error));
        )+
        rows
    }};
}
use rows;

fn row(name: &str, pattern: &str, error: &dyn Explain) -> String {
    let names = pattern.split("::").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap());
    shown(&format!("{name}::{}", names.collect::<Vec<_>>().join(" ")), error)
}

fn shown(name: &str, error: &dyn Explain) -> String {
    let explained = error.explain();
    assert!(!explained.message.is_empty() && !explained.message.contains('\n'), "{name}: {explained:?}");
    format!("{name} | {} | {}\n", explained.kind.name(), explained.hint.as_deref().unwrap_or("-"))
}

#[test]
fn every_error_has_its_kind_and_its_hint() {
    let all = [files::rows(), composing::rows(), packages::rows(), building::rows(), node::rows(), oci::rows()];
    insta::assert_snapshot!("every_error", all.concat().concat());
}
