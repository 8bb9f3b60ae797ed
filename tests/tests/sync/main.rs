//! `image-sync sync` as a process, against fake and real registries.

mod bytes_and_order;
mod failing_images;
mod faults_of_content;
mod faults_of_credentials;
mod faults_of_sources;
mod faults_of_targets;
mod floor_of_requests;
mod platforms;
mod real_servers;
mod seed;
mod signals;
mod world;
