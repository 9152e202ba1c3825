//! `scripts/fuzz filter`; the same entry point runs under proptest in `tests/archive/fuzzing.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    mlark::fuzzing::filter(bytes);
});
