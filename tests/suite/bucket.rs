//! The store in an S3-compatible bucket, with a real server: machines that share results, die, are refused. The server is moto,
//! which Python's pip brings into a virtual environment below the target folder.
//!
//! `cargo test --release --features object_store --test suite bucket`

use crate::operations::{computed_once, count, found};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The server that the tests were written against.
const SERVER: &str = "moto[server]==5.2.5";

/// Makes users, one that may do everything and one that may only read, and prints their keys.
const USERS: &str = r#"
import boto3, json, sys
own = dict(endpoint_url=sys.argv[1], aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
boto3.client("s3", **own).create_bucket(Bucket="team")
iam = boto3.client("iam", **own)
for name, actions in [("writer", "s3:*"), ("reader", ["s3:GetObject", "s3:ListBucket"])]:
    iam.create_user(UserName=name)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    print(key["AccessKeyId"], key["SecretAccessKey"])
"#;

/// Calls that [`USERS`] makes before anybody has a key.
const BEFORE_USERS: &str = "7";

/// What an open server takes for somebody's signature.
const SOMEBODY: &str =
    "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=s";

/// A supervisor, its labels, a student and its predictions, all small.
const SCRIPT: &str = r#"
    let rows = [];
    for i in 0..40 { rows.push(#{ text: if i % 2 == 0 { `good dog ${i}` } else { `bad cat ${i}` }, label: if i % 2 == 0 { "yes" } else { "no" } }); }
    let task = data::of(rows, #{ test_share: 0.25 });
    let model = model::untrained(task);
    for seed in 0..args.len() {
        let options = #{ steps: 4, seed: parse_int(args[seed]) };
        let weak = model::finetune(model, task.train, task.train.truth("supervisor"), options);
        let student = model::finetune(model, task.train, model::label(weak, task.train), options);
        report::table(model::predict(student, task.test), #{ name: `predictions-${seed}` });
    }
"#;

/// One training that takes some seconds, of a model whose state is larger than what is sent at once.
const LONG: &str = r#"
    let rows = [];
    for i in 0..64 { rows.push(#{ text: if i % 2 == 0 { `good dog ${i}` } else { `bad cat ${i}` }, label: if i % 2 == 0 { "yes" } else { "no" } }); }
    let task = data::of(rows, #{ test_share: 0.25 });
    let model = model::untrained(task, #{ width: 256, layers: 4 });
    let trained = model::finetune(model, task.train, task.train.truth("supervisor"), #{ steps: 60, seed: 0 });
    report::table(model::predict(trained, task.test), #{ name: "predictions" });
"#;

/// Cells on worker processes.
const SWEEP: &str = r#"
    let rows = [];
    for i in 0..40 { rows.push(#{ text: if i % 2 == 0 { `good dog ${i}` } else { `bad cat ${i}` }, label: if i % 2 == 0 { "yes" } else { "no" } }); }
    let task = data::of(rows, #{ test_share: 0.25 });
    let model = model::untrained(task);
    let trained = sweep::map([0, 1, 2, 3], |seed| {
        let made = model.finetune(task.train, task.train.truth("supervisor"), #{ steps: 4, seed: seed });
        metric::accuracy(made.predict(task.test), task.test)
    }, #{ workers: 2 });
    print(trained.len());
"#;

/// A server of buckets, which ends with the test.
struct Server {
    child: Child,
    url: String,
    key: [String; 2],
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the environment that has the server, made at the first call.
fn program(name: &str) -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bucket-server");
        if !folder.join("made").exists() {
            let run = |command: &mut Command| {
                let answer = command.stdin(Stdio::null()).output().expect("Python is needed for the server");
                assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
            };
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
            run(Command::new(folder.join("bin/python")).args(["-m", "pip", "install", "--quiet", SERVER]));
            std::fs::write(folder.join("made"), SERVER).expect("written");
        }
        folder
    });
    folder.join("bin").join(name)
}

impl Server {
    /// A server with an empty bucket that takes any credentials.
    fn open() -> Server {
        let server = Server::start(&[]);
        server.put("", b"");
        server
    }

    /// A server that knows a writer and a reader; each is the server as one of them sees it.
    fn guarded() -> (Server, [[String; 2]; 2]) {
        let server = Server::start(&[("INITIAL_NO_AUTH_ACTION_COUNT", BEFORE_USERS)]);
        let made = Command::new(program("python")).args(["-c", USERS, &server.url]).output().expect("runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let text = String::from_utf8(made.stdout).expect("text");
        let mut keys = text.lines().map(|line| {
            let (id, secret) = line.split_once(' ').expect("two words");
            [id.to_owned(), secret.to_owned()]
        });
        let users = [keys.next().expect("a writer"), keys.next().expect("a reader")];
        (server, users)
    }

    fn start(environment: &[(&str, &str)]) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let mut command = Command::new(program("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).envs(environment.iter().copied());
        command.env_remove("HTTP_PROXY").env_remove("http_proxy");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        let server = Server { child, url: format!("http://127.0.0.1:{port}"), key: ["a".to_owned(), "b".to_owned()] };
        let until = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Writes a file past w2s; an empty place makes the bucket.
    fn put(&self, place: &str, bytes: &[u8]) {
        let request = ureq::put(format!("{}/team/{place}", self.url)).header("authorization", SOMEBODY);
        request.send(bytes).expect("written");
    }

    fn get(&self, place: &str) -> Vec<u8> {
        let request = ureq::get(format!("{}/team/{place}", self.url)).header("authorization", SOMEBODY);
        let mut answer = request.call().expect("there");
        answer.body_mut().with_config().limit(1 << 30).read_to_vec().expect("read")
    }

    /// The places below the folder of our prefix.
    fn places(&self, folder: &str) -> Vec<String> {
        let url = format!("{}/team?list-type=2&prefix=w2s/{folder}/", self.url);
        let request = ureq::get(url).header("authorization", SOMEBODY);
        let text = request.call().expect("listed").body_mut().read_to_string().expect("text");
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        keys.map(|(key, _)| key.to_owned()).collect()
    }

    /// w2s on the machine whose store's folder is `machine`, working in `folder`.
    fn w2s(&self, folder: &Path, machine: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
        for (name, _) in std::env::vars_os() {
            let is_ours = name.to_str().is_some_and(|name| name.starts_with("AWS_") || name.starts_with("W2S_"));
            if is_ours {
                command.env_remove(name);
            }
        }
        command.current_dir(folder).stdin(Stdio::null()).args(args);
        command.env("W2S_STORE", "s3://team/w2s").env("W2S_STORE_CACHE", folder.join(machine));
        command.env("AWS_ENDPOINT_URL", &self.url).env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", &self.key[0]).env("AWS_SECRET_ACCESS_KEY", &self.key[1]);
        command.env("NO_PROXY", "127.0.0.1");
        command
    }

    fn run(&self, folder: &Path, machine: &str, args: &[&str]) -> (i32, String, String) {
        said(&mut self.w2s(folder, machine, args))
    }

    /// Runs the script with these seeds and answers how each key was found.
    fn operations(&self, folder: &Path, machine: &str, run_name: &str, seeds: &[&str]) -> Vec<(String, String)> {
        let args = [&["script", "main.rhai", "--threads", "1", "--run", run_name, "--"], seeds].concat();
        let (code, _, err) = self.run(folder, machine, &args);
        assert_eq!(code, 0, "{err}");
        found(&folder.join(run_name))
    }
}

fn said(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("main.rhai", SCRIPT), ("long.rhai", LONG), ("sweep.rhai", SWEEP)] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

fn table(folder: &Path, run: &str, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(run).join(name)).expect("a table")
}

#[test]
fn what_one_machine_computed_another_one_looks_up() {
    let (server, folder) = (Server::open(), folder());
    let folder = folder.path();
    let first = server.operations(folder, "a", "one", &["0", "1"]);
    assert_eq!((first.len(), count(&first, "computed")), (8, 8), "{first:?}");
    for (machine, run) in [("a", "two"), ("b", "three")] {
        let again = server.operations(folder, machine, run, &["0", "1"]);
        assert_eq!((again.len(), count(&again, "stored")), (8, 8), "{again:?}");
        assert_eq!(table(folder, run, "predictions-1.csv"), table(folder, "one", "predictions-1.csv"));
    }
    assert!(server.places("locks").is_empty() && server.places("partial").is_empty());
    let (code, out, err) = server.run(folder, "c", &["store", "ls"]);
    assert!(code == 0 && out.contains("8 results") && out.ends_with("The store is s3://team/w2s\n"), "{out}{err}");
    let (_, out, _) = server.run(folder, "c", &["store", "ls", "--operation", "predict"]);
    let key = out.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("a key").to_owned();
    let (code, out, err) = server.run(folder, "c", &["store", "show", &key]);
    assert!(code == 0 && out.contains("whole: probabilities") && out.contains("finetune"), "{out}{err}");
    let (code, out, err) = server.run(folder, "c", &["store", "check"]);
    assert!(code == 0 && out.contains("checked 8 results, 8 contents"), "{out}{err}");
    let (code, out, err) = server.run(folder, "c", &["script", "--plan", "main.rhai", "--", "0", "1"]);
    assert!(code == 0 && out.contains("Everything is in the store"), "{out}{err}");
}

#[test]
fn processes_on_several_machines_compute_each_stage_once() {
    let (server, folder) = (Server::open(), folder());
    let names: Vec<String> = (0..6).map(|at| format!("run-{at}")).collect();
    let begun: Vec<Child> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            // Two of them are on one machine, each other one on its own.
            let machine = format!("machine-{}", at.max(1));
            let args = ["script", "main.rhai", "--threads", "1", "--run", name, "--", "0", "1"];
            let mut command = server.w2s(folder.path(), &machine, &args);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts")
        })
        .collect();
    assert_eq!(computed_once(begun, names.iter().map(|name| folder.path().join(name))), 8);
    assert!(server.places("locks").is_empty());
}

#[test]
fn the_work_of_a_killed_process_goes_on_on_another_machine() {
    let (server, folder) = (Server::open(), folder());
    let folder = folder.path();
    let long = |machine: &str, run: &str| {
        let mut command = server.w2s(folder, machine, &["script", "long.rhai", "--run", run]);
        command.env("W2S_LEASE_SECONDS", "2").env("W2S_CHECKPOINT_SECONDS", "0.2");
        command
    };
    let mut holder = long("a", "killed").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let until = Instant::now() + Duration::from_secs(60);
    while server.places("partial").is_empty() {
        assert!(Instant::now() < until && holder.try_wait().expect("waits").is_none(), "no state was sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    holder.kill().expect("killed");
    holder.wait().expect("dead");
    assert_eq!((server.places("locks").len(), server.places("keys").len()), (1, 0));
    let (code, _, err) = said(long("b", "taken-over").arg("--quiet"));
    assert_eq!(code, 0, "{err}");
    let record = std::fs::read_to_string(folder.join("taken-over/record.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("json");
    let events = record["events"].as_array().expect("events");
    let training = events.iter().find(|event| event["name"] == "finetune").expect("a training");
    assert_eq!(training["found"]["kind"], "computed");
    // The result names what it took in all, this run what it spent on it: it went on from the other's state.
    let key = training["key"].as_str().expect("a key");
    let manifest = String::from_utf8(server.get(&format!("w2s/keys/{}/{key}.json", &key[..2]))).expect("text");
    let (_, manifest) = manifest.split_once('\n').expect("two lines");
    let manifest: serde_json::Value = serde_json::from_str(manifest).expect("json");
    assert!(manifest["seconds"].as_f64() > training["seconds"].as_f64(), "{manifest}");
    assert!(server.places("locks").is_empty() && server.places("partial").is_empty());
    let (code, _, err) = said(long("c", "undisturbed").arg("--no-memo"));
    assert_eq!(code, 0, "{err}");
    assert_eq!(table(folder, "taken-over", "predictions.csv"), table(folder, "undisturbed", "predictions.csv"));
}

#[test]
fn a_changed_byte_in_the_bucket_is_noticed_named_and_what_it_held_computed_again() {
    let (server, folder) = (Server::open(), folder());
    let folder = folder.path();
    server.operations(folder, "a", "whole", &["0"]);
    let places = [server.places("keys"), server.places("objects")].concat();
    assert_eq!(places.len(), 8);
    for place in &places {
        let mut bytes = server.get(place);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        server.put(place, &bytes);
    }
    let (code, out, _) = server.run(folder, "b", &["store", "check"]);
    assert!(code == 1 && out.contains("8 files damaged"), "{out}");
    let again = server.operations(folder, "b", "again", &["0"]);
    assert_eq!((again.len(), count(&again, "computed")), (4, 4), "{again:?}");
    let record = std::fs::read_to_string(folder.join("again/record.json")).expect("there");
    for place in places.iter().filter(|place| place.contains("/keys/")) {
        assert!(record.contains(&format!("s3://team/{place}")), "{place} is not named");
    }
    assert_eq!(table(folder, "again", "predictions-0.csv"), table(folder, "whole", "predictions-0.csv"));
    let (code, out, _) = server.run(folder, "c", &["store", "check"]);
    assert_eq!(code, 0, "{out}");
    // A content that is shorter, under a manifest that is whole.
    let place = server.places("objects").swap_remove(0);
    server.put(&place, &server.get(&place)[1..]);
    let again = server.operations(folder, "c", "once-more", &["0"]);
    assert_eq!((count(&again, "computed"), count(&again, "stored")), (1, 3), "{again:?}");
}

#[test]
fn archives_and_collections_work_on_a_bucket() {
    let (server, folder) = (Server::open(), folder());
    let folder = folder.path();
    server.operations(folder, "a", "one", &["0"]);
    let (code, out, err) = server.run(folder, "b", &["store", "export", "all.zip"]);
    assert!(code == 0 && out.contains("4 results"), "{out}{err}");
    // The run's folder is kept, and only its own machine knows.
    let (code, out, err) = server.run(folder, "b", &["store", "gc", "--max-size", "0"]);
    assert!(code == 0 && out.contains("removed 0 results") && out.contains("needed by 1 kept run"), "{out}{err}");
    assert!(out.contains("--forget "), "{out}");
    std::fs::remove_dir_all(folder.join("one")).expect("removed");
    let (_, out, _) = server.run(folder, "b", &["store", "gc", "--max-size", "0"]);
    assert!(out.contains("removed 0 results"), "{out}");
    let (_, out, _) = server.run(folder, "a", &["store", "gc", "--max-size", "0", "--dry-run"]);
    assert!(out.contains("would remove 4 results"), "{out}");
    assert_eq!(server.places("keys").len(), 4);
    let (_, out, _) = server.run(folder, "a", &["store", "gc", "--max-size", "0"]);
    assert!(out.contains("removed 4 results") && out.contains("left: 0 results"), "{out}");
    for kind in ["keys", "objects", "runs", "locks"] {
        assert!(server.places(kind).is_empty(), "{kind}");
    }
    let (code, out, err) = server.run(folder, "c", &["store", "import", "all.zip"]);
    assert!(code == 0 && out.starts_with("4 results new"), "{out}{err}");
    let again = server.operations(folder, "d", "two", &["0"]);
    assert_eq!(count(&again, "stored"), 4, "{again:?}");
}

#[test]
fn workers_of_a_sweep_share_the_bucket() {
    let (server, folder) = (Server::open(), folder());
    let folder = folder.path();
    let (code, out, err) = server.run(folder, "a", &["script", "sweep.rhai", "--threads", "2", "--run", "one"]);
    assert!(code == 0 && out == "4\n", "{out}{err}");
    let first = found(&folder.join("one"));
    assert!(count(&first, "worker") > 0 && count(&first, "computed") == 0, "{first:?}");
    let (code, _, err) = server.run(folder, "b", &["script", "sweep.rhai", "--run", "two"]);
    assert_eq!(code, 0, "{err}");
    let second = found(&folder.join("two"));
    assert_eq!(count(&second, "stored"), second.len(), "{second:?}");
}

#[test]
fn a_bucket_that_is_not_there_or_lets_nobody_in_is_said_before_anything_runs() {
    let (server, [writer, reader]) = Server::guarded();
    let folder = folder();
    let folder = folder.path();
    let script = ["script", "main.rhai", "--", "0"];
    let refused = |change: &dyn Fn(&mut Command), code: &str| {
        let mut command = server.w2s(folder, "a", &script);
        command.env("AWS_ACCESS_KEY_ID", &writer[0]).env("AWS_SECRET_ACCESS_KEY", &writer[1]);
        change(&mut command);
        let (exit, _, err) = said(&mut command);
        assert!(exit == 3 && err.contains(code) && err.contains("hint: "), "{code}: {err}");
        assert!(!folder.join("runs").exists(), "no run folder is left");
    };
    refused(&|command| _ = command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), "store/unreachable");
    refused(&|command| _ = command.env_remove("AWS_ALLOW_HTTP"), "store/unreachable");
    refused(&|command| _ = command.env("AWS_ACCESS_KEY_ID", "nobody"), "store/refused");
    refused(&|command| _ = command.env("AWS_SECRET_ACCESS_KEY", "wrong"), "store/refused");
    refused(&|command| _ = command.env("W2S_STORE", "s3://nothing-here/w2s"), "store/no-bucket");
    refused(&|command| _ = command.env("W2S_STORE", "gs://team/w2s"), "store/bucket-url");
    // Who may only read is answered, computes what is missing and keeps it at home.
    let mut server = server;
    server.key = writer;
    server.operations(folder, "a", "one", &["0"]);
    server.key = reader;
    let known = server.operations(folder, "b", "two", &["0"]);
    assert_eq!(count(&known, "stored"), 4, "{known:?}");
    let args = ["script", "main.rhai", "--run", "three", "--", "0", "1"];
    let (code, _, err) = server.run(folder, "b", &args);
    assert!(code == 0 && err.matches("AccessDenied").count() == 1 && err.contains("is not shared"), "{err}");
    let again = server.operations(folder, "b", "four", &["0", "1"]);
    assert_eq!(count(&again, "stored"), 8, "{again:?}");
    let (code, _, err) = server.run(folder, "b", &["store", "gc", "--max-size", "0"]);
    assert!(code == 3 && err.contains("store/refused"), "{err}");
}

#[test]
fn a_server_that_dies_costs_a_warning_and_no_result() {
    let (mut server, folder) = (Server::open(), folder());
    let folder = folder.path();
    let mut command = server.w2s(folder, "a", &["script", "long.rhai", "--run", "one"]);
    command.env("W2S_CHECKPOINT_SECONDS", "0.2").stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().expect("starts");
    let until = Instant::now() + Duration::from_secs(60);
    while server.places("partial").is_empty() {
        assert!(Instant::now() < until, "no state was sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.child.kill().expect("killed");
    let answer = child.wait_with_output().expect("ends");
    let err = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success() && err.contains("does not answer"), "{err}");
    // A new server knows nothing; what the folder has is sent to it.
    let server = Server::open();
    let (code, _, err) = server.run(folder, "a", &["script", "long.rhai", "--run", "two"]);
    assert_eq!((code, count(&found(&folder.join("two")), "computed")), (0, 0), "{err}");
    let (code, _, err) = server.run(folder, "b", &["script", "long.rhai", "--run", "three"]);
    assert_eq!((code, count(&found(&folder.join("three")), "computed")), (0, 0), "{err}");
}
