"""Acceptance: losses and the final adapter are the same to the last bit however a run is cut.

    PYTHON tools/parity/determinism.py [--qlora PATH] [--shared PATH] [--work DIR] [--isa NAME]

Ten steps of 16 rows of 2 to 128 tokens on the shared story model (NF4 with double quantization), for both compute types
where the machine has both, with and without dropout. Against one thread, 1x16 rows, recomputation off: 2 and 3 threads,
4x4 and 16x1 rows, recomputation on, packing off, and everything at once. Compared: loss and gradient norm of every
step as printed, and the bytes of adapter_model.safetensors. Needs Python's `tokenizers`, nothing else.
"""

import hashlib
import random

import common

STEPS, ROWS_PER_STEP, LONGEST = 10, 16, 128
REFERENCE = {"threads": 1, "batch": 1, "recompute": "none", "packing": True}
CHANGES = (
    {"threads": 2},
    {"threads": 3},
    {"batch": 4},
    {"batch": 16},
    {"recompute": "all"},
    {"packing": False},
    {"threads": 2, "batch": 4, "recompute": "all"},
    {"threads": 3, "batch": 16, "recompute": "all", "packing": False},
)


def run(arguments, work, base, data, compute, dropout, change):
    how = REFERENCE | change
    output = common.fresh(work / "run")
    common.qlora(
        arguments, "train", "--model", base, "--data", data, "-o", output, "--threads", how["threads"],
        "--batch-size", how["batch"], "--gradient-accumulation", ROWS_PER_STEP // how["batch"],
        "--recompute", how["recompute"], "--packing" if how["packing"] else "--no-packing", "--compute", compute,
        "--dropout", dropout, "--rank", 8, "--alpha", 16, "--targets", "all-linear", "--learning-rate", "1e-3",
        "--schedule", "constant", "--warmup-steps", "0", "--max-length", LONGEST, "--max-steps", STEPS, "--seed", 9,
        "--data-order", "shuffled", "--eval-split", "0", "--quiet",
        environment={"QLORA_ISA": arguments.isa} if arguments.isa else None)
    steps = [(line["step"], line["loss"], line["grad_norm"]) for line in common.metrics(output, "step")]
    return steps, hashlib.sha256((output / "adapter_model.safetensors").read_bytes()).hexdigest()


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--isa", help="force an instruction set (QLORA_ISA)")
    parser.add_argument("--compute", nargs="+", default=["float32", "auto"], help="compute types to run")
    arguments = parser.parse_args()
    if arguments.oracle_only:
        parser.error("this script has no oracle")
    report = common.Report()
    numbers = random.Random(13)
    ids = common.shakespeare_ids(arguments, 120_000)
    rows = []
    for _ in range(STEPS * ROWS_PER_STEP):
        start, length = numbers.randrange(len(ids) - LONGEST), numbers.randint(2, LONGEST)
        rows.append(ids[start:start + length])
    with common.work_directory(arguments) as work:
        data = work / "rows.jsonl"
        common.write_rows(data, rows)
        base = common.quantized(arguments, common.story_model(arguments), work / "base", "nf4+dq")
        adapters = {}
        for compute in arguments.compute:
            for dropout in (0, 0.1):
                name = f"{compute}, dropout {dropout}"
                steps, adapter = run(arguments, work, base, data, compute, dropout, {})
                adapters[compute, dropout] = adapter
                report.that(f"{name}: reference", len(steps) == STEPS, f"loss {steps[0][1]:.6f} … {steps[-1][1]:.6f}")
                for change in CHANGES:
                    found, found_adapter = run(arguments, work, base, data, compute, dropout, change)
                    first = next((a[0] for a, b in zip(steps, found) if a != b), None)
                    same = found == steps and found_adapter == adapter
                    what = ", ".join(f"{key} {value}" for key, value in change.items())
                    detail = "adapter differs" if first is None else f"step {first} differs"
                    report.that(f"{name}: {what}", same, "" if same else detail)
            report.that(f"{compute}: dropout does something", adapters[compute, 0] != adapters[compute, 0.1])
    report.finish()


if __name__ == "__main__":
    main()
