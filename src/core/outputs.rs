//! Which names a script may give the files that it writes. The run's folder has files of the program and of `report`, whose content the
//! page and the record vouch for: a script replaces none of them. And what is written here must go into a bundle and onto any
//! other file system.

use super::context::{AccessError, Context, DISK};
use std::path::{Component, Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// The files that the program writes into every run's folder.
pub const OWN: [&str; 6] =
    ["record.json", "report.html", "script.rhai", "appendix.tex", "appendix-standalone.tex", "appendix.md"];

/// The folder of the program's own, for what a script imported.
const IMPORTS: &str = "imports";

/// The most bytes of one name.
const MAX_NAME: usize = 120;

/// Why a name is one that no file of a script has; none if it may have it.
pub fn unfit(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.starts_with('.') {
        return Some("it is empty or begins with a dot");
    }
    if name.len() > MAX_NAME {
        return Some("it is longer than 120 bytes");
    }
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let forbidden = |c: char| c.is_control() || turns(c) || "\\:*?\"<>|".contains(c);
    if name.chars().any(forbidden) || name.ends_with(['.', ' ']) {
        return Some("it has a character, or an end, that not every file system takes");
    }
    None
}

/// Whether the program's own file or folder in a run is called so, on file systems that do not tell capitals apart too.
pub fn is_own(name: &str) -> bool {
    let name = name.to_lowercase();
    name == IMPORTS || OWN.contains(&name.as_str())
}

impl Context {
    /// The real path of a file that a script wants to write as `path`, whose name must have one of these endings. A relative path starts
    /// at the run's folder.
    pub fn output(&self, path: &str, endings: &[&str]) -> Result<PathBuf, AccessError> {
        let real = self.named(path)?;
        let ending = Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if endings.contains(&ending) {
            return Ok(real);
        }
        let shown: Vec<String> = endings.iter().map(|ending| format!("`.{ending}`")).collect();
        let such = Path::new(path).with_extension(endings.first().copied().unwrap_or_default());
        let (path, endings) = (path.to_owned(), shown.join(" or "));
        Err(AccessError::Ending { path, endings, such: such.display().to_string() })
    }

    /// The same for a folder.
    pub fn output_folder(&self, path: &str) -> Result<PathBuf, AccessError> {
        self.named(path)
    }

    fn named(&self, path: &str) -> Result<PathBuf, AccessError> {
        let real = self.access.writable(&self.in_run(Path::new(path)))?;
        let refuse = |reason: &str| Err(AccessError::Name { path: path.to_owned(), reason: reason.to_owned() });
        let run = self.settings.run_dir.as_ref().and_then(|folder| folder.canonicalize().ok());
        let inside = run.as_deref().and_then(|run| real.strip_prefix(run).ok());
        if inside.is_some_and(|inside| inside.as_os_str().is_empty()) {
            return refuse("it is the run's folder itself");
        }
        // Outside the run's folder only the file's own name is the script's choice.
        let parts: Vec<Component> = match inside {
            Some(inside) => inside.components().collect(),
            None => real.components().next_back().into_iter().collect(),
        };
        for part in &parts {
            let Some(name) = part.as_os_str().to_str() else { return refuse("it is not UTF-8") };
            if let Some(reason) = unfit(name) {
                return refuse(reason);
            }
        }
        // Both are at the top of the run's folder.
        let Some(first) = inside.and_then(|_| parts.first()?.as_os_str().to_str()) else { return Ok(real) };
        if is_own(first) {
            return refuse("the run's own file is called so");
        }
        if self.kept.lock().unwrap_or_else(PoisonError::into_inner).contains(&first.to_lowercase()) {
            return refuse("`report` keeps something under that name");
        }
        Ok(real)
    }

    /// Counts what is about to be written as `path`; fails where the script would have written too much in all.
    pub fn spend(&self, path: &str, bytes: usize) -> Result<(), AccessError> {
        let (bytes, most) = (bytes as u64, self.access.disk.unwrap_or(DISK));
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= most {
            return Ok(());
        }
        self.written.fetch_sub(bytes, Ordering::Relaxed);
        Err(AccessError::Disk { path: path.to_owned(), bytes, most })
    }

    /// Says that `report` keeps these files of the run's folder: no other call writes them.
    pub fn keeps(&self, files: &[PathBuf]) {
        let names = files.iter().filter_map(|file| file.file_name()?.to_str()).map(str::to_lowercase);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::{Access, Settings};
    use super::*;
    use crate::core::explain::Explain;

    fn run() -> (tempfile::TempDir, Context) {
        let folder = tempfile::tempdir().expect("a folder");
        let real = folder.path().canonicalize().expect("real");
        for made in ["run/m", "run/imports"] {
            std::fs::create_dir_all(real.join(made)).expect("made");
        }
        let settings = Settings { run_dir: Some(real.join("run")), ..Context::for_tests().settings };
        let access = Access { write: vec![real.join("run"), real.join("out")], project: real, ..Access::default() };
        (folder, Context::new(settings, access))
    }

    #[test]
    fn a_script_replaces_no_file_of_the_program_or_of_report() {
        let (folder, ctx) = run();
        ctx.keeps(&[folder.path().join("run/f.svg"), folder.path().join("run/t.csv")]);
        let endings = ["svg", "tikz", "csv", "json", "html", "rhai", "tex", "md", "latexmkrc", "sty"];
        for bad in [
            "f.svg",
            "F.SVG",
            "t.csv",
            "T.csv",
            "imports/x.rhai",
            "record.json",
            "RECORD.json",
            "report.html",
            "script.rhai",
            "appendix.tex",
            "appendix-standalone.tex",
            "appendix.md",
            ".latexmkrc",
            "m/.hidden.csv",
            "m/../f.svg",
            "m/../record.json",
            "a:b.csv",
            "a\\b.csv",
            "a\nb.csv",
            "a\u{1b}[2J.csv",
            "a\u{202e}b.csv",
            "con?.csv",
            "a .csv ",
        ] {
            let said = ctx.output(bad, &endings);
            assert!(matches!(said, Err(AccessError::Name { .. })), "{bad:?}: {said:?}");
        }
        for good in ["g.svg", "t2.csv", "m/t.csv", "m/record.json", "naïve table.csv"] {
            assert!(ctx.output(good, &endings).is_ok(), "{good}: {:?}", ctx.output(good, &endings));
        }
        for bad in [".", "imports", "Imports", "report.html", ".git", "m/.."] {
            assert!(ctx.output_folder(bad).is_err(), "{bad}");
        }
        assert!(ctx.output_folder("model").is_ok() && ctx.output_folder("m/imports").is_ok());
    }

    #[test]
    fn an_ending_fits_what_is_written() {
        let (folder, ctx) = run();
        for bad in ["f.svg", "booktabs.sty", "t", "t.csv.html", "t.CSV", "csv", "t.csv "] {
            assert!(ctx.output(bad, &["csv"]).is_err(), "{bad}");
        }
        let said = ctx.output("f.svg", &["csv", "tsv"]).expect_err("refused").to_string();
        assert_eq!(said, "`f.svg` was not written: its name must end in `.csv` or `.tsv`");
        // Elsewhere the program has no files; a dot file or another ending is one that something else may run.
        std::fs::create_dir(folder.path().join("out")).expect("made");
        let out = |name: &str| folder.path().join("out").join(name).display().to_string();
        assert!(ctx.output(&out("record.csv"), &["csv"]).is_ok() && ctx.output_folder(&out("imports")).is_ok());
        assert!(ctx.output(&out(".t.csv"), &["csv"]).is_err() && ctx.output(&out("x.sh"), &["csv"]).is_err());
    }

    #[test]
    fn what_a_script_writes_in_all_is_bounded() {
        let access = Access { disk: Some(2 << 30), ..Access::default() };
        let ctx = Context::new(Context::for_tests().settings, access);
        ctx.spend("a.csv", 1 << 30).expect("half");
        let refused = ctx.spend("b.csv", (1 << 30) + 1).expect_err("too much");
        assert_eq!(
            (refused.code(), refused.hint().is_some_and(|hint| hint.ends_with("--allow-disk 4"))),
            ("limit/disk", true)
        );
        assert!(refused.to_string().ends_with("written more than 2 GiB"), "{refused}");
        ctx.spend("c.csv", 1 << 30).expect("what was refused does not count");
        assert!(Context::for_tests().spend("d.csv", (DISK + 1) as usize).is_err());
    }
}
