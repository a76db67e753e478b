//! The prompt: through a pipe, and through a real pseudo-terminal as a person meets it.
//!
//! Each step at the terminal waits for something that was computed, never for the echo of what was typed: the editor
//! draws the line again with every key.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program with a home of its own, so that a test neither reads nor writes anybody's history.
fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command
        .current_dir(home)
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join("data"))
        .env("W2S_STORE", home.join("store"))
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    command
}

/// Gives `input` to the prompt through a pipe.
fn pipe(home: &Path, input: &str) -> Output {
    let mut child = program(home)
        .arg("repl")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // The program may stop reading at the first error.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("the program ends")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn a_pipe_is_read_input_by_input() {
    let home = tempfile::tempdir().expect("a folder");
    let input = "let a = 20;\nfn twice(x) {\n  x * 2\n}\nlet a = a + 1;\ntwice(a)\n\n`first\nsecond ${a}`\n:vars\n";
    let output = pipe(home.path(), input);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "42\nfirst\nsecond 21\na  integer  21\n");
}

#[test]
fn the_words_of_other_prompts_leave_this_one() {
    let home = tempfile::tempdir().expect("a folder");
    for word in ["exit", "quit", "exit()", "quit();"] {
        let output = pipe(home.path(), &format!("1 + 1\n{word}\n3 + 3\n"));
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), "2\n"), "{word}: {}", err(&output));
    }
}

#[test]
fn what_an_input_captured_is_what_it_was() {
    let home = tempfile::tempdir().expect("a folder");
    let input =
        "let fs = [];\nfor i in 0..3 {\n  fs.push(|| i);\n}\nlet f = fs[1];\nf() + fs.map(|f| f()).len()\nf(1)\n";
    let output = pipe(home.path(), input);
    assert_eq!(out(&output), "4\n", "{}", err(&output));
    assert!(err(&output).contains("input:1:1"), "{}", err(&output));
}

#[test]
fn a_pipe_stops_at_the_first_error_and_says_where() {
    let home = tempfile::tempdir().expect("a folder");
    let output = pipe(home.path(), "1 + 1\nlet b =\n  nothing;\n3 + 3\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "2\n");
    assert!(err(&output).contains("input:2:3") && err(&output).contains("nothing"), "{}", err(&output));
    let output = pipe(home.path(), "f(1\n");
    assert_eq!(output.status.code(), Some(1), "an input that never ends is an error: {}", out(&output));
}

#[test]
fn what_was_typed_is_saved_as_a_script_that_runs() {
    let home = tempfile::tempdir().expect("a folder");
    let input = "let x = 1\nfn f(n) { n }\nlet x = x + 1\nfn f(n) { n * 20 }\nf(x) + x // shown\n:save found\n";
    let output = pipe(home.path(), input);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("42\nsaved found.rhai"), "{}", out(&output));
    let run = program(home.path()).args(["script", "found.rhai"]).output().expect("runs");
    assert_eq!((run.status.code(), out(&run).as_str()), (Some(0), "42\n"), "{}", err(&run));

    // A file that is there already is not written over; loading it brings its variables.
    let again = pipe(home.path(), ":load found.rhai\nx + 1\n:save found.rhai\n");
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(out(&again), "42\n3\n");
    assert!(err(&again).contains("is there already"), "{}", err(&again));
}

#[test]
fn help_is_the_same_at_the_prompt_and_on_the_command_line() {
    let home = tempfile::tempdir().expect("a folder");
    let typed = pipe(home.path(), "help metric::pgr_percent\n");
    let asked = program(home.path()).args(["help", "metric::pgr_percent"]).output().expect("runs");
    assert_eq!(out(&typed).trim_end(), out(&asked).trim_end());
    assert!(out(&typed).contains("Parameters") && out(&typed).contains("student: float"), "{}", out(&typed));
    let unknown = program(home.path()).args(["help", "metric::pgr_precent"]).output().expect("runs");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("metric::pgr_percent"), "{}", err(&unknown));
}

#[cfg(unix)]
mod terminal {
    use super::program;
    use rexpect::process::wait::WaitStatus;
    use rexpect::reader::Options;
    use rexpect::session::{PtySession, spawn_with_options};
    use std::path::Path;
    use std::time::{Duration, Instant};

    /// Far more than anything here takes, for a machine that does much else.
    const PATIENCE_MS: u64 = 60_000;

    /// "Within a second" on a quiet machine; the test allows for one that is busy.
    const STOPS_WITHIN: Duration = Duration::from_secs(5);

    struct Terminal(PtySession);

    impl Terminal {
        fn open(home: &Path) -> Self {
            let options = Options::new().timeout_ms(Some(PATIENCE_MS)).strip_ansi_escape_codes(true);
            let session = spawn_with_options(program(home), options).expect("a pseudo-terminal");
            let mut terminal = Terminal(session);
            terminal.sees("Ctrl-D leaves");
            terminal.sees("w2s> ");
            terminal
        }

        fn keys(&mut self, keys: &str) {
            self.0.send(keys).and_then(|_| self.0.flush()).expect("keys are taken");
        }

        /// Types `keys` and waits for `answer`, which must not stand in what was typed, and for the prompt after it.
        fn asks(&mut self, keys: &str, answer: &str) {
            self.keys(keys);
            self.keys("\r");
            self.sees(answer);
            self.sees("w2s> ");
        }

        fn sees(&mut self, text: &str) -> String {
            self.0.exp_string(text).unwrap_or_else(|error| panic!("waiting for {text:?}: {error}"))
        }

        fn leave(mut self) {
            self.keys("\u{4}");
            self.0.exp_eof().expect("the program ends");
            assert!(matches!(self.0.process().wait(), Ok(WaitStatus::Exited(_, 0))), "Ctrl-D leaves with code 0");
        }
    }

