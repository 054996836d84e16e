//! How secrets and data of known kinds are made.

use image::tree::{Kind, Stat, Tree};
use model::ImagePath;
use model::closure::{AccountName, FirstStart};

use super::Context;
use crate::closure::data::{DataDirectory, DataKind};
use crate::closure::secrets::{Secret, SecretKind};

/// Where programs are looked for.
const PROGRAMS: [&str; 2] = ["/usr/bin", "/usr/sbin"];

/// How a known kind of secret is made; none where its program is not there. `at` gives the place for each path.
pub(super) fn of_secret<C>(
    secret: &Secret,
    at: &dyn Fn(&ImagePath) -> Option<ImagePath>,
    context: &Context<'_, C>,
) -> Option<FirstStart> {
    let real = at(&secret.path)?;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let command = match &secret.kind {
        SecretKind::OpenSsh { algorithm } => {
            let program = program(context.whole, "ssh-keygen")?;
            words(&[&program, "-q", "-N", "", "-C", "", "-t", algorithm, "-f", &real.to_string()])
        }
        SecretKind::Dropbear { algorithm } => {
            let program = program(context.whole, "dropbearkey")?;
            words(&[&program, "-t", algorithm, "-f", &real.to_string()])
        }
        SecretKind::Pem { certificate } => {
            let program = program(context.whole, "openssl")?;
            let certificate = at(certificate)?.to_string();
            let key = real.to_string();
            words(&[
                &program,
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-sha256",
                "-days",
                "3650",
                "-subj",
                "/CN=localhost",
                "-keyout",
                &key,
                "-out",
                &certificate,
            ])
        }
        SecretKind::Tsig => {
            let program = program(context.whole, "rndc-confgen")?;
            words(&[&program, "-a", "-c", &real.to_string()])
        }
        SecretKind::Uuid => {
            let program = program(context.whole, "cp")?;
            words(&[&program, "/proc/sys/kernel/random/uuid", &real.to_string()])
        }
        SecretKind::Random { bytes } => {
            let program = program(context.whole, "dd")?;
            let (to, size) = (format!("of={real}"), format!("bs={bytes}"));
            words(&[&program, "if=/dev/urandom", &to, &size, "count=1", "iflag=fullblock", "status=none"])
        }
        SecretKind::Companion { .. } | SecretKind::Unknown => return None,
    };
    Some(FirstStart { command, user: None })
}

/// How a known kind of data is made.
pub(super) fn of_data<C>(data: &DataDirectory, context: &Context<'_, C>) -> Option<FirstStart> {
    let path = data.path.to_string();
    let (user, _) = (context.names)(&Stat { uid: data.uid, ..Stat::root_owned(0o700, Default::default()) });
    let command = match data.kind {
        DataKind::PostgresCluster => {
            let program = anywhere(context.whole, "initdb")?;
            vec![
                program,
                "-D".to_owned(),
                path,
                "--auth-local=peer".to_owned(),
                "--auth-host=scram-sha-256".to_owned(),
                "--encoding=UTF8".to_owned(),
                "--locale=C.UTF-8".to_owned(),
            ]
        }
        DataKind::InnoDb => match program(context.whole, "mariadb-install-db") {
            Some(program) => {
                vec![
                    program,
                    format!("--datadir={path}"),
                    "--skip-test-db".to_owned(),
                    "--skip-name-resolve".to_owned(),
                    "--auth-root-socket-user=root".to_owned(),
                ]
            }
            None => {
                vec![program(context.whole, "mysqld")?, format!("--datadir={path}"), "--initialize-insecure".to_owned()]
            }
        },
        DataKind::Unknown => return None,
    };
    Some(FirstStart { command, user: AccountName::parse(&user).ok() })
}

fn program<C>(tree: &Tree<C>, name: &str) -> Option<String> {
    let path = |directory: &&str| ImagePath::new(format!("{directory}/{name}")).ok();
    let found = PROGRAMS.iter().filter_map(path).find(|path| tree.lookup(path).is_some());
    found.map(|path| path.to_string())
}

/// A program that is not where programs are looked for: the first of the name that can be run.
fn anywhere<C>(tree: &Tree<C>, name: &str) -> Option<String> {
    let is_it = |kind: &Kind<C>, mode: u16| matches!(kind, Kind::Regular(_)) && mode & 0o111 != 0;
    let mut found = tree
        .walk()
        .filter(|(path, _, node)| path.file_name() == Some(name.as_bytes()) && is_it(&node.kind, node.stat.mode));
    found.next().map(|(path, ..)| path.to_string())
}
