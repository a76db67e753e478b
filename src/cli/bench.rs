//! Sets up what a command works at: the context with its grants, the session over it, progress, the record, Ctrl-C.

use super::line::Global;
use super::{draw, exit, output, progress::Progress, start};
use crate::core::context::{Access, Context, Event, Memo, Settings};
use crate::core::visible::visible;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::resolve::STDLIB;
use crate::lang::source::{Source, Sources};
use crate::lang::{Session, Setup};
use crate::record::{self, Folder, Outcome, RecordError, Recorder};
use crate::store::Store;
use crate::store::bucket::{Bucket, is_url};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A context and what stands around it on the command line.
pub struct Bench {
    pub ctx: Arc<Context>,
    pub progress: Arc<Progress>,
    pub recorder: Option<Recorder>,
    /// Whether the reader of standard output went away.
    broken: Arc<AtomicBool>,
    /// The texts of a script that runs, and which is the script.
    sources: Arc<OnceLock<(Sources, PathBuf)>>,
    /// Keeps other runs out of the run folder.
    _folder: Option<Folder>,
}

/// A script run: what it is called, and its arguments.
pub struct Run<'a> {
    pub script: &'a Path,
    pub args: &'a [String],
}

impl Bench {
    /// A bench whose project is `--project`, or else `project`. A script run always gets a run folder.
    pub fn new(global: &Global, project: &Path, run: Option<Run>) -> Result<Bench, Box<Diagnostic>> {
        let project = global.project.as_deref().unwrap_or(project);
        let project = project.canonicalize().map_err(|error| {
            let why = crate::core::context::plain(&error);
            Box::new(Diagnostic::new("usage/project", format!("the project folder `{}`: {why}", project.display())))
        })?;
        let (store, url) = store_of(global);
        // A bucket that is not there is no reason for a run folder.
        let bucket = url.as_ref().map(|url| Bucket::open(url, &Store::at(&store))).transpose();
        let bucket = bucket.map_err(|error| Box::new(Diagnostic::from_explained(&error)))?;
        if let Some(bucket) = bucket.as_ref().filter(|_| run.is_some() && !global.no_memo) {
            bucket.meet(&Store::at(&store)).map_err(|error| Box::new(Diagnostic::from_explained(&error)))?;
        }
        let refuse = |error: RecordError| Box::new(Diagnostic::from_explained(&error));
        let mut folder = match (&run, &global.run) {
            (None, None) => None,
            (run, asked) => {
                let stem = run.as_ref().and_then(|run| run.script.file_stem()).unwrap_or_default().to_string_lossy();
                Some(record::create(Path::new("."), asked.as_deref(), &stem).map_err(refuse)?)
            }
        };
        let run_dir = folder.as_ref().map(|folder| folder.path.clone());
        let settings = Settings {
            seed_offset: global.seed,
            n_threads: start::n_threads(global),
            device: global.device.name().to_owned(),
            store: store.clone(),
            bucket: url,
            memo: match (global.plan, global.no_memo) {
                (true, _) => Memo::Plan,
                (_, true) => Memo::Off,
                _ => Memo::On,
            },
            checkpoint: checkpoint_seconds(),
            run_dir: run_dir.clone(),
        };
        let own = [project.clone(), store];
        let access = Access {
            read: own.into_iter().chain(run_dir.clone()).chain(global.allow_read.iter().cloned()).collect(),
            write: run_dir.iter().cloned().chain(global.allow_write.iter().cloned()).collect(),
            net: global.allow_net.clone(),
            project,
        };
        let recorder = run_dir.as_ref().map(|folder| {
            let (script, args) = run.as_ref().map_or((Path::new("input"), &[][..]), |run| (run.script, run.args));
            Recorder::new(&record::Start {
                folder,
                script: &script.display().to_string(),
                arguments: args,
                settings: &settings,
                access: &access,
                read: &global.allow_read,
                write: &global.allow_write,
                stdlib: STDLIB,
            })
        });
        let mut ctx = Context::new(settings, access);
        if let Some(bucket) = bucket {
            ctx.use_bucket(bucket);
        }
        let ctx = Arc::new(ctx);
        let progress = Arc::new(Progress::new(global.quiet));
        if let (Some(folder), Some(recorder)) = (&mut folder, &recorder) {
            take_over(folder, recorder, &progress).map_err(refuse)?;
        }
        let sources: Arc<OnceLock<(Sources, PathBuf)>> = Arc::default();
        let (shown, kept, texts) = (progress.clone(), recorder.clone(), sources.clone());
        ctx.listen(move |event: Event| {
            if let Some(recorder) = &kept {
                recorder.note(&event);
                if let Some((sources, script)) = texts.get().filter(|_| recorder.is_due()) {
                    // A disk that is full will be complained of by whatever is written next, the last record at the latest.
                    let _ = keep(recorder, sources, Some(script), Outcome::Running);
                }
            }
            shown.show(&event);
        });
        heed_ctrl_c(&ctx);
        Ok(Bench { ctx, progress, recorder, broken: Arc::default(), sources, _folder: folder })
    }

