//! What each rule and each package brings.

use builder::scrub::Scrubbed;
use std::collections::{BTreeMap, BTreeSet};

use composer::filter::{self, Amount, List, RuleRef};
use image::tree::Kind;
use model::ImagePath;
use model::observe::Observer;
use model::rules::{Rule, Rules};
use serde::Serialize;

use crate::error::{Error, Reported};
use crate::recipes::build::carve::{self, Carved};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::build::root;

/// One rule and what it did.
#[derive(Debug, Serialize)]
pub(crate) struct RuleLine {
    /// Whether it includes or excludes.
    pub(crate) list: List,
    /// The rule.
    #[serde(flatten)]
    pub(crate) rule: Rule,
    /// An include: what it shipped. An exclude: what it kept out that an include names.
    #[serde(flatten)]
    pub(crate) amount: Amount,
    /// Whether it matches anything at all.
    pub(crate) matched: bool,
    /// The rules before it that decided everything it matches.
    pub(crate) shadowed_by: Vec<Rule>,
    /// What may have been meant by a rule that matches nothing.
    pub(crate) suggestions: Vec<String>,
}

/// Where shipped files came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub(crate) enum Bringer {
    /// A package.
    Package {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// Its architecture.
        arch: String,
    },
    /// The module's overlay.
    Overlay,
    /// Nobody lists them: a maintainer script made them.
    MaintainerScript,
}

/// What one bringer brought.
#[derive(Debug, Serialize)]
pub(crate) struct BringerLine {
    /// Who.
    #[serde(flatten)]
    pub(crate) bringer: Bringer,
    /// Names of anything but directories.
    pub(crate) files: u64,
    /// Bytes, each inode once.
    pub(crate) bytes: u64,
}

/// What each rule and each package brings.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// The module's name.
    pub(crate) name: String,
    /// Everything that is shipped.
    pub(crate) total: Amount,
    /// What is shipped because there is no `file_spec`.
    pub(crate) owned: Amount,
    /// Includes, then excludes, in the order in which they count.
    pub(crate) rules: Vec<RuleLine>,
    /// Packages, overlay and maintainer scripts, the most bytes first.
    pub(crate) brought: Vec<BringerLine>,
    /// What was scrubbed from the root file system, by rule.
    pub(crate) scrubbed: Vec<Scrubbed>,
}

/// Sums up the module of `request`.
pub(crate) fn summary(request: &BuildRequest, observer: &dyn Observer) -> Result<Reported<Summary>, Error> {
    Reported::collect(|found| {
        let inputs = Inputs::read(&request.module, &request.checks, found)?;
        let root = root::obtain(request, &inputs, observer)?;
        let carved = carve::carve(request, &inputs, &root, observer)?;
        let report = &carved.selected.report;
        let rules = (0..inputs.rules.includes.len()).map(RuleRef::include);
        let rules = rules.chain((0..inputs.rules.excludes.len()).map(RuleRef::exclude));
        Ok(Summary {
            total: report.total,
            owned: report.owned,
            rules: rules.filter_map(|at| line(&inputs.rules, report, at)).collect(),
            brought: brought(&carved),
            scrubbed: carved.scrubbed,
            name: inputs.manifest.name,
        })
    })
}

fn line(rules: &Rules, report: &filter::Report, at: RuleRef) -> Option<RuleLine> {
    let rule = |at: &RuleRef| match at.list {
        List::Include => rules.includes.get(at.index).cloned(),
        List::Exclude => rules.excludes.get(at.index).cloned(),
    };
    let told = report.rule(at)?;
    Some(RuleLine {
        list: at.list,
        rule: rule(&at)?,
        amount: told.amount,
        matched: told.matched,
        shadowed_by: told.shadowed_by.iter().filter_map(rule).collect(),
        suggestions: told.suggestions.clone(),
    })
}

fn brought(carved: &Carved) -> Vec<BringerLine> {
    let laid: BTreeSet<&ImagePath> = carved.laid.added.iter().chain(&carved.laid.replaced).collect();
    let mut seen = vec![false; carved.selected.tree.node_count()];
    let mut lines: BTreeMap<Bringer, (u64, u64)> = BTreeMap::new();
    for (path, id, node) in carved.selected.tree.walk().filter(|(_, _, node)| !node.is_directory()) {
        let bringer = match carved.ownership.owner(&path) {
            _ if laid.contains(&path) => Bringer::Overlay,
            Some(package) => Bringer::Package {
                name: package.name.clone(),
                version: package.version.clone(),
                arch: package.arch.clone(),
            },
            None => Bringer::MaintainerScript,
        };
        let (files, bytes) = lines.entry(bringer).or_default();
        *files += 1;
        if let Kind::Regular(source) = &node.kind
            && !std::mem::replace(&mut seen[id.index()], true)
        {
            *bytes = bytes.saturating_add(source.size());
        }
    }
    let line = |(bringer, (files, bytes))| BringerLine { bringer, files, bytes };
    let mut lines: Vec<BringerLine> = lines.into_iter().map(line).collect();
    lines.sort_by(|a, b| (b.bytes, b.files, &a.bringer).cmp(&(a.bytes, a.files, &b.bringer)));
    lines
}
