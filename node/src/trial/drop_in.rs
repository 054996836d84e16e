//! What of a unit has to be another way in a trial, where some of root's capabilities are not there.

/// Capabilities that no process of a trial has: what they allow is the machine's own.
const GONE: [&str; 8] = [
    "CAP_SYS_TIME",
    "CAP_SYS_BOOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_MKNOD",
    "CAP_SYS_PACCT",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
];

/// Programs that steer the machine's clock, and the option by which they let it be.
const CLOCKS: [(&str, &str); 1] = [("chronyd", "-x")];

/// The text of a drop-in for the unit with this text; none where it can stay as it is.
#[must_use]
pub fn drop_in(text: &str) -> Option<String> {
    let lines = settings(text);
    let mut out = String::new();
    if lines.iter().any(|(section, key, value)| section == "Unit" && key == "ConditionCapability" && is_gone(value)) {
        // An empty one takes all conditions away; the others come again.
        out.push_str("[Unit]\nConditionCapability=\n");
        for (_, key, value) in
            lines.iter().filter(|(section, key, _)| section == "Unit" && key.starts_with("Condition"))
        {
            if !(key == "ConditionCapability" && is_gone(value)) {
                out.push_str(&format!("{key}={value}\n"));
            }
        }
    }
    let mut service = String::new();
    let ambient: Vec<&str> = of_service(&lines, "AmbientCapabilities").collect();
    if ambient.iter().any(|value| is_gone(value)) {
        let kept: Vec<&str> =
            ambient.iter().flat_map(|value| value.split_ascii_whitespace()).filter(|it| !is_gone(it)).collect();
        service.push_str("AmbientCapabilities=\n");
        if !kept.is_empty() {
            service.push_str(&format!("AmbientCapabilities={}\n", kept.join(" ")));
        }
    }
    let commands: Vec<&str> = of_service(&lines, "ExecStart").filter(|value| !value.is_empty()).collect();
    if commands.iter().any(|command| clock_option(command).is_some()) {
        service.push_str("ExecStart=\n");
        for command in commands {
            let line = clock_option(command).unwrap_or_else(|| command.to_owned());
            service.push_str(&format!("ExecStart={line}\n"));
        }
    }
    if !service.is_empty() {
        out.push_str(&format!("[Service]\n{service}"));
    }
    (!out.is_empty()).then_some(out)
}

fn is_gone(value: &str) -> bool {
    value.split_ascii_whitespace().any(|word| GONE.contains(&word.trim_start_matches(['|', '!'])))
}

fn of_service<'a>(lines: &'a [(String, String, String)], wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let of = lines.iter().filter(move |(section, key, _)| section == "Service" && key == wanted);
    of.map(|(_, _, value)| value.as_str())
}

/// The command with the option by which its program lets the clock be; none for other programs.
fn clock_option(command: &str) -> Option<String> {
    let (program, rest) = command.split_once(' ').unwrap_or((command, ""));
    let name = program.trim_start_matches(['@', '-', ':', '+', '!', '|']).rsplit('/').next()?;
    let (_, option) = CLOCKS.iter().find(|(clock, _)| *clock == name)?;
    Some(format!("{program} {option} {rest}").trim_end().to_owned())
}

/// Section, key and value of each line.
fn settings(text: &str) -> Vec<(String, String, String)> {
    let (mut section, mut found) = (String::new(), Vec::new());
    let mut lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    while let Some(line) = lines.next() {
        let mut line = line.to_owned();
        while let Some(head) = line.strip_suffix('\\') {
            line = format!("{} {}", head.trim_end(), lines.next().unwrap_or_default()).trim_end().to_owned();
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            found.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_cannot_hold_is_lifted_and_the_others_stay() {
        let text = "[Unit]\nDescription=x\nConditionCapability=CAP_SYS_TIME\nConditionPathExists=!/x\n[Service]\n\
                    ExecStart=!/usr/sbin/chronyd \\\n  $OPTIONS\nUser=_chrony\n";
        assert_eq!(
            drop_in(text).unwrap(),
            "[Unit]\nConditionCapability=\nConditionPathExists=!/x\n[Service]\nExecStart=\n\
             ExecStart=!/usr/sbin/chronyd -x $OPTIONS\n"
        );
    }

    #[test]
    fn capabilities_that_are_gone_are_not_asked_for() {
        let text = "[Service]\nAmbientCapabilities=CAP_SYS_TIME CAP_NET_BIND_SERVICE\nExecStart=/bin/x\n";
        let expected = "[Service]\nAmbientCapabilities=\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n";
        assert_eq!(drop_in(text).unwrap(), expected);
        for text in ["", "[Service]\nExecStart=/bin/x\n", "[Unit]\nConditionCapability=CAP_CHOWN\n", "\\", "[Unit\n=\n"]
        {
            assert_eq!(drop_in(text), None, "{text}");
        }
    }
}
