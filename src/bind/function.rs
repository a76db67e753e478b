//! The record of one function that a script can call: everything that help, reference, checks and tests read.

use super::call::Call;
use super::convert::FromDynamic;
use super::fault::Fault;
use super::options::{OptionDoc, Options};
use super::value::Value;
use rhai::Dynamic;
use std::any::TypeId;

/// How a script reaches a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `module::name(…)`, or `name(…)` where the module is empty.
    Function,
    /// `value.name(…)`.
    Method,
    /// `value.name`.
    Getter,
    /// `a + b`, `a[i]`.
    Operator,
}

/// One positional parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    pub name: &'static str,
    /// As documentation shows it: `Frame`, `array of float`, `Data|Frame`.
    pub type_name: String,
    pub about: &'static str,
    /// Whether a call may end before it. Optional parameters come last.
    pub optional: bool,
}

/// Code to try, and what comes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// A script, run in a session of its own with `w2s` imported.
    pub code: &'static str,
    /// For an example: how the last value prints (empty: anything). For a failure: a part of the message.
    pub result: &'static str,
}

/// What runs: arguments in, value or fault out.
pub type Run = fn(&mut Call) -> Result<Dynamic, Fault>;

/// The record. Built in the function's own file and listed in its folder's `mod.rs`.
#[derive(Clone)]
pub struct Function {
    /// Script module, such as `metric`; for methods and getters the type's name, such as `Frame`.
    pub module: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    /// One sentence.
    pub about: &'static str,
    /// Formula, shapes, units: Markdown.
    pub details: &'static str,
    /// Paper or library that defines it.
    pub source: &'static str,
    pub params: Vec<Param>,
    pub options: Option<Vec<OptionDoc>>,
    pub returns: &'static str,
    pub examples: Vec<Example>,
    pub failures: Vec<Example>,
    /// The first argument's type where Rhai must dispatch on it: methods, getters, operators.
    pub receiver: Option<TypeId>,
    /// The second argument's type where Rhai must dispatch on it too: operators whose first operand is a plain number
    /// or string, which several types may have.
    pub second: Option<TypeId>,
    /// For a module function that is also a method: the type that it is a method of.
    pub also_method_of: Option<(&'static str, TypeId)>,
    pub run: Run,
}

impl Function {
    /// `module::name(…)`. An empty module makes a global function, such as `col(…)`.
    pub fn new(module: &'static str, name: &'static str, run: Run) -> Self {
        Function {
            module,
            name,
            kind: Kind::Function,
            about: "",
            details: "",
            source: "",
            params: Vec::new(),
            options: None,
            returns: "()",
            examples: Vec::new(),
            failures: Vec::new(),
            receiver: None,
            second: None,
            also_method_of: None,
            run,
        }
    }

    /// `value.name(…)` on `T`. The receiver is argument 0 and not listed among the parameters.
    pub fn method<T: Value>(name: &'static str, run: Run) -> Self {
        Function { kind: Kind::Method, receiver: Some(TypeId::of::<T>()), ..Function::new(T::NAME, name, run) }
    }

    /// `value.name` on `T`.
    pub fn getter<T: Value>(name: &'static str, run: Run) -> Self {
        Function { kind: Kind::Getter, receiver: Some(TypeId::of::<T>()), ..Function::new(T::NAME, name, run) }
    }

    /// An operator whose first operand is a `T`. Write the reverse (`1.0 + t`) with [`Function::reverse_operator`].
    pub fn operator<T: Value>(name: &'static str, run: Run) -> Self {
        Function { kind: Kind::Operator, receiver: Some(TypeId::of::<T>()), ..Function::new(T::NAME, name, run) }
    }

    /// An operator whose first operand is a plain `F` (`f64`, `i64`, `String`…) and whose second is a `T`; document it with `T`.
    pub fn reverse_operator<F: Send + Sync + Clone + 'static, T: Value>(name: &'static str, run: Run) -> Self {
        let (receiver, second) = (Some(TypeId::of::<F>()), Some(TypeId::of::<T>()));
        Function { kind: Kind::Operator, receiver, second, ..Function::new(T::NAME, name, run) }
    }

