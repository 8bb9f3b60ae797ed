//! How hosts behave, and what goes wrong with which call.

use image_sync_shared::failure::{FailureClass, Side};

use super::super::staged_faults::{Call, Effect, Fault, Gate};
use super::FakeRegistries;

impl FakeRegistries {
    /// Lets the next `times` calls fail whose description contains `about`: a repository, tag or digest.
    pub(crate) fn fail(
        &self,
        call: Call,
        about: &str,
        side: Side,
        class: FailureClass,
        times: usize,
    ) {
        self.stage(call, about, times, Effect::Fail(side, class));
    }

    /// Holds the next call whose description contains `about`.
    pub(crate) fn gate(&self, call: Call, about: &str) -> Gate {
        let gate = Gate::new();
        self.stage(call, about, 1, Effect::Hold(gate.clone()));
        gate
    }

    /// From the request of this number on, counted from 1, nothing works any more.
    pub(crate) fn break_at(&self, request: usize) {
        self.state().broken_from = Some(request);
    }

    /// Lets the next `times` calls panic whose description contains `about`.
    pub(crate) fn panic(&self, call: Call, about: &str, times: usize) {
        self.stage(call, about, times, Effect::Panic);
    }

    fn stage(&self, call: Call, about: &str, times: usize, effect: Effect) {
        self.state().staged.push(Fault {
            call,
            about: about.to_owned(),
            times,
            effect,
        });
    }

    /// A host refuses Docker manifests.
    pub(crate) fn take_no_docker(&self, host: &str) {
        self.state().takes_no_docker.insert(host.to_owned());
    }

    /// A host has the referrers API.
    pub(crate) fn have_referrers_api(&self, host: &str) {
        self.state().has_referrers_api.insert(host.to_owned());
    }

    /// A host answers every mount with an upload.
    pub(crate) fn mount_nothing(&self, host: &str) {
        self.state().mounts_nothing.insert(host.to_owned());
    }

    /// A host says of every mount that it was done, and does none.
    pub(crate) fn pretend_to_mount(&self, host: &str) {
        self.state().pretends_to_mount.insert(host.to_owned());
    }

    /// Manifests that refer to what is not there are refused, as most registries do. Otherwise they are taken, and noted.
    pub(crate) fn verify(&self) {
        self.state().verifies = true;
    }
}
