//! A function's body walked with what is declared in it at each place: `let` and `const`, the variables of `for`, the error
//! of `catch`. So a name of the code around it is told from one of its own that is called the same.

use rhai::{AST, ASTNode, Expr, Module, ScriptFuncDef, Stmt};

/// The names that are declared so far, the innermost last.
#[derive(Default)]
pub struct Scope<'n>(Vec<&'n str>);

impl Scope<'_> {
    /// Whether `name` stands for something of the function's own here.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

/// Visits every statement and expression of a function's body, in their order, with the scope at that place.
pub fn walk(found: &ScriptFuncDef, visit: &mut dyn FnMut(&ASTNode, &Scope)) {
    // Rhai shows a body only to its own walk, which starts with the statements of the body.
    let mut alone = Module::new();
    alone.set_script_fn(found.clone());
    let mut body: Vec<Stmt> = Vec::new();
    AST::new(std::iter::empty::<Stmt>(), alone).walk(&mut |path: &[ASTNode]| {
        if let [ASTNode::Stmt(statement)] = path {
            body.push((*statement).clone());
        }
        true
    });
    Walk { scope: Scope::default(), visit }.block(&body);
}

struct Walk<'n, 'v> {
    scope: Scope<'n>,
    visit: &'v mut dyn FnMut(&ASTNode, &Scope),
}

impl<'n> Walk<'n, '_> {
    fn block(&mut self, statements: impl IntoIterator<Item = &'n Stmt>) {
        self.within(&[], statements);
    }

    /// A block in which `names` are declared from the start.
    fn within(&mut self, names: &[&'n str], statements: impl IntoIterator<Item = &'n Stmt>) {
        let n_outer = self.scope.0.len();
        self.scope.0.extend(names);
        statements.into_iter().for_each(|statement| self.statement(statement));
        self.scope.0.truncate(n_outer);
    }

    fn all(&mut self, expressions: impl IntoIterator<Item = &'n Expr>) {
        expressions.into_iter().for_each(|expression| self.expression(expression));
    }

    fn statement(&mut self, statement: &'n Stmt) {
        (self.visit)(&ASTNode::Stmt(statement), &self.scope);
        match statement {
            Stmt::Var(parts, ..) => {
                // What it is set to is written before it is there.
                self.expression(&parts.1);
                self.scope.0.push(parts.0.name.as_str());
            }
            Stmt::If(parts, _) => {
                self.expression(&parts.expr);
                self.block(&parts.body);
                self.block(&parts.branch);
            }
            Stmt::Switch(parts, _) => {
                self.expression(&parts.0);
                self.all(parts.1.expressions.iter().flat_map(|case| [&case.lhs, &case.rhs]));
            }
            Stmt::While(parts, _) | Stmt::Do(parts, ..) => {
                self.expression(&parts.expr);
                self.block(&parts.body);
            }
            Stmt::For(parts, _) => {
                let (name, counter, control) = &**parts;
                self.expression(&control.expr);
                let names = [Some(name), counter.as_ref()].map(|name| name.map(|name| name.name.as_str()));
                self.within(&names.into_iter().flatten().collect::<Vec<_>>(), &control.body);
                self.block(&control.branch);
            }
            Stmt::TryCatch(parts, _) => {
                self.block(&parts.body);
                let error =
                    if let Expr::Variable(variable, ..) = &parts.expr { Some(variable.1.as_str()) } else { None };
                self.within(&error.into_iter().collect::<Vec<_>>(), &parts.branch);
            }
            Stmt::Assignment(parts) => self.all([&parts.1.lhs, &parts.1.rhs]),
            Stmt::FnCall(call, _) => self.all(call.args.iter()),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::Expr(expression) => self.expression(expression),
            Stmt::BreakLoop(value, ..) | Stmt::Return(value, ..) => self.all(value.as_deref()),
            Stmt::Import(parts, _) => self.expression(&parts.0),
            // Nothing is inside: `Noop`, `Export`, `Share`.
            _ => {}
        }
    }

    fn expression(&mut self, expression: &'n Expr) {
        (self.visit)(&ASTNode::Expr(expression), &self.scope);
        match expression {
            Expr::InterpolatedString(parts, _) | Expr::Array(parts, _) => self.all(parts.iter()),
            Expr::Map(parts, _) => self.all(parts.0.iter().map(|(_, value)| value)),
            Expr::Stmt(block) => self.block(block.statements()),
            Expr::FnCall(call, _) | Expr::MethodCall(call, _) => self.all(call.args.iter()),
            Expr::Dot(parts, ..) | Expr::Index(parts, ..) => self.all([&parts.lhs, &parts.rhs]),
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => self.all(parts.iter()),
            Expr::Custom(custom, _) => self.all(custom.inputs.iter()),
            // Nothing is inside: constants, names, `this`.
            _ => {}
        }
    }
}
