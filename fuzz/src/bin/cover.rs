//! Reads every file of `FOLDER/TARGET` with the target's reader: what line coverage is measured by.

use std::path::Path;
use w2s_fuzz::entry;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "corpus".to_owned());
    let asked = std::env::args().nth(2);
    for (name, read) in entry::ALL.iter().filter(|(name, _)| asked.as_deref().is_none_or(|asked| asked == *name)) {
        let (mut n_read, mut n_refused) = (0, 0);
        for file in std::fs::read_dir(Path::new(&folder).join(name))? {
            match read(&std::fs::read(file?.path())?) {
                Ok(_) => n_read += 1,
                Err(_) => n_refused += 1,
            }
        }
        println!("{name}: {n_read} read, {n_refused} refused");
    }
    Ok(())
}
