"""Acceptance: 50 training steps equal those of PEFT, and adapters go both ways.

    PYTHON tools/parity/training.py [--qlora PATH] [--shared PATH] [--work DIR]

The shared story model from float32 and from bfloat16 weights, quantized to NF4 with double quantization. Rank 16,
all-linear, four rows of 12 to 128 tokens per step with part of their labels masked, AdamW at 2e-4 with decay 0.01,
gradients clipped to norm 1, rows in file order, the same initial adapter, which PEFT wrote. The oracle is PEFT over
plain float32 torch with the weights dequantized without rounding; its loss is the mean over the step's supervised tokens.

The shared weights are bfloat16 numbers whatever their type: both bases hold the same codes, but bitsandbytes would round
what it dequantizes to the second one's dtype, which neither side may.

Allowed: every step's loss 1e-4 relative; every adapter tensor 1e-3 in relative Frobenius norm after the last step; the
logits of our adapter loaded by PEFT, and of PEFT's adapter loaded by us, 1e-4 of the largest.
"""

import random

import common

STEPS, ROWS_PER_STEP, LONGEST = 50, 4, 128
LOSS_TOLERANCE, TENSOR_TOLERANCE, LOGIT_TOLERANCE = 1e-4, 1e-3, 1e-4


def training_rows(arguments):
    """Rows of Shakespeare with lengths and masked prefixes from a seed."""
    numbers = random.Random(11)
    ids = common.shakespeare_ids(arguments, 120_000)
    rows, start = [], 0
    for _ in range(STEPS * ROWS_PER_STEP):
        length = numbers.choice((LONGEST, numbers.randint(12, LONGEST)))
        row = ids[start:start + length]
        masked = numbers.choice((0, 0, numbers.randint(1, len(row) // 2)))
        rows.append((row, [-100] * masked + row[masked:]))
        start += length
    assert start < len(ids)
    return rows


def main():
    import safetensors.torch

    arguments = common.parser(__doc__).parse_args()
    common.quiet()
    report = common.Report()
    rows = training_rows(arguments)
    steps = [rows[i:i + ROWS_PER_STEP] for i in range(0, len(rows), ROWS_PER_STEP)]
    probes = [rows[i][0] for i in (0, 77, 150)]
    story = common.story_model(arguments)
    with common.work_directory(arguments) as work:
        for dtype in ("float32", "bfloat16"):
            source = common.with_dtype(story, work / f"stories-{dtype}", dtype)
            base = common.quantized(arguments, source, work / f"base-{dtype}", "nf4+dq")
            initial, reference = work / f"initial-{dtype}", work / f"peft-{dtype}"
            ours = common.fresh(work / f"ours-{dtype}")

            oracle, _ = common.unrounded(base)
            adapted = common.lora(oracle, story.name, directory=initial, seed=3)
            with common.timed(report, f"{dtype}: PEFT, {STEPS} steps"):
                expected = common.train(adapted, steps, learning_rate=2e-4, weight_decay=0.01, clip=1.0)
            adapted.save_pretrained(common.fresh(reference))
            report.note(f"      {dtype}: PEFT's losses {expected[0]:.6f} … {expected[-1]:.6f}")
            expected_logits = common.row_logits(adapted, probes)
            if arguments.oracle_only:
                report.that(f"{dtype}: the oracle learns", sum(expected[-10:]) < sum(expected[:10]))
                continue

            data = work / "rows.jsonl"
            common.write_rows(data, rows)
            with common.timed(report, f"{dtype}: qlora, {STEPS} steps"):
                common.qlora(
                    arguments, "train", "--model", base, "--data", data, "-o", ours, "--init-adapter", initial,
                    "--compute", "float32", "--data-order", "sequential", "--eval-split", "0", "--max-steps", STEPS,
                    "--batch-size", ROWS_PER_STEP, "--gradient-accumulation", "1", "--max-length", LONGEST,
                    "--optimizer", "adamw", "--learning-rate", "2e-4", "--schedule", "constant", "--warmup-steps", "0",
                    "--weight-decay", "0.01", "--max-grad-norm", "1.0", "--quiet")
            lines = common.metrics(ours, "step")
            report.that(f"{dtype}: one line per step", [line["step"] for line in lines] == list(range(1, STEPS + 1)))
            supervised = [sum(label != -100 for _, labels in step for label in labels[1:]) for step in steps]
            report.that(
                f"{dtype}: supervised tokens of every step", [line["supervised_tokens"] for line in lines] == supervised)
            worst = max(
                abs(line["loss"] - loss) / loss for line, loss in zip(lines, expected, strict=True))
            report.at_most(f"{dtype}: loss of every step, relative", worst, LOSS_TOLERANCE)

            theirs = safetensors.torch.load_file(reference / "adapter_model.safetensors")
            found = safetensors.torch.load_file(ours / "adapter_model.safetensors")
            start = safetensors.torch.load_file(initial / "adapter_model.safetensors")
            report.that(f"{dtype}: tensors of the adapter", found.keys() == theirs.keys(), str(len(found)))
            relative = {
                name: ((found[name] - theirs[name]).norm() / theirs[name].norm()).item() for name in theirs}
            name = max(relative, key=relative.get)
            report.at_most(f"{dtype}: adapter, worst in {name.removeprefix('base_model.model.model.')}",
                           relative[name], TENSOR_TOLERANCE)
            moved = min((found[name] - start[name]).norm().item() for name in theirs)
            report.that(f"{dtype}: every tensor has moved", moved > 0, f"least {moved:.1e}")

            by_peft = common.row_logits(common.load_adapter(common.unrounded(base)[0], ours), probes)
            _, _, tensors = common.evaluate(arguments, base, probes, work / "evaluated", adapter=ours, logits=True)
            report.at_most(
                f"{dtype}: our adapter in PEFT, logits",
                common.difference([tensors[f"row.{i}"] for i in range(len(probes))], by_peft), LOGIT_TOLERANCE)
            _, _, tensors = common.evaluate(
                arguments, base, probes, work / "evaluated", adapter=reference, logits=True)
            report.at_most(
                f"{dtype}: PEFT's adapter in qlora, logits",
                common.difference([tensors[f"row.{i}"] for i in range(len(probes))], expected_logits), LOGIT_TOLERANCE)
    report.finish()


if __name__ == "__main__":
    main()
