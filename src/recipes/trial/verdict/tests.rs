use model::Manifest;

use super::*;
use crate::recipes::trial::wanted::Services;

fn set(texts: &[&str]) -> BTreeSet<Address> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A service that a manifest declares, started as a unit.
fn wanted(more: &str) -> Wanted {
    let text = format!("schema_version: 1\nname: m\nservices: [{{name: x, start_command: /bin/x{more}}}]\n");
    let manifest = Manifest::parse(text.as_bytes()).manifest.unwrap();
    let declared = Some(manifest.services[0].value.clone());
    Wanted { name: "x.service".to_owned(), module: "m".to_owned(), declared, is_unit: true, part_of: None }
}

fn seen(state: State, listening: &[&str]) -> Seen {
    let (lack, end, log) = (None, "it ended with 1".to_owned(), Vec::new());
    Seen {
        state,
        is_there: true,
        is_masked: false,
        restarts: 0,
        listening: set(listening),
        lack,
        end,
        log,
        health: None,
    }
}

fn control(state: State, listening: &[&str]) -> Control {
    let service = InControl { state, is_good: state == State::Up, cause: None, listening: set(listening) };
    let services = [("x.service".to_owned(), service)].into();
    let (listening, not_installed) = (set(listening), vec!["more".to_owned()]);
    Control { services, parts: Vec::new(), listening, is_complete: true, ephemeral: (32768, 60999), not_installed }
}

fn judged(wanted: Wanted, seen: Seen, control: Option<&Control>) -> Vec<String> {
    let listening = seen.listening.clone();
    let services = [(wanted.name.clone(), seen)].into();
    let tried = Services { all: vec![wanted], ..Services::default() };
    let by_manager = BTreeSet::new();
    let watched = Watched { services, tried, listening, by_manager, ephemeral: (32768, 60999), tmpfiles: Vec::new() };
    let (reports, found) = judge(&watched, control, &|_, _| None);
    let is_good = found.iter().all(|finding| finding.severity != Severity::Error && finding.code != FAILS_IN_FULL_TREE);
    assert_eq!(reports.iter().map(|report| report.good).collect::<Vec<_>>(), [is_good]);
    assert_eq!(reports[0].problem.as_ref(), found.first().map(|finding| &finding.message));
    found.iter().map(|finding| format!("{}: {}", finding.code, finding.message)).collect()
}

#[test]
fn a_service_is_up_where_it_listens_and_is_well() {
    let up = || seen(State::Up, &["tcp 127.0.0.1:80"]);
    assert_eq!(judged(wanted(", exposed_ports: [{port: 80}]"), up(), None), [""; 0]);
    assert_eq!(
        judged(wanted(", exposed_ports: [{port: 81}, {port: 80, protocol: udp}]"), up(), None),
        [
            "port-closed: x.service does not listen on port 81 (tcp)",
            "port-closed: x.service does not listen on port 80 (udp)"
        ]
    );
    let ill = Seen { health: Some(Err("it answers 503".to_owned())), ..up() };
    let found = judged(wanted(""), ill, None);
    assert_eq!(found, ["health-failed: x.service does not pass its health check: it answers 503"]);
    let again = Seen { restarts: 2, ..up() };
    assert_eq!(judged(wanted(""), again, None), ["service-restarts: x.service was started again 2 times"]);
    assert_eq!(
        judged(wanted(""), seen(State::Waiting, &[]), None),
        ["service-waiting: x.service is still being started"]
    );
    let skipped = "x.service was not started: a condition of its unit does not hold here";
    assert_eq!(judged(wanted(""), seen(State::Skipped, &[]), None), [format!("service-skipped: {skipped}")]);
    let masked = Seen { is_masked: true, ..seen(State::Skipped, &[]) };
    assert_eq!(judged(wanted(""), masked, None), ["service-skipped: x.service was not started: its unit is masked"]);
}

#[test]
fn a_port_that_another_service_holds_is_not_this_ones() {
    let port = ", exposed_ports: [{port: 80}]";
    let other = |part_of: Option<&str>| Wanted {
        name: "y.service".to_owned(),
        declared: None,
        part_of: part_of.map(str::to_owned),
        ..wanted("")
    };
    let both = |own: Seen, part_of| {
        let theirs = seen(State::Up, &["tcp 127.0.0.1:80"]);
        let listening = theirs.listening.iter().chain(&own.listening).cloned().collect();
        let services = [("x.service".to_owned(), own), ("y.service".to_owned(), theirs)].into();
        let tried = Services { all: vec![wanted(port), other(part_of)], ..Services::default() };
        let (by_manager, tmpfiles) = (BTreeSet::new(), Vec::new());
        let watched = Watched { services, tried, listening, by_manager, ephemeral: (32768, 60999), tmpfiles };
        let (_, found) = judge(&watched, None, &|_, _| None);
        found.iter().map(|found| format!("{}; {}", found.message, found.hint)).collect::<Vec<_>>()
    };
    let closed = "x.service does not listen on port 80 (tcp): y.service does; \
                  declare the port for y.service, or correct the configuration of one of the two";
    assert_eq!(both(seen(State::Up, &[]), None), [closed]);
    assert_eq!(both(seen(State::Up, &["tcp 10.0.0.1:80"]), None), [""; 0]);
    assert_eq!(both(seen(State::Up, &[]), Some("x.service")), [""; 0], "a part of it listens for it");
    let lack = Some(Lack::AddressInUse { said: "bind failed".to_owned() });
    let busy = Seen { lack, ..seen(State::Down, &[]) };
    let hint = "x.service is down: an address is in use: bind failed; \
                y.service has it: let one of the two listen elsewhere";
    assert_eq!(both(busy, None), [hint]);
}

