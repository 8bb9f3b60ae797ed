//! What may stand below `with`, and what is refused.

use image_sync_testkit::images::image;

use super::runner::Runner;
use super::{PASSWORD, Registries};

/// Aliyun's two files, whose target has a password of the environment.
fn auth_and_images(registries: &Registries) -> (String, String) {
    let (source, target) = (registries.source.host(), registries.target.host());
    let auth = format!("{target}:\n  username: robot\n  password: ${{TARGET_PASSWORD}}\n");
    (auth, format!("{source}/team/app:1.0: {target}/ns/app\n"))
}

#[tokio::test]
async fn aliyuns_files_may_be_texts_with_variables_and_take_the_options_of_that_tool() {
    let registries = Registries::start().await;
    let (auth, images) = auth_and_images(&registries);
    let runner = Runner::new()
        .input("auth", &auth)
        .input("images", &images)
        .input("args", "--proc=6 --retries=1")
        .env("TARGET_PASSWORD", PASSWORD);
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(outcome.outputs["pulled"], "1", "{outcome:#?}");
    let digest = registries.target.digest("ns/app", "1.0");
    assert_eq!(digest.as_ref(), Some(image("app").digest()));
}

#[tokio::test]
async fn aliyuns_files_may_be_paths_and_logins_take_the_place_of_its_credentials() {
    let registries = Registries::start().await;
    let (_, images) = auth_and_images(&registries);
    let runner = Runner::new()
        .input("images", "./images.yaml")
        .input("registry", registries.target.host())
        .input("username", "robot")
        .input("password", PASSWORD);
    runner.write("workspace/images.yaml", &images);
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(registries.target.digest("ns/app", "1.0").is_some());
}

#[tokio::test]
async fn a_plain_list_goes_to_a_target_that_args_name() {
    let registries = Registries::start().await;
    let (source, target) = (registries.source.host(), registries.target.host());
    let runner = registries
        .runner(PASSWORD)
        .input(
            "config",
            &format!("# ours\n{source}/team/app:1.0\n{source}/team/web:1.0\n"),
        )
        .input("args", &format!("--target {target}/mirror"));
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(outcome.outputs["pulled"], "2", "{outcome:#?}");
}

#[tokio::test]
async fn each_registry_has_its_line_and_earlier_logins_stay_in_force() {
    let registries = Registries::start().await;
    let (source, target) = (registries.source.host(), registries.target.host());
    registries
        .source
        .set_auth(image_sync_testkit::fake_registry::Auth::basic(
            "earlier", "login",
        ));
    let runner = registries
        .runner(PASSWORD)
        .input("registry", &format!("other.example\n{target}\n"))
        .input("username", "nobody\nrobot\n")
        .input("password", &format!("nothing\n{PASSWORD}\n"));
    // earlier:login
    let earlier = format!(r#"{{"auths": {{"{source}": {{"auth": "ZWFybGllcjpsb2dpbg=="}}}}}}"#);
    runner.write("home/.docker/config.json", &earlier);
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(outcome.outputs["pulled"], "2", "{outcome:#?}");
}

#[tokio::test]
async fn inputs_that_mean_nothing_are_refused_before_anything_is_contacted() {
    let registries = Registries::start().await;
    let runner = || registries.runner(PASSWORD);
    let refused = [
        (Runner::new(), "give config, or images"),
        (
            runner().input("images", "a"),
            "config is in place of auth and images",
        ),
        (
            runner().input("config", "absent.yaml"),
            "the file of the input config is not there",
        ),
        (
            runner().input("command", "worker"),
            "command is to be sync or aliyun, not worker",
        ),
        (
            runner().input("args", "'open"),
            "args has a quote that does not end",
        ),
        (
            runner().input("username", "a\nb"),
            "same number of lines, and have 1 2 1",
        ),
        (
            runner().input("password", ""),
            "username or password is empty",
        ),
        (
            runner().input("version", "1.0"),
            "version is to be a release as in v0.1.0",
        ),
    ];
    for (runner, message) in refused {
        let outcome = runner.run().await;
        assert_eq!(outcome.code, 2, "{message}: {outcome:#?}");
        let line = outcome.log.lines().find(|line| line.contains(message));
        let line = line.unwrap_or_else(|| panic!("{message:?} is not in {outcome:#?}"));
        assert!(line.starts_with("::error title=image-sync::"), "{line}");
    }
    assert_eq!(registries.target.requests().len(), 0);
    assert_eq!(registries.source.requests().len(), 0);
}

#[tokio::test]
async fn a_config_that_is_refused_leaves_a_summary_that_says_so() {
    let runner = Runner::new().input("config", "images: []\nno_such_key: 1\n");
    let outcome = runner.run().await;
    assert_eq!(outcome.code, 2, "{outcome:#?}");
    assert!(outcome.summary.contains("did not run"), "{outcome:#?}");
    assert!(outcome.log.contains("no_such_key"), "{outcome:#?}");
}

#[tokio::test]
async fn nothing_in_an_input_becomes_code() {
    let registries = Registries::start().await;
    let code = "--only $(touch made) `touch made` ; touch made # \"$(touch made)\" '; touch made'";
    for name in [
        "config", "auth", "images", "command", "args", "registry", "username", "password",
    ] {
        let mut runner = registries.runner(PASSWORD);
        if name == "auth" {
            runner = runner.input("config", "").input("images", "a: b");
        }
        let runner = runner.input(name, code);
        let outcome = runner.run().await;
        assert!(
            !runner.path("workspace/made").exists(),
            "{name}: {outcome:#?}"
        );
    }
    let runner = registries
        .runner(PASSWORD)
        .input("args", r"--only '$(touch made)' --dry-run");
    let outcome = runner.run().await;
    assert!(
        runner.record().contains("\n$(touch made)\n"),
        "{outcome:#?}"
    );
}
