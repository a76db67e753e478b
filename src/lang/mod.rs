//! Builds the Rhai engine: limits, sandbox, modules, script stdlib, diagnostics.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod check;
pub mod described;
pub mod diagnostic;
mod dropped;
mod explain;
mod fields;
mod growth;
mod guard;
mod habits;
pub mod known;
pub mod limits;
mod numbers;
pub mod print;
pub mod resolve;
mod rewrite;
mod shares;
mod slips;
mod sorting;
pub mod source;
pub mod stack;

use crate::bind::Registry;
use crate::bind::trace::{self, ScriptModules};
use crate::core::context::{Context, Event};
use crate::core::memory::Watch;
use diagnostic::Diagnostic;
use limits::Limits;
use resolve::{Resolver, ScriptFunction};
use rhai::{AST, Array, Dynamic, Engine, EvalAltResult, Expr, Scope, Stmt};
use source::Sources;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Where `print` goes: called with each text, without a line end.
pub type Output = Arc<dyn Fn(&str) + Send + Sync>;

/// What an evaluation answers. The error is ready to be drawn.
pub type Outcome<T> = Result<T, Box<Diagnostic>>;

/// How a session is set up.
#[derive(Clone)]
pub struct Setup {
    /// What errors call typed code.
    pub name: String,
    /// The constant `args`: what stands behind `--` on the command line.
    pub args: Vec<String>,
    /// Whether `w2s` is there without an import, as at the prompt. A script imports what it uses.
    pub prelude: bool,
    pub limits: Limits,
    pub output: Output,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            name: "input".to_owned(),
            args: Vec::new(),
            prelude: true,
            limits: Limits::default(),
            output: Arc::new(|_| {}),
        }
    }
}

/// One script's or one prompt's world: an engine with every builtin, and the variables and functions so far.
pub struct Session {
    pub engine: Engine,
    /// Variables so far. A failed or interrupted call keeps them.
    pub scope: Scope<'static>,
    pub ctx: Arc<Context>,
    pub registry: Registry,
    pub sources: Sources,
    pub resolver: Resolver,
    setup: Setup,
    /// Functions that earlier inputs defined.
    functions: AST,
    inputs: Inputs,
    has_prelude: bool,
}

/// Inputs typed one after the other count their lines on, so that a function defined in one of them is found again.
#[derive(Default)]
struct Inputs {
    /// Lines so far.
    n_lines: usize,
    /// All inputs, one below the other.
    text: String,
}

/// Rhai counts lines in 16 bits; inputs start again above this.
const MAX_LINES: usize = 60_000;

impl Session {
    /// A session over `ctx` as tests and examples use it: `w2s` imported, nothing printed.
    pub fn new(ctx: Arc<Context>) -> Self {
        Session::with(ctx, Setup::default())
    }

    /// A session for a script file: it imports what it uses.
    pub fn for_scripts(ctx: Arc<Context>) -> Self {
        Session::with(ctx, Setup { prelude: false, ..Setup::default() })
    }

    /// A session set up in every point.
    pub fn with(ctx: Arc<Context>, setup: Setup) -> Self {
        trace::steady_names();
        let registry = crate::builtins::registry();
        let sources = Sources::default();
        let resolver = Resolver::new(ctx.clone(), sources.clone());
        let mut engine = Engine::new();
        limits::apply(&mut engine, &setup.limits, &ctx);
        registry.install(&mut engine, &ctx);
        let (printer, held) = (setup.output.clone(), ctx.clone());
        print::apply(&mut engine, &(Arc::new(move |text: &str| held.print(text, &printer)) as Output));
        print::remove(&mut engine);
        guard::apply(&mut engine);
        numbers::apply(&mut engine, &ctx);
        sorting::apply(&mut engine);
        engine.set_strict_variables(true);
        engine.set_module_resolver(resolver.clone());
        let mut scope = Scope::new();
        let args: Array = setup.args.iter().map(|arg| Dynamic::from(arg.clone())).collect();
        scope.push_constant("args", args);
        Session {
            engine,
            scope,
            ctx,
            registry,
            sources,
            resolver,
            setup,
            functions: AST::empty(),
            inputs: Inputs::default(),
            has_prelude: false,
        }
    }

