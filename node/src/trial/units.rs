//! What systemd says of units: `systemctl show`, read strictly.

use std::collections::BTreeMap;

use model::path::escape;

/// What is asked of each unit.
pub const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,Result,NRestarts,MainPID,ControlGroup,ExecMainCode,\
                              ExecMainStatus,ConditionResult,ConditionTimestampMonotonic,Type,Job,User,Group,WorkingDirectory,FragmentPath,Following,\
                              Wants,Requires,BindsTo";

/// What systemd says of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its name; that of the unit itself where an alias was asked for.
    pub id: String,
    /// `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `inactive`, `activating`, ...
    pub active: String,
    /// `running`, `exited`, `dead`, ...
    pub sub: String,
    /// `success`, `exit-code`, ...; of units that have no result it is empty.
    pub result: String,
    /// How often it was started again.
    pub restarts: u32,
    /// The main process as the trial sees it; 0 where there is none.
    pub main_process: u32,
    /// Its cgroup, from the root of the trial's.
    pub cgroup: String,
    /// The exit status of the main process, or the signal that ended it.
    pub status: i32,
    /// Whether a signal ended the main process.
    pub by_signal: bool,
    /// Whether its conditions held when it was last started.
    pub condition: bool,
    /// Whether its conditions were ever looked at: of a unit whose requirements are not there they are not.
    pub was_tried: bool,
    /// `simple`, `notify`, `oneshot`, ...; of other units than services it is empty.
    pub kind: String,
    /// Whether something is still to be done with it.
    pub is_queued: bool,
    /// The user that it runs as; empty for root.
    pub user: String,
    /// The group; empty where it is the user's.
    pub group: String,
    /// The directory that it starts in; empty for the root.
    pub directory: String,
    /// The file that describes it.
    pub file: String,
    /// The units that are started with it, by whatever file of a unit, link or generator.
    pub pulls: Vec<String>,
}

/// What is the matter with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Up,
    /// It ran and did what it had to.
    Done,
    /// It is being started, or waits for another.
    Waiting,
    /// A condition of it does not hold, so that it was not started.
    Skipped,
    /// It is not up.
    Down,
}

impl State {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
            Self::Down => "down",
        }
    }
}

impl Unit {
    /// What is the matter with it.
    #[must_use]
    pub fn state(&self) -> State {
        if self.load == "masked" {
            return State::Skipped;
        }
        match self.active.as_str() {
            "active" if self.sub == "exited" => State::Done,
            "active" | "reloading" | "refreshing" => State::Up,
            "activating" if self.sub == "auto-restart" => State::Down,
            "activating" | "deactivating" => State::Waiting,
            _ if self.is_queued => State::Waiting,
            "inactive" if !self.condition && self.load == "loaded" => State::Skipped,
            "inactive" if self.kind == "oneshot" && self.result == "success" => State::Done,
            _ => State::Down,
        }
    }
}

impl Unit {
    /// Whether it is there, and nothing ever began to start it.
    #[must_use]
    pub fn is_untried(&self) -> bool {
        self.state() == State::Skipped && self.load == "loaded" && !self.was_tried
    }
}

/// Reads what `systemctl show` printed: the properties of each unit, and an empty line between two.
///
/// # Errors
/// The first line that cannot be read, or what a unit lacks.
pub fn parse(text: &str) -> Result<Vec<Unit>, String> {
    let mut units = Vec::new();
    for block in text.split("\n\n").map(|block| block.trim_matches('\n')).filter(|block| !block.is_empty()) {
        let mut properties = BTreeMap::new();
        for line in block.lines() {
            let (name, value) = line.split_once('=').ok_or_else(|| escape(line.as_bytes()))?;
            if properties.insert(name, value).is_some() {
                return Err(format!("{} stands twice", escape(name.as_bytes())));
            }
        }
        units.push(unit(&properties)?);
    }
    Ok(units)
}

