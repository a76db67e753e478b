//! Paths as a record has them: from the project or the run folder, never from a machine's root.

use super::schema::Root;
use crate::core::context::{Access, Settings};
use std::path::{Component, Path, PathBuf};

/// Levels above the project that a recorded path may climb (arbitrary: beyond, it says more about the machine than about the
/// experiment).
const MAX_UP: usize = 3;

/// The folders of a run that recorded paths start from. All are real paths.
#[derive(Debug, Clone, Default)]
pub struct Places {
    project: PathBuf,
    run: Option<PathBuf>,
    /// Folder and what texts call it, the longest first.
    names: Vec<(String, String)>,
}

impl Places {
    /// The places of a session.
    pub fn of(settings: &Settings, access: &Access) -> Places {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (project, run) = (real(&access.project), settings.run_dir.as_deref().map(real));
        let home = directories::BaseDirs::new().map(|dirs| real(dirs.home_dir()));
        let mut names: Vec<(String, String)> = Vec::new();
        let known = [
            (run.clone(), "RUN"),
            (Some(project.clone()), ""),
            (Some(real(&settings.store)), "STORE"),
            (std::env::current_dir().ok().map(|path| real(&path)), ""),
            (home, "~"),
        ];
        for (path, name) in known.into_iter().filter_map(|(path, name)| Some((path?, name))) {
            let text = path.display().to_string();
            // A root folder is part of every path and says nothing.
            if path.components().count() > 1 && names.iter().all(|(other, _)| *other != text) {
                names.push((text, name.to_owned()));
            }
        }
        names.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Places { project, run, names }
    }

    /// Where a file lies, for a record. `real` is a real path.
    pub fn place(&self, real: &Path) -> (Root, String) {
        if let Some(inside) = self.run.as_ref().and_then(|run| real.strip_prefix(run).ok()) {
            return (Root::Run, slashed(inside));
        }
        match way(&self.project, real) {
            Some(path) => (Root::Project, path),
            None => (Root::Outside, real.file_name().unwrap_or_default().to_string_lossy().into_owned()),
        }
    }

    /// The way from the run folder to the project, if it is short.
    pub fn project_from_run(&self) -> Option<String> {
        way(self.run.as_ref()?, &self.project)
    }

    /// `text` without the names of this machine's folders.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for (path, name) in self.names.iter().filter(|(path, _)| text.contains(path.as_str())) {
            let below = format!("{path}{}", std::path::MAIN_SEPARATOR);
            let short = if name.is_empty() { String::new() } else { format!("{name}/") };
            let whole = if name.is_empty() { "." } else { name };
            clean = replace_whole(&clean.replace(&below, &short), path, whole);
        }
        clean
    }
}

/// `text` with `path` replaced by `name` where the path ends there.
fn replace_whole(text: &str, path: &str, name: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(path) {
        clean.push_str(before);
        let goes_on = after.chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        clean.push_str(if goes_on { path } else { name });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// The relative way from the folder `from` to `to`; none where it climbs further than [`MAX_UP`] or to a root.
fn way(from: &Path, to: &Path) -> Option<String> {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b);
    let shared: Vec<Component> = shared.map(|(part, _)| part).collect();
    let n_up = from.components().count() - shared.len();
    let meets = shared.iter().any(|part| matches!(part, Component::Normal(_)));
    if n_up > MAX_UP || (n_up > 0 && !meets) || (n_up == 0 && from.as_os_str().is_empty()) {
        return None;
    }
    let rest: PathBuf = to.components().skip(shared.len()).collect();
    let path = format!("{}{}", "../".repeat(n_up), slashed(&rest));
    let path = path.strip_suffix('/').unwrap_or(&path);
    Some(if path.is_empty() { ".".to_owned() } else { path.to_owned() })
}

/// A relative path with slashes on every system.
fn slashed(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::context::Context;

    #[test]
    fn paths_start_at_the_project_or_the_run() {
        let here = tempfile::tempdir().expect("a folder");
        let here = here.path().canonicalize().expect("real");
        let (project, run) = (here.join("exp"), here.join("exp/runs/x-001"));
        std::fs::create_dir_all(&run).expect("made");
        let settings = crate::core::context::Settings { run_dir: Some(run.clone()), ..Context::for_tests().settings };
        let places = Places::of(&settings, &Access { project: project.clone(), ..Access::default() });
        assert_eq!(places.place(&project.join("a/b.csv")), (Root::Project, "a/b.csv".to_owned()));
        assert_eq!(places.place(&run.join("t.csv")), (Root::Run, "t.csv".to_owned()));
        assert_eq!(places.place(&here.join("shared/b.csv")), (Root::Project, "../shared/b.csv".to_owned()));
        assert_eq!(places.place(Path::new("/elsewhere/b.csv")), (Root::Outside, "b.csv".to_owned()));
        assert_eq!(places.project_from_run().as_deref(), Some("../.."));
        let text = format!("`{}/a.csv` and {} and {}/t.csv", project.display(), project.display(), run.display());
        assert_eq!(places.clean(&text), "`a.csv` and . and RUN/t.csv");
        let longer = format!("{}-more", project.display());
        assert_eq!(places.clean(&longer), longer, "another folder that begins alike");
    }

    #[test]
    fn a_way_never_leads_over_the_root() {
        assert_eq!(way(Path::new("/a/b"), Path::new("/a/b")), Some(".".to_owned()));
        assert_eq!(way(Path::new("/a/b/c"), Path::new("/a/d")), Some("../../d".to_owned()));
        assert_eq!(way(Path::new("/a"), Path::new("/b")), None);
        assert_eq!(way(Path::new("/a/1/2/3/4"), Path::new("/a/b")), None);
    }
}
