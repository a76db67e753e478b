#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    w2s_fuzz::read("jsonl", w2s_fuzz::entry::jsonl, bytes);
});
