//! `healthcheck`: asks a running program how it is, for supervisors that can only start a command, as in an image
//! without a shell.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use tokio::runtime::Builder;

use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;

pub(crate) const HELP: &str = "\
Example:
  image-sync healthcheck http://127.0.0.1:8080/livez

Exit codes:
  0  the answer was 200
  2  the URL is none
  3  it was another one, or none came";

/// Options of `healthcheck`.
#[derive(Args, Clone, Debug)]
pub(crate) struct HealthcheckArgs {
    /// What is asked: /readyz or /livez of a program with --listen
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/readyz", value_parser = http)]
    url: Url,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "3s")]
    timeout: Duration,
}

/// Its certificate is for the name that others call it by, not for the address that it is asked at here.
fn http(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("found the scheme {other}, expected http or https")),
    }
}

/// Runs `healthcheck`.
pub(crate) fn run(args: &HealthcheckArgs) -> Result<Exit, Problem> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Problem::not_carried_out)?;
    let answer = runtime.block_on(ask(args));
    let answer = answer.map_err(Problem::not_carried_out)?;
    let written = Stdout::Process.write(|out| writeln!(out, "{answer}"));
    written.map_err(Problem::not_carried_out)?;
    Ok(Exit::Success)
}

/// What was answered with 200.
async fn ask(args: &HealthcheckArgs) -> Result<String, String> {
    let HealthcheckArgs { url, timeout } = args;
    let client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .timeout(*timeout)
        .tls_danger_accept_invalid_certs(true)
        .build();
    let failed = |error: reqwest::Error| format!("{url}: {}", innermost(&error.without_url()));
    let answer = client.map_err(failed)?.get(url.clone()).send().await;
    let answer = answer.map_err(failed)?;
    let status = answer.status();
    let body = answer.text().await.map_err(failed)?;
    let body = body.trim_end();
    if status == StatusCode::OK {
        Ok(body.to_owned())
    } else {
        Err(format!("{url}: {status}: {body}"))
    }
}

/// Why there is no answer: what is around it says only that there is none.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use image_sync_testkit::ClosedPort;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;
    use crate::server::connections::{Limits, serve};

    async fn asked(url: String) -> Result<String, String> {
        let timeout = Duration::from_secs(30);
        let url = http(&url).unwrap();
        ask(&HealthcheckArgs { url, timeout }).await
    }

    /// Where `/readyz` is answered so, and `/elsewhere` with 200. It serves until the set is dropped.
    async fn answering(status: StatusCode, body: &'static str) -> (String, JoinSet<()>) {
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        let answer = move || async move { (status, [("location", "/elsewhere")], body) };
        let router = Router::new()
            .route("/readyz", get(answer))
            .route("/elsewhere", get(|| async { "ready" }));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, router, Limits::default(), None));
        (url, server)
    }

    #[tokio::test]
    async fn what_is_ready_is_answered_with_200() {
        let (url, _server) = answering(StatusCode::OK, "ready\n").await;
        assert_eq!(asked(url).await, Ok("ready".to_owned()));
    }

    #[tokio::test]
    async fn what_is_not_ready_says_why() {
        let (url, _server) = answering(StatusCode::SERVICE_UNAVAILABLE, "starting\n").await;
        let told = asked(url.clone()).await.unwrap_err();
        assert_eq!(told, format!("{url}: 503 Service Unavailable: starting"));
    }

    #[tokio::test]
    async fn a_redirect_is_not_an_answer() {
        let (url, _server) = answering(StatusCode::FOUND, "").await;
        let told = asked(url).await.unwrap_err();
        assert!(told.contains("302 Found"), "{told}");
    }

    #[tokio::test]
    async fn nobody_there_is_told_with_the_reason() {
        let (_, _server) = answering(StatusCode::OK, "").await;
        let port = ClosedPort::new().unwrap();
        let told = asked(format!("http://{}/livez", port.host())).await;
        let told = told.unwrap_err();
        assert!(told.to_lowercase().contains("connection refused"), "{told}");
    }

    #[test]
    fn other_schemes_are_refused_with_what_was_found() {
        let told = http("ftp://127.0.0.1/readyz").unwrap_err();
        assert_eq!(told, "found the scheme ftp, expected http or https");
    }
}
