//! The queries of docs/config.md answer what they say of a real report.

use std::fs;
use std::path::Path;
use std::process::Command;

use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;

use crate::support::{TAG, TestSync};

/// The queries in the order of the page, each with its comment.
fn queries() -> Vec<(String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
    let page = fs::read_to_string(page).unwrap();
    let section = page.split("### Questions to a report").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    let lines: Vec<&str> = block.lines().collect();
    let pairs = lines.chunks(2);
    pairs
        .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
        .collect()
}

#[tokio::test]
async fn queries_of_the_page_answer_what_they_say() {
    let fixture = TestSync::start().await;
    for repository in ["team/new", "team/slow"] {
        let image = image(repository);
        fixture.source.put_image(repository, TAG, &image);
    }
    let busy = Rule::new("HEAD", "/v2/team/slow/manifests/*").first(3);
    fixture.source.stage(busy, Fault::status(503));
    let images = ["team/new", "team/slow", "team/gone"];
    let catalog = images.iter().fold(fixture.empty_catalog(), |catalog, it| {
        catalog.image(fixture.entry(it, TAG))
    });
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    fixture.program.write("report.json", &ended.stdout);

    let (source, target) = (fixture.source.host(), fixture.target.host());
    let answers = queries().into_iter().map(|(question, query)| {
        assert!(question.starts_with("# "), "{question}");
        let mut shell = Command::new("sh");
        let asked = shell
            .args(["-c", &query])
            .current_dir(fixture.program.home());
        let asked = asked.output().unwrap();
        let told = String::from_utf8_lossy(&asked.stderr);
        assert!(asked.status.success(), "{query}: {told}");
        String::from_utf8(asked.stdout).unwrap()
    });
    let answers: Vec<String> = answers.collect();
    let [failed, new, by_registry, longest, again, line] = &answers[..] else {
        panic!("six queries: {answers:#?}")
    };
    let gone = format!("{source}/team/gone:{TAG}\tsource: check ");
    assert!(
        failed.starts_with(&gone) && failed.lines().count() == 1,
        "{failed}"
    );
    assert_eq!(new.lines().count(), 2, "{new}");
    assert!(new.contains(&format!("{target}/team/new:{TAG}\t")), "{new}");
    assert_eq!(*by_registry, format!("{{\"{source}\":1}}\n"));
    assert_eq!(longest.lines().count(), 3, "{longest}");
    let slow = format!("{source}/team/slow:{TAG}\n");
    assert!(
        again.ends_with(&slow) && again.lines().count() == 1,
        "{again}"
    );
    let sentence = "complete: 3 images, 2 copied, 1 failed, 0 without a result\n";
    assert_eq!(line, sentence);
}
