//! What changes a digest and what does not, and what has none.

use super::*;
use crate::builtins::script::Folded;
use crate::stats::Estimate;

/// An engine with `digest(value)`, and `lost(value)` and `untraceable(value)`, the reasons or an empty text.
fn engine() -> rhai::Engine {
    steady_names();
    let mut engine = rhai::Engine::new();
    let _ = crate::builtins::registry();
    engine.register_fn("digest", |context: NativeCallContext, value: Dynamic| {
        Trace::new(&context).value(&value).to_hex()
    });
    engine.register_fn("lost", |context: NativeCallContext, value: Dynamic| {
        let mut trace = Trace::new(&context);
        trace.value(&value);
        trace.lost().unwrap_or_default().to_owned()
    });
    engine.register_fn("untraceable", |context: NativeCallContext, value: Dynamic| {
        let mut trace = Trace::new(&context);
        trace.value(&value);
        trace.untraceable().unwrap_or_default().to_owned()
    });
    engine
}

fn digest(code: &str) -> String {
    let engine = engine();
    engine.eval::<String>(code).expect("runs")
}

#[test]
fn a_closure_keeps_its_key_wherever_it_stands() {
    let base =
        digest("let k = 2.5; digest(|x, y| { let t = x + k; if t > 1 { [1].map(|v| v * 2) } else { `a ${t}` } })");
    let moved = "let other = |q| q;\n\n let k = 2.5;\n digest(|x, y| {\n let t = x + k;\n if t > 1 { [1].map(|v| v * 2) }\n else { `a ${t}` } })";
    assert_eq!(base, digest(moved));
    assert_eq!(
        base,
        digest(
            "let z = 1; let k = 2.5; let f = |x, y| { let t = x + k; if t > 1 { [1].map(|v| v * 2) } else { `a ${t}` } }; digest(f)"
        )
    );
}

#[test]
fn whatever_changes_the_value_changes_the_key() {
    let base = digest("let k = 2.5; digest(|x, y| x + k)");
    let others = [
        "let k = 2.25; digest(|x, y| x + k)",
        "let k = 2.5; digest(|x, y| x - k)",
        "let k = 2.5; digest(|x, y| y + k)",
        "let k = 2.5; digest(|x, y| x + k + 3)",
        "let k = [2.5]; digest(|x, y| x + k)",
        "fn help(a) { a } let k = 2.5; digest(|x, y| help(x) + k)",
    ];
    assert!(others.iter().all(|code| digest(code) != base));
    assert_ne!(digest("digest(|x| x.map(|v| v * 2))"), digest("digest(|x| x.map(|v| v * 3))"));
    assert_ne!(digest("digest(|x| x + \" @ 1:2\")"), digest("digest(|x| x + \" @ 1:3\")"));
    assert_ne!(digest("digest(|x| x + 12)"), digest("digest(|x| x + 13)"));
    assert_ne!(digest("let a = [[1.0, 2.0]]; digest(|x| x + a)"), digest("let a = [[1.0, 3.0]]; digest(|x| x + a)"));
}

/// The key of a loss that calls a function of the module `lib`.
fn with_module(lib: &str, code: &str) -> String {
    let mut engine = engine();
    let ast = engine.compile(lib).expect("compiles");
    let held = rhai::Module::eval_ast_as_new(rhai::Scope::new(), &ast, &engine).expect("runs");
    let mut resolver = rhai::module_resolvers::StaticModuleResolver::new();
    resolver.insert("lib", held);
    engine.set_module_resolver(resolver);
    engine.eval::<String>(code).expect("runs")
}

