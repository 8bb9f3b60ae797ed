//! A cluster of nats-servers with `JetStream`.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::nats_server::{NatsServer, free_port};
use super::raw_nats::RawNats;

/// The pause between two looks at a cluster that is not ready.
const LOOK: Duration = Duration::from_millis(100);

/// Three servers that know each other.
pub struct NatsCluster {
    /// Its servers, called `n0`, `n1` and `n2`.
    pub nodes: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts three servers, and returns when they have a leader.
    pub async fn start() -> io::Result<Self> {
        let routes = [free_port()?, free_port()?, free_port()?]
            .map(|port| format!("nats://127.0.0.1:{port}"));
        let mut nodes = Vec::new();
        for (number, route) in routes.iter().enumerate() {
            let (name, all) = (format!("n{number}"), routes.join(","));
            let arguments = [
                "-n",
                &name,
                "--cluster_name",
                "c",
                "--cluster",
                route,
                "--routes",
                &all,
            ];
            nodes.push(NatsServer::start_with(&arguments).await?);
        }
        let cluster = Self { nodes };
        cluster.wait_until(|_| true, "INFO").await?;
        Ok(cluster)
    }

    /// The URLs of all of them, with commas.
    #[must_use]
    pub fn urls(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(NatsServer::url).collect();
        urls.join(",")
    }

    /// The number of the server that leads a stream.
    pub async fn leader_of(&self, stream: &str) -> io::Result<usize> {
        let info = format!("STREAM.INFO.{stream}");
        let leads = |info: &Value| info["cluster"]["leader"].is_string();
        let info = self.wait_until(leads, &info).await?;
        let leader = info["cluster"]["leader"].as_str().unwrap_or_default();
        let number = leader.trim_start_matches('n').parse();
        number.map_err(io::Error::other)
    }

    /// Returns when all copies of a stream are current.
    pub async fn healed(&self, stream: &str) -> io::Result<()> {
        let info = format!("STREAM.INFO.{stream}");
        let is_current = |info: &Value| {
            let replicas = info["cluster"]["replicas"].as_array();
            info["cluster"]["leader"].is_string()
                && replicas.is_some_and(|all| all.iter().all(|one| one["current"] == true))
        };
        self.wait_until(is_current, &info).await.map(drop)
    }

    /// What the API of `JetStream` answers, once that is so.
    async fn wait_until(&self, is_so: impl Fn(&Value) -> bool, subject: &str) -> io::Result<Value> {
        loop {
            for node in self.nodes.iter().filter(|node| node.is_running()) {
                let asked = async {
                    let mut client = RawNats::connect(&node.host()).await?;
                    client.request(&format!("$JS.API.{subject}")).await
                };
                let answer = tokio::time::timeout(Duration::from_secs(2), asked).await;
                if let Ok(Ok(payload)) = answer
                    && let Ok(answer) = serde_json::from_slice::<Value>(&payload)
                    && answer["error"].is_null()
                    && is_so(&answer)
                {
                    return Ok(answer);
                }
            }
            sleep(LOOK).await;
        }
    }
}
