//! Test support: fake registry, image builders, real servers
