use super::super::super::samples::{images, warnings, with_variables};
use super::*;
use image_sync_shared::config::PasswordSource;
use image_sync_shared::run::job::Trust;

const RULES: &str = "quay.example/team/a:1: quay.example/copy/a\n";

/// The logins of a config: `HOST[/PATH] USER PASSWORD`, `insecure` behind hosts that are.
fn logins(parsed: &Parsed) -> Vec<String> {
    let password = |source: &Option<PasswordSource>| match source {
        Some(PasswordSource::Inline(secret)) => secret.reveal().to_owned(),
        other => format!("{other:?}"),
    };
    let mut told = Vec::new();
    for (host, settings) in &parsed.config.registries {
        let user = settings.username.as_deref().unwrap_or("-");
        let insecure = if settings.insecure { " insecure" } else { "" };
        told.push(format!(
            "{host} {user} {}{insecure}",
            password(&settings.password)
        ));
        for (path, login) in &settings.paths {
            let user = login.username.as_deref().unwrap_or("-");
            told.push(format!(
                "{host}/{path} {user} {}",
                password(&login.password)
            ));
        }
    }
    told
}

#[test]
fn credentials_are_those_of_a_registry_or_of_a_part_of_it() {
    let auth = "\
quay.example: {username: xxx, password: p1, insecure: true}
quay.example/team/: {username: abc, password: p2, insecure: true}
registry.hub.docker.com: {username: '${HUB_USER}', password: $HUB_PASSWORD}
other.example:
  username: gitlab+deploy-token-3
  password: 00123
";
    let set = [("HUB_USER", "hub"), ("HUB_PASSWORD", "s3cret")];
    let parsed = with_variables(RULES, "c.yaml", &with_auth(auth), &set).unwrap();
    assert_eq!(
        logins(&parsed),
        [
            "docker.io hub s3cret",
            "other.example gitlab+deploy-token-3 00123",
            "quay.example xxx p1 insecure",
            "quay.example/team abc p2",
        ]
    );
    assert_eq!(warnings(&parsed), [""; 0]);
    let told = told(RULES, &with_auth(auth));
    assert_eq!(
        told,
        [
            "auth.yaml:3:37: registry.hub.docker.com.username: the variable HUB_USER is not set, expected a value",
        ]
    );
}

#[test]
fn in_a_joint_file_no_variable_is_filled_in_in_credentials() {
    let text =
        "auth: {r.example: {username: u, password: 'a$b${c}$$'}}\nimages: {'a:1': r.example/a}";
    let parsed = with(text, &DialectOptions::default());
    assert_eq!(logins(&parsed), ["r.example u a$b${c}$$"]);
}

#[test]
fn a_dollar_in_a_password_is_told_without_the_password() {
    for password in ["abc$def", "abc$$def", "abc$1", "a${b", "a${b-c}"] {
        let auth = format!("r.example: {{username: u, password: '{password}'}}");
        let told = told(RULES, &with_auth(&auth));
        assert_eq!(
            told,
            [
                "auth.yaml:1:36: r.example.password: found a $ that begins no variable which is set; in this file it always begins one, so expected a variable that has the whole value, as in ${PASSWORD}"
            ]
        );
    }
    let auth = "r.example: {username: u, password: 'abc$.x$'}";
    let parsed = with(RULES, &with_auth(auth));
    assert_eq!(logins(&parsed), ["r.example u abc$.x$"]);
}

#[test]
fn what_is_insecure_is_a_registry_or_the_images_of_a_part_of_it() {
    let trust = |auth: &str| {
        let parsed = with(RULES, &with_auth(auth));
        let image = parsed.images.iter().next().unwrap();
        let of_host = parsed.config.registries.get("quay.example");
        let of_host = of_host.is_some_and(|settings| settings.insecure);
        (of_host, image.source_trust, image.target_trust)
    };
    let (yes, no) = (Trust::Insecure, Trust::Verified);
    for (auth, expected) in [
        ("quay.example: {insecure: true}", (true, no, no)),
        (
            "quay.example: {insecure: yes}\nquay.example/team: {insecure: true}",
            (true, no, no),
        ),
        ("quay.example/team: {insecure: true}", (false, yes, no)),
        ("quay.example/copy/a: {insecure: true}", (false, no, yes)),
        ("quay.example/tea: {insecure: true}", (false, no, no)),
        (
            "quay.example: {insecure: true}\nquay.example/team: {username: u, password: p}",
            (false, no, yes),
        ),
        ("quay.example: {insecure: false}", (false, no, no)),
    ] {
        assert_eq!(trust(auth), expected, "{auth}");
    }
}

#[test]
fn credentials_that_nobody_is_logged_in_by_are_told() {
    let auth = "\
a.example: {username: u}
b.example: {password: p}
c.example:
d.example: {username: '', password: ''}
https://index.docker.io/v1/: {username: u, password: p}
e.example: {username: u, password: p, email: x}
asia.gcr.io: {username: _oauth2_, password: e30=}
";
    let parsed = with(RULES, &with_auth(auth));
    assert_eq!(
        logins(&parsed),
        ["asia.gcr.io _json_key_base64 e30=", "e.example u p"]
    );
    let warnings: Vec<String> = parsed.warnings.clone();
    assert_eq!(
        warnings,
        [
            "auth.yaml:1:12: a.example.username is left out: without password nobody is logged in, as in the tool that it is written for",
            "auth.yaml:2:12: b.example.password is left out: without username nobody is logged in, as in the tool that it is written for",
            "auth.yaml:5:1: https://index.docker.io/v1/ is left out: with https:// it is found by no image, as in the tool that it is written for; expected HOST, HOST:PORT or HOST/NAMESPACE as in quay.io/coreos",
            "auth.yaml:6:39: e.example.email is left out: the tool that it is written for does not know it either",
            "auth.yaml:7:14: asia.gcr.io.username: it is called _json_key_base64, whose password is the key of the service account in base64",
        ]
    );
    assert_eq!(images(&parsed).len(), 1);
}

#[test]
fn a_conversion_repeats_no_password() {
    let auth =
        "r.example: {username: $WHO, password: hunter2}\nb.example: {username: u, password: $P}";
    let set = [("WHO", "me"), ("P", "s3cret")];
    let (told, _) = samples::converted(RULES, "c.yaml", &with_auth(auth), &set);
    assert!(!told.contains("hunter2"), "{told}");
    assert!(
        told.contains("username: ${WHO}\n    password_env: R_EXAMPLE_PASSWORD"),
        "{told}"
    );
    assert!(told.contains("password_env: P\n"), "{told}");
}