    /// Writes the record of a script that begins, and from now on again and again: a run that is ended by force is known by
    /// its record, which says that it runs.
    pub fn begin(&self, sources: &Sources, script: &Path) -> Result<(), Box<Diagnostic>> {
        // It is begun once; a second time it would be the same.
        let _ = self.sources.set((sources.clone(), script.to_owned()));
        self.keep(sources, Some(script), Outcome::Running)
    }

    /// A session that prints to standard output, between the progress bars. If nobody reads, the run is stopped.
    pub fn session(&self, name: &str, prelude: bool, args: &[String]) -> Session {
        let (progress, ctx, broken) = (self.progress.clone(), self.ctx.clone(), self.broken.clone());
        let recorder = self.recorder.clone();
        let print = move |text: &str| {
            if let Some(recorder) = &recorder {
                recorder.printed(text);
            }
            if broken.load(Ordering::Relaxed) {
                return;
            }
            if progress.apart(|| output::line(&visible(text))).is_err() {
                broken.store(true, Ordering::Relaxed);
                ctx.interrupt.raise();
            }
        };
        let setup =
            Setup { name: name.to_owned(), args: args.to_vec(), prelude, output: Arc::new(print), ..Setup::default() };
        Session::with(self.ctx.clone(), setup)
    }

    /// Ends a command: draws its error, completes the record; the value, or the exit code.
    pub fn end<T>(
        &self,
        answer: Result<T, Box<Diagnostic>>,
        sources: &Sources,
        script: Option<&Path>,
    ) -> Result<T, u8> {
        self.progress.clear();
        let outcome = match &answer {
            Ok(_) => Outcome::Done,
            Err(error) if error.interrupted => Outcome::Interrupted,
            Err(error) => Outcome::Failed {
                code: error.code.clone(),
                message: error.message.clone(),
                place: error.place.as_ref().map(ToString::to_string),
            },
        };
        let kept = self.keep(sources, script, outcome);
        let broken = self.broken.load(Ordering::Relaxed);
        match (answer, kept) {
            (_, Err(refused)) => {
                draw::print(&refused);
                Err(exit::FILE)
            }
            (Err(_), Ok(())) if broken => Err(exit::PIPE),
            (Err(error), Ok(())) => {
                draw::print(&error);
                Err(if error.interrupted { exit::INTERRUPTED } else { exit::SCRIPT })
            }
            (Ok(_), Ok(())) if broken => Err(exit::PIPE),
            (Ok(value), Ok(())) => Ok(value),
        }
    }

    /// Copies the sources, the script first, and writes the record.
    pub fn keep(&self, sources: &Sources, script: Option<&Path>, outcome: Outcome) -> Result<(), Box<Diagnostic>> {
        let Some(recorder) = &self.recorder else { return Ok(()) };
        keep(recorder, sources, script, outcome).map_err(|error| Box::new(Diagnostic::from_explained(&error)))
    }
}

