//! What a content is read from: a file, whose bytes go straight into an array's memory, or bytes that are there already.

use std::fs::File;
use std::io::{Read, Result};

/// Gives bytes, and arrays of 32-bit floats.
pub(super) trait Source: Read + Send {
    /// An array of `n_values` little-endian floats, whose first bytes are `head` and whose other bytes come next here.
    fn read_values(&mut self, head: &[u8], n_values: usize) -> Result<Vec<f32>> {
        let mut bytes = vec![0; 4 * n_values];
        let (first, rest) = bytes.split_at_mut(head.len().min(4 * n_values));
        first.copy_from_slice(head.get(..first.len()).unwrap_or_default());
        self.read_exact(rest)?;
        Ok(floats(&bytes))
    }
}

impl Source for &[u8] {}

impl<S: Source + ?Sized> Source for &mut S {
    fn read_values(&mut self, head: &[u8], n_values: usize) -> Result<Vec<f32>> {
        (**self).read_values(head, n_values)
    }
}

#[cfg(not(all(unix, target_endian = "little")))]
impl Source for File {}

#[cfg(all(unix, target_endian = "little"))]
impl Source for File {
    /// Without clearing the memory first, which costs about as much as reading into it does.
    fn read_values(&mut self, head: &[u8], n_values: usize) -> Result<Vec<f32>> {
        use std::io::{Error, ErrorKind};
        use std::mem::MaybeUninit;
        use std::os::fd::AsRawFd;
        let mut values: Vec<f32> = Vec::with_capacity(n_values);
        let memory = values.spare_capacity_mut().as_mut_ptr().cast::<MaybeUninit<u8>>();
        // SAFETY: the vector has room for `n_values` floats of four bytes, and nothing else uses that room meanwhile.
        let memory = unsafe { std::slice::from_raw_parts_mut(memory, 4 * n_values) };
        memory.iter_mut().zip(head).for_each(|(to, byte)| _ = to.write(*byte));
        let mut n_read = head.len();
        while let Some(rest) = memory.get_mut(n_read..).filter(|rest| !rest.is_empty()) {
            // SAFETY: the system writes at most as many bytes as there are, into memory that is ours.
            let n = unsafe { libc::read(self.as_raw_fd(), rest.as_mut_ptr().cast(), rest.len()) };
            match usize::try_from(n) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n_read += n,
                Err(_) => {
                    let error = Error::last_os_error();
                    if error.kind() != ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
        // SAFETY: all of its bytes were written, and any four bytes are a float.
        unsafe { values.set_len(n_values) };
        Ok(values)
    }
}

/// Little-endian floats.
pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn an_array_is_the_same_from_a_file_and_from_bytes_wherever_it_was_cut() {
        let values: Vec<f32> = (0..5000).map(|at| (at as f32 - 7.5).exp2()).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        for cut in [0, 1, 4, 4099, bytes.len()] {
            let (head, rest) = bytes.split_at(cut);
            let bits = |read: Vec<f32>| read.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(rest).expect("written");
            std::io::Seek::rewind(&mut file).expect("rewound");
            assert_eq!(bits(file.read_values(head, 5000).expect("whole")), bits(values.clone()), "{cut}");
            assert_eq!(bits((&mut &*rest).read_values(head, 5000).expect("whole")), bits(values.clone()), "{cut}");
            std::io::Seek::rewind(&mut file).expect("rewound");
            assert!(file.read_values(head, 5001).is_err() && (&mut &*rest).read_values(head, 5001).is_err());
        }
    }
}
