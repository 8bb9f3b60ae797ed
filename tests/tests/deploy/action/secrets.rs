//! Where passwords are, and where they are not.

use super::runner::{Outcome, Runner};
use super::{PASSWORD, Registries};

/// Asserts that none of these texts is in what the runner shows or keeps, or on a command line.
fn assert_hidden(secrets: &[&str], runner: &Runner, outcome: &Outcome) {
    let places = [
        ("the log", outcome.log.clone()),
        ("the summary", outcome.summary.clone()),
        ("the outputs", format!("{:?}", outcome.outputs)),
        ("arguments or the environment", runner.record()),
        ("files that stay", runner.left_behind()),
    ];
    for (place, text) in places {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret:?} is in {place}: {text}");
        }
    }
}

#[tokio::test]
async fn a_password_is_in_files_of_its_user_alone_and_gone_at_the_end() {
    let registries = Registries::start().await;
    let runner = registries.runner(PASSWORD);
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(outcome.masked, [PASSWORD]);
    // robot:PASSWORD, as Docker's config has it.
    let encoded = "cm9ib3Q6cGFzcyUyNSB3b3JkJChpZCk=";
    assert_hidden(&[PASSWORD, encoded], &runner, &outcome);
    let modes = runner.modes();
    assert!(
        !modes.is_empty() && modes.iter().all(|mode| mode == "600"),
        "{modes:?}"
    );
}

#[tokio::test]
async fn a_wrong_password_fails_each_image_and_is_shown_nowhere() {
    let registries = Registries::start().await;
    let wrong = "wrong-secret";
    let runner = registries.runner(wrong);
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    assert_eq!(outcome.outputs["failed"], "2", "{outcome:#?}");
    assert!(outcome.summary.contains("401"), "{outcome:#?}");
    assert_hidden(&[wrong], &runner, &outcome);
}

#[tokio::test]
async fn credentials_in_a_text_are_gone_at_the_end() {
    let registries = Registries::start().await;
    let (source, target) = (registries.source.host(), registries.target.host());
    let runner = Runner::new()
        .input(
            "auth",
            &format!(r#"{{"{target}": {{"username": "robot", "password": "{PASSWORD}"}}}}"#),
        )
        .input(
            "images",
            &format!("{source}/team/app:1.0: {target}/ns/app\n"),
        );
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_hidden(&[PASSWORD], &runner, &outcome);
    let modes = runner.modes();
    assert!(
        !modes.is_empty() && modes.iter().all(|mode| mode == "600"),
        "{modes:?}"
    );
}

#[tokio::test]
async fn a_key_file_is_one_password_whose_lines_are_masked() {
    let registries = Registries::start().await;
    let key = "{\n  \"private_key\": \"abc\"\n}";
    registries
        .target
        .set_auth(image_sync_testkit::fake_registry::Auth::basic(
            "_json_key",
            key,
        ));
    let runner = registries
        .runner(&format!("{key}\n"))
        .input("username", "_json_key");
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(outcome.masked, ["  \"private_key\": \"abc\""]);
}
