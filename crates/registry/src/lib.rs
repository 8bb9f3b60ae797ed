//! Registries over HTTP, OCI image layout folders and credentials
