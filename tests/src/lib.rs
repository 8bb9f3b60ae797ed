//! The whole pipeline against real servers lives in `tests/`.