#[test]
fn what_a_closure_reaches_changes_its_key() {
    let code = "import \"lib\" as lib; digest(|x| lib::half(x))";
    let base = with_module("fn half(x) { x * 0.5 }", code);
    assert_eq!(base, with_module("\n\nfn half(x) {\n x * 0.5 }", code), "places do not count");
    assert_ne!(base, with_module("fn half(x) { x * 0.25 }", code), "a function of an imported module");
    let code = "import \"lib\" as lib; digest(|x| x * lib::K)";
    assert_ne!(with_module("export const K = 1;", code), with_module("export const K = 2;", code), "its constant");
    let code = "import \"lib\" as lib; fn help(x) { lib::half(x) } digest(|x| help(x))";
    let through = |lib: &str| with_module(lib, code);
    assert_ne!(through("fn half(x) { x * 0.5 }"), through("fn half(x) { x * 0.25 }"), "through a named function");
    let idle = "import \"lib\" as lib; digest(|x| x * 2)";
    assert_eq!(with_module("fn half(x) { 1 }", idle), with_module("fn half(x) { 2 }", idle), "not named: not counted");
    let constant = |value: &str| digest(&format!("const K = {value}; digest(|x| x * global::K)"));
    assert_eq!(constant("0.5"), constant("0.5"));
    assert_ne!(constant("0.5"), constant("0.25"), "a global constant");
}

#[test]
fn captured_numbers_count_to_the_last_bit() {
    let key = |value: Dynamic| {
        let engine = engine();
        let mut scope = rhai::Scope::new();
        scope.push_dynamic("held", value);
        engine.eval_with_scope::<String>(&mut scope, "digest(|x| held)").expect("runs")
    };
    let estimate = |value: f64| Dynamic::from(Estimate::plain("mean", value));
    assert_eq!(key(estimate(0.5)), key(estimate(0.5)));
    assert_ne!(key(estimate(0.500_001)), key(estimate(0.500_002)), "both print as 0.5000");
    let folded = |value: f64| Dynamic::from(Folded::new(Dynamic::from(value), "a number"));
    assert_ne!(key(folded(1.0)), key(folded(2.0)), "both print as a number");
}

#[test]
fn only_functions_that_are_reached_count() {
    let base = digest("let k = 2.5; digest(|x, y| x + k)");
    assert_eq!(base, digest("fn help(a) { a } let k = 2.5; digest(|x, y| x + k)"));
    let through = |inner: &str| digest(&format!("fn a(x) {{ b(x) }} fn b(x) {{ {inner} }} digest(|x| a(x))"));
    assert_ne!(through("x"), through("x + 1"));
    let by_name = |inner: &str| digest(&format!("fn b(x) {{ {inner} }} digest(|x| Fn(\"b\").call(x))"));
    assert_ne!(by_name("x"), by_name("x + 1"));
    let recursive = "fn a(x) { if x < 1 { 0 } else { b(x - 1) } } fn b(x) { a(x) } digest(Fn(\"a\"))";
    assert_eq!(digest(recursive), digest(recursive));
    assert_ne!(digest("digest(|x| [|v| v * 2, |v| v * 3])"), digest("digest(|x| [|v| v * 3, |v| v * 2])"));
    let labels = |one: &str| digest(&format!("digest(|x| switch x {{ {one} => 1, _ => 2 }})"));
    assert_eq!(labels("3"), labels("3"));
    assert_ne!(labels("3"), labels("4"), "the labels of a switch");
}

#[test]
fn plain_values_are_told_apart() {
    let values = [
        "()",
        "true",
        "false",
        "0",
        "1",
        "1.0",
        "-1.0",
        "0.1",
        "0.1 + 0.2",
        "0.3",
        "'a'",
        "\"a\"",
        "\"\"",
        "[]",
        "[1]",
        "[[1]]",
        "[1, 2]",
        "[[1], 2]",
        "#{}",
        "#{ a: 1 }",
        "#{ a: 2 }",
        "#{ b: 1 }",
        "0..3",
        "0..=3",
        "0..4",
        "blob(2)",
        "|x| x",
        "|x| x + 1",
        "Fn(\"abs\")",
    ];
    let digests: std::collections::BTreeSet<String> =
        values.iter().map(|value| digest(&format!("digest({value})"))).collect();
    assert_eq!(digests.len(), values.len());
    let long = |last: i64| {
        let many = format!("let a = []; for i in 0..60 {{ a.push(i); }} a.push({last}); digest(a)");
        digest(&many)
    };
    assert_ne!(long(1), long(2), "beyond what is printed");
    let deep = "let a = [1]; for i in 0..100 { a = [a]; } lost(a)";
    assert!(digest(deep).contains("nested too deeply"));
    assert!(digest("let f = (); f = |x| f.call(x); lost(f)").contains("hold each other"));
    assert!(digest("lost([1, timestamp()])").contains("has no digest"), "no text stands in for what is unknown");
    assert_eq!(digest("lost([1, #{ a: |x| x }])"), "");
}

