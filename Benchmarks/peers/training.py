"""Training steps of PEFT + bitsandbytes and of qlora, same model, same settings, one after the other.

    training.py MODEL QUANTIZED [--tokens 512] [--steps 4] [--recompute none|all] [--peer-recompute none|all] [--float32]
                [--only qlora|peer] [--json FILE] [--qlora .build/release/qlora]

MODEL is a bfloat16 checkpoint, QUANTIZED what `qlora quantize` made of it (Benchmarks checkpoint makes both from
nothing). NF4 with double quantization, rank 16 on every linear, AdamW, one row of random tokens a step. The peer needs
torch, transformers, peft and bitsandbytes. Printed: tokens/s of the median step after the first, and peak resident memory.

On AVX2, both: QLORA_ISA=avx2 ATEN_CPU_CAPABILITY=avx2 DNNL_MAX_CPU_ISA=AVX2 training.py … --float32
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def peer(arguments):
    """Runs the peer in this process and prints its figures as JSON."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    compute = torch.float32 if arguments.float32 else torch.bfloat16
    quantization = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute)
    model = AutoModelForCausalLM.from_pretrained(
        arguments.model, dtype=compute, device_map="cpu", quantization_config=quantization)
    if arguments.peer_recompute == "all":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model = get_peft_model(
        model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
    # Loading may have taken more memory than training does: the high-water mark starts here.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    times = []
    for row in rows(arguments, model.config.vocab_size):
        ids = torch.tensor([row])
        start = time.monotonic()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.monotonic() - start)
    with open("/proc/self/status") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    print(json.dumps({"tokens_per_second": arguments.tokens / statistics.median(times[1:]), "peak_mib": peak >> 10}))


def machine():
    with open("/proc/cpuinfo") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else "unknown"


def rows(arguments, vocabulary):
    numbers = random.Random(1)
    return [[numbers.randrange(vocabulary) for _ in range(arguments.tokens)] for _ in range(arguments.steps)]


def qlora(arguments, folder):
    """Runs `qlora train` and returns its figures."""
    with open(os.path.join(arguments.quantized, "config.json")) as file:
        vocabulary = json.load(file)["vocab_size"]
    data = os.path.join(folder, "rows.jsonl")
    with open(data, "w") as file:
        for row in rows(arguments, vocabulary):
            file.write(json.dumps({"input_ids": row, "labels": row}) + "\n")
    output = os.path.join(folder, "run")
    subprocess.run(
        [arguments.qlora, "train", "--model", arguments.quantized, "--data", data, "-o", output, "--quiet",
         "--batch-size", "1", "--gradient-accumulation", "1", "--eval-split", "0", "--max-length", str(arguments.tokens),
         "--rank", "16", "--alpha", "32", "--recompute", arguments.recompute,
         "--compute", "float32" if arguments.float32 else "auto"], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with open(os.path.join(output, "metrics.jsonl")) as file:
        speeds = [json.loads(line)["tokens_per_second"] for line in file if '"step"' in line]
    return {"tokens_per_second": statistics.median(speeds[1:]), "peak_mib": peak >> 10}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("quantized")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--recompute", default="none", choices=["none", "all"], help="of qlora")
    parser.add_argument("--peer-recompute", default="none", choices=["none", "all"])
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--qlora", default=".build/release/qlora")
    parser.add_argument("--only", choices=["qlora", "peer"], help="run one of the two")
    parser.add_argument("--json", help="write the figures to this file too")
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_peer:
        return peer(arguments)
    compute = "float32" if arguments.float32 else "bfloat16"
    print(f"{os.path.basename(arguments.model)}, 1 x {arguments.tokens} tokens, {compute}")
    found = {}
    if arguments.only != "peer":
        with tempfile.TemporaryDirectory() as folder:
            found["qlora"] = qlora(arguments, folder) | {"recompute": arguments.recompute}
    if arguments.only != "qlora":
        process = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--as-peer"], check=True, stdout=subprocess.PIPE, text=True)
        found["PEFT + bitsandbytes"] = json.loads(process.stdout.strip().splitlines()[-1]) | {
            "recompute": arguments.peer_recompute}
    for name, figures in found.items():
        print(
            f"  {name:20} {figures['tokens_per_second']:8.1f} tokens/s {figures['peak_mib']:7} MiB, recompute "
            f"{figures['recompute']}")
    if len(found) == 2:
        ours, theirs = found.values()
        print(
            f"  ratio                {ours['tokens_per_second'] / theirs['tokens_per_second']:8.2f} "
            f"          {ours['peak_mib'] / theirs['peak_mib']:7.3f}")
    if arguments.json:
        settings = {
            "machine": machine(), "model": os.path.basename(arguments.model), "tokens": arguments.tokens,
            "compute": compute}
        with open(arguments.json, "w") as file:
            json.dump(settings | {"results": found}, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
