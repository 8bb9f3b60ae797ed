//! The registries of a workload: a source that stays, and a target as it is to be when a tool starts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use image_sync_testkit::images::MadeUp;
use image_sync_testkit::servers::DockerRegistry;
use image_sync_testkit::{FakeRegistry, Image, Link, PrivateCa};
use tempfile::TempDir;

use super::measure::{self, Ended};
use super::results::{Bytes, Requests};
use super::tools::{Found, Task};
use super::workloads::{Server, Sync, Target};

pub(crate) enum Registry {
    Docker(DockerRegistry),
    Memory(FakeRegistry),
}

impl Registry {
    async fn start(server: Server, ca: &PrivateCa) -> io::Result<Self> {
        let docker = DockerRegistry::builder().in_memory();
        let memory = FakeRegistry::builder().without_records();
        Ok(match server {
            Server::Docker => Self::Docker(docker.tls(ca).start().await?),
            Server::DockerPlain => Self::Docker(docker.start().await?),
            Server::Memory => Self::Memory(memory.http2(ca).start().await?),
            Server::MemoryPlain => Self::Memory(memory.start().await?),
        })
    }

    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Docker(registry) => registry.host(),
            Self::Memory(registry) => registry.host(),
        }
    }

    async fn requests(&self) -> io::Result<BTreeMap<String, u64>> {
        match self {
            Self::Memory(registry) => Ok(registry.requests_by_method()),
            Self::Docker(registry) => {
                let mut counts = BTreeMap::new();
                for request in registry.requests().await? {
                    *counts.entry(request.method).or_default() += 1;
                }
                Ok(counts)
            }
        }
    }

    async fn forget_requests(&self) -> io::Result<()> {
        match self {
            Self::Docker(registry) => registry.forget_requests().await,
            Self::Memory(registry) => {
                registry.reset();
                Ok(())
            }
        }
    }

    /// Whether each of these images is there, under its number.
    async fn has(&self, images: &[Image]) -> io::Result<bool> {
        match self {
            Self::Memory(registry) => Ok(images.iter().enumerate().all(|(number, image)| {
                let tagged = registry.digest(&repository(number), TAG);
                tagged.as_ref() == Some(image.digest())
            })),
            Self::Docker(registry) => {
                let put = registry.requests().await?;
                let put = put
                    .iter()
                    .filter(|r| r.is("PUT", "/v2/*/manifests/*") && r.status == 201);
                let paths: std::collections::BTreeSet<&str> =
                    put.map(|request| request.path.as_str()).collect();
                Ok(paths.len() >= images.len())
            }
        }
    }
}

const TAG: &str = "1";

fn repository(number: usize) -> String {
    format!("images/{number}")
}

/// A source and what its targets are made from.
pub(crate) struct Site<'a> {
    workload: &'a Sync,
    ours: &'a Found,
    images: Vec<Image>,
    /// The images that a target has which is not empty.
    before: Vec<Image>,
    source: Registry,
    in_place: Option<Registry>,
    ca: PrivateCa,
    folder: TempDir,
}

/// Where one run finds its source and its target.
pub(crate) struct Stage<'a> {
    pub(crate) task: Task,
    site: &'a Site<'a>,
    own_target: Option<Registry>,
    links: Option<(Link, Link)>,
}

impl<'a> Site<'a> {
    /// Starts and fills the registries of a workload; `ours` fills those that are processes of their own.
    pub(crate) async fn start(
        workload: &'a Sync,
        count: usize,
        ours: &'a Found,
    ) -> io::Result<Self> {
        let layers = workload.layers;
        let made_up = MadeUp::new(layers.each, layers.shared, layers.bytes);
        let images: Vec<Image> = (0..count).map(|number| made_up.image(number)).collect();
        let before = match workload.target {
            Target::ChangedOneIn(many) => (0..count)
                .map(|number| made_up.image(number + if number % many == 0 { count } else { 0 }))
                .collect(),
            _ => images.clone(),
        };
        let ca = PrivateCa::new()?;
        let folder = TempDir::new()?;
        fs::write(folder.path().join(AUTHORITY), ca.ca_pem())?;
        let mut site = Self {
            workload,
            ours,
            images,
            before,
            source: Registry::start(workload.server, &ca).await?,
            in_place: None,
            ca,
            folder,
        };
        site.fill(&site.source, &site.images).await?;
        if workload.target == Target::UpToDate {
            let target = Registry::start(workload.server, &site.ca).await?;
            site.fill(&target, &site.before).await?;
            site.in_place = Some(target);
        }
        Ok(site)
    }

