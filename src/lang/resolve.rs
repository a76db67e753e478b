//! `import`: the script stdlib first, then files of the project, relative to the file that imports.

use super::described::OptionName;
use super::fields;
use super::known::{self, Callable};
use super::rewrite;
use super::source::Sources;
use crate::bind::{Fault, Kind, Registry};
use crate::core::context::Context;
use rhai::{
    AST, ASTNode, Engine, EvalAltResult, Expr, GlobalRuntimeState, Module, ModuleResolver, Position, Scope, Shared,
    Stmt,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The script stdlib: module names with their texts, inside the binary.
pub const STDLIB: &[(&str, &str)] = &[
    ("w2s", W2S),
    ("claims", CLAIMS),
    ("errors", include_str!("../../stdlib/errors.rhai")),
    ("prefer", include_str!("../../stdlib/prefer.rhai")),
    ("prefer_lm", include_str!("../../stdlib/prefer_lm.rhai")),
    ("prompt", include_str!("../../stdlib/prompt.rhai")),
    ("tasks", include_str!("../../stdlib/tasks.rhai")),
];

/// The module `w2s`: a file per idea, one text for whoever imports it.
const W2S: &str = concat!(
    include_str!("../../stdlib/w2s.rhai"),
    include_str!("../../stdlib/w2s/ground.rhai"),
    include_str!("../../stdlib/w2s/evidence.rhai"),
    include_str!("../../stdlib/w2s/controls.rhai"),
    include_str!("../../stdlib/w2s/chain.rhai"),
    include_str!("../../stdlib/w2s/compare.rhai"),
    include_str!("../../stdlib/w2s/differences.rhai"),
    include_str!("../../stdlib/w2s/methods.rhai"),
    include_str!("../../stdlib/w2s/stops.rhai"),
    include_str!("../../stdlib/w2s/generative.rhai"),
    include_str!("../../stdlib/w2s/ensemble.rhai"),
    include_str!("../../stdlib/w2s/prompted.rhai"),
    include_str!("../../stdlib/w2s/classified.rhai"),
    include_str!("../../stdlib/w2s/misfit.rhai"),
    include_str!("../../stdlib/w2s/easy.rhai"),
    include_str!("../../stdlib/w2s/profile.rhai"),
);

/// The module `claims`.
const CLAIMS: &str = concat!(
    include_str!("../../stdlib/claims.rhai"),
    include_str!("../../stdlib/claims/judge.rhai"),
    include_str!("../../stdlib/claims/world.rhai"),
    include_str!("../../stdlib/claims/concepts.rhai"),
);

/// The task files of the script stdlib: `tasks/NAME` with their texts. `build.rs` lists them.
pub const TASKS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/tasks.rs"));

/// Every module that comes with the program.
pub fn shipped() -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    STDLIB.iter().chain(TASKS).copied()
}

/// Compiles the text of a module that comes with the program, for its names: how deep expressions may be is a bound for strangers'.
pub fn compile_shipped(text: &str) -> Result<AST, rhai::ParseError> {
    let mut engine = Engine::new_raw();
    engine.set_max_expr_depths(0, 0);
    engine.compile(text)
}

/// Files importing files importing files (chosen).
const MAX_DEPTH: usize = 16;

/// A function of a script module, for messages and `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFunction {
    pub name: String,
    pub params: Vec<String>,
    /// Its `///` comment lines, without the slashes.
    pub comment: String,
    /// The options that its comment describes.
    pub described: Vec<OptionName>,
    /// Names among which the keys of its option map are: all map keys of its module, if its last parameter is `options`
    /// and the module refuses unknown ones (`script::options`).
    pub options: Option<Vec<String>>,
    /// Whether only its own file may call it.
    pub is_private: bool,
}

/// What an import led to.
#[derive(Clone)]
pub struct Loaded {
    /// The name of its source.
    pub name: String,
    pub functions: Vec<ScriptFunction>,
    module: Shared<Module>,
}

/// What is there without an import: the language's own functions, and the functions of the script modules.
type PlainNames = (Vec<Callable>, BTreeMap<String, Vec<ScriptFunction>>);

/// The session's module resolver. Clones share one cache.
#[derive(Clone)]
pub struct Resolver {
    ctx: Arc<Context>,
    sources: Sources,
    state: Arc<Mutex<State>>,
    /// Names of every function that is there without an import.
    global: Arc<OnceLock<BTreeSet<String>>>,
    plain: Arc<OnceLock<PlainNames>>,
    fields: Arc<OnceLock<BTreeSet<String>>>,
}

#[derive(Default)]
struct State {
    loaded: BTreeMap<String, Loaded>,
    /// What is being imported now, outermost first.
    open: Vec<String>,
}

/// Where an import leads, before it is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A module of the script stdlib: its name and text.
    Std(String, Arc<str>),
    /// A file: its name in messages, its real path.
    File(String, PathBuf),
}

