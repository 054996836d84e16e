//! Whole units, as Debian has them and as no one should write them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use super::*;

fn unit(name: &str, text: &str) -> Unit {
    Unit::parse(UnitName::parse(name).ok(), text.as_bytes())
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn known(text: &str) -> Value {
    Value::Known(text.to_owned())
}

fn programs(unit: &Unit) -> Vec<String> {
    unit.commands().iter().map(|command| format!("{}={}", command.key, command.program)).collect()
}

const SERVICE: &str = "[Unit]\nDescription=x\nRequires=a.socket 'b.service'\nRequires=\nConditionPathExists=!/etc/x/off\n\
     ConditionPathExists=|/usr/bin/%p\nAssertFileIsExecutable=/usr/sbin/y\nConditionHost=z\n\
     [Service]\nType=notify\nUser=%p\nGroup=x\nSupplementaryGroups=a b\nSupplementaryGroups=c\n\
     EnvironmentFile=-/etc/default/x\nEnvironmentFile=/etc/x/env\nWorkingDirectory=-/srv\nPIDFile=x/x.pid\n\
     StateDirectory=x x/%i:link\nRuntimeDirectory=:y\nExecSearchPath=/opt/bin\nExecPaths=/a\nRestart=on-failure\n\
     ExecStartPre=-+/bin/mkdir '-p' /a ; @!/bin/b name $X\nExecStart=/usr/sbin/x --conf \"/etc/%i x\" 100%%\n\
     ExecStop=$X/stop\nExecReload=|:kill -HUP $MAINPID\nExecCondition=/a/\n\
     [Install]\nWantedBy=multi-user.target\nAlias=y@%i.service\nAlso=x.socket\n";

#[test]
fn commands_have_their_prefixes_and_words() {
    let unit = unit("x@main.service", SERVICE);
    let commands = unit.commands();
    assert_eq!(
        programs(&unit),
        [
            "ExecStartPre=/bin/mkdir",
            "ExecStartPre=/bin/b",
            "ExecStart=/usr/sbin/x",
            "ExecStop=$X/stop",
            "ExecReload=kill"
        ]
    );
    let flags: Vec<_> = commands
        .iter()
        .map(|one| (one.ignores_failure, one.is_privileged, one.in_shell, one.keeps_variables))
        .collect();
    let none = (false, false, false, false);
    assert_eq!(
        flags,
        [(true, true, false, false), (false, true, false, false), none, none, (false, false, true, true)]
    );
    assert_eq!(commands[1].argv0, Some(known("name")));
    assert_eq!(texts(&commands[1].arguments), ["$X"]);
    assert_eq!(texts(&commands[2].arguments), ["--conf", "/etc/main x", "100%"]);
    assert_eq!(commands[2].at, At { file: 0, line: 25 });
    assert!(matches!(commands[3].program, Value::Unknown(_)));
    assert_eq!(unit.commands_for("ExecStart").len(), 1);
}

#[test]
fn what_a_service_runs_as_and_where_is_read() {
    let unit = unit("x@main.service", SERVICE);
    let accounts: Vec<_> = unit.accounts().into_iter().map(|one| (one.kind, one.name.to_string(), one.key)).collect();
    let group = |name: &str, key| (AccountKind::Group, name.to_owned(), key);
    let extra = "SupplementaryGroups";
    let user = (AccountKind::User, "x".to_owned(), "User");
    assert_eq!(accounts, [user, group("x", "Group"), group("a", extra), group("b", extra), group("c", extra)]);
    let files: Vec<_> =
        unit.environment_files().into_iter().map(|one| (one.path.to_string(), one.is_optional)).collect();
    assert_eq!(files, [("/etc/default/x".to_owned(), true), ("/etc/x/env".to_owned(), false)]);
    assert_eq!(texts(&unit.directories(DirectoryKind::State)), ["/var/lib/x", "/var/lib/x/main"]);
    assert_eq!(unit.directories(DirectoryKind::Runtime), []);
    let directory = unit.working_directory().unwrap();
    assert_eq!((directory.path, directory.is_optional), (known("/srv"), true));
    assert_eq!((unit.service_type(), unit.restart()), (Some("notify"), Some("on-failure")));
    assert_eq!((unit.pid_file(), unit.bus_name(), unit.root()), (Some(known("/run/x/x.pid")), None, None));
    assert_eq!(texts(&unit.dependencies("Requires")), ["a.socket", "b.service"]);
}

#[test]
fn a_dynamic_user_needs_no_one_who_makes_it() {
    let text = "[Service]\nDynamicUser=YES\nUser=x\nGroup=y\nSupplementaryGroups=adm\n";
    let read = unit("x.service", text);
    assert!(read.has_dynamic_user());
    assert_eq!(read.accounts().iter().map(|one| one.key).collect::<Vec<_>>(), ["SupplementaryGroups"]);
    assert_eq!(unit("x.service", &text.replace("YES", "no")).accounts().len(), 3);
    let socket = unit("x.socket", "[Socket]\nSocketUser=a\nSocketGroup=b\n");
    assert_eq!(socket.accounts().iter().map(|one| one.key).collect::<Vec<_>>(), ["SocketUser", "SocketGroup"]);
}

#[test]
fn conditions_and_assertions_name_paths() {
    let read = unit("x.service", SERVICE).conditions();
    let show: Vec<_> = read
        .iter()
        .map(|one| (one.kind.as_str(), one.is_assertion, one.is_negated, one.is_alternative, one.wanted_path()))
        .collect();
    assert_eq!(
        show,
        [
            ("PathExists", false, true, false, None),
            ("PathExists", false, false, true, Some("/usr/bin/x")),
            ("Host", false, false, false, None),
            ("FileIsExecutable", true, false, false, Some("/usr/sbin/y")),
        ]
    );
    let text = "[Unit]\nConditionHost=a\nConditionPathExists=\nConditionUser=|! x\nAssertUser=b\n";
    let reset = unit("x.service", text).conditions();
    assert_eq!(reset.iter().map(|one| one.argument.to_string()).collect::<Vec<_>>(), ["x", "b"]);
    assert!(reset[0].is_negated && reset[0].is_alternative);
}

#[test]
fn variables_of_units_and_of_their_files_are_read() {
    let text = "[Service]\nEnvironment=lost=1\nEnvironment=\nEnvironment=\"CONFIG=/etc/a b\" X=%p 1=2 H=%H plain\nEnvironment=Y=\n";
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(unit("x.service", text).environment(), [pair("CONFIG", "/etc/a b"), pair("X", "x"), pair("Y", "")]);
    let file = b"# A=1\nARGS=\"-a -b\"\n B = 2\nC='x'\nD=\"open\nE=a\\\nF\nG=\n";
    assert_eq!(environment_of(file), [pair("ARGS", "-a -b"), pair("C", "x"), pair("G", "")]);
}

#[test]
fn sockets_timers_and_paths_say_what_they_start() {
    let starts = |name: &str, text: &str| unit(name, text).activates().map(|value| value.to_string());
    assert_eq!(starts("a.socket", "").as_deref(), Some("a.service"));
    assert_eq!(starts("a.socket", "[Socket]\nAccept=yes\n").as_deref(), Some("a@.service"));
    assert_eq!(starts("a.socket", "[Socket]\nAccept=yes\nService=b.service").as_deref(), Some("b.service"));
    assert_eq!(starts("a@x.socket", "").as_deref(), Some("a@x.service"));
    assert_eq!(starts("a.timer", "[Timer]\nUnit=%p-b.target\n").as_deref(), Some("a-b.target"));
    assert_eq!(starts("a.path", "[Path]\nUnit=\n").as_deref(), Some("a.service"));
    assert_eq!(starts("a.service", ""), None);
}

#[test]
fn addresses_of_sockets_have_ports() {
    let text = "[Socket]\nListenStream=1\nListenStream=\nListenDatagram=514\nListenStream=[::1]:80\nListenStream=/run/x\n\
         ListenFIFO=80\nListenStream=127.0.0.1:8080\nListenStream=@80\nListenStream=0\nListenStream=vsock:2:80\n\
         ListenStream=+9\nListenStream=70000\n";
    let read = unit("x.socket", text).listens();
    let ports: Vec<_> = read.iter().map(Listen::port).collect();
    assert_eq!(ports, [Some(514), Some(80), None, None, Some(8080), None, None, None, None, None]);
    assert_eq!((read[0].kind, read[3].kind), (ListenKind::Datagram, ListenKind::Fifo));
    assert_eq!(read[0].at.line, 4);
}

#[test]
fn what_enabling_does_is_read() {
    let install = unit("x@main.service", SERVICE).install();
    assert_eq!(texts(&install.wanted_by), ["multi-user.target"]);
    assert_eq!(
        (texts(&install.alias), texts(&install.also)),
        (vec!["y@main.service".to_owned()], vec!["x.socket".to_owned()])
    );
    assert!(!install.is_empty() && install.default_instance.is_none());
    let more = unit("x@.service", "[Install]\nRequiredBy=a\nUpheldBy=b\nWantedBy=c\nWantedBy=\nDefaultInstance=main\n");
    let install = more.install();
    assert_eq!(install.starters().map(ToString::to_string).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(install.default_instance, Some(known("main")));
    assert!(unit("x.service", "[Service]\nWantedBy=a\n").install().is_empty());
}

#[test]
fn drop_ins_add_and_take_back() {
    let mut read = unit("x.service", "[Service]\nExecStart=/old\nExecStop=/stop\nUser=a\n");
    read.add_drop_in(b"ExecStart=/lost\n[Service]\nExecStart=\nExecStart=/new\n");
    read.add_drop_in(b"[Service]\nUser=b\n");
    assert_eq!(programs(&read), ["ExecStop=/stop", "ExecStart=/new"]);
    assert_eq!((read.commands()[1].at, read.user()), (At { file: 1, line: 4 }, Some(known("b"))));
    read.add_drop_in(b"[Service]\nUser=\n");
    assert_eq!(read.user(), None);
    assert_eq!(read.assignments().len(), 7);
}

#[test]
fn commands_count_where_systemd_reads_them() {
    let count = |text: &str| unit("x.service", text).commands().len();
    for (section, wanted) in [("Service", 1), ("Socket", 1), ("Mount", 1), ("Swap", 1), ("Unit", 0), ("Install", 0)] {
        assert_eq!(count(&format!("[{section}]\nExecStart=/a\n")), wanted, "{section}");
    }
    assert_eq!(count("ExecStart=/a\n"), 0);
    assert_eq!(count("[Service]\r\n  ExecStart = /a \r\nNotExec=/b\n;ExecStop=/c\nExecStop\n"), 1);
    assert_eq!(count("[Service]\nExecStart=/a 'open\nExecStop=-\nExecStop=; ;\n"), 0);
    assert_eq!(count(&format!("[Service]\n{}", "ExecStartPre=/a\n".repeat(300))), 256);
}

#[test]
fn a_unit_has_an_end() {
    let many = format!("[A]\n{}", "b=c\n".repeat(MAX_ASSIGNMENTS + 1));
    let mut read = unit("x.service", &many);
    read.add_drop_in(many.as_bytes());
    assert_eq!(read.assignments().len(), MAX_ASSIGNMENTS);
    let long = format!("[A]\nb={}\nc=d\n", "x".repeat(MAX_BYTES));
    assert_eq!(unit("x.service", &long).assignments().len(), 1);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(bytes in "[\\[\\]Service\n=\\\\\"'%$;@#!|/ :x20\r\\x00\u{e9}-]{0,80}") {
        let text = format!("[Service]\nExecStart={bytes}\n[Unit]\nAssertPathExists={bytes}");
        let read = unit("a@b-c.socket", &text);
        let _ = (read.commands(), read.conditions(), read.accounts(), read.install(), read.listens(), read.activates());
    }
}
