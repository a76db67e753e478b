//! The registry: every function and type that a script can reach, and their way into a Rhai engine.

use super::call::Call;
use super::fault::Fault;
use super::function::{Function, Kind};
use super::renamed;
use super::value::{self, Value};
use crate::core::context::Context;
use crate::core::guard::said;
use rhai::{Dynamic, Engine, FnNamespace, FuncRegistration, Module, NativeCallContext, RhaiFunc};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A type that scripts can hold.
#[derive(Clone)]
pub struct TypeRecord {
    pub name: &'static str,
    pub about: &'static str,
    pub id: TypeId,
    register: fn(&mut Engine),
}

/// All functions and types, in the order of registration.
#[derive(Clone, Default)]
pub struct Registry {
    pub functions: Vec<Arc<Function>>,
    pub types: Vec<TypeRecord>,
    /// Script modules with one sentence each.
    pub modules: BTreeMap<&'static str, &'static str>,
}

impl Registry {
    /// Names a script module and says what lives in it.
    pub fn module(&mut self, name: &'static str, about: &'static str) {
        self.modules.insert(name, about);
    }

    /// Adds one function.
    pub fn add(&mut self, function: Function) {
        self.functions.push(Arc::new(function));
    }

    /// Adds a type: its name, printing and equality.
    pub fn value<T: Value>(&mut self) {
        value::know::<T>();
        self.types.push(TypeRecord {
            name: T::NAME,
            about: T::ABOUT,
            id: TypeId::of::<T>(),
            register: |engine| {
                engine.register_type_with_name::<T>(T::NAME);
                engine.register_fn("to_string", |held: &mut T| held.show());
                engine.register_fn("to_debug", |held: &mut T| held.show());
                if T::EQUATES {
                    engine.register_fn("==", |a: &mut T, b: T| a.same(&b));
                    engine.register_fn("!=", |a: &mut T, b: T| !a.same(&b));
                }
            },
        });
    }

    /// Functions whose path is `name`, or whose last part is.
    pub fn find(&self, name: &str) -> Vec<&Arc<Function>> {
        let exact: Vec<_> = self.functions.iter().filter(|f| f.path() == name).collect();
        if exact.is_empty() { self.functions.iter().filter(|f| f.name == name).collect() } else { exact }
    }

    /// Registers everything with `engine`; each call runs in `ctx`.
    pub fn install(&self, engine: &mut Engine, ctx: &Arc<Context>) {
        for record in &self.types {
            (record.register)(engine);
        }
        let mut modules: BTreeMap<&str, Module> = self.modules.keys().map(|name| (*name, Module::new())).collect();
        let mut global = Module::new();
        let old_names = renamed::aliases(&self.functions, renamed::FUNCTIONS);
        for function in self.functions.iter().chain(&old_names) {
            match function.kind {
                Kind::Function => {
                    let module = if function.module.is_empty() {
                        &mut global
                    } else {
                        modules.entry(function.module).or_default()
                    };
                    let (least, most) = function.arity();
                    // A module's function is reached through its module only: two modules may share a name.
                    let namespace =
                        if function.module.is_empty() { FnNamespace::Global } else { FnNamespace::Internal };
                    for n in least..=most {
                        put(module, function, function.name, namespace, vec![TypeId::of::<Dynamic>(); n], ctx);
                    }
                    if let Some((_, id)) = function.also_method_of {
                        for n in least.max(1)..=most {
                            put(&mut global, function, function.name, FnNamespace::Global, typed(id, n - 1), ctx);
                        }
                    }
                }
                Kind::Method | Kind::Operator => {
                    let (least, most) = function.arity();
                    let id = function.receiver.unwrap_or_else(TypeId::of::<Dynamic>);
                    let name = if function.name == "index" { "index$get$" } else { function.name };
                    for n in least..=most {
                        let types = match function.second {
                            Some(second) => vec![id, second],
                            None => typed(id, n),
                        };
                        put(&mut global, function, name, FnNamespace::Global, types, ctx);
                    }
                }
                Kind::Getter => {
                    let id = function.receiver.unwrap_or_else(TypeId::of::<Dynamic>);
                    put(&mut global, function, &format!("get${}", function.name), FnNamespace::Global, vec![id], ctx);
                }
            }
        }
        engine.register_global_module(global.into());
        for (name, module) in modules {
            engine.register_static_module(name, module.into());
        }
    }
}

fn typed(receiver: TypeId, n_rest: usize) -> Vec<TypeId> {
    std::iter::once(receiver).chain(std::iter::repeat_n(TypeId::of::<Dynamic>(), n_rest)).collect()
}

fn put(
    module: &mut Module,
    function: &Arc<Function>,
    name: &str,
    namespace: FnNamespace,
    types: Vec<TypeId>,
    ctx: &Arc<Context>,
) {
    let (function, ctx) = (function.clone(), ctx.clone());
    let run = move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| {
        let Some(context) = context else {
            return Err("a builtin was called without a context".into());
        };
        run(&function, &ctx, &context, args)
    };
    FuncRegistration::new(name).with_namespace(namespace).set_into_module_raw(
        module,
        types,
        RhaiFunc::Method { func: Arc::new(run), has_context: true, is_pure: true, is_volatile: true },
    );
}

/// Runs one builtin: a panic below becomes a fault, and a fault gets the position of the call.
fn run(
    function: &Function,
    ctx: &Arc<Context>,
    context: &NativeCallContext,
    args: &mut [&mut Dynamic],
) -> Result<Dynamic, Box<rhai::EvalAltResult>> {
    let args = args.iter().map(|arg| arg.flatten_clone()).collect();
    let mut call = Call::new(function, args, context, ctx);
    let answer = catch_unwind(AssertUnwindSafe(|| (function.run)(&mut call))).unwrap_or_else(|panic| {
        let said = said(&*panic);
        Err(Fault::defect(format!("`{}` panicked: {said}", function.path())))
    });
    answer.map_err(|fault| fault.into_rhai_of(&function.path(), context.call_position()))
}
