#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = w2s_fuzz::entry::script(bytes);
});
