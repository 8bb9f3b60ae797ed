//! Serde's text forms: what is written into a message is read as what it was.

use super::{
    FOLDER_PREFIX, InvalidReference, Location, Reference, Repository, folder, invalid_repository,
    named,
};

impl TryFrom<String> for Repository {
    type Error = InvalidReference;

    /// As it is written, which is not as people write it: its host is always there, so that one that might be a part of a
    /// name is a host here, and a colon in a folder is one of its path.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some(path) = text.strip_prefix(FOLDER_PREFIX) {
            return folder(&text, path);
        }
        match text.split_once('/') {
            Some((host, name)) => {
                named(host, name).map_err(|error| invalid_repository(&text, &error.reason))
            }
            None => text.parse(),
        }
    }
}

macro_rules! as_people_write_it {
    ($($type:ty),*) => {$(
        impl TryFrom<String> for $type {
            type Error = InvalidReference;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    )*};
}

macro_rules! as_it_is_shown {
    ($($type:ty),*) => {$(
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )*};
}

as_people_write_it!(Location, Reference);
as_it_is_shown!(Location, Repository, Reference);

#[cfg(test)]
mod tests {
    use super::*;

    fn written_and_read(repository: &Repository) {
        let written = serde_json::to_string(repository).unwrap();
        let read: Repository = serde_json::from_str(&written).unwrap();
        assert_eq!(&read, repository, "{written}");
    }

    #[test]
    fn a_repository_of_a_host_without_a_dot_is_not_read_as_one_of_docker_hub() {
        for location in [
            "registry",
            "registry/mirror",
            "localhost:5000",
            "docker.io/me",
        ] {
            let location: Location = location.parse().unwrap();
            for name in ["nginx", "team/app"] {
                written_and_read(&location.repository(name).unwrap());
            }
        }
    }

    #[test]
    fn a_folder_with_a_colon_in_its_path_is_not_read_as_one_with_a_tag() {
        for folder in ["oci:./of:today", "oci:a@b", "oci:./a:b/c"] {
            let location: Location = folder.parse().unwrap();
            written_and_read(&location.repository("team/app").unwrap());
            written_and_read(&Repository::Folder(folder[4..].into()));
        }
    }

    #[test]
    fn a_repository_with_a_tag_is_none_here_either() {
        for text in ["a.test/b:1", "docker.io/nginx:1", "oci:", "a//b", "/b"] {
            let read = Repository::try_from(text.to_owned());
            assert!(read.is_err(), "{text}: {read:?}");
        }
        let hub = Repository::try_from("docker.io/nginx".to_owned());
        assert_eq!(hub.unwrap().to_string(), "docker.io/library/nginx");
    }
}
