//! What holds of every row of the table.

use super::*;
use crate::settings::parse::{Input, Syntax, Wrong};
use crate::settings::rows::Row;
use crate::settings::setting::Owner;
use crate::ui::Progress;

/// A value of a row other than its default, as a file has it and as `env` shows it in JSON; with its row, the
/// one thing to write in a test for a new setting.
fn sample(name: &str) -> (&'static str, &'static str) {
    match name {
        "suite" => ("\"sid\"", "\"sid\""),
        "mirrors" => ("[\"http://m.example.org/debian\"]", "[\"http://m.example.org/debian\"]"),
        "components" => ("[\"contrib\"]", "[\"contrib\"]"),
        "keyring" => ("\"/keys/k.gpg\"", "\"/keys/k.gpg\""),
        "repository" => (
            "[{ uri = \"https://v.example.org\", suite = \"./\", architectures = [\"amd64\"], keyring = \"/keys/v.gpg\" }]",
            "[{\"architectures\":[\"amd64\"],\"keyring\":\"/keys/v.gpg\",\"suite\":\"./\",\"uri\":\"https://v.example.org\"}]",
        ),
        "file" => (
            "[{ url = \"https://h.example.org/t\", sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\", destination = \"/opt/t\" }]",
            "[{\"destination\":\"/opt/t\",\"sha256\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",\"url\":\"https://h.example.org/t\"}]",
        ),
        "variant" => ("\"essential\"", "\"essential\""),
        "version" => ("\"1.2.3\"", "\"1.2.3\""),
        "snapshot" => ("20260101T000000Z", "\"20260101T000000Z\""),
        "snapshot_mirror" => ("\"http://s.example.org/debian\"", "\"http://s.example.org/debian\""),
        "overlay" => ("{ \"/a\" = { mode = \"0440\" } }", "[\"/a mode=0440\"]"),
        "ship" => ("\"closure\"", "\"closure\""),
        "documentation" => ("false", "false"),
        "base" => {
            ("{ variant = \"apt\", packages = [\"systemd\"] }", "{\"packages\":[\"systemd\"],\"variant\":\"apt\"}")
        }
        "closure" => (
            "{ replaces = [\"/etc/a\"], secrets = { \"/etc/k\" = { command = [\"/bin/k\"], user = \"u\" } } }",
            "{\"replaces\":[\"/etc/a\"],\"secrets\":{\"/etc/k\":{\"command\":[\"/bin/k\"],\"user\":\"u\"}}}",
        ),
        "accounts" => {
            ("{ u = 312, v = { uid = 1, gid = 2 } }", "{\"u\":{\"gid\":312,\"uid\":312},\"v\":{\"gid\":2,\"uid\":1}}")
        }
        "arch" => ("\"riscv64\"", "[\"riscv64\"]"),
        "epoch" => ("1700000000", "1700000000"),
        "cache_dir" => ("\"/cache\"", "\"/cache\""),
        "jobs" => ("5", "5"),
        "certificates" => ("\"/own.pem\"", "\"/own.pem\""),
        "proxy" => ("\"http://u:hunter2@p.example.org:1\"", "\"http://***@p.example.org:1\""),
        "color" => ("\"always\"", "\"always\""),
        "progress" => ("\"plain\"", "\"plain\""),
        _ => panic!("give a value of the new setting {name}"),
    }
}

/// The flags that a command line with `argument` has.
fn parsed(flag: &str, value: &str) -> (Flags, Global) {
    use clap::{Args as _, FromArgMatches as _};
    let command = Global::augment_args(Flags::augment_args(clap::Command::new("x")));
    let matches = command.try_get_matches_from(["x", flag, value]).unwrap();
    (Flags::from_arg_matches(&matches).unwrap(), Global::from_arg_matches(&matches).unwrap())
}

#[track_caller]
fn is_shown(settings: &Settings, row: &Row, shown: &str, origin: &str) {
    let entry = settings.entries().into_iter().find(|entry| entry.name == row.name()).unwrap();
    let json = serde_json::to_string(&entry.json()).unwrap();
    assert_eq!((entry.text().as_str(), entry.origin.to_string().as_str()), (shown, origin), "{}", row.name());
    assert!(!json.contains("hunter2") && !format!("{settings:?}").contains("hunter2"), "{json}");
}

