//! The role *webhook*: what registries say has happened, as hints at images to be looked at.
