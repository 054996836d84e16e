//! Bytes of any kind as a unit and as its drop-in: everything is asked, what is read has an end, and what is known has
//! no specifier of the name left in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::unit::{DirectoryKind, MAX_ASSIGNMENTS, Unit, UnitName, Value};

fuzz_target!(|bytes: &[u8]| {
    let (name, text) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let name = std::str::from_utf8(name).ok().and_then(|name| UnitName::parse(name).ok());
    if let Some(name) = &name {
        assert_eq!(UnitName::parse(name.as_str()).as_ref(), Ok(name));
        assert!(
            name.template().is_none_or(
                |template| template.with_instance(name.instance().unwrap_or_default()).as_ref() == Some(name)
            )
        );
    }
    let mut unit = Unit::parse(name, text);
    unit.add_drop_in(bytes);
    assert!(unit.assignments().len() <= MAX_ASSIGNMENTS);
    assert!(unit.assignments().iter().all(|one| one.at.line > 0 && one.at.file < 2));
    for command in unit.commands() {
        assert!(command.program.known().is_none_or(|name| !name.is_empty()));
        assert!(command.arguments.len() < bytes.len() * 2);
    }
    for condition in unit.conditions() {
        assert!(condition.wanted_path().is_none_or(|path| path.starts_with('/')));
    }
    for kind in [DirectoryKind::State, DirectoryKind::Runtime] {
        assert!(unit.directories(kind).iter().filter_map(Value::known).all(|path| path.starts_with('/')));
    }
    let _ = (unit.accounts(), unit.environment_files(), unit.working_directory(), unit.pid_file(), unit.install());
    let _ = (unit.listens().iter().map(|listen| listen.port()).max(), unit.activates(), unit.dependencies("Requires"));
});
