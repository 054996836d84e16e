//! What each rule and each package brings.

use builder::scrub::Scrubbed;
use std::collections::BTreeMap;

use composer::filter::{self, Amount, List, RuleRef};
use image::tree::Kind;
use model::closure::Ship;
use model::observe::Observer;
use model::rules::{Rule, Rules};
use serde::Serialize;

use crate::error::{Error, Reported};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::build::select::{self, Selected};
use crate::recipes::build::{obtained, origin};
use crate::recipes::results::counts::Counts;
use crate::recipes::results::file_lists::From;

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
pub(crate) struct FileOrigin {
    /// Who brought them.
    pub(crate) from: From,
    /// The package.
    #[serde(flatten)]
    pub(crate) package: Option<PackageName>,
}

/// A package as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct PackageName {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its architecture.
    pub(crate) arch: String,
}

/// What one origin gives.
#[derive(Debug, Serialize)]
pub(crate) struct OriginLine {
    /// Who.
    #[serde(flatten)]
    pub(crate) origin: FileOrigin,
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
    /// The same by kind.
    #[serde(skip)]
    pub(crate) counts: Counts,
    /// Which files are shipped without being named.
    #[serde(skip)]
    pub(crate) ship: Ship,
    /// What is shipped without being named.
    pub(crate) owned: Amount,
    /// Includes, then excludes, in the order in which they count.
    pub(crate) rules: Vec<RuleLine>,
    /// Packages, overlay and maintainer scripts, the most bytes first.
    pub(crate) brought: Vec<OriginLine>,
    /// What was scrubbed from the root file system, by rule.
    pub(crate) scrubbed: Vec<Scrubbed>,
}

/// Sums up the module of `request`.
pub(crate) fn summary(request: &BuildRequest, observer: &dyn Observer) -> Result<Reported<Summary>, Error> {
    Reported::collect(|found| {
        let inputs = Inputs::read(&request.module, &request.checks, found)?;
        let (files, root) = obtained::obtain(request, &inputs, observer)?;
        let selected = select::root(request, &inputs, (&root, &files), observer)?;
        let report = &selected.selection.report;
        let rules = (0..inputs.rules.includes.len()).map(RuleRef::include);
        let rules = rules.chain((0..inputs.rules.excludes.len()).map(RuleRef::exclude));
        Ok(Summary {
            total: report.total,
            counts: Counts::of(&selected.selection.tree),
            ship: inputs.settings.closure.ship,
            owned: report.owned,
            rules: rules.filter_map(|at| line(&inputs.rules, report, at)).collect(),
            brought: by_origin(&selected),
            scrubbed: selected.scrubbed,
            name: inputs.manifest.name,
        })
    })
}

fn line(rules: &Rules, report: &filter::Report, at: RuleRef) -> Option<RuleLine> {
    let rule = |at: &RuleRef| match at.list {
        List::Include => rules.includes.get(at.index).cloned(),
        List::Exclude => rules.excludes.get(at.index).cloned(),
    };
    let report = report.rule(at)?;
    Some(RuleLine {
        list: at.list,
        rule: rule(&at)?,
        amount: report.amount,
        matched: report.matched,
        shadowed_by: report.shadowed_by.iter().filter_map(rule).collect(),
        suggestions: report.suggestions.clone(),
    })
}

fn by_origin(selected: &Selected) -> Vec<OriginLine> {
    let mut seen = vec![false; selected.selection.tree.node_count()];
    let mut lines: BTreeMap<FileOrigin, (u64, u64)> = BTreeMap::new();
    for (path, id, node) in selected.selection.tree.walk().filter(|(_, _, node)| !node.is_directory()) {
        let closed = selected.closed.as_ref();
        let (from, package, _) =
            origin::of_shipped(closed, &selected.ownership, (&selected.laid, &selected.fed), &selected.files, &path);
        let package = package.map(|package| PackageName {
            name: package.name.clone(),
            version: package.version.clone(),
            arch: package.arch.clone(),
        });
        let origin = FileOrigin { from, package };
        let (files, bytes) = lines.entry(origin).or_default();
        *files += 1;
        if let Kind::Regular(source) = &node.kind
            && !std::mem::replace(&mut seen[id.index()], true)
        {
            *bytes = bytes.saturating_add(source.size());
        }
    }
    let line = |(origin, (files, bytes))| OriginLine { origin, files, bytes };
    let mut lines: Vec<OriginLine> = lines.into_iter().map(line).collect();
    lines.sort_by(|a, b| (b.bytes, b.files, &a.origin).cmp(&(a.bytes, a.files, &b.origin)));
    lines
}
