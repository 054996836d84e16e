//! What came of one of the works, and the table of all.

use std::collections::BTreeMap;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::command::Outcome;

/// What came of one of them.
pub(super) struct Row {
    name: &'static str,
    files: u64,
    bytes: u64,
    /// How long `build` took.
    pub(super) build: Duration,
    /// How long `test` took.
    pub(super) test: Duration,
    /// Whether all came up.
    is_up: bool,
    /// What is missing first.
    pub(super) missing: Option<String>,
    /// What `build --strict` finds.
    pub(super) findings: Vec<String>,
}

impl Row {
    pub(super) fn new(name: &'static str) -> Self {
        let (build, test) = (Duration::ZERO, Duration::ZERO);
        Self { name, files: 0, bytes: 0, build, test, is_up: false, missing: None, findings: Vec::new() }
    }

    /// Takes over what `build` says of the module.
    pub(super) fn size(&mut self, built: &Value) {
        let number = |key: &str| built.get(key).and_then(Value::as_u64).unwrap_or_default();
        (self.files, self.bytes) = (number("files"), number("content_size"));
    }

    /// Takes over what `test` says. A module with nothing to start has proven nothing.
    pub(super) fn trial(&mut self, test: &Output) {
        let report: Value = serde_json::from_slice(&test.stdout).unwrap_or_default();
        let services = report.get("services").and_then(Value::as_array).cloned().unwrap_or_default();
        self.is_up = test.status.success() && report.get("up") == Some(&Value::Bool(true)) && !services.is_empty();
        if self.is_up {
            return;
        }
        let problem = |service: &Value| service.get("problem").and_then(Value::as_str).map(str::to_owned);
        let missing = services.iter().find_map(problem);
        let nothing = || test.status.success().then(|| "nothing is started".to_owned());
        self.missing = missing.or_else(nothing).or_else(|| Some(first_error("test", test)));
    }

    fn is_good(&self) -> bool {
        self.is_up && self.findings.is_empty()
    }

    fn cells(&self) -> [String; 7] {
        let state = match &self.missing {
            None if self.is_up => "up".to_owned(),
            None => "not up".to_owned(),
            Some(missing) => missing.replace('|', "/"),
        };
        let findings = if self.findings.is_empty() { "none".to_owned() } else { self.findings.join(", ") };
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let size = self.bytes as f64 / 1e6;
        let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
        let (build, test) = (seconds(self.build), seconds(self.test));
        [self.name.to_owned(), self.files.to_string(), format!("{size:.1}"), build, test, state, findings]
    }

    /// The row as a line.
    pub(super) fn line(&self) -> String {
        format!("| {} |", self.cells().join(" | "))
    }
}

/// All rows, as Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = "| package | files | MB | build s | test s | in `test` | under `--strict` |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        text.push_str(&row.line());
        text.push('\n');
    }
    text
}

/// Fails when one of them is not up, or has findings.
pub(super) fn judge(rows: &[Row]) -> Outcome {
    let bad: Vec<&str> = rows.iter().filter(|row| !row.is_good()).map(|row| row.name).collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {} are not up without findings: {}", bad.len(), rows.len(), bad.join(", ")))
}

/// The codes of what was found, each with how often it was.
pub(super) fn findings(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let code = |line: &str| {
        let rest = line.strip_prefix("warning[").or_else(|| line.strip_prefix("error["))?;
        Some(rest.split_once(']')?.0.to_owned())
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for code in said.lines().filter_map(code) {
        *counts.entry(code).or_default() += 1;
    }
    counts.into_iter().map(|(code, count)| if count == 1 { code } else { format!("{code} ({count})") }).collect()
}

/// The first error that a verb printed, as text or as JSON.
pub(super) fn first_error(verb: &str, output: &Output) -> String {
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let in_json = ["/error/diagnostics/0/message", "/error/message"].map(|place| value.pointer(place));
    let in_json = in_json.into_iter().flatten().find_map(Value::as_str);
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.starts_with("error")).or_else(|| said.lines().last());
    format!("{verb}: {}", in_json.or(line).unwrap_or("no word"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn output(code: i32, stdout: &str, stderr: &str) -> Output {
        Output { status: ExitStatus::from_raw(code << 8), stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn only_what_was_started_and_is_up_is_good() {
        let row = |code, stdout, stderr| {
            let mut row = Row::new("x");
            row.trial(&output(code, stdout, stderr));
            row
        };
        let good = row(0, r#"{"up": true, "services": [{"name": "x.service"}]}"#, "");
        assert!(good.is_good() && judge(&[good]).is_ok());
        assert_eq!(row(0, r#"{"up": true, "services": []}"#, "").missing.unwrap(), "nothing is started");
        let down = row(3, r#"{"up": false, "services": [{"name": "y"}, {"problem": "x is down"}]}"#, "");
        assert!(down.line().contains("| x is down |") && judge(&[down]).is_err());
        let refused = r#"{"error": {"message": "refused", "diagnostics": [{"message": "a changes b"}]}}"#;
        assert_eq!(first_error("build", &output(3, refused, "note\n")), "build: a changes b");
        assert_eq!(row(4, "", "note: a\nerror: no cgroup\n").missing.unwrap(), "test: error: no cgroup");
    }

    #[test]
    fn findings_are_counted_by_code() {
        let said = "warning[a]: x\n  hint: y\nerror[b]: z\nwarning[a]: w\n";
        assert_eq!(findings(&output(3, "", said)), ["a (2)", "b"]);
    }
}
