//! What a script module says about itself: its public functions and their doc comments.

use crate::lang::described::OptionName;
use crate::lang::resolve::{compile_shipped, functions_of};

/// A module written in Rhai.
pub struct ScriptModule {
    pub name: String,
    /// The module's doc comment (`//!` lines), without its marks.
    pub about: String,
    pub functions: Vec<ScriptFunction>,
}

/// A public function of such a module.
pub struct ScriptFunction {
    /// `w2s::transfer`.
    pub path: String,
    pub name: String,
    pub params: Vec<String>,
    /// Markdown, without the marks of the comment.
    pub doc: String,
    /// What the comment says of its options.
    pub options: Vec<OptionName>,
}

impl ScriptFunction {
    /// `w2s::transfer(weak, strong, task, options)`.
    pub fn signature(&self) -> String {
        format!("{}({})", self.path, self.params.join(", "))
    }

    /// The first paragraph of the doc comment.
    pub fn about(&self) -> String {
        first_paragraph(&self.doc)
    }
}

impl ScriptModule {
    /// Reads `source`. Of one that does not compile the page says so.
    pub fn read(name: &str, source: &str) -> Self {
        let ast = match compile_shipped(source) {
            Ok(ast) => ast,
            Err(error) => {
                let about = format!("It does not compile, so none of its functions can be called: {error}");
                return ScriptModule { name: name.to_owned(), about, functions: Vec::new() };
            }
        };
        let mut functions: Vec<ScriptFunction> = Vec::new();
        let described = functions_of(&ast);
        for function in ast.iter_functions() {
            if function.access == rhai::FnAccess::Private || function.name.starts_with("anon$") {
                continue;
            }
            let own = described.iter().find(|f| f.name == function.name && f.params.len() == function.params.len());
            functions.push(ScriptFunction {
                options: own.map(|own| own.described.clone()).unwrap_or_default(),
                path: format!("{name}::{}", function.name),
                name: function.name.to_owned(),
                params: function.params.iter().map(|param| (*param).to_owned()).collect(),
                doc: plain_comment(&function.comments),
            });
        }
        functions.sort_by_key(|function| (place(source, &function.name), function.params.len()));
        ScriptModule { name: name.to_owned(), about: head(source), functions }
    }

    /// The first paragraph of what the module says about itself.
    pub fn summary(&self) -> String {
        first_paragraph(&self.about)
    }
}

/// Where the function stands in its file: a reader's order is the author's.
fn place(source: &str, name: &str) -> usize {
    source.find(&format!("fn {name}(")).unwrap_or(usize::MAX)
}

/// The comment that opens the file: `//!` or `//` lines up to the first other line.
fn head(source: &str) -> String {
    let lines = source.lines().take_while(|line| line.starts_with("//") && !line.starts_with("///"));
    let text: Vec<&str> = lines.map(|line| line.trim_start_matches("//!").trim_start_matches("//")).collect();
    text.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Doc comments without `///`, `/**` and `*/`.
pub(super) fn plain_comment(comments: &[&str]) -> String {
    let mut lines = Vec::new();
    for line in comments.iter().flat_map(|comment| comment.lines()) {
        let line = line.trim_start();
        let line = line.strip_prefix("///").or_else(|| line.strip_prefix("/**")).unwrap_or(line);
        let line = line.strip_suffix("*/").unwrap_or(line);
        lines.push(line.strip_prefix(' ').unwrap_or(line));
    }
    lines.join("\n").trim().to_owned()
}

fn first_paragraph(text: &str) -> String {
    text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ")
}
