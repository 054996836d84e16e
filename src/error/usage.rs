//! What is wrong with a command line, by what its parser knows of it and not by the parser's text.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Error;

impl Error {
    /// The command line is wrong, as its parser found.
    pub(crate) fn of_command_line(error: &clap::Error) -> Self {
        let hints = hints(error);
        Self::usage(message(error)).hint(if hints.is_empty() { "see `--help`".to_owned() } else { hints.join("; ") })
    }
}

fn message(error: &clap::Error) -> String {
    let get = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let argument = get(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command or an argument is missing".to_owned(),
        ErrorKind::UnknownArgument => format!("unexpected argument '{argument}' found"),
        ErrorKind::InvalidSubcommand => format!("unrecognized subcommand '{}'", get(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingSubcommand => format!(
            "'{}' requires a subcommand but one was not provided [subcommands: {}]",
            get(ContextKind::InvalidSubcommand),
            get(ContextKind::ValidSubcommand)
        ),
        ErrorKind::MissingRequiredArgument => {
            format!("the following required arguments were not provided: {argument}")
        }
        ErrorKind::ArgumentConflict => match get(ContextKind::PriorArg) {
            other if other == argument => format!("the argument '{argument}' cannot be used multiple times"),
            other => format!("the argument '{argument}' cannot be used with '{other}'"),
        },
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => match get(ContextKind::InvalidValue) {
            value if value.is_empty() => format!("a value is required for '{argument}' but none was supplied"),
            value => format!("invalid value '{value}' for '{argument}'{}", wanted(error)),
        },
        other => format!("{} {argument}", other.as_str().unwrap_or("the command line is wrong")).trim_end().to_owned(),
    }
}

/// What would be a value, or why this one is none.
fn wanted(error: &clap::Error) -> String {
    match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(reason), _) => format!(": {reason}"),
        (None, Some(values)) => format!(" [possible values: {values}]"),
        (None, None) => String::new(),
    }
}

fn hints(error: &clap::Error) -> Vec<String> {
    let similar = [
        (ContextKind::SuggestedSubcommand, "subcommand"),
        (ContextKind::SuggestedArg, "argument"),
        (ContextKind::SuggestedValue, "value"),
    ];
    let similar = similar.into_iter().filter_map(|(kind, what)| Some((what, error.get(kind)?)));
    let similar = similar.map(|(what, names)| match names {
        ContextValue::Strings(names) if names.len() > 1 => {
            format!("some similar {what}s exist: '{}'", names.join("', '"))
        }
        name => format!("a similar {what} exists: '{name}'"),
    });
    let tips = match error.get(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(tips)) => tips.as_slice(),
        _ => &[],
    };
    similar.chain(tips.iter().map(|tip| tip.to_string().trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction, Command};

    use super::*;

    fn said(arguments: &[&str]) -> (String, String) {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        let build = Command::new("build")
            .arg(Arg::new("arch").long("arch").value_parser(["amd64", "arm64"]))
            .arg(Arg::new("jobs").long("jobs").value_name("COUNT").value_parser(clap::value_parser!(u8)))
            .arg(flag("dry-run").conflicts_with("tag"))
            .arg(flag("tag"));
        let command = Command::new("x")
            .arg_required_else_help(true)
            .subcommand(build)
            .subcommand(Command::new("cache").subcommand_required(true).subcommand(Command::new("gc")))
            .subcommand(Command::new("diff").arg(Arg::new("OLD").required(true)).arg(Arg::new("NEW").required(true)));
        let error = Error::of_command_line(&command.try_get_matches_from([&["x"], arguments].concat()).unwrap_err());
        assert_eq!(error.kind, super::super::Kind::Usage);
        (error.message, error.hint.unwrap())
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let cases: [(&[&str], &str); 10] = [
            (&[], "a command or an argument is missing"),
            (&["biuld"], "unrecognized subcommand 'biuld'"),
            (&["build", "--jubs"], "unexpected argument '--jubs' found"),
            (&["build", "--arch", "vax"], "invalid value 'vax' for '--arch <arch>' [possible values: amd64, arm64]"),
            (&["build", "--jobs", "x"], "invalid value 'x' for '--jobs <COUNT>': invalid digit found in string"),
            (&["build", "--jobs"], "a value is required for '--jobs <COUNT>' but none was supplied"),
            (&["build", "--dry-run", "--tag"], "the argument '--dry-run' cannot be used with '--tag'"),
            (&["build", "--tag", "--tag"], "the argument '--tag' cannot be used multiple times"),
            (&["cache"], "'x cache' requires a subcommand but one was not provided [subcommands: gc, help]"),
            (&["diff"], "the following required arguments were not provided: <OLD>, <NEW>"),
        ];
        for (arguments, message) in cases {
            assert_eq!(said(arguments).0, message, "{arguments:?}");
        }
    }

    #[test]
    fn a_tip_of_the_parser_is_the_hint() {
        assert_eq!(said(&["biuld"]).1, "a similar subcommand exists: 'build'");
        assert_eq!(said(&["build", "--jubs"]).1, "a similar argument exists: '--jobs'");
        assert_eq!(said(&["build", "--arch", "amd46"]).1, "a similar value exists: 'amd64'");
        assert_eq!(said(&["diff", "--xyz"]).1, "to pass '--xyz' as a value, use '-- --xyz'");
        assert_eq!(said(&["diff"]).1, "see `--help`");
    }
}
