//! Tokens and passwords for requests (the distribution project's token authentication; RFC 7235, RFC 7617).
