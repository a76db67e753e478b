"""The published three-model experiment timed beside this program: the same models, rows, batches, epochs and threads, in turn, in one run.

Usage: python benches/published.py PATH/TO/w2s PATH/TO/weak-to-strong [--weak 16x1-2000] [--strong 64x2-4000] [--rows 2000] [--rounds 3].

The second path is a checkout of github.com/openai/weak-to-strong, which is run as it is: `train_weak_to_strong.main` with its defaults (batch
32, 2 epochs, Adam, cosine, losses `xent` and `logconf`), once as published, with micro-batches of one row, and once with micro-batches of 32, as its option
`minibatch_size_per_device` allows. Needs torch, transformers, datasets, torch_optimizer, fire and wandb. From outside its names of models and
its list of data sets are extended, and what asks for a CUDA device gets the CPU. Models are rungs of the generated world's ladder, saved by this program as GPT-2
checkpoints that both sides read; rows are `world/era`, `--rows` training rows of which each half trains, and 200 test rows.

The six steps: supervisor on the first half, its labels of the second, ceiling, two transfers, and the accuracies of all on the test rows. Theirs is
the time of `main`, without the imports; ours that of the whole process, without the store. Printed: medians over rounds, the ratios with their range, by the clock and by
processor time, and the accuracies of both. Read ratios, and only where the machine is otherwise idle: the script says so where it is not.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

THREADS = 2
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
LR = 3e-3

PREPARE = """
for rung in model::ladder("world") {
    if rung.name == "WEAK" { rung.save("weak", #{ format: "transformers" }); }
    if rung.name == "STRONG" { rung.save("strong", #{ format: "transformers" }); }
}
let task = data::load("world/era", #{ n_train: ROWS, n_test: 200, seed: 0 });
fn rows(part) { part.frame().join(part.truth("bench").select(["id", "label"]), #{ on: "id" }).select(["id", "text", "label"]) }
rows(task.train).write_json("train.json");
rows(task.test).write_json("test.json");
"""

OURS = """
let task = data::load(#{ train: "train.jsonl", test: "test.jsonl" });
let halves = task.train.halves(0);
let options = #{ epochs: 2, batch: 32, lr: LR, warmup: 0.0, clip: 0.0, optimizer: "adam", seed: 0 };
let strong = model::load("strong");
let supervisor = model::load("weak").finetune(halves[0], halves[0].truth("supervisor"), options);
let labels = supervisor.label(halves[1]);
let ceiling = strong.finetune(halves[1], halves[1].truth("ceiling"), options);
let plain = strong.finetune(halves[1], labels, options);
let confident = strong.finetune(halves[1], labels, options + #{ loss: loss::confidence(#{ form: "r", r_compat: true }) });
print([supervisor, ceiling, plain, confident].map(|model| metric::accuracy(model.predict(task.test), task.test)));
"""


def ours(program, folder):
    code = open(f"{folder}/ours.rhai").read()
    before = os.times()
    start = time.perf_counter()
    done = subprocess.run([program, "--threads", str(THREADS), "--no-memo", "script", "ours.rhai"], cwd=folder, capture_output=True, text=True)
    seconds, after = time.perf_counter() - start, os.times()
    if done.returncode:
        sys.exit(f"{code}\n{done.stdout}{done.stderr}")
    numbers = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[")))
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system, numbers


THEIRS = """
import json, os, sys, time
sys.path.insert(0, REPO)
import torch
torch.set_num_threads(THREADS)
torch.cuda.is_bf16_supported = lambda *a: False
torch.cuda.memory_allocated = lambda *a: 0
original = torch.nn.Module.to
torch.nn.Module.to = lambda self, *a, **k: self if a[:1] == ("cuda",) else original(self, *a, **k)
from transformers import PreTrainedModel
PreTrainedModel.to = lambda self, *a, **k: self if a[:1] == ("cuda",) else original(self, *a, **k)
import transformers.modeling_utils
# Gone from newer versions, and not called where nothing is loaded again.
transformers.modeling_utils.load_sharded_checkpoint = getattr(transformers.modeling_utils, "load_sharded_checkpoint", None)
PreTrainedModel.save_pretrained = lambda self, path: torch.save(self.state_dict(), path + "/model.pt")
import datasets
from datasets import Dataset
datasets.disable_progress_bars()
from weak_to_strong.datasets import DatasetConfig, register_dataset, VALID_DATASETS
rows = {split: Dataset.from_list([json.loads(line) for line in open(FOLDER + "/" + split + ".jsonl")]) for split in ["train", "test"]}
register_dataset("world", DatasetConfig(loader=lambda split: rows[split], formatter=lambda row, rng: dict(txt=row["text"], hard_label=int(row["label"]))))
import weak_to_strong.datasets
weak_to_strong.datasets.VALID_DATASETS.append("world")
import train_weak_to_strong as published
from weak_to_strong.train import ModelConfig
for name in ["weak", "strong"]:
    published.MODELS_DICT[FOLDER + "/" + name] = ModelConfig(name=FOLDER + "/" + name, default_lr=LR, eval_batch_size=32)
before, start = os.times(), time.perf_counter()
published.main(ds_name="world", n_docs=ROWS, n_test_docs=200, weak_model_size=FOLDER + "/weak", strong_model_size=FOLDER + "/strong",
               minibatch_size_per_device=MICRO, results_folder=FOLDER + "/results-" + str(MICRO), force_retrain=True)
after = os.times()
summary = [f for f in os.listdir(FOLDER + "/results-" + str(MICRO)) if f.endswith("results_summary.json")][0]
found = json.load(open(FOLDER + "/results-" + str(MICRO) + "/" + summary))
print("DONE" + json.dumps([time.perf_counter() - start, after.user + after.system - before.user - before.system, list(found.values())]))
"""


def theirs(repository, folder, rows, micro):
    os.makedirs(f"{folder}/results-{micro}", exist_ok=True)
    given = {"REPO": repr(os.path.abspath(repository)), "FOLDER": repr(folder), "THREADS": THREADS, "LR": LR, "ROWS": rows, "MICRO": micro}
    code = "\n".join(f"{name} = {value}" for name, value in given.items()) + THEIRS
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    last = [line for line in done.stdout.splitlines() if line.startswith("DONE")]
    if not last:
        sys.exit(done.stdout[-2000:] + done.stderr[-4000:])
    return tuple(json.loads(last[0][4:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("repository")
    parser.add_argument("--weak", default="16x1-2000")
    parser.add_argument("--strong", default="64x2-4000")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    program = os.path.abspath(given.program)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy: load {load:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        prepare = PREPARE.replace("WEAK", given.weak).replace("STRONG", given.strong).replace("ROWS", str(given.rows))
        open(f"{folder}/prepare.rhai", "w").write(prepare)
        subprocess.run([program, "--no-memo", "script", "prepare.rhai"], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # What a script writes with a relative path lies in its run's folder.
        folder = f"{folder}/runs/prepare-001"
        for split in ["train", "test"]:
            with open(f"{folder}/{split}.jsonl", "w") as lines:
                lines.writelines(json.dumps(row) + "\n" for row in json.load(open(f"{folder}/{split}.json")))
        open(f"{folder}/ours.rhai", "w").write(OURS.replace("LR", str(LR)))
        sides = {"ours": lambda: ours(program, folder)}
        sides |= {f"micro-batches of {micro}": (lambda micro: lambda: theirs(given.repository, folder, given.rows, micro))(micro) for micro in [1, 32]}
        found = {side: [] for side in sides}
        for _ in range(given.rounds):
            for side, run in sides.items():
                found[side].append(run())
    for side, rounds in found.items():
        print(f"{side}: {statistics.median(r[0] for r in rounds):.2f} s, {statistics.median(r[1] for r in rounds):.2f} s of processor time; "
              f"weak, ceiling, transfer by xent and logconf {[round(x, 3) for x in rounds[-1][2]]}")
    for side in list(sides)[1:]:
        by = [[theirs[at] / own[at] for own, theirs in zip(found["ours"], found[side])] for at in (0, 1)]
        print(f"{side}: {statistics.median(by[0]):.1f} times as long ({min(by[0]):.1f} to {max(by[0]):.1f}), by processor time {statistics.median(by[1]):.1f}")


main()