#[test]
fn what_has_no_digest_says_why_and_where() {
    let lost = |code: &str| digest(&format!("let total = 0; let kept = []; let map = #{{}};\n{code}"));
    let cases = [
        ("lost(|x| { total += x; x })", "it changes the outer variable `total`, line 2"),
        ("lost(|x| { total = x; })", "changes the outer variable `total`"),
        ("lost(|x| {\n kept.push(x); x })", "changes the outer variable `kept`, line 3"),
        ("lost(|x| { push(kept, x); x })", "changes the outer variable `kept`"),
        ("lost(|x| { kept[0] = x; x })", "changes the outer variable `kept`"),
        ("lost(|x| { map.a = x; x })", "changes the outer variable `map`"),
        ("lost(|x| { map.a.b.push(x); x })", "changes the outer variable `map`"),
        ("lost(|x| { [1, 2].for_each(|v| total += v); x })", "changes the outer variable `total`"),
        ("lost(|x| { if x > 0 { let total = 1; total += 1; } total += 1; x })", "changes the outer variable `total`"),
        ("lost(|x| { for total in 0..2 { print(total); } total = x; x })", "changes the outer variable `total`"),
        ("lost(|x| { total = x; let total = 1; x })", "changes the outer variable `total`"),
        ("lost(|x| { let n = { let total = total; total += 1; total }; total += n; x })", "the outer variable `total`"),
        ("lost(|x| { loop { break total.set_bit(1, true); } x })", "changes the outer variable `total`"),
        ("lost(|x| { kept.for_each(|| this += 1); x })", "changes the outer variable `kept`"),
        ("lost(|x| { for_each(kept, || this += 1); x })", "changes the outer variable `kept`"),
        ("lost(|x| { kept.map(|| this.n = 1); x })", "changes the outer variable `kept`"),
        ("lost(|x| { kept[0].filter(|| this.push(x)); x })", "changes the outer variable `kept`"),
        ("lost(|x| { let f = || this += 1; kept.for_each(f); x })", "changes the outer variable `kept`"),
        ("lost(|x| { let f = || this += 1; kept.map(f); x })", "changes the outer variable `kept`"),
        ("lost(|x| { [1].map(|v| { kept.for_each(|| this += v); v }) })", "changes the outer variable `kept`"),
        ("fn up() { this += 1; } lost(|x| { kept.for_each(Fn(\"up\")); x })", "changes the outer variable `kept`"),
        (
            "fn up() { this += 1; } fn all() { this.for_each(|| this.up()); } lost(|x| { kept.all(); x })",
            "changes the outer variable `kept`",
        ),
        ("fn grow(x) { push(this, x); } lost(|x| { kept.grow(x); x })", "changes the outer variable `kept`"),
        ("fn add(x) { this += x; } lost(|x| { total.add(x); x })", "changes the outer variable `total`"),
        ("lost(|x| { let name = \"f\" + x; Fn(name).call(x) })", "by a name that is made at run time"),
        ("fn deep(x) { Fn(\"a\" + x).call(x) } lost(|x| deep(x))", "by a name that is made at run time"),
        ("fn now() { timestamp() } lost(|x| now())", "it reads a clock"),
        ("lost(|x| { import \"a\" as a; a::f(x) })", "imports a module while it runs"),
    ];
    for (code, why) in cases {
        assert!(lost(code).contains(why), "{code}: {:?}", lost(code));
    }
    let fine = [
        "lost(|x| total + x)",
        "lost(|x| { let own = []; own.push(x); own[0] += total; own })",
        "lost(|x| kept.map(|v| v * x))",
        "lost(|x| kept.filter(|v| v > x).reverse())",
        "lost(|x| { let sum = 0; kept.map(|v| { sum += v; v }); sum })",
        "lost(|x| { print(total); x })",
        "lost(|x| Fn(\"abs\").call(x))",
        "fn half(x) { x * 0.5 } lost(|x| half(total))",
        "lost(|x| { let own = total; let total = 0; total += x; own + total })",
        "lost(|x| { print(total); for total in 0..3 { total += x; } x })",
        "lost(|x| { print(total); for (v, total) in [1, 2] { total += v; } x })",
        "lost(|x| { print(total); try { throw x } catch (total) { total += 1; } x })",
        "lost(|x| { print(total); if x > 0 { let total = x; total += 1; } x })",
        "lost(|x| { print(kept); let kept = []; kept.push(x); [1].map(|v| { kept.push(v); v }) })",
        "lost(|x| { kept.map(|total| { total += 1; total }) })",
        "lost(|x| { let sum = 0; kept.for_each(|i| { sum += i; }); sum })",
        "lost(|x| { kept.for_each(|| print(this)); x })",
        "lost(|x| { let own = [1]; own.for_each(|| this += total); own })",
        "lost(|x| { let copy = kept; copy.push(x); copy })",
        "fn show() { print(this); } lost(|x| { kept.for_each(Fn(\"show\")); kept.show(); x })",
    ];
    for code in fine {
        assert_eq!(lost(code), "", "{code}");
    }
}

