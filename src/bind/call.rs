//! One call from a script: its arguments, read with names and explained where they do not fit.

use super::convert::{FromDynamic, Mismatch};
use super::fault::Fault;
use super::function::{Function, Kind};
use super::options::Options;
use super::trace::RowUse;
use crate::core::context::Context;
use rhai::{Dynamic, EvalAltResult, FnPtr, Map, NativeCallContext, Position};
use std::sync::Arc;

/// The arguments of a running call and the context that it runs in.
pub struct Call<'a> {
    pub function: &'a Function,
    /// All arguments; for a method, operator or getter the receiver is the first.
    pub args: Vec<Dynamic>,
    pub context: &'a NativeCallContext<'a>,
    ctx: &'a Arc<Context>,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        function: &'a Function,
        args: Vec<Dynamic>,
        context: &'a NativeCallContext<'a>,
        ctx: &'a Arc<Context>,
    ) -> Self {
        Call { function, args, context, ctx }
    }

    /// The session's bench.
    pub fn ctx(&self) -> &'a Arc<Context> {
        self.ctx
    }

    /// Whether the first argument is a receiver that is not among the parameters.
    fn has_receiver(&self) -> bool {
        self.function.kind != Kind::Function
    }

    /// The receiver of a method, getter or operator.
    pub fn receiver<T: FromDynamic>(&self) -> Result<T, Fault> {
        self.nth(0, "the receiver")
    }

    /// The parameter at `idx` (the receiver not counted).
    pub fn arg<T: FromDynamic>(&self, idx: usize) -> Result<T, Fault> {
        let name = self.function.params.get(idx).map_or("argument", |param| param.name);
        self.nth(idx + usize::from(self.has_receiver()), &format!("`{name}`"))
    }

    /// The optional parameter at `idx`: `None` where the call ended before it, gave `()`, or gave the option map there.
    pub fn optional<T: FromDynamic>(&self, idx: usize) -> Result<Option<T>, Fault> {
        let at = idx + usize::from(self.has_receiver());
        match self.args.get(at) {
            None => Ok(None),
            Some(value) if value.is_unit() => Ok(None),
            Some(value) if self.function.options.is_some() && value.is_map() && at + 1 == self.args.len() => Ok(None),
            Some(_) => self.arg(idx).map(Some),
        }
    }

    fn nth<T: FromDynamic>(&self, at: usize, what: &str) -> Result<T, Fault> {
        let missing = || Fault::defect(format!("`{}` read argument {at}, which it has not", self.function.path()));
        let value = self.args.get(at).ok_or_else(missing)?;
        T::from_dynamic(value).map_err(|why| self.misfit(what, &why))
    }

    /// The fault for an argument that does not fit; `what` is "`name`".
    pub fn misfit(&self, what: &str, why: &Mismatch) -> Fault {
        Fault::new("call/argument", format!("{what} of `{}` {}", self.function.path(), why.0))
            .hint(self.function.signature())
    }

    /// The option map, or the defaults where the call has none.
    pub fn options<O: Options>(&self) -> Result<O, Fault> {
        let most = self.function.params.len() + usize::from(self.has_receiver());
        let least = most - self.function.params.iter().filter(|param| param.optional).count();
        let what = self.function.path();
        match self.args.last() {
            Some(value) if self.args.len() > least && value.is_map() => {
                O::from_map(&what, &value.clone().cast::<Map>())
            }
            Some(value) if self.args.len() > most && !value.is_unit() => {
                Err(self.misfit("the options", &<Map as FromDynamic>::mismatch(value)))
            }
            _ => Ok(O::default()),
        }
    }

    /// The seed that the option map states, as `given` has it, or else the session's.
    pub fn seed(&self, given: u64) -> u64 {
        let map = self.args.last().and_then(|last| last.read_lock::<Map>());
        let states = map.is_some_and(|map| map.get("seed").is_some_and(|seed| !seed.is_unit()));
        self.ctx.seed(states.then_some(given))
    }

    /// How many parameters `callback` takes, in words, if `n` are not among them. A builtin's are not known.
    pub fn other_arity(&self, callback: &FnPtr, n: usize) -> Option<String> {
        let found = self.context.iter_namespaces().flat_map(|module| module.iter_script_fn_info());
        let named = found.filter(|(_, _, name, ..)| *name == callback.fn_name());
        let n_curried = callback.curry().len();
        let taken: Vec<usize> = named.map(|(.., n_params, _)| n_params.saturating_sub(n_curried)).collect();
        let fits = taken.is_empty() || taken.contains(&n);
        (!fits).then(|| taken.iter().map(usize::to_string).collect::<Vec<_>>().join(" or "))
    }

    /// What a function of the script does with the row that it is called with.
    pub fn row_use(&self, callback: &FnPtr) -> RowUse {
        super::trace::row_use(self.context, callback)
    }

    /// `fault` as an error of `callback` at `position` in it.
    pub fn within(&self, callback: &FnPtr, position: Position, fault: Fault) -> Fault {
        let error = fault.into_rhai(position);
        let (name, called) = (callback.fn_name().to_owned(), self.context.call_position());
        Fault::from_callback(Box::new(EvalAltResult::ErrorInFunctionCall(name, String::new(), error, called)))
    }

    /// Calls a function of the script. Its errors pass through with their own positions.
    pub fn call_back(&self, callback: &FnPtr, args: Vec<Dynamic>) -> Result<Dynamic, Fault> {
        callback.call_within_context::<Dynamic>(self.context, args).map_err(Fault::from_callback)
    }
}
