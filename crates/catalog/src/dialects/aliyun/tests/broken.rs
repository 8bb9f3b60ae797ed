use super::*;

/// Files, and what is told of them.
const BROKEN: &[(&str, &str)] = &[
    (
        "a:1: b.io/a\nnginx:1 b.io/nginx\nc:1: b.io/c\n",
        "c.yaml:2:1: a rule is source: target; a colon and a space are missing before b.io/nginx",
    ),
    (
        "a:1: b.io/a\nnginx:1 b.io/nginx\n",
        "c.yaml:2:1: a rule is source: target; a colon and a space are missing before b.io/nginx",
    ),
    (
        "nginx:1:b.io/nginx\n",
        "c.yaml:1:1: a rule is source: target; a space is missing behind the colon before b.io/nginx",
    ),
    (
        "a:1: registry.example.com\n",
        "c.yaml:1:6: a:1: found the target \"registry.example.com\" without a repository, expected HOST/NAME",
    ),
    (
        "https://a.io/x:1: b.io/x\n",
        "c.yaml:1:1: https://a.io/x:1: found https:// before the source, expected HOST/NAME",
    ),
    (
        "a:1: docker://b.io/a\n",
        "c.yaml:1:6: a:1: found docker:// before the target, expected HOST/NAME",
    ),
    (
        "a.io/x:1,2: b.io/x:1\n",
        "c.yaml:1:13: a.io/x:1,2: found 1 at the target for 2 of the source, expected as many tags, or none, so that they keep theirs",
    ),
    (
        "a.io/x: b.io/x:1,2\n",
        "c.yaml:1:9: a.io/x: found 2 tags at the target for as many as the source has, expected none, so that all keep theirs, or one",
    ),
    (
        "a.io/x:/v(/: b.io/x\n",
        "c.yaml:1:1: a.io/x:/v(/: \"v(\" is no regular expression: unclosed group",
    ),
    (
        "a.io/x:/v.*: b.io/x\n",
        "c.yaml:1:1: a.io/x:/v.*: found \":/v.*\" without a / at its end, expected SOURCE:/REGEX/",
    ),
    (
        "a.io/x:1: {b: c}\n",
        "c.yaml:1:11: a.io/x:1: found a mapping, expected a target, a list of them, or \"\" for the default registry",
    ),
    (
        "a.io/x:1: [b.io/x, [c]]\n",
        "c.yaml:1:20: a.io/x:1: found a list, expected a target",
    ),
    (
        "a.io/x:1, 2: b.io/x\n",
        "c.yaml:1:1: a.io/x:1, 2: found a space behind \"a.io/x:1,\", expected a source without any",
    ),
    (
        "a.io/x:1,: b.io/x\n",
        "c.yaml:1:1: a.io/x:1,: \"\" is not a valid tag or digest: it breaks the rules of a tag; expected up to 128 letters, digits, '_', '.' and '-', not starting with '.' or '-', or a digest as in sha256:...",
    ),
    (
        "a.io/X:1: b.io/x\n",
        "c.yaml:1:1: a.io/X:1: \"a.io/X:1\" is not a valid repository: \"X\" has uppercase letters, and names are lowercase; expected HOST/NAME as in docker.io/library/nginx, or oci:FOLDER",
    ),
    (
        "a.io/x:1: b.io/x:$1\n",
        "c.yaml:1:11: a.io/x:1: found \"$1\", expected $NAME or ${NAME}",
    ),
    (
        "a.io/x:1: b.io/${X:-y}\n",
        "c.yaml:1:11: a.io/x:1: found \"${X:-y}\", expected $NAME or ${NAME}",
    ),
    (
        "'': b.io/x\n",
        "c.yaml:1:1: : found no source, expected IMAGE: TARGET",
    ),
    (
        "- a.io/x:1\n",
        "c.yaml:1:1: found a list, expected a mapping of source: target, or one with auth and images",
    ),
    (
        "auth: {}\nimages: [a]\n",
        "c.yaml:2:9: images: found a list, expected a mapping of source: target",
    ),
    (
        "auth: {}\n",
        "c.yaml:1:1: images: missing, expected a mapping of source: target",
    ),
    (
        "auth: {r.example: secret}\nimages: {'a:1': r.example/a}\n",
        "c.yaml:1:19: auth.r.example: found a text, expected a mapping with username, password and insecure",
    ),
    (
        "auth: {r.example: {insecure: 3}}\nimages: {'a:1': r.example/a}\n",
        "c.yaml:1:30: auth.r.example.insecure: found a number, expected true or false",
    ),
    (
        "a:1: c.io/x:1\nb:1: c.io/x\n",
        "c.yaml:2:1: found docker.io/library/b:1 (all) for c.io/x:1, but the entry in line 1 has docker.io/library/a:1 (all) for it, expected one image per target",
    ),
];