fn unit(properties: &BTreeMap<&str, &str>) -> Result<Unit, String> {
    let needed =
        |name: &str| properties.get(name).map(|value| (*value).to_owned()).ok_or(format!("a unit has no {name}"));
    let text = |name: &str| properties.get(name).map_or_else(String::new, |value| (*value).to_owned());
    let number = |name: &str| match properties.get(name) {
        None | Some(&"") => Ok(0),
        Some(value) => value.parse::<i64>().map_err(|_| format!("{name} is {}", escape(value.as_bytes()))),
    };
    let natural =
        |name: &str| number(name).and_then(|value| u32::try_from(value).map_err(|_| format!("{name} is {value}")));
    /// How waitid(2) says that a signal ended a process.
    const KILLED: [i64; 2] = [2, 3];
    Ok(Unit {
        id: needed("Id")?,
        load: needed("LoadState")?,
        active: needed("ActiveState")?,
        sub: needed("SubState")?,
        result: text("Result"),
        restarts: natural("NRestarts")?,
        main_process: natural("MainPID")?,
        cgroup: text("ControlGroup"),
        status: i32::try_from(number("ExecMainStatus")?).map_err(|_| "ExecMainStatus is too large".to_owned())?,
        by_signal: KILLED.contains(&number("ExecMainCode")?),
        condition: match properties.get("ConditionResult") {
            Some(&"yes") => true,
            // Before it was started for the first time it has no result, which reads as no.
            Some(&"no") | None => false,
            Some(other) => return Err(format!("ConditionResult is {}", escape(other.as_bytes()))),
        },
        was_tried: number("ConditionTimestampMonotonic")? != 0,
        kind: text("Type"),
        is_queued: number("Job")? != 0,
        user: text("User"),
        group: text("Group"),
        directory: text("WorkingDirectory"),
        file: text("FragmentPath"),
        pulls: ["Wants", "Requires", "BindsTo"]
            .iter()
            .flat_map(|name| properties.get(name).copied().unwrap_or_default().split_ascii_whitespace())
            .map(str::to_owned)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "Type=notify\nNRestarts=0\nMainPID=42\nControlGroup=/system.slice/a.service\nUser=redis\nGroup=redis\nId=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\nConditionResult=yes\nResult=success\nExecMainCode=0\nExecMainStatus=0\nWorkingDirectory=!/var/lib/a b=c\nWants=a@1.service\nRequires=sysinit.target system.slice\nConditionTimestampMonotonic=5000000000\n\nId=b.socket\nLoadState=loaded\nActiveState=active\nSubState=listening\nResult=success\nConditionResult=yes\n\nId=c.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nConditionResult=no\nJob=7\n";

    #[test]
    fn units_are_read_as_systemd_shows_them() {
        let units = parse(SHOWN).unwrap();
        assert_eq!(units.len(), 3);
        assert_eq!((units[0].id.as_str(), units[0].main_process, units[0].user.as_str()), ("a.service", 42, "redis"));
        assert_eq!(units[0].directory, "!/var/lib/a b=c");
        assert_eq!(units[0].pulls, ["a@1.service", "sysinit.target", "system.slice"]);
        assert_eq!(units[1].pulls, [""; 0]);
        assert_eq!([units[0].was_tried, units[2].was_tried], [true, false]);
        assert_eq!([&units[0], &units[1], &units[2]].map(Unit::state), [State::Up, State::Up, State::Waiting]);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn each_state_is_told_from_the_others() {
        let unit = |active: &str, sub: &str, more: &str| {
            let text = format!("Id=x.service\nLoadState=loaded\nActiveState={active}\nSubState={sub}\n{more}");
            parse(&text).unwrap()[0].state()
        };
        assert_eq!(unit("failed", "failed", "ConditionResult=yes\nResult=exit-code\n"), State::Down);
        assert_eq!(unit("activating", "start", "ConditionResult=yes\n"), State::Waiting);
        assert_eq!(unit("activating", "auto-restart", "ConditionResult=yes\n"), State::Down);
        assert_eq!(unit("inactive", "dead", "ConditionResult=no\n"), State::Skipped);
        assert_eq!(unit("inactive", "dead", "ConditionResult=no\nJob=3\n"), State::Waiting);
        assert_eq!(unit("inactive", "dead", "ConditionResult=yes\nType=oneshot\nResult=success\n"), State::Done);
        assert_eq!(unit("inactive", "dead", "ConditionResult=yes\nType=simple\nResult=success\n"), State::Down);
        assert_eq!(unit("active", "exited", "ConditionResult=yes\n"), State::Done);
        let is_untried = |more: &str| {
            let text = format!("Id=x.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\n{more}");
            parse(&text).unwrap()[0].is_untried()
        };
        assert!(is_untried("ConditionResult=no\nConditionTimestampMonotonic=0\n"));
        assert!(!is_untried("ConditionResult=no\nConditionTimestampMonotonic=7\n"));
        assert!(!is_untried("ConditionResult=no\nJob=3\n"));
        assert_eq!(unit("something", "new", "ConditionResult=yes\n"), State::Down);
    }

    #[test]
    fn what_is_no_property_is_named() {
        let base = "Id=a\nLoadState=loaded\nActiveState=active\nSubState=x\n";
        assert_eq!(parse("nonsense"), Err("nonsense".to_owned()));
        assert_eq!(parse("Id=a\nId=b"), Err("Id stands twice".to_owned()));
        assert_eq!(parse("Id=a"), Err("a unit has no LoadState".to_owned()));
        assert_eq!(parse(&format!("{base}NRestarts=-1")), Err("NRestarts is -1".to_owned()));
        assert_eq!(parse(&format!("{base}MainPID=x")), Err("MainPID is x".to_owned()));
        assert_eq!(parse(&format!("{base}ConditionResult=maybe")), Err("ConditionResult is maybe".to_owned()));
    }
}