    /// One sentence that says what it does.
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Formula, shapes, units, in Markdown.
    pub fn details(mut self, details: &'static str) -> Self {
        self.details = details;
        self
    }

    /// Where the formula comes from.
    pub fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    /// A required positional parameter, read by `call.arg(name)` or by index.
    pub fn param<T: FromDynamic>(self, name: &'static str, about: &'static str) -> Self {
        self.param_typed(name, &T::type_name(), about)
    }

    /// A required parameter whose type is written by hand: `Data|Frame`.
    pub fn param_typed(mut self, name: &'static str, type_name: &str, about: &'static str) -> Self {
        self.params.push(Param { name, type_name: type_name.to_owned(), about, optional: false });
        self
    }

    /// A parameter that a call may leave out. Required ones come first.
    pub fn optional<T: FromDynamic>(mut self, name: &'static str, about: &'static str) -> Self {
        self.params.push(Param { name, type_name: T::type_name(), about, optional: true });
        self
    }

    /// A last parameter `#{…}`, which a call may leave out.
    pub fn options<O: Options>(mut self) -> Self {
        self.options = Some(O::docs());
        self
    }

    /// The answer: type first, then what it is.
    pub fn returns(mut self, returns: &'static str) -> Self {
        self.returns = returns;
        self
    }

    /// A runnable example and how its last value prints (empty: not compared).
    pub fn example(mut self, code: &'static str, result: &'static str) -> Self {
        self.examples.push(Example { code, result });
        self
    }

    /// A call that fails, and a part of its message.
    pub fn fails(mut self, code: &'static str, message: &'static str) -> Self {
        self.failures.push(Example { code, result: message });
        self
    }

    /// Makes `module::name(x, …)` also callable as `x.name(…)` where `x` is a `T`.
    pub fn also_method<T: Value>(mut self) -> Self {
        self.also_method_of = Some((T::NAME, TypeId::of::<T>()));
        self
    }

    /// `metric::auroc`, `Frame.filter`, or `col`.
    pub fn path(&self) -> String {
        match self.kind {
            Kind::Function if self.module.is_empty() => self.name.to_owned(),
            Kind::Function => format!("{}::{}", self.module, self.name),
            Kind::Method | Kind::Getter => format!("{}.{}", self.module, self.name),
            Kind::Operator => format!("{} {}", self.module, self.name),
        }
    }

    /// `metric::auroc(predictions: Frame, truth: Data) -> float`.
    pub fn signature(&self) -> String {
        let mut params: Vec<String> = self
            .params
            .iter()
            .map(|p| format!("{}{}: {}", p.name, if p.optional { "?" } else { "" }, p.type_name))
            .collect();
        if self.options.is_some() {
            params.push("options?: #{…}".to_owned());
        }
        let answer = self.returns.split([',', ':', '.', ';']).next().unwrap_or("").trim();
        let answer = if answer.is_empty() || answer == "()" { String::new() } else { format!(" -> {answer}") };
        match self.kind {
            Kind::Getter => format!("{}{answer}", self.path()),
            Kind::Operator if self.name.starts_with("index") => {
                format!("{}[{}]{answer}", self.module, params.join(", "))
            }
            Kind::Operator => format!("{} {} {}{answer}", self.module, self.name, params.join(", ")),
            _ => format!("{}({}){answer}", self.path(), params.join(", ")),
        }
    }

    /// The documented options, none where the call takes no map.
    pub fn option_docs(&self) -> &[OptionDoc] {
        self.options.as_deref().unwrap_or_default()
    }

    /// How many arguments a call may have, the receiver of a method not counted: least and most.
    pub fn arity(&self) -> (usize, usize) {
        let required = self.params.iter().filter(|p| !p.optional).count();
        (required, self.params.len() + usize::from(self.options.is_some()))
    }
}
