//! The prompt.

use super::bench::Bench;
use super::exit;
use std::io::Read;

/// Evaluates what comes in on standard input, as one text.
pub fn run(bench: &Bench) -> u8 {
    let mut code = String::new();
    if std::io::stdin().read_to_string(&mut code).is_err() {
        return exit::FILE;
    }
    let mut session = bench.session("input", true, &[]);
    let answer = session.eval(&code);
    bench.end(answer, &session.sources, None).map_or_else(|code| code, |_| exit::OK)
}
