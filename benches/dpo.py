"""A step of DPO timed beside TRL: the same model, rows, batch and threads, in turn, on one machine in one run.

Usage: python benches/dpo.py PATH/TO/w2s [--rounds 5] [--steps 20] [--batch 8] [--lora]. Needs trl, transformers, torch and tokenizers
(peft for `--lora`). The model is a Llama with random weights (4 blocks of 256 features, a vocabulary of 2 000 words); rows are 256
pairs of drawn words, prompts of 16 to 48 and continuations of 8 to 40 tokens. On both sides the reference's log-probabilities are computed
before the timed steps, the optimiser is AdamW, nothing is evaluated or saved. TRL runs as `DPOTrainer` with
`precompute_ref_log_probs`, float32, and its batches padded, as its CPU path has no padding-free one; this program packs rows.

A side's seconds a step are the difference of two trainings of `steps` and of 2 · `steps` steps, divided by `steps`: what starting takes cancels. Rounds
alternate; printed is the ratio of the medians and its range over rounds. Read ratios, and only where the machine is otherwise idle:
the script says so where it is not.
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

SCRIPT = """
let model = model::load("model", #{ max_tokens: 128 });
let pairs = data::load("pairs.jsonl", #{ test_share: 0.0, seed: 0 });
let truth = pairs.truth("bench");
let options = #{ steps: STEPS, batch: BATCH, lr: 1e-5, clip: 1.0, seed: 0 };
if LORA { options.lora = #{ rank: 8, alpha: 8 }; }
let tuned = model.finetune_preferences(pairs, truth, options);
print(tuned.curves.column("loss")[-1]);
"""


def write(folder):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {"[PAD]": 0, "[EOS]": 1, **{f"w{n}": n + 2 for n in range(1998)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]", unk_token="w0")
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=2000, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4,
                         intermediate_size=688, max_position_embeddings=128, tie_word_embeddings=True, pad_token_id=0,
                         eos_token_id=1, bos_token_id=None)
    LlamaForCausalLM(config).save_pretrained(f"{folder}/model")
    fast.save_pretrained(f"{folder}/model")
    draw = random.Random(0)
    words = lambda n: " ".join(f"w{draw.randrange(1998)}" for _ in range(n))
    rows = [{"prompt": words(draw.randint(16, 48)), "chosen": " " + words(draw.randint(8, 40)),
             "rejected": " " + words(draw.randint(8, 40))} for _ in range(256)]
    with open(f"{folder}/pairs.jsonl", "w") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    return rows


def ours(binary, folder, steps, batch, lora):
    text = SCRIPT.replace("STEPS", str(steps)).replace("BATCH", str(batch)).replace("LORA", str(lora).lower())
    with open(f"{folder}/step.rhai", "w") as out:
        out.write(text)
    begun = time.perf_counter()
    done = subprocess.run([binary, "script", "step.rhai", "--quiet", "--no-memo", "--threads", str(THREADS)], cwd=folder,
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - begun


def theirs(folder, rows, steps, batch, lora):
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer

    torch.set_num_threads(THREADS)

    class Clock(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if state.global_step == 0:
                self.begun = time.perf_counter()

        def on_train_end(self, args, state, control, **_):
            self.took = time.perf_counter() - self.begun

    clock = Clock()
    config = DPOConfig(output_dir=f"{folder}/out", per_device_train_batch_size=batch, max_steps=steps, learning_rate=1e-5, beta=0.1,
                       precompute_ref_log_probs=True, use_cpu=True, bf16=False, report_to=[], save_strategy="no", logging_strategy="no",
                       gradient_checkpointing=False, max_length=128, disable_tqdm=True)
    peft = {}
    if lora:
        from peft import LoraConfig
        peft = {"peft_config": LoraConfig(r=8, lora_alpha=8, target_modules="all-linear")}
    trainer = DPOTrainer(model=AutoModelForCausalLM.from_pretrained(f"{folder}/model"), args=config,
                         train_dataset=Dataset.from_list(rows), processing_class=AutoTokenizer.from_pretrained(f"{folder}/model"),
                         callbacks=[clock], **peft)
    trainer.train()
    return clock.took


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lora", action="store_true")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is not idle (load {load:.1f}): the ratios below mean little")
    with tempfile.TemporaryDirectory() as folder:
        rows = write(folder)
        binary, n, both = os.path.abspath(asked.binary), asked.steps, []
        for round_ in range(asked.rounds):
            sides = {
                "w2s": lambda steps: ours(binary, folder, steps, asked.batch, asked.lora),
                "trl": lambda steps: theirs(folder, rows, steps, asked.batch, asked.lora),
            }
            took = {}
            for name in sorted(sides, reverse=round_ % 2 == 1):
                took[name] = (sides[name](2 * n) - sides[name](n)) / n
            both.append(took)
            print(f"round {round_}: w2s {1e3 * took['w2s']:.1f} ms, trl {1e3 * took['trl']:.1f} ms a step of {asked.batch} pairs", flush=True)
    median = {name: statistics.median(took[name] for took in both) for name in ["w2s", "trl"]}
    ratios = sorted(took["w2s"] / took["trl"] for took in both)
    print(f"ratio of medians {median['w2s'] / median['trl']:.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
