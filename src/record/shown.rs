//! What of a written file may be shown again: on the page, in the appendix. A record and its files may come from a stranger, so only bytes
//! count whose hash is the record's, and a drawing only if it draws and does nothing else.

use super::kept::{frame, read_inside};
use super::{Root, WrittenFile};
use crate::frames::Frame;
use crate::report::grammar;
use std::path::Path;

/// The largest file that a page or an appendix takes in, in bytes (arbitrary: a paper is smaller).
const MAX_FILE: u64 = 16 << 20;

/// Something that a run kept, as far as it may be shown.
pub enum Shown {
    Table(Frame),
    /// A drawing; `file` is the name of its SVG.
    Figure {
        file: String,
        svg: String,
        tikz: Option<String>,
    },
    /// Only its names; `why` is empty where there is nothing to show.
    Nothing {
        why: String,
    },
}

impl Shown {
    /// Of the files that one event wrote into the run's folder.
    pub fn of(folder: &Path, kind: &str, files: &[WrittenFile]) -> Shown {
        let with = |ending: &str| files.iter().find(|file| file.root == Root::Run && file.path.ends_with(ending));
        let nothing = |why: &str| Shown::Nothing { why: why.to_owned() };
        match (kind, with(".parquet"), with(".svg")) {
            ("table", Some(file), _) => match read(folder, file) {
                Ok(bytes) => frame(&file.path, bytes).map_or_else(|_| nothing("its table is damaged"), Shown::Table),
                Err(why) => nothing(why),
            },
            ("figure", _, Some(file)) => match text(folder, file) {
                Ok(svg) if grammar::is_svg(&svg) => {
                    let tikz =
                        with(".tikz").and_then(|file| text(folder, file).ok()).filter(|tikz| grammar::is_tikz(tikz));
                    Shown::Figure { file: file.path.clone(), svg, tikz }
                }
                Ok(_) => nothing("it is not a drawing of this program"),
                Err(why) => nothing(why),
            },
            _ => nothing(""),
        }
    }
}

fn text(folder: &Path, file: &WrittenFile) -> Result<String, &'static str> {
    String::from_utf8(read(folder, file)?).map_err(|_| "it is not UTF-8")
}

/// The bytes that the record names.
fn read(folder: &Path, file: &WrittenFile) -> Result<Vec<u8>, &'static str> {
    let folder = folder.canonicalize().map_err(|_| "it cannot be read")?;
    let bytes = read_inside(&folder, &file.path, MAX_FILE).map_err(|_| "it cannot be read")?;
    let same = blake3::hash(&bytes).to_hex().as_str() == file.blake3;
    same.then_some(bytes).ok_or("it was changed since it was written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_s_file_is_shown_only_if_it_is_a_drawing_that_the_record_names() {
        let here = tempfile::tempdir().expect("a folder");
        let run = here.path().join("run");
        std::fs::create_dir(&run).expect("made");
        let drawing = crate::report::tests_drawing();
        let put = |name: &str, content: &str| {
            std::fs::write(run.join(name), content).expect("written");
            let blake3 = blake3::hash(content.as_bytes()).to_hex().to_string();
            WrittenFile { root: Root::Run, path: name.to_owned(), blake3, bytes: content.len() as u64 }
        };
        let (svg, tikz) = (put("f.svg", drawing.svg()), put("f.tikz", drawing.tikz()));
        let of =
            |files: &[&WrittenFile]| Shown::of(&run, "figure", &files.iter().map(|f| (*f).clone()).collect::<Vec<_>>());
        assert!(matches!(of(&[&svg, &tikz]), Shown::Figure { tikz: Some(_), .. }));
        // Hashes that fit do not make a drawing of it.
        let script = put("g.svg", &drawing.svg().replace("</svg>", "<script>x</script></svg>"));
        assert!(matches!(of(&[&script]), Shown::Nothing { why } if why == "it is not a drawing of this program"));
        let reads = put("h.tikz", &drawing.tikz().replace("\\end{", "\\input{/etc/passwd}\n\\end{"));
        assert!(matches!(of(&[&svg, &reads]), Shown::Figure { tikz: None, .. }));
        // Nor is anything shown whose hash does not fit, is left out, or that lies elsewhere.
        for blake3 in ["", "00"] {
            let other = WrittenFile { blake3: blake3.to_owned(), ..svg.clone() };
            assert!(matches!(of(&[&other]), Shown::Nothing { why } if why == "it was changed since it was written"));
        }
        std::fs::write(here.path().join("f.svg"), drawing.svg()).expect("written");
        let out = WrittenFile { path: "../f.svg".to_owned(), ..svg };
        assert!(matches!(of(&[&out]), Shown::Nothing { why } if why == "it cannot be read"));
    }
}