fn keep(recorder: &Recorder, sources: &Sources, script: Option<&Path>, outcome: Outcome) -> Result<(), RecordError> {
    let script = script.map(|path| path.display().to_string());
    let (first, rest): (Vec<_>, Vec<_>) =
        sources.all().into_iter().partition(|source| Some(&source.name) == script.as_ref());
    let text = |source: Source| record::Source { name: source.name, text: source.text, path: source.path };
    let texts: Vec<_> = first.into_iter().chain(rest).map(text).collect();
    recorder.copy_sources(&texts).and_then(|()| recorder.write(outcome))
}

/// Goes on in the folder of a run that did not end, if it was of the same command.
fn take_over(folder: &mut Folder, recorder: &Recorder, progress: &Progress) -> Result<(), RecordError> {
    let Some(earlier) = &folder.unfinished else { return Ok(()) };
    let shown = crate::lang::resolve::shown(&folder.path);
    if !recorder.is_same_command(earlier) {
        return Err(RecordError::OtherCommand { path: shown, command: earlier.command() });
    }
    let ended = match earlier.outcome {
        Outcome::Interrupted => "was interrupted",
        Outcome::Failed { .. } => "ended on a full disk",
        Outcome::Running | Outcome::Done => "was ended by force",
    };
    let started = earlier.started.clone();
    folder.clear()?;
    progress.note(&format!("{shown}: takes over the run that {ended}, begun {started}"));
    Ok(())
}

/// `W2S_CHECKPOINT_SECONDS`: how often a training's state is saved, whatever it costs. For tests of resuming.
fn checkpoint_seconds() -> Option<Duration> {
    let said = std::env::var("W2S_CHECKPOINT_SECONDS").ok()?;
    said.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// The store's folder, and the bucket behind it: `--store`, or `W2S_STORE`, or the user's data folder for this program. Where
/// that is a bucket, the folder is what `W2S_STORE_CACHE` says, or the user's data folder.
pub fn store_of(global: &Global) -> (PathBuf, Option<String>) {
    let said = |name: &str| std::env::var_os(name).filter(|said| !said.is_empty()).map(PathBuf::from);
    match global.store.clone().or_else(|| said("W2S_STORE")) {
        Some(store) if is_url(&store) => {
            (said("W2S_STORE_CACHE").unwrap_or_else(data_folder), Some(store.to_string_lossy().into_owned()))
        }
        Some(store) => (store, None),
        None => (data_folder(), None),
    }
}

/// The user's data folder for this program, as the platform has it.
fn data_folder() -> PathBuf {
    directories::ProjectDirs::from("", "", "w2s")
        .map_or_else(|| PathBuf::from(".w2s"), |dirs| dirs.data_local_dir().to_owned())
}

/// The first Ctrl-C asks running work to stop, a second one ends the program. There is one handler per process, for the
/// context that was set up last.
fn heed_ctrl_c(ctx: &Arc<Context>) {
    static LAB: OnceLock<std::sync::Mutex<Arc<Context>>> = OnceLock::new();
    if let Some(held) = LAB.get() {
        *held.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = ctx.clone();
        return;
    }
    let held = LAB.get_or_init(|| std::sync::Mutex::new(ctx.clone()));
    // Without a handler, Ctrl-C ends the program at once, which is the next best thing.
    let _ = ctrlc::set_handler(move || {
        let ctx = held.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if !ctx.interrupt.is_raised() {
            IGNORED.store(0, Ordering::Relaxed);
            ctx.interrupt.raise();
        } else if IGNORED.fetch_add(1, Ordering::Relaxed) >= PATIENCE.load(Ordering::Relaxed) {
            std::process::exit(i32::from(exit::INTERRUPTED));
        } else {
            eprintln!("still stopping; Ctrl-C again ends w2s and what this session holds");
        }
    });
}

/// How many more times Ctrl-C is taken for impatience before it ends the program.
static PATIENCE: AtomicUsize = AtomicUsize::new(0);

/// How many times it was, since the last stop that was asked for.
static IGNORED: AtomicUsize = AtomicUsize::new(0);

/// At the prompt a stop must not cost the session: one Ctrl-C too many is answered with a warning.
pub fn keep_the_session() {
    PATIENCE.store(1, Ordering::Relaxed);
}