    /// Evaluates `code`; the value of its last expression. Variables and functions stay for the next call.
    pub fn eval(&mut self, code: &str) -> Outcome<Dynamic> {
        stack::on_big_stack(|| self.eval_here(code))
    }

    /// Evaluates the script file at `path`, which errors call `path` as well; its imports start from its folder.
    pub fn run_script(&mut self, path: &Path) -> Outcome<Dynamic> {
        let name = path.display().to_string();
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let read = self.sources.read(&real);
        let text = read.map_err(|why| Box::new(Diagnostic::new("script/read", format!("`{name}` {why}"))))?;
        self.sources.keep(&name, &text, Some(&real));
        stack::on_big_stack(|| self.run_text(&name, &text, false))
    }

    /// Compiles `code` without running it.
    pub fn compile(&mut self, code: &str) -> Outcome<AST> {
        let name = self.setup.name.clone();
        stack::on_big_stack(|| {
            self.sources.keep(&name, code, None);
            self.import_prelude(code).map_err(|error| self.explain(error, &name))?;
            self.compile_text(&name, code, false)
        })
    }

    /// Compiles the text that is kept under `name`. `goes_on`: its lines come after those of earlier inputs.
    fn compile_text(&self, name: &str, text: &str, goes_on: bool) -> Outcome<AST> {
        let is_function = |name: &str| {
            self.resolver.is_global(&self.engine, name) || self.functions.iter_functions().any(|f| f.name == name)
        };
        let compiled = rewrite::compile(&self.engine, &self.scope, &is_function, text);
        let (ast, edits) = compiled.map_err(|error| {
            if !goes_on {
                self.sources.compiled(name, &AST::empty(), rewrite::Edits::default(), false);
            }
            self.explain(error.into(), name)
        })?;
        self.sources.compiled(name, &ast, edits, goes_on);
        Ok(ast)
    }

    /// Findings in the script at `path` and in what it imports, without running it. The error is a file that cannot be
    /// read.
    pub fn check(&mut self, path: &Path) -> Outcome<Vec<Diagnostic>> {
        stack::on_big_stack(|| check::check(self, path))
    }

    /// Whether `w2s` is known without an import.
    pub fn has_prelude(&self) -> bool {
        self.setup.prelude
    }

    /// Functions that inputs so far have defined.
    pub fn functions(&self) -> Vec<ScriptFunction> {
        resolve::functions_of(&self.functions)
    }

    fn eval_here(&mut self, code: &str) -> Outcome<Dynamic> {
        let n_code = code.lines().count().max(1);
        if self.inputs.n_lines + n_code > MAX_LINES {
            self.inputs = Inputs::default();
        }
        let shifted = format!("{}{code}", "\n".repeat(self.inputs.n_lines));
        let name = self.setup.name.clone();
        self.inputs.text.push_str(code);
        if !code.ends_with('\n') {
            self.inputs.text.push('\n');
        }
        self.sources.keep(&name, &self.inputs.text, None);
        let first_line = self.inputs.n_lines;
        self.inputs.n_lines = self.inputs.text.lines().count();
        // Lines are those of this input where it is this input's; those of an earlier one stay as they are.
        self.run_text(&name, &shifted, first_line > 0).map_err(|mut diagnostic| {
            let places =
                diagnostic.place.iter_mut().chain(diagnostic.trace.iter_mut().filter_map(|s| s.place.as_mut()));
            for place in places.filter(|place| place.source == name && place.line > first_line) {
                place.line -= first_line;
            }
            diagnostic
        })
    }

