use std::fs;

use super::super::super::samples::{converted, images};
use super::{error, read};
use crate::config_file::DialectOptions;

const VARIABLES: [(&str, &str); 3] = [("ORG", "Acme"), ("EMPTY", ""), ("LIST", "a,b,c")];

/// A config of one image whose target has this text behind its host.
fn config(text: &str) -> String {
    format!("sync:\n- source: quay.io/team/app:1\n  type: image\n  target: 'x.io/a{text}'\n")
}

#[test]
fn plain_templates_are_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("name");
    fs::write(&file, "\n from-file \n").unwrap();
    let of_file = format!("{{{{file \"{}\"}}}}", file.display());
    for (text, expected) in [
        ("{{ env \"ORG\" | lower }}", "acme"),
        ("{{lower (env \"ORG\")}}/x", "acme/x"),
        ("{{ join (split (env \"LIST\") \",\") \"-\" }}", "a-b-c"),
        ("{{ index (split (env \"LIST\") \",\") 2 }}", "c"),
        ("{{ env \"UNSET\" | default \"d\" }}", "d"),
        ("{{ default \"d\" (env \"EMPTY\") }}", "d"),
        ("{{ default \"d\" \"own\" }}", "own"),
        ("{{ trimSpace \" t \" }}", "t"),
        ("{{ index (split .Sync.Source \"/\") 1 }}", "team"),
        ("{{ .Sync.Type }}", "image"),
        ("{{ .Sync.Platform }}{{ `raw` }}", "raw"),
        ("a {{- /* a comment */ -}} b", "ab"),
        (&of_file, "from-file"),
    ] {
        let images = images(&read(&config(text), &VARIABLES));
        assert_eq!(
            images,
            [format!("quay.io/team/app:1 -> x.io/a{expected}:latest all")]
        );
    }
}

/// Templates that are not plain, and what is said of them.
const PROGRAMS: [(&str, &str); 20] = [
    (
        "{{ if true }}x{{ end }}",
        "found \"if\", which is a program, expected a plain value",
    ),
    (
        "{{ range .Sync.Platforms }}{{ . }}{{ end }}",
        "found \"range\", which is a program",
    ),
    (
        "{{ with env \"X\" }}{{ . }}{{ end }}",
        "found \"with\", which is a program",
    ),
    (
        "{{ $x := env \"ORG\" }}{{ $x }}",
        "found a variable of a template, which is a program",
    ),
    (
        "{{ printf \"%s\" \"x\" }}",
        "found printf, which is not known here; known are env, file, default",
    ),
    (
        "{{ .Sync.Colour }}",
        "found .Sync.Colour, which is not known here",
    ),
    ("{{ .Ref.Tag }}", "found .Ref.Tag, which is not known here"),
    (
        "{{ .Sync.Source.Host }}",
        "found .Sync.Source.Host, which is not known here",
    ),
    (
        "{{ env }}",
        "found env with other arguments, expected one text",
    ),
    ("{{ env \"ORG\" \"x\" }}", "found env with other arguments"),
    (
        "{{ lower .Sync.Platforms }}",
        "found a list, expected a text",
    ),
    (
        "{{ index (split \"a\" \"b\") 1 }}",
        "found the index 1 of a list of 1, expected less",
    ),
    (
        "{{ env \"UNSET\" }}",
        "the variable UNSET is not set, expected a value",
    ),
    ("{{ env \"ORG\"", "found {{ without }}, expected both"),
    (
        "{{ split \"a,b\" \",\" | index 1 }}",
        "found index with other arguments, expected a list and a number",
    ),
    ("{{ }}", "found nothing where a value belongs"),
    ("{{ \"x }}", "found a \" without a second one"),
    ("{{ (env \"ORG\" }}", "found ( without ), expected both"),
    (
        "{{ file \"/no/such/file\" }}",
        "the file \"/no/such/file\" cannot be read",
    ),
    (
        "{{ time.Now.Format \"2006\" }}",
        "found time, with which this would be another place each time",
    ),
];

#[test]
fn programs_and_unknown_functions_are_refused_with_their_places() {
    for (text, told) in PROGRAMS {
        let found = error(&config(text), &VARIABLES);
        let expected = format!("c.yaml:4:11: sync[0].target: {told}");
        assert!(found.starts_with(&expected), "{found}");
    }
}

#[test]
fn backups_may_name_their_reference_and_the_time_and_nothing_else() {
    let of = |backup: &str| {
        format!("sync: [{{source: 'a/b:1', target: 'x.io/b:1', type: image, backup: '{backup}'}}]")
    };
    for backup in [
        "old",
        "bkup-{{.Ref.Tag}}",
        "x.io/backup/{{ .Ref.Repository }}:{{ .Step.Type }}",
        "{{ .Ref.Tag }}-{{ time.Now.Format \"20060102\" }}",
        "{{ json .Sync.Tags.Allow | trimSpace }}",
    ] {
        read(&of(backup), &[]);
    }
    let told = error(&of("{{ .Ref.Colour }}"), &[]);
    assert!(
        told.contains("sync[0].backup: found .Ref.Colour, which is not known here"),
        "{told}"
    );
}

#[test]
fn variables_stay_variables_with_their_defaults_when_it_is_converted() {
    let text = r#"sync:
- {source: '{{ env "FROM" | default "quay.io" }}/a:1', target: 'x.io/{{ env "TEAM" }}/a:1', type: image}
"#;
    let options = DialectOptions::default();
    let (own, _) = converted(text, "c.yaml", &options, &[("TEAM", "blue")]);
    assert!(own.contains("source: ${FROM:-quay.io}/a:1"), "{own}");
    assert!(own.contains("- x.io/${TEAM}/a"), "{own}");
}
