"""Lines of each reader that its corpus reaches: `python3 coverage.py COVER CORPUS`.

COVER is the program `cover`, built as README.md says, and CORPUS a folder with one folder of inputs for each reader. The files below also
hold writers, and what other inputs and commands use. So two shares are printed: of the lines of all functions of a file, and of the lines
of those functions that a read enters at all. What is never entered is listed by its lines, to be looked at.
"""

import json
import os
import subprocess
import sys
import tempfile

READERS = {
    "csv": ["frames/text.rs", "frames/io.rs", "data/read.rs"],
    "tsv": ["frames/text.rs", "frames/io.rs", "data/read.rs"],
    "jsonl": ["frames/json.rs", "frames/io.rs", "data/read.rs"],
    "parquet": ["frames/parquet.rs", "frames/pages.rs"],
    "safetensors": ["models/checkpoint.rs", "models/hf.rs", "models/families/stored.rs"],
    "gguf": ["models/gguf.rs"],
    "tokenizer": ["models/encoder/", "models/encoder.rs"],
    "config": ["models/hf.rs", "models/checkpoint.rs", "models/chat.rs", "models/adapter.rs", "models/families/"],
    "record": ["record/schema.rs", "record/page.rs", "report/html/mod.rs", "report/html/curves.rs"],
    "bundle": ["record/bundle.rs", "record/kept.rs", "record/altered.rs", "record/seal.rs", "report/html/table.rs"],
    "archive": ["store/memo/archive.rs", "store/memo/content.rs"],
    "script": ["lang/"],
}


def tool(name):
    root = subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip()
    host = next(l for l in subprocess.check_output(["rustc", "-vV"], text=True).splitlines() if l.startswith("host: "))
    return f"{root}/lib/rustlib/{host.split()[1]}/bin/{name}"


def lines_of(function):
    """Counts by line of a function's code regions."""
    lines = {}
    for start, _, end, _, count, _, _, kind in function["regions"]:
        if kind == 0:
            lines.update((line, count) for line in range(start, end + 1))
    return lines


def spans(lines):
    found = []
    for line in sorted(lines):
        if found and line <= found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def report(cover, profile, reader, files):
    exported = subprocess.check_output([tool("llvm-cov"), "export", cover, f"-instr-profile={profile}"], stderr=subprocess.DEVNULL)
    by_file = {}
    for function in json.loads(exported)["data"][0]["functions"]:
        name = function["filenames"][0].rpartition("/src/")[2]
        if any(name.startswith(file) for file in files) and "/tests" not in name:
            by_file.setdefault(name, []).append((function["count"], lines_of(function)))
    n_all = n_entered = n_reached = 0
    for name, functions in sorted(by_file.items()):
        counts = {}
        for _, lines in functions:
            for line, count in lines.items():
                counts[line] = max(counts.get(line, 0), count)
        entered = {line for count, lines in functions if count for line in lines}
        reached = {line for line in entered if counts[line]}
        never = {line for count, lines in functions if not count for line in lines} - entered
        n_all, n_entered, n_reached = n_all + len(counts), n_entered + len(entered), n_reached + len(reached)
        print(f"  {name}: {len(reached)} of {len(entered)} lines; missed {spans(entered - reached) or '-'}; never entered {spans(never) or '-'}")
    print(f"{reader}: {100 * n_reached / max(n_entered, 1):.1f} % of the functions that are entered, {100 * n_reached / max(n_all, 1):.1f} % of all")


def main(cover, corpus):
    with tempfile.TemporaryDirectory() as folder:
        for reader, files in READERS.items():
            raw, profile = f"{folder}/{reader}.profraw", f"{folder}/{reader}.profdata"
            subprocess.run([cover, corpus, reader], env={**os.environ, "LLVM_PROFILE_FILE": raw}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            subprocess.check_call([tool("llvm-profdata"), "merge", "-o", profile, raw])
            report(cover, profile, reader, files)


main(*sys.argv[1:])
