//! Who asks: credentials and where they are kept, challenges, token servers, and that no secret shows.

mod anonymous;
mod challenges;
mod credential_helpers;
mod credentials;
mod realms;
mod secrets;
mod tokens;