#[test]
fn what_fails_in_the_full_tree_too_is_not_the_modules_fault() {
    let down = || seen(State::Down, &[]);
    let alone = ["service-down: x.service is down: it ended with 1"];
    assert_eq!(judged(wanted(""), down(), None), alone);
    assert_eq!(judged(wanted(""), down(), Some(&control(State::Up, &[]))), alone);
    let failing = control(State::Down, &[]);
    let excused = "fails-in-full-tree: x.service is down: it ended with 1; it fails in the full tree too (down): not the module's fault";
    assert_eq!(judged(wanted(""), down(), Some(&failing)), [excused]);
    // Only what fails for the same reason: a library that a mask takes is no less missing where a setting is, too.
    let lacking = |lack: Lack| Seen { lack: Some(lack), ..down() };
    let because = |cause: Option<&str>| {
        let mut control = control(State::Down, &[]);
        control.services.values_mut().for_each(|it| it.cause = cause.map(str::to_owned));
        control
    };
    let library = || Lack::Library { name: "libx.so.1".to_owned(), program: Some("/bin/x".to_owned()) };
    let of = |lack: Lack, cause: Option<&str>| judged(wanted(""), lacking(lack), Some(&because(cause))).remove(0);
    let same = of(library(), Some("the library libx.so.1 is missing"));
    assert!(same.starts_with("fails-in-full-tree: "), "{same}");
    let another = "service-down: x.service is down: the library libx.so.1 is missing, which /bin/x needs; the full tree fails too, and not so: ";
    assert_eq!(of(library(), Some("/etc/x is missing")), format!("{another}/etc/x is missing"));
    assert_eq!(of(library(), None), format!("{another}down"));
    let busy = Lack::AddressInUse { said: "[12]: cannot bind: address already in use".to_owned() };
    assert!(of(busy, Some("an address is in use")).starts_with("fails-in-full-tree: "));
    let unknown = judged(wanted(""), down(), Some(&because(Some("/etc/x is missing")))).remove(0);
    assert!(unknown.starts_with("service-down: "), "{unknown}");
    // How a service without a unit is started is the module's own word.
    let own = Wanted { is_unit: false, ..wanted("") };
    assert_eq!(judged(own, down(), Some(&failing)), alone);
}

#[test]
fn a_part_has_to_be_there_where_it_is_in_the_full_tree() {
    let part = || Wanted { name: "x@1.service".to_owned(), part_of: Some("x.service".to_owned()), ..wanted("") };
    let is_there = |is_there| Seen { is_there, end: "there is no such unit".to_owned(), ..seen(State::Down, &[]) };
    let in_control = |state: State| {
        let service = InControl { state, is_good: state == State::Up, cause: None, listening: BTreeSet::new() };
        Control { services: [("x@1.service".to_owned(), service)].into(), ..control(State::Up, &[]) }
    };
    let gone = "service-down: x@1.service is not there, and in the full tree it is started with x.service";
    assert_eq!(judged(part(), is_there(false), Some(&in_control(State::Up))), [gone]);
    let down = "service-down: x@1.service is down: there is no such unit";
    assert_eq!(judged(part(), is_there(true), Some(&in_control(State::Up))), [down]);
    // A unit may name others that need not be there.
    let none = |control: Option<&Control>| {
        let tried = Services { all: vec![part()], ..Services::default() };
        let services = [("x@1.service".to_owned(), is_there(false))].into();
        let (listening, by_manager) = (BTreeSet::new(), BTreeSet::new());
        let watched = Watched { services, tried, listening, by_manager, ephemeral: (1, 0), tmpfiles: Vec::new() };
        let (reports, found) = judge(&watched, control, &|_, _| None);
        reports.is_empty() && found.is_empty()
    };
    assert!(none(None) && none(Some(&in_control(State::Down))));
}

#[test]
fn what_listens_otherwise_than_in_the_full_tree_is_found_once() {
    let control = control(State::Up, &["tcp 127.0.0.1:11211", "tcp [::1]:11211", "udp 0.0.0.0:40000"]);
    let with = |listening: &[&str]| judged(wanted(""), seen(State::Up, listening), Some(&control));
    assert_eq!(with(&["tcp 127.0.0.1:11211", "tcp [::1]:11211", "udp 0.0.0.0:50000"]), [""; 0]);
    let wider = with(&["tcp 0.0.0.0:11211", "tcp [::]:11211"]);
    assert_eq!(wider.len(), 1, "{wider:?}");
    assert!(
        wider[0].starts_with("listens-wider: x.service listens on tcp 0.0.0.0:11211, tcp [::]:11211, and in"),
        "{wider:?}"
    );
    let less = with(&["tcp 127.0.0.1:11211"]);
    assert_eq!(less, ["listens-less: x.service does not listen on tcp [::1]:11211, where it does in the full tree"]);
    assert_eq!(expected(Some(&control))["x.service"], set(&["tcp 127.0.0.1:11211", "tcp [::1]:11211"]));
}

#[test]
fn what_a_line_of_tmpfiles_is_about_is_looked_for_in_the_factory() {
    let of = |line: &str| in_factory(line).iter().map(ToString::to_string).collect::<Vec<_>>();
    let line = "Detected unsafe path transition /var/lib/u (owned by 1500) → /var/lib/u/r (owned by root) during canonicalization of var/lib/u/r.";
    assert_eq!(of(line), ["/usr/share/factory/var/lib/u", "/usr/share/factory/var/lib/u/r"]);
    assert_eq!(of("Failed to create \"/var/lib/x\": File exists"), ["/usr/share/factory/var/lib/x"]);
    assert_eq!(of("Failed to open /sys/x"), [""; 0]);
}
