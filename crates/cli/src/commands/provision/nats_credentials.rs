//! `nats-credentials`: makes what the roles prove with who they are, and the part of a server's config that knows it.
//!
//! Each role has a folder, so that each can be given its own and no other: as a volume, or as a secret of Kubernetes.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use image_sync_queue::jetstream::Prefix;
use tempfile::NamedTempFile;

use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;

pub(crate) const HELP: &str = "\
Example:
  image-sync nats-credentials ./credentials

  credentials/worker/password       the password of the user `worker`; likewise for each role
  credentials/worker/facts.key      what workers sign their facts with: --facts-key-file
  credentials/webhook/secret        what a registry proves its events with: secret_file
  credentials/nats/nats-roles.conf  the users and what they may do: to be included in nats.conf

What is there already is kept; nats-roles.conf is written anew from it.";

/// What each user may do. Its passwords are variables, and its names those of the usual prefix.
const ROLES_FILE: &str = include_str!("../../../../../deploy/nats-roles.conf");
const ROLES: [&str; 6] = [
    "provision",
    "producer",
    "webhook",
    "worker",
    "aggregator",
    "operator",
];
/// What the written config begins with.
const HEAD: &str = "# Made by `image-sync nats-credentials`, which writes it anew.\n";
const SECRET_BYTES: usize = 32;

/// Options of `nats-credentials`.
#[derive(Args, Clone, Debug)]
pub(crate) struct NatsCredentialsArgs {
    /// Where the folders of the roles are, or are to be
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The installation that the users are for, where several share a server
    #[arg(long, value_name = "NAME", default_value_t)]
    prefix: Prefix,
}

/// Runs `nats-credentials`.
pub(crate) fn run(args: &NatsCredentialsArgs) -> Result<Exit, Problem> {
    let told = write_all(&args.folder, args.prefix.as_str())?;
    let written = Stdout::Process.write(|out| out.write_all(told.as_bytes()));
    written.map_err(Problem::not_carried_out)?;
    Ok(Exit::Success)
}

/// Makes what is missing; the lines that say what was made and what was kept.
fn write_all(folder: &Path, prefix: &str) -> Result<String, Problem> {
    let (mut told, mut passwords) = (Vec::new(), String::new());
    for role in ROLES {
        let (password, line) = kept_or_made(&folder.join(role), "password")?;
        told.push(line);
        let name = role.to_uppercase();
        passwords.extend([&name, "_PASSWORD: \"", &password, "\"\n"]);
    }
    for (role, name) in [("worker", "facts.key"), ("webhook", "secret")] {
        let (_, line) = kept_or_made(&folder.join(role), name)?;
        told.push(line);
    }
    let config = format!("{HEAD}{passwords}{}", of_prefix(ROLES_FILE, prefix));
    let (nats, name) = (folder.join("nats"), "nats-roles.conf");
    let file = nats.join(name);
    write_file(&nats, name, &config).map_err(|reason| failed(&file, &reason))?;
    told.push(format!("{}: written\n", file.display()));
    Ok(told.concat())
}

/// Streams and environment variables of a server are in capitals, subjects and buckets are as the prefix is.
fn of_prefix(roles: &str, prefix: &str) -> String {
    roles
        .replace("imgsync", prefix)
        .replace("IMGSYNC", &prefix.to_ascii_uppercase())
}