    async fn fill(&self, registry: &Registry, images: &[Image]) -> io::Result<()> {
        match registry {
            Registry::Memory(registry) => {
                put(registry, images);
                Ok(())
            }
            Registry::Docker(registry) => {
                let origin = FakeRegistry::builder().without_records();
                let origin = match self.workload.server {
                    Server::Docker => origin.tls(&self.ca).start().await?,
                    _ => origin.start().await?,
                };
                put(&origin, images);
                let task = self.task(origin.host(), registry.host());
                let folder = TempDir::new()?;
                let invocation = self.ours.invocation(&task);
                match measure::run(&invocation, folder.path(), FILLING).await? {
                    Ended::Done(_) => Ok(()),
                    Ended::Failed(said) => Err(io::Error::other(format!("filling: {said}"))),
                    Ended::OutOfTime => Err(io::Error::other("filling took too long")),
                }
            }
        }
    }

    fn task(&self, source: &str, target: &str) -> Task {
        Task {
            source: source.to_owned(),
            target: target.to_owned(),
            images: self.images.len(),
            authority: self.authority(),
        }
    }

    fn authority(&self) -> Option<PathBuf> {
        let speaks_tls = self.workload.server.speaks_tls();
        speaks_tls.then(|| self.folder.path().join(AUTHORITY))
    }

    /// Makes everything ready for one run. `round_trip` is that of links between the tool and its registries; without one
    /// it is beside them.
    pub(crate) async fn stage(&self, round_trip: Option<Duration>) -> io::Result<Stage<'_>> {
        let own_target = match self.in_place {
            Some(_) => None,
            None => Some(self.new_target().await?),
        };
        let target = own_target.as_ref().or(self.in_place.as_ref());
        let target = target.map(Registry::host).unwrap_or_default();
        let links = match round_trip {
            None => None,
            Some(time) => Some((
                Link::start(self.source.host(), time).await?,
                Link::start(target, time).await?,
            )),
        };
        let task = match &links {
            None => self.task(self.source.host(), target),
            Some((to_source, to_target)) => self.task(to_source.host(), to_target.host()),
        };
        let stage = Stage {
            task,
            site: self,
            own_target,
            links,
        };
        self.source.forget_requests().await?;
        stage.target()?.forget_requests().await?;
        Ok(stage)
    }

    async fn new_target(&self) -> io::Result<Registry> {
        let target = Registry::start(self.workload.server, &self.ca).await?;
        if self.workload.target != Target::Empty {
            self.fill(&target, &self.before).await?;
        }
        Ok(target)
    }
}

impl Stage<'_> {
    fn target(&self) -> io::Result<&Registry> {
        let target = self.own_target.as_ref().or(self.site.in_place.as_ref());
        target.ok_or_else(|| io::Error::other("there is no target"))
    }

    pub(crate) async fn requests(&self) -> io::Result<Requests> {
        Ok(Requests {
            source: self.site.source.requests().await?,
            target: self.target()?.requests().await?,
        })
    }

    /// Whether all images are at the target now.
    pub(crate) async fn is_complete(&self) -> io::Result<bool> {
        match &self.own_target {
            Some(target) => target.has(&self.site.images).await,
            None => Ok(true),
        }
    }

    pub(crate) fn bytes(&self) -> Option<Bytes> {
        let (source, target) = self.links.as_ref()?;
        let (source, target) = (source.traffic(), target.traffic());
        Some(Bytes {
            to_source: source.to_server,
            from_source: source.to_client,
            to_target: target.to_server,
            from_target: target.to_client,
            connections: source.connections + target.connections,
        })
    }
}

const AUTHORITY: &str = "authority.pem";

/// How long it may take to fill a registry.
const FILLING: Duration = Duration::from_secs(300);

pub(crate) fn put(registry: &FakeRegistry, images: &[Image]) {
    for (number, image) in images.iter().enumerate() {
        registry.put_image(&repository(number), TAG, image);
    }
}