impl Resolver {
    pub(super) fn new(ctx: Arc<Context>, sources: Sources) -> Self {
        Resolver {
            ctx,
            sources,
            state: Arc::default(),
            global: Arc::default(),
            plain: Arc::default(),
            fields: Arc::default(),
        }
    }

    /// The language's own names, and the functions of the script stdlib by module.
    pub(super) fn plain_names(&self, engine: &Engine) -> &PlainNames {
        self.plain.get_or_init(|| (known::plain(engine), known::stdlib().clone()))
    }

    /// Every name that the script stdlib gives to a field of a map, and every property of a type.
    pub(super) fn stdlib_fields(&self, engine: &Engine, registry: &Registry) -> BTreeSet<String> {
        let collect = || {
            let texts = STDLIB.iter().map(|(_, text)| compile_shipped(text));
            let mut names: BTreeSet<String> = texts.flatten().flat_map(|ast| fields::names_in(&ast)).collect();
            names.extend(self.plain_names(engine).0.iter().filter(|c| c.is_getter).map(|c| c.name.clone()));
            let getters = registry.functions.iter().filter(|function| function.kind == Kind::Getter);
            names.extend(getters.map(|function| function.name.to_owned()));
            names
        };
        self.fields.get_or_init(collect).clone()
    }

    /// Whether a function called `name` is there without an import.
    pub fn is_global(&self, engine: &Engine, name: &str) -> bool {
        let collect = || {
            let names = engine.collect_fn_metadata(
                None,
                |info| info.namespace.is_empty().then(|| info.metadata.name.to_string()),
                true,
            );
            names.into_iter().chain(known::SYNTACTIC.iter().map(|name| (*name).to_owned())).collect()
        };
        self.global.get_or_init(collect).contains(name)
    }

    /// Everything imported so far.
    pub fn loaded(&self) -> Vec<Loaded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).loaded.values().cloned().collect()
    }

    /// The functions of the module that `import "path"` in the source `from` means, without running it.
    pub fn functions(&self, engine: &Engine, from: Option<&str>, path: &str) -> Option<Vec<ScriptFunction>> {
        let target = self.target(from, path).ok()?;
        let name = match &target {
            Target::Std(name, _) | Target::File(name, _) => name.as_str(),
        };
        if let Some(loaded) = self.loaded().into_iter().find(|loaded| loaded.name == name) {
            return Some(loaded.functions);
        }
        self.compile(engine, &target).ok().map(|ast| functions_of(&ast))
    }

    /// Finds what `import "path"` in the source called `from` means.
    pub fn target(&self, from: Option<&str>, path: &str) -> Result<Target, Fault> {
        let own = || shipped().find(|(name, _)| *name == path).map(|(_, text)| Arc::from(text));
        if let Some(text) = self.sources.module(path).or_else(own) {
            return Ok(Target::Std(path.to_owned(), text));
        }
        let importer = from.and_then(|name| self.sources.find(name)).and_then(|source| source.path);
        let folder = importer.as_deref().and_then(Path::parent).map(Path::to_owned);
        let mut file = folder.unwrap_or_else(|| self.ctx.access.project.clone()).join(path);
        if file.extension().is_none() {
            file.set_extension("rhai");
        }
        let names: Vec<&str> = shipped().map(|(name, _)| name).collect();
        let real = self.ctx.access.readable(&file.to_string_lossy()).map_err(|error| {
            let fault = Fault::from(error);
            if fault.code == "access/read" {
                Fault::new("access/read", format!("importing `{path}` would read outside this script's project"))
                    .hint("grant it on the command line: --allow-read PATH, or name a wider project: --project DIR")
            } else if fault.code == "access/path" {
                Fault::new("import/not-found", format!("no module `{path}`: `{}` does not exist", shown(&file)))
                    .hint(format!("modules that come with w2s: {}", names.join(", ")))
            } else {
                fault
            }
        })?;
        Ok(Target::File(shown(&real), real))
    }

    /// Reads and compiles `target`.
    pub fn compile(&self, engine: &Engine, target: &Target) -> Result<AST, Box<EvalAltResult>> {
        let (name, text, path) = match target {
            Target::Std(name, text) => (name.clone(), text.to_string(), None),
            Target::File(name, path) => {
                let text = self
                    .sources
                    .read(path)
                    .map_err(|why| Fault::new("import/read", format!("`{name}` {why}")).into_rhai(Position::NONE))?;
                (name.clone(), text, Some(path.as_path()))
            }
        };
        self.sources.keep(&name, &text, path);
        // A script that is run and imported too asks `is_def_var("args")`: what stands behind the question must compile in a module, which has none.
        let mut scope = Scope::new();
        scope.push("args", rhai::Array::new());
        let (mut ast, edits) = rewrite::compile(engine, &scope, &|name| self.is_global(engine, name), &text)
            .map_err(|error| Box::new(EvalAltResult::ErrorInModule(name.clone(), error.into(), Position::NONE)))?;
        self.sources.compiled(&name, &ast, edits, false);
        ast.set_source(name);
        Ok(ast)
    }

    fn load(
        &self,
        engine: &Engine,
        global: &mut GlobalRuntimeState,
        path: &str,
        pos: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let target = self.target(global.source(), path).map_err(|fault| fault.into_rhai(pos))?;
        let key = match &target {
            Target::Std(name, _) => name.clone(),
            Target::File(_, real) => real.to_string_lossy().into_owned(),
        };
        {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(loaded) = state.loaded.get(&key) {
                return Ok(loaded.module.clone());
            }
            if state.open.contains(&key) {
                let way: Vec<String> = state.open.iter().chain([&key]).map(|key| shown(Path::new(key))).collect();
                return Err(Fault::new("import/cycle", format!("an import cycle: {}", way.join(" → ")))
                    .hint("move what both need into a third file")
                    .into_rhai(pos));
            }
            if state.open.len() >= MAX_DEPTH {
                return Err(
                    Fault::new("import/depth", format!("imports are nested more than {MAX_DEPTH} deep")).into_rhai(pos)
                );
            }
        }
        let mut ast = self.compile(engine, &target).map_err(|mut error| {
            if error.position().is_none() {
                error.set_position(pos);
            }
            error
        })?;
        let name = ast.source().unwrap_or(path).to_owned();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open.push(key.clone());
        let made = Module::eval_ast_as_new_raw(engine, &mut Scope::new(), global, &ast);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open.pop();
        let mut module = made.map_err(|error| Box::new(EvalAltResult::ErrorInModule(name.clone(), error, pos)))?;
        module.set_id(name.clone());
        let functions = functions_of(&ast);
        ast.clear_statements();
        let module: Shared<Module> = module.into();
        let loaded = Loaded { name, functions, module: module.clone() };
        self.state.lock().unwrap_or_else(PoisonError::into_inner).loaded.insert(key, loaded);
        Ok(module)
    }

    /// The module behind `import "path"` typed in the source `from`.
    pub fn module(
        &self,
        engine: &Engine,
        from: Option<&str>,
        path: &str,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let global = &mut engine.new_global_runtime_state();
        global.source = from.map(Into::into);
        self.load(engine, global, path, Position::NONE)
    }
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        pos: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let global = &mut engine.new_global_runtime_state();
        global.source = source.map(Into::into);
        self.load(engine, global, path, pos)
    }

    fn resolve_raw(
        &self,
        engine: &Engine,
        global: &mut GlobalRuntimeState,
        _scope: &mut Scope,
        path: &str,
        pos: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        self.load(engine, global, path, pos)
    }
}