/// The secret of a file, which is made if it is not there, and a line that says which.
fn kept_or_made(folder: &Path, name: &str) -> Result<(String, String), Problem> {
    let file = folder.join(name);
    match fs::read_to_string(&file) {
        Ok(text) => {
            let secret = text.trim_end_matches(['\r', '\n']);
            if !is_quotable(secret) {
                return Err(Problem::usage(format!(
                    "{}: found something else than one line of visible ASCII without quotes and backslashes; \
                     write such a line, or remove the file and a new one is made",
                    file.display()
                )));
            }
            Ok((secret.to_owned(), format!("{}: kept\n", file.display())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = random().map_err(Problem::not_carried_out)?;
            let written = write_file(folder, name, &secret);
            written.map_err(|reason| failed(&file, &reason))?;
            Ok((secret, format!("{}: made\n", file.display())))
        }
        Err(error) => Err(failed(&file, &error)),
    }
}

/// Whether it can stand between quotes in the server's config, and means itself there.
fn is_quotable(secret: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    !secret.is_empty() && secret.bytes().all(fits)
}

fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// Only who runs this may read it, and no one ever sees a part of it.
fn write_file(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    Ok(())
}

fn failed(file: &Path, reason: &io::Error) -> Problem {
    Problem::not_carried_out(format!("{}: {reason}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    fn read(folder: &TempDir, file: &str) -> String {
        fs::read_to_string(folder.path().join(file)).unwrap()
    }

    #[test]
    fn each_role_has_a_password_of_its_own_that_nobody_else_may_read() {
        let folder = TempDir::new().unwrap();
        write_all(folder.path(), "imgsync").unwrap();
        let mut passwords = ROLES.map(|role| read(&folder, &format!("{role}/password")));
        passwords.sort();
        assert!(passwords.windows(2).all(|pair| pair[0] != pair[1]));
        for file in [
            "worker/password",
            "worker/facts.key",
            "nats/nats-roles.conf",
        ] {
            let found = fs::metadata(folder.path().join(file)).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn the_users_of_the_config_are_the_roles_and_each_password_is_set() {
        let users = ROLES_FILE.matches("{ user: ").count();
        assert_eq!(users, ROLES.len());
        let folder = TempDir::new().unwrap();
        write_all(folder.path(), "imgsync").unwrap();
        let config = read(&folder, "nats/nats-roles.conf");
        for role in ROLES {
            let name = role.to_uppercase();
            let password = read(&folder, &format!("{role}/password"));
            assert!(config.contains(&format!("{name}_PASSWORD: \"{password}\"\n")));
            assert!(config.contains(&format!("user: {role}, password: ${name}_PASSWORD")));
        }
    }

    #[test]
    fn what_is_there_is_kept_and_what_is_missing_is_made() {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("worker")).unwrap();
        fs::write(folder.path().join("worker/password"), "my-own:1\n").unwrap();
        let told = write_all(folder.path(), "imgsync").unwrap();
        assert!(told.contains("worker/password: kept\n"), "{told}");
        assert!(told.contains("producer/password: made\n"), "{told}");
        let config = read(&folder, "nats/nats-roles.conf");
        assert!(config.contains("WORKER_PASSWORD: \"my-own:1\"\n"));

        let producer = read(&folder, "producer/password");
        write_all(folder.path(), "imgsync").unwrap();
        assert_eq!(read(&folder, "producer/password"), producer);
        assert_eq!(read(&folder, "nats/nats-roles.conf"), config);
        assert!(!told.contains(&producer) && !told.contains("my-own"));
    }

    #[test]
    fn a_password_that_would_mean_something_else_in_the_config_is_refused_with_its_file() {
        for text in ["", "\n", "a\"b", "a\\b", "a b", "a\nb", "p\u{e4}ss"] {
            let folder = TempDir::new().unwrap();
            fs::create_dir(folder.path().join("operator")).unwrap();
            fs::write(folder.path().join("operator/password"), text).unwrap();
            let problem = write_all(folder.path(), "imgsync").unwrap_err();
            assert_eq!(problem.exit, Exit::Usage, "{text:?}");
            let told = problem.to_string();
            assert!(told.contains("operator/password: found"), "{told}");
        }
    }

    #[test]
    fn the_names_are_those_of_the_prefix() {
        let roles = of_prefix(ROLES_FILE, "team-a");
        assert!(!roles.to_lowercase().contains("imgsync"));
        assert!(roles.contains("$JS.API.STREAM.INFO.TEAM-A_JOBS"));
        assert!(roles.contains("$KV.team-a_runs.plan.*"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_with_its_file() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("provision"), "").unwrap();
        let problem = write_all(folder.path(), "imgsync").unwrap_err();
        assert_eq!(problem.exit, Exit::NotCarriedOut);
        assert!(
            problem.to_string().contains("provision/password"),
            "{problem}"
        );
    }
}
