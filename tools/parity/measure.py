"""Acceptance: the figures of `qlora measure` on a real model, format by format.

    PYTHON tools/parity/measure.py [--qlora PATH] [--shared PATH] [--work DIR] [--ranks 0,8,16]

Rows of tinyshakespeare as in learning.py; the last 40 are scored. Formats none, int8, nf4, nf4+dq, fp4, int4 in blocks of 64
and 256: loss and KL divergence against torch over weights that bitsandbytes (or, for our integers, numpy) quantized, within
1e-4, top-1 agreement within 0.1 %. Bytes equal those of the files that the study keeps. The peak of resident memory that a
scoring process reports is within 2 % of the one the kernel counted for it (ru_maxrss of the process, run again alone).

With ranks, every format is trained too, 150 steps of 8 rows at 2e-3; the table is printed, and training must have helped.
"""

import json
import subprocess
import sys

import common

ROW, HELD_OUT = 128, 40
FORMATS, BLOCKS = ("none", "int8", "nf4", "nf4+dq", "fp4", "int4"), (64, 256)


# A process's count begins with that of the program it was forked from: a small one, here, not this one with torch in it.
LAUNCHER = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
document = json.load(process.stdout)
_, status, usage = os.wait4(process.pid, 0)
json.dump([document, status, usage.ru_maxrss * 1024], sys.stdout)
"""


def peak_of(command):
    """Runs a process that ends with its standard input; its document and the kernel's count of its peak in bytes."""
    done = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *command], capture_output=True, text=True, check=True)
    document, status, peak = json.loads(done.stdout)
    assert status == 0, command
    return document, peak


def check_figures(arguments, report, model, held_out, rows):
    expected = {}
    for format in FORMATS:
        for block in BLOCKS if format != "none" else (None,):
            other = common.with_restored(model, format, block)
            expected[format, block] = common.differences(other, model, held_out)
    for row in rows:
        if row["rank"] > 0:
            continue
        key = row["format"], row["block_size"]
        loss, divergence, agreement, _ = expected.pop(key)
        name = f"{key[0]} {key[1] or ''}".strip()
        report.at_most(f"{name}: loss {row['loss']['value']:.6f}", abs(row["loss"]["value"] - loss), 1e-4)
        if key[0] == "none":
            continue
        found = row["kl_divergence"]["value"]
        report.at_most(f"{name}: KL divergence {found:.6f}", abs(found - divergence), 1e-4)
        found = row["top1_agreement"]["value"]
        report.at_most(f"{name}: top-1 agreement {found:.4f}", abs(found - agreement), 1e-3)
    report.that("every format was measured", not expected, str(list(expected)))


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--ranks", default="0,8,16", help="ranks of the study")
    arguments = parser.parse_args()
    import torch
    import transformers

    common.quiet()
    report = common.Report()
    story = common.story_model(arguments)
    ids = common.shakespeare_ids(arguments, 60_000)
    rows = [ids[i:i + ROW] for i in range(0, len(ids) - ROW + 1, ROW)]
    learned, held_out = rows[:-HELD_OUT], rows[-HELD_OUT:]
    with common.work_directory(arguments) as work:
        common.write_rows(work / "learned.jsonl", learned)
        common.write_rows(work / "held-out.jsonl", held_out)
        study = common.fresh(work / "study")
        words = [
            "measure", "--model", story, "--data", work / "held-out.jsonl", "-o", study, "--formats",
            ",".join(FORMATS), "--block-sizes", ",".join(map(str, BLOCKS)), "--compute", "float32", "--keep-models",
            "--ranks", arguments.ranks]
        if any(rank != "0" for rank in arguments.ranks.split(",")):
            words += [
                "--train-data", work / "learned.jsonl", "--max-steps", 150, "--batch-size", 8, "--gradient-accumulation",
                1, "--learning-rate", 2e-3, "--schedule", "constant", "--warmup-steps", 0]
        with common.timed(report, "measure"):
            report.note(common.qlora(arguments, *words))
        rows = json.loads((study / "report.json").read_text())["rows"]
        model = transformers.AutoModelForCausalLM.from_pretrained(story, dtype=torch.float32)
        check_figures(arguments, report, model, held_out, rows)
        before = {}
        for row in rows:
            key = row["format"], row["block_size"]
            name = f"{key[0]} {key[1] or ''}".strip() + f", rank {row['rank']}"
            if row["rank"] > 0:
                fall = 1 - row["loss"]["value"] / before[key]
                report.that(f"{name}: training helped", fall > 0.2, f"{100 * fall:.1f} % less loss")
                continue
            before[key] = row["loss"]["value"]
            directory = story if key[0] == "none" else study / "models" / f"{key[0]}-{key[1]}"
            held = sum(file.stat().st_size for file in directory.glob("*.safetensors"))
            report.that(f"{name}: bytes are the files'", row["disk_bytes"] == held, f"{held}")
            document, peak = peak_of([
                str(arguments.qlora), "measure-task", "--json", "--model", str(directory), "--rows",
                str(work / "held-out.jsonl"), "--max-length", "1024", "--compute", "float32"])
            said = document["peak_rss_bytes"]
            report.at_most(f"{name}: peak of {peak >> 10} KiB", abs(said / peak - 1), 0.02)
            report.at_most(f"{name}: the study's peak", abs(row["peak_rss_bytes"] / peak - 1), 0.02)
    report.finish()


if __name__ == "__main__":
    main()
