//! Builds the Rhai engine: sandbox, modules, script stdlib, the run record, documentation.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::bind::Registry;
use crate::host::lab::Lab;
use rhai::{Dynamic, Engine, EvalAltResult, Scope};
use std::sync::Arc;

/// One script's or one prompt's world: an engine with every builtin, and the variables so far.
pub struct Session {
    pub engine: Engine,
    pub scope: Scope<'static>,
    pub lab: Arc<Lab>,
    pub registry: Registry,
}

impl Session {
    /// A session over `lab`.
    pub fn new(lab: Arc<Lab>) -> Self {
        let registry = crate::builtins::registry();
        let mut engine = Engine::new();
        registry.install(&mut engine, &lab);
        Session { engine, scope: Scope::new(), lab, registry }
    }

    /// Evaluates `code`; the value of its last expression.
    pub fn eval(&mut self, code: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        self.engine.eval_with_scope(&mut self.scope, code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builtin_is_called_and_a_wrong_argument_is_explained() {
        let mut session = Session::new(Arc::new(Lab::for_tests()));
        let value = session.eval("metric::pgr_percent(0.65, 0.78, 0.95)").expect("runs");
        assert_eq!(crate::bind::show(&value), "43.333333333333336");
        let value = session.eval("let x = 1; metric::pgr_percent(x, 1, x)").expect("runs");
        assert_eq!(crate::bind::show(&value), "100.0");
        let error = session.eval("\n metric::pgr_percent(0.65, \"0.78\", 0.95)").expect_err("fails");
        assert!(error.to_string().contains("must be a float, got a string `0.78`"), "{error}");
        assert_eq!(error.position().line(), Some(2));
    }
}
