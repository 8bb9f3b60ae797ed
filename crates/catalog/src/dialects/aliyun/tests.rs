mod broken;
mod credentials;
mod files;
mod rules;

use super::super::samples;
use crate::config_file::{AliyunOptions, DialectOptions, Format, Parsed};
use crate::document::Node;

const DIGEST: &str = "sha256:14b267eb38aa85fd12d0e168fffa2d8a6187ac53a14a0212b0d4fce8d729598c";

/// What `--format aliyun` and these options say.
fn options(aliyun: AliyunOptions) -> DialectOptions {
    DialectOptions {
        format: Some(Format::Aliyun),
        aliyun,
        ..DialectOptions::default()
    }
}

fn usual() -> DialectOptions {
    options(AliyunOptions::default())
}

fn with_auth(text: &str) -> DialectOptions {
    options(AliyunOptions {
        auth: Some(("auth.yaml".to_owned(), text.to_owned())),
        ..AliyunOptions::default()
    })
}

fn with_default(registry: &str, namespace: Option<&str>) -> DialectOptions {
    options(AliyunOptions {
        registry: Some(registry.to_owned()),
        namespace: namespace.map(str::to_owned),
        ..AliyunOptions::default()
    })
}

/// The config, in a file of this name.
fn with(text: &str, options: &DialectOptions) -> Parsed {
    let parsed = samples::with(text, "c.yaml", options);
    parsed.unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong, without the lines of the file.
fn told(text: &str, options: &DialectOptions) -> Vec<String> {
    let told = samples::error(text, "c.yaml", options);
    let lines = told.lines().filter(|line| !line.starts_with(' '));
    lines.map(str::to_owned).collect()
}

/// The native form, which yields the same images.
fn converted(text: &str, options: &DialectOptions) -> String {
    samples::converted(text, "c.yaml", options, &[]).0
}

/// The images of the native form, one a line.
fn converted_images(text: &str, options: &DialectOptions) -> Vec<String> {
    converted_images_with(text, options, &[])
}

fn converted_images_with(
    text: &str,
    options: &DialectOptions,
    variables: &[(&str, &str)],
) -> Vec<String> {
    let (text, _) = samples::converted(text, "c.yaml", options, variables);
    let document = crate::document::parse(&text, crate::document::Form::Either, None).unwrap();
    let root = document.root.unwrap();
    let images = root.pairs().unwrap().iter();
    let mut images = images.filter(|(key, _)| &*key.text == "images");
    let items = images.next().unwrap().1.items().unwrap();
    items.iter().map(flow).collect()
}

fn flow(node: &Node) -> String {
    if let Some(pairs) = node.pairs() {
        let pairs = pairs
            .iter()
            .map(|(key, value)| format!("{}: {}", key.text, flow(value)));
        return format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "));
    }
    match node.items() {
        Ok(items) => format!(
            "[{}]",
            items.iter().map(flow).collect::<Vec<_>>().join(", ")
        ),
        Err(_) => node.text().unwrap_or_default().to_owned(),
    }
}
