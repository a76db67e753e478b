//! `w2s worker`: computes cells of `sweep::map` for the process that started it, which is told how to start one here.

use super::exit;
use super::line::Global;
use super::runtime::Runtime;
use crate::core::context::Context;
use crate::kernels::Kernels;
use crate::lang::source::Sources;
use crate::lang::{Session, Setup};
use crate::store::StoreSession;
use crate::sweep::{Launcher, Script, SweepState, WorkerChannel};
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker may take to stop after its input has ended, before it ends by force: longer than it is waited for.
const GRACE: Duration = Duration::from_secs(15);

/// Lets the cells of a script run be computed by workers.
pub fn enable(runtime: &Runtime, sources: &Sources, global: &Global, file: &Path, args: &[String]) {
    // Without its own path no worker is started, and cells run here.
    let Ok(program) = std::env::current_exe() else { return };
    let mut flags = vec!["--device", global.device.name()];
    if global.device.has_kernels() {
        flags.extend(["--kernels", Kernels::in_use().name()]);
    }
    let flags = flags.into_iter().map(str::to_owned).collect();
    let (sources, file, args) = (sources.clone(), file.to_owned(), args.to_vec());
    let script = move || {
        let texts = sources.all().into_iter().map(|source| (source.name, source.text.to_string(), source.path));
        Script { file: file.clone(), args: args.clone(), texts: texts.collect() }
    };
    runtime.sweep.enable(Launcher { program, flags, script: Box::new(script) });
}

/// Serves until the input ends; the exit code.
pub fn run() -> u8 {
    let mut input = BufReader::new(std::io::stdin());
    let Ok((channel, cells)) = WorkerChannel::open(&mut input, Box::new(std::io::stdout())) else {
        eprintln!("error[usage/worker]: `worker` is started by `sweep::map`, with its task on standard input");
        return exit::USAGE;
    };
    let task = &channel.task;
    let store = match StoreSession::open(&task.settings.store, task.settings.bucket.as_deref()) {
        Ok(store) => Arc::new(store),
        Err(error) => {
            channel.refuse(&error.to_string());
            return exit::FILE;
        }
    };
    let sweep = Arc::new(SweepState::default());
    sweep.serve(channel.clone());
    let ctx = store.lend(Context::new(task.settings.clone(), task.access.clone())).with(sweep);
    let ctx = Arc::new(ctx);
    let teller = channel.clone();
    ctx.listen(move |event| teller.pass_on(event));
    let interrupted = ctx.interrupt.clone();
    // Ctrl-C reaches every process of the terminal; without a handler it ends this one at once, and its cell is tried again.
    let _ = ctrlc::set_handler(move || interrupted.raise());
    let listening = ctx.clone();
    let listener = std::thread::Builder::new().name("w2s-orders".to_owned()).spawn(move || {
        WorkerChannel::listen(input, cells, &listening);
        std::thread::sleep(GRACE);
        std::process::exit(i32::from(exit::INTERRUPTED));
    });
    if listener.is_err() {
        channel.refuse("it has no thread to listen with");
        return exit::FILE;
    }
    let setup = Setup { args: task.script.args.clone(), prelude: false, ..Setup::default() };
    let mut session = Session::with(ctx, setup);
    for (name, text, path) in &task.script.texts {
        match path {
            Some(path) => session.sources.pin(path, text),
            // What has no file is a module of the program, in the text that the first process imported.
            None => session.sources.pin_module(name, text),
        }
    }
    match session.run_script(&task.script.file) {
        Ok(_) => channel.refuse("the script ended before the call"),
        Err(error) if !error.interrupted => channel.refuse(&error.message),
        Err(_) => {}
    }
    exit::OK
}
