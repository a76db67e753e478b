//! What a command works with: the runtime owns the store's session, the sweeps, the recorder and the progress bars, and lends
//! the context what its functions need of them.

use super::line::Global;
use super::{draw, exit, output, progress::Progress, start};
use crate::core::context::{Access, Context, Event, Memo, Settings};
use crate::core::explain::Explain;
use crate::core::files::plain;
use crate::core::visible::visible;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::limits::Limits;
use crate::lang::source::{Source, Sources};
use crate::lang::{Session, Setup};
use crate::record::{self, Folder, Outcome, RecordError, Recorder};
use crate::store::StoreSession;
use crate::store::bucket::is_url;
use crate::sweep::SweepState;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Everything that lives as long as a command.
pub struct Runtime {
    pub ctx: Arc<Context>,
    pub store: Arc<StoreSession>,
    pub sweep: Arc<SweepState>,
    pub progress: Arc<Progress>,
    pub recorder: Option<Recorder>,
    limits: Limits,
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

impl Runtime {
    /// The runtime of a command whose project is `--project`, or else `project`. A script run always gets a run folder.
    pub fn new(global: &Global, project: &Path, run: Option<Run>) -> Result<Runtime, Box<Diagnostic>> {
        let project = project_of(global, project)?;
        let (store, url) = store_of(global);
        // A bucket that is not there is no reason for a run folder.
        let session = open_store(&store, url.as_deref(), run.is_some() && !global.no_memo)?;
        let mut folder = run_folder(global, run.as_ref()).map_err(refuse)?;
        let run_dir = folder.as_ref().map(|folder| folder.path.clone());
        let settings = settings(global, store.clone(), url, run_dir.clone());
        let access = access(global, project, store, run_dir.clone());
        let recorder = run_dir.map(|folder| recorder(global, &folder, run.as_ref(), &settings, &access));
        let (store, sweep) = (Arc::new(session), Arc::new(SweepState::default()));
        let ctx = store.lend(Context::new(settings, access)).with(sweep.clone());
        let ctx = Arc::new(if global.plan { ctx.planning() } else { ctx });
        let progress = Arc::new(Progress::new(global.quiet));
        if let (Some(folder), Some(recorder)) = (&mut folder, &recorder) {
            resume(folder, recorder, &progress).map_err(refuse)?;
        }
        handle_ctrl_c(&ctx);
        let (broken, sources) = Default::default();
        let runtime = Runtime {
            ctx,
            store,
            sweep,
            progress,
            recorder,
            limits: global.limits(),
            broken,
            sources,
            _folder: folder,
        };
        runtime.listen();
        Ok(runtime)
    }

    /// Shows what the context tells, and records it.
    fn listen(&self) {
        let (sweep, recorder, progress) = (self.sweep.clone(), self.recorder.clone(), self.progress.clone());
        let sources = self.sources.clone();
        self.ctx.listen(move |event: Event| {
            let Some(event) = sweep.observe(event) else { return };
            if let Some(recorder) = &recorder {
                recorder.note(&event);
                if let Some((sources, script)) = sources.get().filter(|_| recorder.is_due()) {
                    // A disk that is full will be complained of by whatever is written next, the last record at the latest.
                    let _ = keep(recorder, sources, Some(script), Outcome::Running);
                }
            }
            progress.show(&event);
        });
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
        let (name, args, output) = (name.to_owned(), args.to_vec(), Arc::new(print));
        Session::with(self.ctx.clone(), Setup { name, args, prelude, limits: self.limits.clone(), output })
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

fn refuse(error: impl Explain) -> Box<Diagnostic> {
    Box::new(Diagnostic::from_explained(&error))
}

/// The real path of `--project`, or else of `project`.
fn project_of(global: &Global, project: &Path) -> Result<PathBuf, Box<Diagnostic>> {
    let project = global.project.as_deref().unwrap_or(project);
    project.canonicalize().map_err(|error| {
        let why = format!("the project folder `{}`: {}", project.display(), plain(&error));
        Box::new(Diagnostic::new("usage/project", why))
    })
}

/// The session of a store whose bucket, if it has one, lets us in where it is to be used.
fn open_store(folder: &Path, bucket: Option<&str>, is_used: bool) -> Result<StoreSession, Box<Diagnostic>> {
    let session = StoreSession::open(folder, bucket).map_err(refuse)?;
    if is_used {
        session.connect(folder).map_err(refuse)?;
    }
    Ok(session)
}

/// `--run`, or a new folder for a script.
fn run_folder(global: &Global, run: Option<&Run>) -> Result<Option<Folder>, RecordError> {
    if run.is_none() && global.run.is_none() {
        return Ok(None);
    }
    let stem = run.and_then(|run| run.script.file_stem()).unwrap_or_default().to_string_lossy();
    record::create(Path::new("."), global.run.as_deref(), &stem).map(Some)
}

fn settings(global: &Global, store: PathBuf, bucket: Option<String>, run_dir: Option<PathBuf>) -> Settings {
    Settings {
        seed_offset: global.seed,
        world: global.world,
        n_threads: start::n_threads(global),
        device: global.device.name().to_owned(),
        store,
        bucket,
        memo: if global.no_memo { Memo::Off } else { Memo::On },
        checkpoint: checkpoint_seconds(),
        run_dir,
    }
}

/// The project, the store and the run's folder may be read, and what was granted; the run's folder may be written.
fn access(global: &Global, project: PathBuf, store: PathBuf, run_dir: Option<PathBuf>) -> Access {
    let own = [project.clone(), store];
    Access {
        read: own.into_iter().chain(run_dir.clone()).chain(global.allow_read.iter().cloned()).collect(),
        write: run_dir.into_iter().chain(global.allow_write.iter().cloned()).collect(),
        project,
        disk: global.allow_disk.map(|gib| u64::from(gib) << 30),
    }
}

fn recorder(global: &Global, folder: &Path, run: Option<&Run>, settings: &Settings, access: &Access) -> Recorder {
    let (script, args) = run.map_or((Path::new("input"), &[][..]), |run| (run.script, run.args));
    Recorder::new(&record::Start {
        folder,
        script: &script.display().to_string(),
        arguments: args,
        settings,
        access,
        read: &global.allow_read,
        write: &global.allow_write,
        stdlib: &super::script::library(&global.modules),
    })
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
fn resume(folder: &mut Folder, recorder: &Recorder, progress: &Progress) -> Result<(), RecordError> {
    let Some(earlier) = &folder.unfinished else { return Ok(()) };
    let shown = crate::lang::resolve::shown(&folder.path);
    if !recorder.is_same_command(earlier) {
        return Err(RecordError::OtherCommand { path: shown, command: earlier.command() });
    }
    let ended = match earlier.outcome {
        Outcome::Interrupted => "was interrupted",
        Outcome::Failed { .. } => "ended on a full disk",
        Outcome::Running | Outcome::Done => "was killed",
    };
    let started = earlier.started.clone();
    folder.clear()?;
    progress.note(&format!("{shown}: continues the run of {started}, which {ended}"));
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
fn handle_ctrl_c(ctx: &Arc<Context>) {
    static CONTEXT: OnceLock<std::sync::Mutex<Arc<Context>>> = OnceLock::new();
    if let Some(held) = CONTEXT.get() {
        *held.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = ctx.clone();
        return;
    }
    let held = CONTEXT.get_or_init(|| std::sync::Mutex::new(ctx.clone()));
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
