#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    w2s_fuzz::read("onnx", w2s_fuzz::entry::onnx, bytes);
});
