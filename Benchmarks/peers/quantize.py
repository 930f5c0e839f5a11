"""Quantizing a checkpoint beside copying it: `qlora quantize` against `cp` and `sync`, caches dropped where that is
allowed; and bitsandbytes' quantizer in memory.

    quantize.py MODEL [--qlora .build/release/qlora]
"""

import argparse
import os
import resource
import shutil
import subprocess
import tempfile
import time


def drop_caches():
    subprocess.run(["sync"], check=True)
    try:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3\n")
    except OSError:
        print("  caches cannot be dropped: the files are read from memory")


def timed(command):
    start = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--qlora", default=".build/release/qlora")
    parser.add_argument("--peer", action="store_true", help="also time bitsandbytes in memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(arguments.model))) as folder:
        drop_caches()
        copying = timed(["sh", "-c", f'cp -r "{arguments.model}" "{folder}/copy" && sync'])
        shutil.rmtree(f"{folder}/copy")
        drop_caches()
        quantizing = timed([arguments.qlora, "quantize", arguments.model, "-o", f"{folder}/quantized", "--quiet"])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    print(f"cp and sync {copying:.2f} s, qlora quantize {quantizing:.2f} s: {quantizing / copying:.2f} times, {peak} MiB")
    if arguments.peer:
        import bitsandbytes as bnb
        import torch

        weight = torch.randn(4096, 4096, dtype=torch.bfloat16)
        start = time.monotonic()
        bnb.functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
        print(f"bitsandbytes in memory: {weight.numel() / (time.monotonic() - start) * 1e-9:.3f} billion elements/s")


if __name__ == "__main__":
    main()