/// The functions that a script defines, closures left out.
pub fn functions_of(ast: &AST) -> Vec<ScriptFunction> {
    let keys = option_keys(ast);
    let mut functions: Vec<ScriptFunction> = ast
        .iter_functions()
        .filter(|function| !function.name.contains('$'))
        .map(|function| ScriptFunction {
            name: function.name.to_owned(),
            params: function.params.iter().map(|name| (*name).to_owned()).collect(),
            comment: function
                .comments
                .iter()
                .flat_map(|comment| comment.lines())
                .map(|line| line.trim_start_matches('/').trim())
                .collect::<Vec<_>>()
                .join("\n"),
            described: Vec::new(),
            is_private: function.access == rhai::FnAccess::Private,
            options: keys.clone().filter(|_| function.params.last() == Some(&"options")),
        })
        .collect();
    super::described::fill(&mut functions);
    functions.sort_by(|a, b| (&a.name, a.params.len()).cmp(&(&b.name, b.params.len())));
    functions
}

/// Every key of a map literal, if the script calls `script::options`.
fn option_keys(ast: &AST) -> Option<Vec<String>> {
    let (mut keys, mut refuses) = (Vec::new(), false);
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Map(map, _))) => keys.extend(map.0.iter().map(|(key, _)| key.name.to_string())),
            Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => {
                if let Some(map) = value.read_lock::<rhai::Map>() {
                    keys.extend(map.keys().map(ToString::to_string));
                }
            }
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                refuses |= call.name == "options" && call.namespace.path.iter().any(|part| part.name == "script");
            }
            _ => {}
        }
        true
    });
    keys.sort_unstable();
    keys.dedup();
    refuses.then_some(keys)
}

/// A path as a person knows it: relative to where they are, if it lies below.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let path = match &here {
        Ok(here) => path.strip_prefix(here).unwrap_or(path),
        Err(_) => path,
    };
    path.display().to_string()
}