#[test]
fn a_captured_value_of_this_program_is_changed_by_no_method() {
    let lost = |value: Dynamic, body: &str| {
        let mut scope = rhai::Scope::new();
        scope.push_dynamic("held", value);
        engine().eval_with_scope::<String>(&mut scope, &format!("lost(|x| {{ {body}; x }})")).expect("runs")
    };
    let frozen = || Dynamic::from(Estimate::plain("mean", 0.5));
    for body in ["held.sort()", "held.take(x)", "held.filter(|| this += 1)", "[x].map(|v| held.append(v))"] {
        assert_eq!(lost(frozen(), body), "", "{body}");
        assert!(lost(Dynamic::from(vec![Dynamic::from(1)]), body).contains("outer variable `held`"), "{body}");
    }
    assert!(lost(frozen(), "held = x").contains("outer variable `held`"));
    assert!(lost(frozen(), "held.value = x").contains("outer variable `held`"));
}

#[test]
fn what_reads_the_outside_has_a_digest_and_is_not_looked_up() {
    let code = "fn read(rows) { rows.truth(\"mine\") } ";
    assert_eq!(digest(&format!("{code} lost(|x| read(x))")), "");
    assert!(digest(&format!("{code} untraceable(|x| read(x))")).contains("sealed truth"));
    assert_eq!(digest("untraceable(|x| x)"), "");
}

#[test]
fn what_a_closure_reaches_through_a_module_or_a_captured_function_is_looked_at() {
    let mut engine = engine();
    let mut modules = rhai::module_resolvers::StaticModuleResolver::new();
    let text =
        "fn scale(p) { inner(p) }\nfn inner(p) { let f = |q| frame::read_csv(q); f.call(p) }\nfn plain(x) { x * 2 }";
    let ast = engine.compile(text).expect("compiles");
    let module = rhai::Module::eval_ast_as_new(rhai::Scope::new(), &ast, &engine).expect("a module");
    modules.insert("lib", module);
    engine.set_module_resolver(modules);
    let why = |code: &str| engine.eval::<String>(&format!("import \"lib\" as lib; {code}")).expect("runs");
    assert!(why("untraceable(|x| x * lib::scale(\"a.csv\"))").contains("it reads a file"));
    assert_eq!(why("untraceable(|x| x * lib::plain(3))"), "");
    let counts = why("let held = #{ n: 0, f: || this.n += 1 }; lost(|x| { held.f(); x })");
    assert!(counts.contains("changes what it is called on"), "{counts}");
    assert_eq!(why("let held = #{ n: 0, f: |y| y + 1 }; lost(|x| { held.f(x) })"), "");
}
