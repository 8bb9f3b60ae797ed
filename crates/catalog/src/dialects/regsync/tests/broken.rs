use super::error;

/// Texts, and what is said of them, or how that begins.
const BROKEN: [(&str, &str); 22] = [
    (
        "version: 2\nsync: []\n",
        "c.yaml:1:10: version: found version \"2\", expected 1\n 1 | version: 2\n   |          ^",
    ),
    (
        "sync: {source: a}\n",
        "c.yaml:1:7: sync: found a mapping, expected a list",
    ),
    (
        "sync: [a/b]\n",
        "c.yaml:1:8: sync[0]: found a text, expected a mapping with source, target and type",
    ),
    (
        "sync:\n- {source: 'a/b:1', target: 'x.io/b:1'}\n",
        "c.yaml:2:3: sync[0].type: missing, expected image, repository or registry\n 2 | - {source: 'a/b:1', target: 'x.io/b:1'}\n   |   ^",
    ),
    (
        "sync:\n- {source: a/b, target: x.io/b, type: repo}\n",
        "c.yaml:2:39: sync[0].type: found \"repo\", expected image, repository or registry\n 2 | - {source: a/b, target: x.io/b, type: repo}\n   |                                       ^^^^",
    ),
    (
        "sync:\n- {target: x.io/b, type: image}\n",
        "c.yaml:2:3: sync[0].source: missing, expected HOST/NAME as in docker.io/library/busybox:1.36\n 2 | - {target: x.io/b, type: image}\n   |   ^",
    ),
    (
        "sync:\n- {source: 'a/b:1', target: 'x.io/B:1', type: image}\n",
        "c.yaml:2:29: sync[0].target: \"x.io/B:1\" is not a valid repository: ",
    ),
    (
        "sync:\n- {source: 'a/b:1', target: x.io/b, type: repository}\n",
        "c.yaml:2:12: sync[0].source: found \"1\" behind the repository, expected none for type: repository, whose tags and tagSets choose among all tags\n 2 | - {source: 'a/b:1', target: x.io/b, type: repository}\n   |            ^^^^^^^",
    ),
    (
        "sync:\n- {source: r.io/team, target: x.io, type: registry}\n",
        "c.yaml:2:12: sync[0].source: found \"r.io/team\", expected HOST or HOST:PORT for type: registry, whose repos choose among all repositories, as in allow: [\"team-a/.*\"]\n 2 | - {source: r.io/team, target: x.io, type: registry}\n   |            ^^^^^^^^^",
    ),
    (
        "sync:\n- {source: a/b, target: x.io/b, type: repository, tags: {allow: ['(']}}\n",
        "c.yaml:2:66: sync[0].tags.allow[0]: \"(\" cannot be used: unclosed group",
    ),
    (
        "sync:\n- {source: a/b, target: x.io/b, type: repository, tags: {allow: latest}}\n",
        "c.yaml:2:65: sync[0].tags.allow: found a text, expected a list",
    ),
    (
        "sync:\n- {source: a/b, target: x.io/b, type: repository, tagSets: [{semverRange: ['>= 1.0']}]}\n",
        "c.yaml:2:76: sync[0].tagSets[0].semverRange[0]: \">= 1.0\" cannot be used: \"\" is no version",
    ),
    (
        "sync:\n- {source: 'a/b:1', target: 'x.io/b:1', type: image, platform: linux/amd46}\n",
        "c.yaml:2:64: sync[0].platform: ",
    ),
    (
        "sync:\n- {source: 'a/b:1', target: 'x.io/b:1', type: image, platform: local/v2}\n",
        "c.yaml:2:64: sync[0].platform: found \"local/v2\", which is another platform on each machine",
    ),
    (
        "sync:\n- {source: 'a/b:1', target: 'x.io/b:1', type: image}\ncreds: [{registry: a.io, tls: off}]\n",
        "c.yaml:3:31: creds[0].tls: found \"off\", expected enabled, insecure or disabled",
    ),
    (
        "sync:\n- {source: 'a/b:1', target: 'x.io/b:1', type: image}\ncreds: [{registry: 'a b'}]\n",
        "c.yaml:3:20: creds[0].registry: ",
    ),
    (
        "sync:\n- {source: 'a/b:1', target: 'x.io/b:1', type: image}\ncreds: [{registry: a.io, clientCert: '{{file \"x\"}}'}]\n",
        "c.yaml:3:9: creds[0]: found one of clientCert and clientKey, expected both or neither",
    ),
    (
        "sync:\n- {source: 'git://a/b', target: 'x.io/b:1', type: image}\n",
        "c.yaml:2:12: sync[0].source: found the scheme \"git\", expected HOST/NAME",
    ),
    (
        "sync:\n- {source: 'me:hunter2@a/b', target: 'x.io/b:1', type: image}\n",
        "c.yaml:2:12: sync[0].source: found an '@' or '?' where none belongs",
    ),
    (
        "sync: []\nimages: []\n",
        "c.yaml: found sync beside images or cache_registry, which may be a config of regsync or a native one",
    ),
    (
        "defaults: {parallel: many}\nsync: []\n",
        "c.yaml:1:22: found \"many\", expected a whole number from 1 to 10000",
    ),
    (
        "sync:\n- {source: 'a/b:1', target: 'x.io/b:1', type: image}\n- {source: 'a/c:1', target: 'x.io/b:1', type: image}\n",
        "c.yaml:3:3: found docker.io/a/c:1 (all) for x.io/b:1, but the entry in line 2 has docker.io/a/b:1 (all) for it",
    ),
];

#[test]
fn what_is_wrong_is_told_in_the_words_of_the_file() {
    for (text, expected) in BROKEN {
        let told = error(text, &[]);
        assert!(told.starts_with(expected), "{told}\nin\n{text}");
        assert!(!told.contains("hunter2"), "{told}");
        if expected.contains('\n') {
            assert_eq!(told, expected, "{text}");
        }
    }
}