#[test]
fn every_row_is_reached_by_each_way_that_it_declares_and_env_names_it() {
    let none = Flags::default();
    for row in ROWS {
        let (written, shown) = sample(row.name());
        let word = written.trim_matches(['[', ']', '"']);
        let text = format!("{} = {written}\n", row.name());
        for owner in [Owner::Module, Owner::User] {
            let (user, module, path) = match owner {
                Owner::Module => ("", text.as_str(), "m/builder.toml"),
                Owner::User | Owner::Either => (text.as_str(), "", ".config/module-builder/config.toml"),
            };
            let world = World::new(user, module);
            let column = row.name().len() + 4;
            match (row.owner().is_some_and(|own| own == owner || own == Owner::Either), world.settings(&[], &none)) {
                (true, settings) => {
                    let origin = format!("{}:1:{column}", world.home.path().join(path).display());
                    is_shown(&settings.unwrap(), *row, shown, &origin);
                }
                (false, settings) => assert_eq!(settings.unwrap_err().kind, Kind::Input, "{}", row.name()),
            }
        }
        let world = World::new("", "");
        let own = setting::own_variable(row.name());
        if let Some(variable) = row.variable() {
            let settings = world.settings(&[(variable.as_str(), word)], &none).unwrap();
            is_shown(&settings, *row, shown, &format!("environment {variable}"));
        }
        match row.owner() {
            Some(Owner::Module | Owner::Either) => {
                assert!(world.settings(&[(own.as_str(), word)], &none).is_err(), "{own}")
            }
            Some(Owner::User) => assert_eq!(row.variable(), Some(own)),
            None => assert!(!world.settings(&[(own.as_str(), word)], &none).unwrap().is_named(*row), "{own}"),
        }
        if let Some(flag) = row.flag() {
            let (mut flags, mut global) = parsed(flag, word);
            let mut origin = format!("flag {flag}");
            if row.file_of_flag(&flags).is_some() {
                let file = world.home.path().join("named.toml").display().to_string();
                std::fs::write(&file, &text).unwrap();
                (flags, global) = parsed(flag, &file);
                origin = format!("{file}:1:{}", row.name().len() + 4);
            }
            let environment = environment(world.home.path(), &[]);
            let settings = Settings::new(Layers::default(), &flags, &global, &environment).unwrap();
            is_shown(&settings, *row, shown, &origin);
        }
    }
}

impl Settings {
    fn is_named(&self, row: &Row) -> bool {
        !matches!(row.entry(self).origin, Origin::Default | Origin::Host(_))
    }
}

#[test]
fn every_flag_that_is_a_setting_has_a_row() {
    use clap::Args as _;
    let command = Global::augment_args(Flags::augment_args(clap::Command::new("x")));
    let mut flags: Vec<String> =
        command.get_arguments().filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect();
    // These are of one run only, and `env` has no use for them.
    flags.retain(|flag| !["--format", "--quiet", "--verbose", "--log-file"].contains(&flag.as_str()));
    let mut rows: Vec<String> = ROWS.iter().filter_map(|row| row.flag().map(str::to_owned)).collect();
    flags.sort();
    rows.sort();
    assert_eq!(flags, rows);
}

#[test]
fn the_page_of_builder_toml_has_every_row_where_it_belongs() {
    let page = include_str!("../../../docs/formats/builder-toml.md");
    let section = |title: &str| page.split("\n## ").find(|part| part.starts_with(title)).unwrap();
    let (bytes, place) = (section("What changes bytes"), section("What changes speed and place only"));
    let mut keys: Vec<&str> = Vec::new();
    for row in ROWS {
        let flag = row.flag().map_or_else(String::new, |flag| format!("`{flag}`"));
        let (part, wanted) = match row.owner() {
            Some(Owner::Module | Owner::Either) => (bytes, vec![flag]),
            Some(Owner::User) => (place, vec![format!("`{}`", row.variable().unwrap()), flag]),
            None => {
                let ways = row.variable().into_iter().chain(row.flag().map(str::to_owned));
                ways.for_each(|way| assert!(page.contains(&format!("`{way}`")), "{way}"));
                continue;
            }
        };
        let start = format!("| `{}` |", row.name());
        let line = part.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{start}"));
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let found = &cells[cells.len() - wanted.len()..];
        assert!(found.iter().zip(&wanted).all(|(found, wanted)| found.split(',').next() == Some(wanted)), "{line}");
        keys.push(row.name());
    }
    let listed =
        [bytes, place].into_iter().flat_map(|part| part.split("\n\n").filter(|part| part.starts_with("| key ")));
    let listed: Vec<&str> =
        listed.flat_map(|table| table.lines().skip(2)).filter_map(|l| l.split('`').nth(1)).collect();
    assert_eq!(listed, keys);
}

#[test]
fn each_syntax_takes_its_own_shape_and_refuses_the_others() {
    let base = Path::new("/base");
    let inputs = [Input::Text("a"), Input::List(vec!["a", "b"]), Input::Number(Some(2)), Input::Other];
    let taken = |syntax: &Syntax<String>| inputs.each_ref().map(|input| syntax.input(input, base));
    let wrong = |result: &Result<String, Wrong>| matches!(result, Err(Wrong::Type(_)));
    let all: [(Syntax<String>, usize, &str, &str); 4] = [
        (Syntax::Word(|text| Ok(text.to_owned())), 0, "x,y", "x,y"),
        (Syntax::Words(|_| Ok(()), |words| words.join("+")), 1, "x,y", "x+y"),
        (Syntax::Path(|path| path.display().to_string()), 0, "x", "/base/x"),
        (Syntax::Number { most: 4, make: |number| number.to_string() }, 2, "4", "4"),
    ];
    for (syntax, own, text, made) in &all {
        for (number, result) in taken(syntax).iter().enumerate() {
            assert!(if number == *own { result.is_ok() } else { wrong(result) }, "{number}: {result:?}");
        }
        assert_eq!(syntax.variable(text, base).as_deref(), Ok(*made));
    }
    for text in ["0", "5", "-1", "x"] {
        assert_eq!(all[3].0.variable(text, base), Err("give a whole number from 1 to 4".to_owned()), "{text}");
    }
    assert_eq!(all[1].0.input(&Input::List(Vec::new()), base), Err(Wrong::Empty));
}

#[test]
fn choices_are_the_names_of_their_type() {
    assert_eq!(parse::choice::<Progress>("json"), Ok(Progress::Json));
    let hint = parse::choice::<Color>("alway").unwrap_err();
    assert_eq!(hint, "did you mean `always`? it is one of auto, always, never");
}
