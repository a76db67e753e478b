#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    w2s_fuzz::read("archive", w2s_fuzz::entry::archive, bytes);
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    w2s_fuzz::mutate_members(data, size, max_size, seed)
});
