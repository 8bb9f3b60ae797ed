#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| image_sync_registry::fuzzing::refusal_texts(input));
