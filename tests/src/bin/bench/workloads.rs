//! What is measured.

/// A workload, by its name on the command line.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Round trips in milliseconds, where the command line says none.
    pub(crate) round_trips: &'static [u64],
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Sync(Sync),
    Queue(Queue),
}

/// A catalog that each tool brings to a target in turn.
pub(crate) struct Sync {
    pub(crate) server: Server,
    pub(crate) images: usize,
    pub(crate) layers: Layers,
    pub(crate) target: Target,
    /// Whether only image-sync and the floor run.
    pub(crate) floor_alone: bool,
}

/// A catalog, all of it in place, by `sync` and by workers over the queue.
pub(crate) struct Queue {
    pub(crate) images: usize,
    pub(crate) workers: &'static [usize],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// docker-registry over TLS, which speaks HTTP/2.
    Docker,
    /// docker-registry over plain HTTP.
    DockerPlain,
    /// The fake registry over TLS, which speaks HTTP/2.
    Memory,
    /// The fake registry over plain HTTP.
    MemoryPlain,
}

impl Server {
    pub(crate) fn speaks_tls(self) -> bool {
        matches!(self, Self::Docker | Self::Memory)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Layers {
    pub(crate) each: usize,
    /// How many of them are the same in all images.
    pub(crate) shared: usize,
    pub(crate) bytes: usize,
}

/// What the target has when a tool starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    UpToDate,
    Empty,
    /// All but one image in so many, of which it has the one before.
    ChangedOneIn(usize),
}

const SMALL: Layers = Layers {
    each: 2,
    shared: 0,
    bytes: 1024,
};

/// All of them, in the order in which they run.
pub(crate) static ALL: [Workload; 12] = [
    up_to_date(
        "up-to-date-500-tls",
        "500 images in place, docker-registry over TLS",
        Server::Docker,
        500,
        &[0, 20, 50, 100],
    ),
    up_to_date(
        "up-to-date-500-memory-tls",
        "500 images in place, a registry in memory over TLS and HTTP/2",
        Server::Memory,
        500,
        &[0, 20, 50, 100],
    ),
    up_to_date(
        "up-to-date-1000-tls",
        "1,000 images in place, docker-registry over TLS",
        Server::Docker,
        1000,
        &[50],
    ),
    up_to_date(
        "up-to-date-2000-plain",
        "2,000 images in place, docker-registry over plain HTTP",
        Server::DockerPlain,
        2000,
        &[20],
    ),
    up_to_date(
        "up-to-date-5000-memory",
        "5,000 images in place, a registry in memory over plain HTTP",
        Server::MemoryPlain,
        5000,
        &[0],
    ),
    Workload {
        name: "cold-150-small-tls",
        what: "150 images of 3 small blobs to an empty docker-registry over TLS",
        round_trips: &[20],
        kind: cold(Server::Docker, 150, SMALL),
    },
    Workload {
        name: "shared-layers-30-tls",
        what: "30 images that share 5 of 6 layers of 2 MiB, to an empty docker-registry over TLS",
        round_trips: &[20],
        kind: cold(
            Server::Docker,
            30,
            Layers {
                each: 6,
                shared: 5,
                bytes: 2 << 20,
            },
        ),
    },
    Workload {
        name: "large-1gib",
        what: "4 images of 4 layers of 64 MiB to an empty docker-registry over plain HTTP",
        round_trips: &[0],
        kind: cold(
            Server::DockerPlain,
            4,
            Layers {
                each: 4,
                shared: 0,
                bytes: 64 << 20,
            },
        ),
    },
    Workload {
        name: "changed-1-in-100",
        what: "1,000 images of which 10 have changed, a registry in memory over TLS and HTTP/2",
        round_trips: &[20],
        kind: Kind::Sync(Sync {
            server: Server::Memory,
            images: 1000,
            layers: SMALL,
            target: Target::ChangedOneIn(100),
            floor_alone: false,
        }),
    },
    Workload {
        name: "queue-20000-memory",
        what: "20,000 images in place over the queue, registries in memory over plain HTTP",
        round_trips: &[0],
        kind: queue(20_000),
    },
    Workload {
        name: "queue-4000-20ms",
        what: "4,000 images in place over the queue, registries in memory over plain HTTP",
        round_trips: &[20],
        kind: queue(4000),
    },
    Workload {
        name: "floor",
        what: "500 images in place, docker-registry over TLS, beside a bare loop of HEAD pairs",
        round_trips: &[0, 20, 50, 100],
        kind: Kind::Sync(Sync {
            server: Server::Docker,
            images: 500,
            layers: SMALL,
            target: Target::UpToDate,
            floor_alone: true,
        }),
    },
];

const fn up_to_date(
    name: &'static str,
    what: &'static str,
    server: Server,
    images: usize,
    round_trips: &'static [u64],
) -> Workload {
    let kind = Kind::Sync(Sync {
        server,
        images,
        layers: SMALL,
        target: Target::UpToDate,
        floor_alone: false,
    });
    Workload {
        name,
        what,
        round_trips,
        kind,
    }
}

const fn cold(server: Server, images: usize, layers: Layers) -> Kind {
    Kind::Sync(Sync {
        server,
        images,
        layers,
        target: Target::Empty,
        floor_alone: false,
    })
}

const fn queue(images: usize) -> Kind {
    Kind::Queue(Queue {
        images,
        workers: &[1, 2, 4],
    })
}
