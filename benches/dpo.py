"""DPO timed beside TRL: the same model, rows, batch and threads, in turn, on one machine in one run.

Usage: python benches/dpo.py PATH/TO/w2s [--shape small|smollm2|ladder] [--lora] [--online] [--rounds 5] [--steps 20] [--batch 8]. Needs trl,
transformers, torch and tokenizers (peft for `--lora`). Models have random weights: `small` is a Llama of 4 blocks of 256 features and 2 000
words, `smollm2` has SmolLM2-135M's shape, `ladder` that of the generated world's widest rung (a GPT-2 of 2 blocks of 64 features, 2 640 words).
Rows are 256 pairs (64 at SmolLM2's shape) of drawn words, prompts of 16 to 48 and continuations of 8 to 40 tokens (ladder: 8 to 16 and 8 to 16). On both sides the
reference's log-probabilities are computed before the timed steps, the optimiser is AdamW, nothing is evaluated or saved. TRL runs as `DPOTrainer` with
`precompute_ref_log_probs`, float32; its `padding_free` needs FlashAttention, which no CPU has, so that its batches are padded. This program packs rows.

`--online`: a step samples two continuations of 16 tokens behind each prompt of a batch, labels them by their length and trains on them: TRL's
`OnlineDPOTrainer` beside `prefer_lm::online`, a round for each step.

TRL's seconds a step are the median time from the end of a step to the end of the next, over `steps` of them. This program's are the difference of two
trainings of `--factor` · `steps` steps and of twice as many, divided by their difference: what starting takes cancels. Rounds alternate; printed is the ratio of the medians, TRL's time by
this program's, its range over rounds, the same of processor time, and the ratio of peak memories of both processes. Read ratios, and only where the machine is otherwise idle: the script says so where it is not.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

THREADS = 2
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
NEW = 16

STEPS = """
let model = model::load("model", #{ max_tokens: MAX });
let pairs = data::load("pairs.jsonl", #{ test_share: 0.0, seed: 0 });
let truth = pairs.truth("bench");
let options = #{ steps: STEPS, batch: BATCH, lr: 1e-5, clip: 1.0, seed: 0 };
if LORA { options.lora = #{ rank: 8, alpha: 8 }; }
let tuned = model.finetune_preferences(pairs, truth, options);
print(tuned.curves.column("loss")[-1]);
"""

ONLINE = """
import "prefer_lm" as prefer_lm;
let model = model::load("model", #{ max_tokens: 80 });
let prompts = data::load("pairs.jsonl", #{ test_share: 0.0, seed: 0 });
let options = #{ rounds: STEPS, n_prompts: BATCH, steps: 1, max_new_tokens: NEW, end: " [EOS]", train: #{ lr: 1e-5, batch: BATCH, clip: 1.0 }, seed: 0 };
let run = prefer_lm::online(model, prompts, prefer_lm::by_reward(|prompt, text| text.len() * 1.0, #{ hard: true }), options);
print(run.curve.height);
"""


def shape(name):
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    if name == "ladder":
        config = GPT2Config(vocab_size=2640, n_positions=80, n_embd=64, n_layer=2, n_head=2, n_inner=256, activation_function="gelu_new",
                            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, pad_token_id=0, eos_token_id=1, bos_token_id=None)
        return GPT2LMHeadModel(config), 2640, (8, 16), (8, 16)
    big = name == "smollm2"
    vocab = 49152 if big else 2000
    size = dict(hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536) if big else dict(
        hidden_size=256, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4, intermediate_size=688)
    config = LlamaConfig(vocab_size=vocab, max_position_embeddings=128, tie_word_embeddings=True, pad_token_id=0, eos_token_id=1,
                         bos_token_id=None, **size)
    return LlamaForCausalLM(config), vocab, (16, 48), (8, 40)


def write(folder, name):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    torch.manual_seed(0)
    model, n_words, prompts, continuations = shape(name)
    vocabulary = {"[PAD]": 0, "[EOS]": 1, **{f"w{n}": n + 2 for n in range(n_words - 2)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]", unk_token="w0")
    model.save_pretrained(f"{folder}/model")
    fast.save_pretrained(f"{folder}/model")
    draw = random.Random(0)
    words = lambda n: " ".join(f"w{draw.randrange(n_words - 2)}" for _ in range(n))
    rows = [{"prompt": words(draw.randint(*prompts)), "chosen": " " + words(draw.randint(*continuations)),
             "rejected": " " + words(draw.randint(*continuations))} for _ in range(64 if name == "smollm2" else 256)]
    with open(f"{folder}/pairs.jsonl", "w") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def watched(command, folder):
    """Seconds by the clock and of processor time, standard output, and the most bytes that the process had resident.

    A process begins with its parent's resident bytes as its most, so that this one stays small: what needs PyTorch runs in others.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - begun
        out.seek(0), err.seek(0)
        if status:
            sys.exit(err.read()[-3000:])
        return (took, used.ru_utime + used.ru_stime), out.read(), 1024 * used.ru_maxrss


def ours(asked, folder, steps):
    steps *= asked.factor
    (once, _), (twice, peak) = trained(asked, folder, steps), trained(asked, folder, 2 * steps)
    return [(twice[at] - once[at]) / steps for at in range(2)], peak


def trained(asked, folder, steps):
    text = ONLINE if asked.online else STEPS
    text = text.replace("STEPS", str(steps)).replace("BATCH", str(asked.batch)).replace("LORA", str(asked.lora).lower()).replace("NEW", str(NEW))
    text = text.replace("MAX", "80" if asked.shape == "ladder" else "128")
    with open(f"{folder}/step.rhai", "w") as out:
        out.write(text)
    command = [os.path.abspath(asked.binary), "script", "step.rhai", "--quiet", "--no-memo", "--threads", str(THREADS)]
    took, _, peak = watched(command, folder)
    return took, peak


def theirs(asked, folder, steps):
    command = [sys.executable, os.path.abspath(__file__), "trl", "--steps", str(steps), "--batch", str(asked.batch), "--folder", folder]
    command += ["--lora"] * asked.lora + ["--online"] * asked.online
    _, out, peak = watched(command, folder)
    return tuple(map(float, out.strip().split("\n")[-1].split())), peak


def trl_side(asked):
    """A training by TRL in a process of its own: prints the seconds of its steps, by the clock and of processor time."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    torch.set_num_threads(THREADS)
    folder = asked.folder

    class Clock(TrainerCallback):
        ends = []

        def on_step_end(self, args, state, control, **_):
            self.ends.append((time.perf_counter(), time.process_time()))

    clock = Clock()
    with open(f"{folder}/pairs.jsonl") as read:
        rows = [json.loads(line) for line in read]
    # One step more than there are times between their ends.
    common = dict(output_dir=f"{folder}/out", per_device_train_batch_size=asked.batch, max_steps=asked.steps + 1, learning_rate=1e-5, beta=0.1,
                  use_cpu=True, bf16=False, report_to=[], save_strategy="no", logging_strategy="no", gradient_checkpointing=False,
                  disable_tqdm=True)
    load = dict(processing_class=AutoTokenizer.from_pretrained(f"{folder}/model"), callbacks=[clock])
    if asked.lora:
        from peft import LoraConfig
        load["peft_config"] = LoraConfig(r=8, lora_alpha=8, target_modules="all-linear")
    model = AutoModelForCausalLM.from_pretrained(f"{folder}/model", dtype=torch.float32)
    if asked.online:
        from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer
        config = OnlineDPOConfig(max_new_tokens=NEW, max_length=64, temperature=1.0, top_k=0, **common)
        trainer = OnlineDPOTrainer(model=model, args=config, reward_funcs=lambda prompts, completions, **_: [float(len(text)) for text in completions],
                                   train_dataset=Dataset.from_list([{"prompt": row["prompt"]} for row in rows]), **load)
    else:
        from trl import DPOConfig, DPOTrainer
        config = DPOConfig(precompute_ref_log_probs=True, max_length=128, **common)
        trainer = DPOTrainer(model=model, args=config, train_dataset=Dataset.from_list(rows), **load)
    trainer.train()
    between = [[after[at] - before[at] for before, after in zip(clock.ends, clock.ends[1:])] for at in range(2)]
    print(*map(statistics.median, between))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--shape", choices=["small", "smollm2", "ladder"], default="small")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--factor", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--online", action="store_true")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.folder:
        return write(asked.folder, asked.shape) if asked.binary == "write" else trl_side(asked)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is not idle (load {load:.1f}): the ratios below mean little")
    with tempfile.TemporaryDirectory() as folder:
        watched([sys.executable, os.path.abspath(__file__), "write", "--shape", asked.shape, "--folder", folder], folder)
        n, both, peaks = asked.steps, [], {"w2s": 0, "trl": 0}
        for round_ in range(asked.rounds):
            sides = {"w2s": ours, "trl": theirs}
            took, processor = {}, {}
            for name in sorted(sides, reverse=round_ % 2 == 1):
                (took[name], processor[name]), peak = sides[name](asked, folder, n)
                peaks[name] = max(peaks[name], peak)
            both.append((took, processor))
            print(f"round {round_}: w2s {1e3 * took['w2s']:.1f} ms, trl {1e3 * took['trl']:.1f} ms a step of {asked.batch} pairs; "
                  f"of processor time {1e3 * processor['w2s']:.1f} and {1e3 * processor['trl']:.1f}", flush=True)
    median = {name: statistics.median(took[name] for took, _ in both) for name in ["w2s", "trl"]}
    work = {name: statistics.median(processor[name] for _, processor in both) for name in ["w2s", "trl"]}
    ratios = sorted(took["trl"] / took["w2s"] for took, _ in both)
    print(f"{asked.shape}, batch {asked.batch}{', LoRA' * asked.lora}{', online' * asked.online}: {median['trl'] / median['w2s']:.2f} times as fast as TRL "
          f"(rounds {ratios[0]:.2f} to {ratios[-1]:.2f}; {work['trl'] / work['w2s']:.2f} times by processor time), {peaks['w2s'] / 1e6:.0f} MB beside {peaks['trl'] / 1e6:.0f}: {peaks['w2s'] / peaks['trl']:.2f} of the memory")


if __name__ == "__main__":
    main()
