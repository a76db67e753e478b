#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    w2s_fuzz::read("tsv", w2s_fuzz::entry::tsv, bytes);
});
