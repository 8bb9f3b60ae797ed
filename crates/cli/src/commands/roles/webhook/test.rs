//! `webhook test`: sends a sample, and says what the server makes of it.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use image_sync_shared::config::webhooks::{Sender, WebhookSettings};
use image_sync_shared::image::reference::{ImageRef, Reference, split};
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::text::excerpt;
use image_sync_webhook::proof::{Credentials, Proof};
use image_sync_webhook::samples::{self, Sample, sample};
use reqwest::{Certificate, Method, Url};
use serde_json::Value;
use ulid::Ulid;

use crate::options::{CommonArgs, DialectArgs};
use crate::process::clock::SystemClock;
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::run::events::identity_keys::keys_at;
use crate::run::runtime;
use crate::run::setup::{self, Loaded, Named};

pub(super) const HELP: &str = "\
Examples:
  image-sync webhook test github -c config.yaml --image ghcr.io/project-zot/zot:v2
  image-sync webhook test harbor -c config.yaml --to https://hooks.example --image harbor.example/team/app:v1 --send

The secret is that of the config. Without --send the server says which targets would be checked, and checks none.
Exit codes: 0 the server took it, 1 it did not, 2 bad arguments or config, 3 the server cannot be reached.";

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Options of `webhook test`.
#[derive(Args, Clone, Debug)]
pub(super) struct TestArgs {
    /// Whose payload
    #[arg(value_parser = senders())]
    sender: Sender,
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    to: Url,
    /// The image that was pushed, as it says [default: the first one of the config]
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Have it checked, too
    #[arg(long)]
    send: bool,
    /// PEM file with the authorities of the server to trust beside the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    dialect: DialectArgs,
}

fn senders() -> impl clap::builder::TypedValueParser<Value = Sender> {
    let names = PossibleValuesParser::new(Sender::ALL.map(Sender::name));
    names.try_map(|name| Sender::of_name(&name).ok_or("no sender"))
}

/// Runs `webhook test`.
pub(super) fn run(
    common: &CommonArgs,
    args: &TestArgs,
    environment: &Environment,
) -> Result<Exit, Problem> {
    let dialect = args.dialect.options(environment);
    let loaded = setup::load(Named::new(common, &dialect), environment)?;
    let image = image(args, &loaded)?;
    let sample = named_anew(&sample(args.sender, &image, None));
    let credentials = credentials(args.sender, &image, &loaded, &sample)?;
    runtime::run(runtime::GRACE, |_| async move {
        let (status, answer) = ask(args, &sample, credentials).await?;
        let shown = serde_json::from_str::<Value>(&answer)
            .and_then(|answer| serde_json::to_string_pretty(&answer))
            .unwrap_or_else(|_| excerpt(&answer));
        let written = Stdout::Process.write(|out| writeln!(out, "{shown}"));
        written.map_err(Problem::not_carried_out)?;
        if status.is_success() {
            return Ok(Exit::Success);
        }
        tracing::error!(%status, "the server did not take it");
        Ok(Exit::ImagesFailed)
    })
}

fn image(args: &TestArgs, loaded: &Loaded) -> Result<ImageRef, Problem> {
    let Some(text) = &args.image else {
        let first = loaded
            .images
            .iter()
            .next()
            .or_else(|| loaded.images.samples().next());
        let first =
            first.ok_or_else(|| Problem::usage("the config has no image, expected --image"))?;
        return Ok(first.source.image(first.reference));
    };
    let (repository, reference) = split(text).map_err(Problem::usage)?;
    let latest = || Reference::Tag("latest".to_owned());
    Ok(repository.image(reference.unwrap_or_else(latest)))
}

/// With a name of its own, as a delivery that comes again leads to nothing.
fn named_anew(sample: &Sample) -> Sample {
    let random = Ulid::from_datetime(SystemClock.now().into()).random();
    let id = format!("00000000-0000-4000-8000-{:012x}", random & 0xffff_ffff_ffff);
    let renamed = |text: &str| text.replace(samples::ID, &id);
    Sample {
        headers: sample
            .headers
            .iter()
            .map(|(name, value)| (*name, renamed(value)))
            .collect(),
        body: renamed(&String::from_utf8_lossy(&sample.body)).into_bytes(),
    }
}

/// What the request needs, of the settings for the registry of this image.
fn credentials(
    sender: Sender,
    image: &ImageRef,
    loaded: &Loaded,
    sample: &Sample,
) -> Result<Option<Credentials>, Problem> {
    let Some(several) = loaded.config.webhooks.senders.get(&sender) else {
        return Ok(None);
    };
    let host = image.repository.host();
    let speaks_for = |settings: &&WebhookSettings| settings.registry.as_deref() == host;
    let Some(settings) = several.iter().find(speaks_for).or(several.first()) else {
        return Ok(None);
    };
    let proof = Proof::new(sender, &settings.proof, &keys_at).map_err(Problem::usage)?;
    let credentials = proof.credentials(&sample.body, SystemClock.now());
    if credentials.is_none() {
        return Err(Problem::usage(format!(
            "{sender} proves itself by a certificate or a token that is not here, so that no sample can be sent for it"
        )));
    }
    Ok(credentials)
}

async fn ask(
    args: &TestArgs,
    sample: &Sample,
    credentials: Option<Credentials>,
) -> Result<(reqwest::StatusCode, String), Problem> {
    let mut client = reqwest::Client::builder().timeout(PATIENCE);
    if let Some(file) = &args.ca {
        let wrong = |error: String| Problem::usage(format!("{}: {error}", file.display()));
        let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        let roots = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
        for root in roots {
            client = client.add_root_certificate(root);
        }
    }
    let client = client.build().map_err(Problem::not_carried_out)?;
    let mut url = args.to.clone();
    {
        let mut path = url
            .path_segments_mut()
            .map_err(|()| Problem::usage("--to: expected http://HOST:PORT or https://HOST"))?;
        path.pop_if_empty()
            .extend(["v1", "hooks", args.sender.name()]);
        if let Some(secret) = credentials
            .as_ref()
            .and_then(|all| all.path_secret.as_ref())
        {
            path.push(secret.reveal());
        }
    }
    if !args.send {
        url.set_query(Some("dry_run=true"));
    }
    let mut request = client.request(Method::POST, url).body(sample.body.clone());
    for (name, value) in &sample.headers {
        request = request.header(*name, value);
    }
    if let Some((name, value)) = credentials.and_then(|all| all.header) {
        request = request.header(name, value.reveal());
    }
    // Without its address, whose path may have the secret.
    let told = |error: reqwest::Error| {
        let why = error.without_url();
        Problem::not_carried_out(format!("{} cannot be asked: {why}", args.to))
    };
    let answer = request.send().await.map_err(told)?;
    let status = answer.status();
    Ok((status, answer.text().await.map_err(told)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sample_has_a_name_of_its_own() {
        let image = ImageRef {
            repository: "quay.io/a/b".parse().unwrap(),
            reference: Reference::Tag("v1".to_owned()),
        };
        for sender in Sender::ALL {
            let plain = sample(sender, &image, None);
            let (one, other) = (named_anew(&plain), named_anew(&plain));
            assert_eq!(one.body.len(), plain.body.len(), "{sender}");
            // Docker Hub and Quay give their deliveries no name, nor does who writes to scripts.
            let has_name = format!("{plain:?}").contains("00000000-0000-4000")
                || String::from_utf8_lossy(&plain.body).contains(samples::ID);
            assert_eq!(one != other, has_name, "{sender}");
        }
    }
}
