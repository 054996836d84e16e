//! Flags of the command line that are settings.

use std::path::PathBuf;

use clap::Args;
use model::Arch;

use super::parse;
use crate::ui::{Color, Format, Progress};

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// Write results and errors for people or for programs
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// How to show progress [default: auto]
    #[arg(long, global = true, value_enum, value_name = "HOW")]
    pub(crate) progress: Option<Progress>,
    /// When to use colours [default: auto]
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
    /// Say nothing but the result, warnings and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Show the steps: programs that are run, requests with their answers; twice, details, too
    #[arg(long, short, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Write what -vv shows to the end of FILE, with the time of day; no password is written
    ///
    /// The file is this user's alone, mode 0600. A link is not followed, and another user's file is refused.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
}

/// Flags that override settings for one run.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Packages")]
pub(crate) struct Flags {
    /// The Debian suite to build from [default: trixie]
    #[arg(long, value_name = "SUITE")]
    pub(crate) suite: Option<String>,
    /// A Debian mirror; may be repeated [default: the archives of the host's apt]
    #[arg(long = "mirror", value_name = "URL")]
    pub(crate) mirrors: Vec<String>,
    /// The state of the archives to take instead of the manifest's build.apt_snapshot: YYYYMMDDTHHMMSSZ, or none for today's
    #[arg(long, value_name = "TIME|none")]
    pub(crate) snapshot: Option<String>,
    /// The architectures, by their Debian or OCI names [default: this machine's]
    #[arg(long = "arch", value_name = "ARCH", value_delimiter = ',')]
    pub(crate) archs: Vec<Arch>,
    /// What mmdebstrap installs besides the requested packages [default: minbase]
    #[arg(long, value_name = "VARIANT", value_parser = clap::builder::PossibleValuesParser::new(parse::VARIANTS))]
    pub(crate) variant: Option<String>,
    /// A table [accounts] that a fleet shares: its numbers count besides those of builder.toml
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) accounts: Option<PathBuf>,
    /// Where downloads and root file systems are kept
    #[arg(long, value_name = "DIR", help_heading = "Speed and place")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// How many things to do at once [default: one per processor, and eight downloads]
    #[arg(long, value_name = "N", help_heading = "Speed and place",
          value_parser = clap::value_parser!(u64).range(1..=parse::MOST_JOBS))]
    pub(crate) jobs: Option<u64>,
}
