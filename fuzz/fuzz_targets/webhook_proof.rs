#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| image_sync_webhook::fuzzing::webhook_proof(input));
