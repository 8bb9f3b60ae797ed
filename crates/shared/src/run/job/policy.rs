//! The rules that a job is worked under.

use serde::{Deserialize, Serialize};

use crate::run::job::Referrers;

/// What becomes of a tag of the target that has another image already. An equal one is up to date in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overwrite {
    /// It gets the source's image.
    #[default]
    Always,
    /// It keeps its own, which is told.
    Never,
    /// It keeps its own, and the image has failed with the class `immutable_tag`.
    Error,
}

/// What becomes of wanted platforms that an image does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlatformMissing {
    /// The image has failed.
    #[default]
    Fail,
    /// The others are copied. Where there are none, nothing is, which is told.
    Skip,
}

/// What the config says of an image, beside what is to be where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ImagePolicy {
    /// What becomes of a tag that has another image.
    #[serde(skip_serializing_if = "is_default")]
    pub overwrite: Overwrite,
    /// What becomes of platforms that are not there.
    #[serde(skip_serializing_if = "is_default")]
    pub platform_missing: PlatformMissing,
    /// Which artifacts come along; none where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrers: Option<Box<Referrers>>,
}

/// The rules a job is worked under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Look, but write nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// How long one attempt may take, in seconds.
    pub timeout_secs: u64,
    /// Resolve the source's tag once more with the lease of the target in hand, as events may have led to checks meanwhile.
    #[serde(default, skip_serializing_if = "is_default")]
    pub confirms_source: bool,
    /// What the config says of its image.
    #[serde(flatten)]
    pub image: ImagePolicy,
}

impl Policy {
    /// The version of a message with these rules: a worker that does not know them must not take the job.
    #[must_use]
    pub fn message_version(&self) -> u32 {
        match &self.image {
            ImagePolicy {
                referrers: Some(_), ..
            } => 3,
            usual if is_default(usual) => 1,
            _ => 2,
        }
    }
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_with_rules_that_older_workers_do_not_know_has_a_version_that_they_leave() {
        let plain: Policy = serde_json::from_str(r#"{"timeout_secs": 300}"#).unwrap();
        assert_eq!(plain.message_version(), 1);
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            r#"{"dry_run":false,"timeout_secs":300}"#
        );
        for image in [
            ImagePolicy {
                overwrite: Overwrite::Error,
                ..ImagePolicy::default()
            },
            ImagePolicy {
                platform_missing: PlatformMissing::Skip,
                ..ImagePolicy::default()
            },
        ] {
            let policy = Policy {
                image,
                ..plain.clone()
            };
            assert_eq!(policy.message_version(), 2);
            let text = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
        }
        let mut policy = plain;
        policy.image.referrers = Some(Box::default());
        assert_eq!(policy.message_version(), 3);
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
    }
}