    #[test]
    fn names_are_completed_and_values_are_shown() {
        let home = tempfile::tempdir().expect("a folder");
        let mut terminal = Terminal::open(home.path());
        // A function of a module; the bracket comes with it.
        terminal.keys("metric::pgr_perc\t");
        terminal.asks("0.65, 0.78, 0.95)", "43.333333333333");
        // A variable, and a member by its type.
        terminal.asks("let weather = [3, 1, 2]; weather.len() * 111", "333");
        terminal.keys("weath\t.rever\t");
        terminal.asks("; weather[0] * 111", "222");
        // Help works as plain input.
        terminal.asks("help pgr_percent", "Performance gap recovered");
        terminal.leave();
    }

    #[test]
    fn paths_are_completed_only_where_a_script_may_read() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join("measurements.csv"), "a\n1\n").expect("written");
        let mut terminal = Terminal::open(home.path());
        terminal.keys("(\"measure\t");
        terminal.asks("\" + \"!\").to_upper()", "MEASUREMENTS.CSV!");
        // Outside the project nothing is completed: the tab changes nothing.
        terminal.keys("(\"/et\t");
        terminal.asks("\" + \"?\").to_upper()", "/ET?");
        terminal.leave();
    }

    #[test]
    fn input_goes_on_over_lines_until_it_is_whole() {
        let home = tempfile::tempdir().expect("a folder");
        let mut terminal = Terminal::open(home.path());
        terminal.keys("fn twice(x) {\r");
        terminal.keys("  x * 2\r");
        terminal.asks("} twice(617)", "1234");
        terminal.keys("let f = |a, b| {\r a * b\r");
        terminal.asks("}; f.call(twice(111), 3)", "666");
        terminal.leave();
    }

    #[test]
    fn history_outlives_the_session() {
        let home = tempfile::tempdir().expect("a folder");
        let mut terminal = Terminal::open(home.path());
        terminal.asks("1200 + 34", "1234");
        terminal.leave();
        let mut terminal = Terminal::open(home.path());
        // Arrow up brings the last input back.
        terminal.asks("\u{1b}[A", "1234");
        terminal.leave();
    }

    #[test]
    fn ctrl_c_clears_the_line() {
        let home = tempfile::tempdir().expect("a folder");
        let mut terminal = Terminal::open(home.path());
        terminal.keys("let broken = (((\r 1 +\u{3}");
        terminal.sees("^C");
        terminal.sees("w2s> ");
        terminal.asks("1200 + 34", "1234");
        terminal.leave();
    }

    #[test]
    fn ctrl_c_stops_an_endless_loop_past_a_try_and_keeps_variables() {
        let home = tempfile::tempdir().expect("a folder");
        let mut terminal = Terminal::open(home.path());
        terminal.asks("let kept = 1200; fn add(n) { n + 34 } `${kept}` + \"!\"", "1200!");
        let endless = "let also = 4; print(\"run\" + \"ning\"); try { loop {} } catch { print(\"swal\" + \"lowed\") }";
        terminal.keys(endless);
        terminal.keys("\r");
        terminal.sees("running");
        let start = Instant::now();
        terminal.keys("\u{3}");
        let seen = terminal.sees("interrupted");
        assert!(start.elapsed() < STOPS_WITHIN, "it took {:?}", start.elapsed());
        assert!(!seen.contains("swallowed"), "a `try` must not swallow the interruption");
        terminal.sees("w2s> ");
        terminal.asks("add(kept) * 10 + also", "12344");
        terminal.leave();
    }

    #[test]
    fn ctrl_c_stops_a_finetune_and_keeps_variables() {
        let home = tempfile::tempdir().expect("a folder");
        let mut terminal = Terminal::open(home.path());
        terminal.asks("let ladder = model::ladder(\"world\"); \"lad\" + \"der\"", "ladder");
        terminal.asks("let task = data::load(\"world/subject\", #{ seed: 0 }); task.train.n_rows + 0.25", "00.25");
        terminal.asks("let labels = task.train.truth(\"a test\"); labels.n_rows + 0.5", "00.5");
        let largest = "print(\"train\" + \"ing\"); let student = ladder[ladder.len() - 1]";
        terminal.keys(&format!("{largest}.finetune(task.train, labels, #{{ steps: 1000000 }});\r"));
        terminal.sees("training");
        // The first steps are under way once the progress of the work is drawn.
        terminal.sees("finetune");
        let start = Instant::now();
        terminal.keys("\u{3}");
        terminal.sees("interrupted");
        assert!(start.elapsed() < STOPS_WITHIN, "it took {:?}", start.elapsed());
        terminal.sees("w2s> ");
        terminal.asks("is_def_var(\"student\").to_string() + \"!\"", "false!");
        terminal.asks("task.test.n_rows * 0 + labels.n_rows * 0 + 1234", "1234");
        terminal.leave();
    }

    #[test]
    fn the_prompt_works_without_a_home() {
        let home = tempfile::tempdir().expect("a folder");
        let mut command = program(home.path());
        // A file stands where the folder would be.
        std::fs::write(home.path().join("data"), "").expect("written");
        command.env("HOME", home.path().join("data"));
        let options = Options::new().timeout_ms(Some(PATIENCE_MS)).strip_ansi_escape_codes(true);
        let mut terminal = Terminal(spawn_with_options(command, options).expect("a pseudo-terminal"));
        terminal.sees("Ctrl-D leaves");
        terminal.sees("w2s> ");
        terminal.asks("1200 + 34", "1234");
        terminal.leave();
    }
}
