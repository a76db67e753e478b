#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    w2s_fuzz::read("safetensors", w2s_fuzz::entry::safetensors, bytes);
});
