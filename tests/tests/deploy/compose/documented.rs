//! docs/compose.md: its commands name services, profiles and targets that exist, its requests are answered as it says, and
//! its files can be read by those that they are for.

use std::fs;

use serde_yaml_ng::Value;
use tokio::process::Command;

use super::project::Project;
use super::{project, pulled, sources};
use crate::files::{repository, text_of};

const VERBS: [&str; 7] = ["up", "logs", "run", "restart", "cp", "build", "down"];

fn page() -> String {
    text_of("docs/compose.md")
}

/// The lines of the blocks of this language, and what stands in backticks in lines of prose.
fn blocks(language: &str) -> String {
    let page = page();
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// The commands of the page that begin so.
fn commands(start: &str) -> Vec<String> {
    let page = page();
    let in_prose = page.split('`').filter(|it| !it.contains('\n'));
    let shell = blocks("sh");
    let lines = shell.lines().chain(in_prose);
    let found = lines.filter_map(|line| {
        let command = line.split("  #").next().unwrap().trim();
        command.find(start).map(|at| command[at..].to_owned())
    });
    found.collect()
}

#[test]
fn compose_is_called_with_services_and_profiles_of_the_file() {
    let project = Project::read(&[]);
    let known = project.services();
    let profiles: Vec<_> = known.values().flat_map(|it| &it.profiles).collect();
    let found = commands("docker compose ");
    assert!(found.len() > 8, "{found:#?}");
    for command in found {
        let words: Vec<_> = command.split_whitespace().skip(2).collect();
        let verb = words.iter().position(|word| VERBS.contains(word)).unwrap();
        if let ["--profile", profile] = words[..verb] {
            assert!(profiles.iter().any(|it| *it == profile), "{command}");
        }
        let named = words[verb + 1..]
            .iter()
            .filter(|word| !word.starts_with("--"));
        for word in named {
            let service = word.split([':', '=']).next().unwrap();
            let is_path = service.starts_with('.');
            assert!(
                is_path || known.contains_key(service),
                "{command}: {service}"
            );
            // What follows is for the program: every command runs in a test of its own.
            if words[verb] == "run" {
                break;
            }
        }
    }
}

#[test]
fn the_image_is_built_from_a_target_of_the_dockerfile() {
    for command in commands("docker build ") {
        let words: Vec<_> = command.split_whitespace().collect();
        let after = |option| {
            words
                .iter()
                .position(|word| *word == option)
                .map(|at| words[at + 1])
        };
        let dockerfile = fs::read_to_string(repository(after("-f").unwrap())).unwrap();
        let stage = format!(" AS {}\n", after("--target").unwrap());
        assert!(dockerfile.contains(&stage), "{command}");
    }
}

#[tokio::test]
async fn requests_of_the_page_are_answered_and_lead_to_checks() {
    let source = sources().await;
    let mut project = project(&source);
    project.up(&project.usual()).await;
    assert_eq!(
        pulled(&project.run("operator", "runs watch latest").await),
        super::CHOSEN
    );
    let secret = project.file_of("webhook", "/run/secrets/webhook/secret");
    let requests = commands("curl ");
    assert_eq!(requests.len(), 2);
    for request in requests {
        let place = format!("{}:8080", project.address("webhook"));
        let request = request
            .replace("localhost:8080", &place)
            .replace("$(cat secret)", &format!("$(cat {})", secret.display()))
            .replace("docker.io/library", &format!("{}/library", source.host()))
            .replace(
                "\"alpine:3.20",
                &format!("\"{}", source.image("library/alpine", "3.20")),
            );
        let answered = Command::new("sh")
            .args(["-c", &request])
            .output()
            .await
            .unwrap();
        let answer = String::from_utf8(answered.stdout).unwrap();
        let led_to_a_run = answer.contains("\"run");
        assert!(
            answered.status.success() && led_to_a_run,
            "{request}: {answer}"
        );
        let watched = project.run("operator", "runs watch latest").await;
        assert_eq!(watched.code, Some(0), "{request}: {answer}: {watched:#?}");
        let checked = watched.report().results;
        // Where an event has no digest, a second check follows the first one.
        assert!(
            !checked.is_empty() && checked.len() <= 2,
            "{request}: {answer}"
        );
    }
}

/// `~/.docker/config.json` as a secret at the place that `DOCKER_CONFIG` leads to.
#[test]
fn the_override_gives_the_file_of_docker_login_to_those_who_ask_registries() {
    let file: Value = serde_yaml_ng::from_str(&blocks("yaml")).unwrap();
    let project = Project::read(&[]);
    for name in ["worker", "producer"] {
        assert!(project.services().contains_key(name));
        let service = &file["services"][name];
        let folder = service["environment"]["DOCKER_CONFIG"].as_str().unwrap();
        let secret = &service["secrets"][0];
        assert_eq!(
            secret["target"].as_str().unwrap(),
            format!("{folder}/config.json")
        );
        let source = secret["source"].as_str().unwrap();
        assert_eq!(file["secrets"][source]["file"], "~/.docker/config.json");
    }
}
