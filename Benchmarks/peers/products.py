"""Linear layers of torch and bitsandbytes on the shapes of `Benchmarks products --json=FILE`, beside its figures.

    products.py FILE [--rows 512] [--threads 2]

Printed for each shape: GFLOP/s of torch's linear in the compute type, of bitsandbytes' 4-bit linear (NF4, double
quantization), ours, and ours as a multiple of the faster one. Medians of at least 20 runs.
"""

import argparse
import json
import statistics
import time

import bitsandbytes as bnb
import torch


def seconds(body):
    body()
    times = []
    while len(times) < 20 or sum(times) < 0.3:
        start = time.monotonic()
        body()
        times.append(time.monotonic() - start)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with open(arguments.file) as file:
        results = json.load(file)["results"]
    print(f"{'shape':34} {'torch':>7} {'4-bit':>7} {'ours':>7} {'ratio':>6}")
    for result in results:
        if result["rows"] != arguments.rows or "forward_gflops" not in result:
            continue
        compute = torch.bfloat16 if result["compute"] == "bfloat16" else torch.float32
        outputs, inputs = result["outputs"], result["inputs"]
        x = torch.randn(arguments.rows, inputs, dtype=compute)
        weight = torch.randn(outputs, inputs, dtype=compute) * 0.02
        codes, state = bnb.functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
        with torch.no_grad():
            dense = seconds(lambda: torch.nn.functional.linear(x, weight))
            quantized = seconds(lambda: bnb.matmul_4bit(x, codes.t(), quant_state=state))
        operations = 2e-9 * arguments.rows * outputs * inputs
        theirs = [operations / dense, operations / quantized]
        ours = result["forward_gflops"]
        name = f"{result['model']} {result['layer']} {outputs}x{inputs} {result['compute']}"
        print(f"{name:34} {theirs[0]:7.0f} {theirs[1]:7.0f} {ours:7.0f} {ours / max(theirs):6.2f}")


if __name__ == "__main__":
    main()