#[test]
fn what_is_wrong_with_a_rule_is_told_where_it_is() {
    for (text, expected) in BROKEN {
        assert_eq!(told(text, &usual()), [*expected], "{text}");
    }
}

#[test]
fn the_line_without_its_colon_is_shown_with_a_mark() {
    let text = "a:1: b.io/a\nnginx:1 b.io/nginx\nc:1: b.io/c\n";
    let told = super::super::super::samples::error(text, "c.yaml", &usual());
    let expected = "
 2 | nginx:1 b.io/nginx
   | ^^^^^^^^^^^^^^^^^^";
    assert!(told.ends_with(expected), "{told}");
}

#[test]
fn a_digest_at_the_target_is_that_of_the_source_or_refused() {
    let other = DIGEST.replace("14b2", "0000");
    for (text, expected) in [
        (
            format!("a.io/x@{DIGEST}: b.io/x@{other}"),
            format!(
                "c.yaml:1:81: a.io/x@{DIGEST}: found the target \"b.io/x@{other}\" with another digest, expected {DIGEST} or none"
            ),
        ),
        (
            format!("a.io/x:1: b.io/x@{other}"),
            format!(
                "c.yaml:1:11: a.io/x:1: found the target \"b.io/x@{other}\" with a digest, expected tags or nothing, as the source has no digest"
            ),
        ),
        (
            format!("a.io/x@{DIGEST}: b.io/x:1,2"),
            format!(
                "c.yaml:1:81: a.io/x@{DIGEST}: found 2 at the target for 1 of the source, expected as many tags, or none, so that they keep theirs"
            ),
        ),
    ] {
        assert_eq!(told(&text, &usual()), [expected]);
    }
}

#[test]
fn what_is_wrong_with_credentials_is_told_in_their_own_file_and_without_them() {
    for (auth, expected) in [
        (
            "a.io: [hunter2]",
            "auth.yaml:1:7: a.io: found a list, expected a mapping with username, password and insecure",
        ),
        (
            "a.io: {username: [hunter2], password: p}",
            "auth.yaml:1:18: a.io.username: found a list, expected a text",
        ),
        (
            "a.io:\nusername: hunter2\n",
            "auth.yaml:2:11: username: found a text, expected a mapping with username, password and insecure",
        ),
        (
            "hunter2",
            "auth.yaml:1:1: found a text, expected a mapping of HOST or HOST/NAMESPACE to username and password",
        ),
        (
            "me:hunter2@a.io: {}",
            "auth.yaml:1:1: found an '@' or '?' where none belongs, expected user names and passwords under registries or in Docker's config",
        ),
        (
            "a.io:5000:1: {username: u, password: p}",
            "auth.yaml:1:1: found \"a.io:5000:1\", expected HOST, HOST:PORT or HOST/NAMESPACE as in quay.io/coreos",
        ),
        (
            "a.io: {username: u\n",
            "auth.yaml:2:1: this is not valid YAML: ",
        ),
        (
            "docker.io: {username: u, password: hunter2}\nindex.docker.io: {username: v, password: p}",
            "auth.yaml:2:1: index.docker.io is another name of what line 1 has other credentials for, expected one of the two; docker.io/NAMESPACE may have its own",
        ),
    ] {
        let told = samples::error("a:1: b.io/a", "c.yaml", &with_auth(auth));
        assert!(told.starts_with(expected), "{told}");
        let is_secret = told.contains("hunter2");
        assert!(!is_secret, "{told}");
    }
}