    fn run_text(&mut self, name: &str, text: &str, goes_on: bool) -> Outcome<Dynamic> {
        self.import_prelude(text).map_err(|error| self.explain(error, name))?;
        let mut ast = self.compile_text(name, text, goes_on)?;
        ast.set_source(name);
        self.warn_of_missing_fields(name, &ast);
        self.warn_of_slips(name, text);
        let imports = top_imports(&ast);
        let mut whole = self.functions.merge(&ast);
        whole.set_source(name);
        self.functions = whole.clone_functions_only();
        let most = self.setup.limits.memory;
        let watch = Watch::stopping(most, &self.ctx.interrupt);
        let answer = self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &whole);
        let exceeded = watch.end();
        if exceeded.is_some() {
            self.ctx.interrupt.clear();
        }
        for (path, alias) in imports {
            // An import that failed has been reported by the evaluation.
            let _ = self.import(&path, &alias, Some(name));
        }
        answer.map_err(|error| {
            let told = self.explain(error, name);
            match exceeded.filter(|_| told.interrupted) {
                Some(held) => Box::new(told.because(&limits::too_much_memory(held, most))),
                None => told,
            }
        })
    }

    /// Says which fields are read that the map has not: nothing, `()`, would go on in their place.
    fn warn_of_missing_fields(&self, name: &str, ast: &AST) {
        for missing in self.missing_fields(name, ast) {
            let line = missing.position.line().filter(|_| !self.setup.prelude);
            let place = line.map(|line| format!("{name}:{line}: ")).unwrap_or_default();
            let text = format!("{place}{}; {}", missing.message(), missing.hint());
            self.ctx.tell(Event::Warning { text });
        }
        if self.setup.prelude {
            for missing in fields::missing_now(ast, &self.scope) {
                self.ctx.tell(Event::Warning { text: format!("{}; {}", missing.message(), missing.hint()) });
            }
        }
    }

    /// Says which signs mean something else here than in other languages.
    fn warn_of_slips(&self, name: &str, text: &str) {
        for slip in slips::slips(text) {
            let line = 1 + text.get(..slip.start).unwrap_or_default().matches('\n').count();
            let place = if self.setup.prelude { String::new() } else { format!("{name}:{line}: ") };
            self.ctx.tell(Event::Warning { text: format!("{place}{}; {}", slip.message, slip.hint) });
        }
    }

    /// Fields that a source reads of what a builtin or a module of the program returned, and that none of its maps has.
    fn missing_fields(&self, source: &str, ast: &AST) -> Vec<fields::Missing> {
        let text = self.sources.find(source).map(|source| source.text).unwrap_or_default();
        let mut imports: BTreeMap<String, String> =
            known::imports_of(&text).into_iter().map(|(path, alias)| (alias, path)).collect();
        if self.setup.prelude {
            imports.entry("w2s".to_owned()).or_insert_with(|| "w2s".to_owned());
        }
        let fields_of = |module: &str, name: &str| match imports.get(module) {
            Some(path) if resolve::STDLIB.iter().any(|(shipped, _)| shipped == path) => {
                Some(self.resolver.stdlib_fields(&self.engine, &self.registry))
            }
            Some(_) => None,
            None => fields::of_builtin(&self.registry, module, name),
        };
        fields::missing(ast, &fields_of)
    }

    /// Makes `w2s` known where it is there without an import and `text` may mean it; reading it costs some milliseconds.
    fn import_prelude(&mut self, text: &str) -> Result<(), Box<EvalAltResult>> {
        if self.setup.prelude && !self.has_prelude && text.contains("w2s") {
            self.import("w2s", "w2s", None)?;
            self.has_prelude = true;
        }
        Ok(())
    }

    /// Makes a script module known under `alias` for every later input.
    fn import(&mut self, path: &str, alias: &str, from: Option<&str>) -> Result<(), Box<EvalAltResult>> {
        let module = self.resolver.module(&self.engine, from, path)?;
        // The engine does not tell which modules it has, and a closure's digest covers those that it calls.
        let mut known = self.engine.default_tag().clone().try_cast::<ScriptModules>().unwrap_or_default();
        Arc::make_mut(&mut known.0).insert(alias.to_owned(), module.clone());
        self.engine.set_default_tag(Dynamic::from(known));
        self.engine.register_static_module(alias, module);
        Ok(())
    }

    fn explain(&self, error: Box<EvalAltResult>, name: &str) -> Box<Diagnostic> {
        Box::new(explain::explain(self, &error, name))
    }
}

/// `import "path" as alias` at the top level of a script, with literal paths.
fn top_imports(ast: &AST) -> Vec<(String, String)> {
    ast.statements()
        .iter()
        .filter_map(|statement| match statement {
            Stmt::Import(import, _) => match &import.0 {
                Expr::StringConstant(path, _) if !import.1.name.is_empty() => {
                    Some((path.to_string(), import.1.name.to_string()))
                }
                _ => None,
            },
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
