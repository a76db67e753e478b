//! Writes the seeds of every target to `corpus/TARGET/`.

use w2s_fuzz::{entry, seeds};

fn main() -> std::io::Result<()> {
    for (name, _) in entry::ALL {
        let folder = std::path::Path::new("corpus").join(name);
        std::fs::create_dir_all(&folder)?;
        for (nth, seed) in seeds::of(name).iter().chain(&seeds::refused(name)).enumerate() {
            std::fs::write(folder.join(format!("seed-{nth}")), seed)?;
        }
    }
    Ok(())
}
