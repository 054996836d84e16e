//! Tables of accounts from several files.

use super::*;
use crate::settings::AccountTables;

fn with(world: &World, text: Option<&[u8]>) -> Result<Settings, Error> {
    let path = world.home.path().join("fleet.toml");
    if let Some(text) = text {
        std::fs::write(&path, text).unwrap();
    }
    world.settings(&[], &Flags { accounts: Some(path), ..Flags::default() })
}

fn listed(tables: &AccountTables) -> Vec<String> {
    tables.numbers().iter().map(|(name, ids)| format!("{name} {} {}", ids.uid, ids.gid)).collect()
}

#[test]
fn numbers_come_from_the_module_the_users_file_and_the_one_that_is_named() {
    let world = World::new("[accounts]\nredis = 312\n", "[accounts]\nchrony = 313\n");
    let settings = with(&world, Some(b"[accounts]\nredis = 312\nvalkey = { uid = 314, gid = 315 }\n")).unwrap();
    assert_eq!(listed(&settings.fleet()), ["redis 312 312", "valkey 314 315"]);
    let shown = settings.entries().into_iter().find(|entry| entry.name == "accounts").unwrap();
    let home = format!("{}/", world.home.path().display());
    let origin = "m/builder.toml:1:1, fleet.toml:1:1";
    let origin = format!(".config/module-builder/config.toml:1:1, {origin}");
    assert_eq!(shown.origin.to_string().replace(&home, ""), origin);
    let shown = serde_json::to_value(shown.json()).unwrap();
    assert_eq!(shown["value"]["chrony"]["uid"], 313);
    assert_eq!(shown["value"]["valkey"]["gid"], 315);
}

#[test]
fn two_numbers_for_a_name_and_two_names_for_a_number_name_both_places() {
    let world = World::new("[accounts]\n\nredis = 312\n", "jobs_ = 1\n");
    let of = |module: &str, fleet: &str| {
        std::fs::write(world.home.path().join("m/builder.toml"), module).unwrap();
        let error = with(&world, Some(fleet.as_bytes())).unwrap_err();
        let home = format!("{}/", world.home.path().display());
        let found = error.findings.diagnostics.iter().map(|found| {
            let place = format!("{}:{}", found.file.as_deref().unwrap(), found.position.unwrap());
            format!("{}: {place}: {}", found.code, found.message).replace(&home, "")
        });
        found.collect::<Vec<_>>()
    };
    assert_eq!(
        of("[accounts]\nredis = 320\n", "[accounts]\n"),
        [
            "account-conflict: m/builder.toml:2:1: redis has the number 320 here, and the number 312 in .config/module-builder/config.toml:3:1"
        ]
    );
    assert_eq!(
        of("", "[accounts]\nvalkey = { uid = 500, gid = 312 }\n"),
        [
            "account-conflict: fleet.toml:2:1: valkey has the number 312 here, and redis has it in .config/module-builder/config.toml:3:1"
        ]
    );
    assert_eq!(
        of("", "[accounts]\nredis = { uid = 312, gid = 313 }\n"),
        [
            "account-conflict: fleet.toml:2:1: redis has the numbers 312 and 313 here, and the number 312 in .config/module-builder/config.toml:3:1"
        ]
    );
}

#[test]
fn a_file_of_accounts_that_is_none_is_refused() {
    let world = World::new("", "");
    let codes = |text: &[u8]| {
        let error = with(&world, Some(text)).unwrap_err();
        assert_eq!(error.kind, Kind::Input);
        error.findings.diagnostics.iter().map(|found| found.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&[b'#'; (1 << 20) + 1]), ["too-large"]);
    assert_eq!(codes(b"[accounts]\nredis = \xff\n"), ["not-utf8"]);
    assert_eq!(codes(b"[accounts\n"), ["bad-toml"]);
    assert_eq!(codes(b"redis = 312\n"), ["unknown-setting"]);
    assert_eq!(codes(b"jobs = 3\n[accounts]\nredis = 312\n"), ["misplaced-setting"]);
    assert_eq!(codes(b"suite = \"sid\"\n"), ["misplaced-setting"]);
    for wrong in
        ["0", "65534", "-1", "\"312\"", "{ uid = 312 }", "{ uid = 1, gid = 2, shell = 3 }", "99999999999999999999"]
    {
        assert_eq!(codes(format!("[accounts]\nredis = {wrong}\n").as_bytes()), ["bad-value"], "{wrong}");
    }
    assert_eq!(codes(b"[accounts]\nredis = 312\nvalkey = 312\n"), ["bad-value"]);
    assert_eq!(codes(b"[accounts]\n\"re dis\" = 312\n"), ["bad-value"]);
    std::fs::remove_file(world.home.path().join("fleet.toml")).unwrap();
    let missing = with(&world, None).unwrap_err();
    assert!(missing.to_string().contains("fleet.toml"), "{missing}");
    std::fs::create_dir(world.home.path().join("fleet.toml")).unwrap();
    let directory = with(&world, None).unwrap_err();
    assert!(directory.to_string().contains("fleet.toml"), "{directory}");
}
