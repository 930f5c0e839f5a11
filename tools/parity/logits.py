"""Acceptance: quantized directories load in transformers + bitsandbytes, and their logits equal ours.

    PYTHON tools/parity/logits.py [--qlora PATH] [--shared PATH] [--work DIR]

Sources: the golden models of Llama and Qwen2 (float32, bfloat16 and float16, odd widths, biases, every rotary variant;
architectures.py has the other families) and the shared story model in all three dtypes. Each is quantized by `qlora quantize` to NF4, NF4 with
double quantization and FP4, and loaded by transformers. The oracle is plain float32 torch over the weights dequantized
without rounding to the source's dtype; ours are the logits of `qlora evaluate --compute float32 --logits`.
Directories that transformers wrote itself are read too. Allowed: 1e-4 of the largest logit.
"""

import json
import random

import common

TOLERANCE = 1e-4


def sources(arguments, work):
    """(name, directory, rows of ids)"""
    fixtures = common.ROOT / "Tests/DecoderModelsTests/Fixtures"
    for directory in sorted(path for family in ("llama-v*", "qwen2-v*") for path in fixtures.glob(family)):
        expected = json.loads((directory / "expected.json").read_text())
        yield directory.name, directory, [row["ids"] for row in expected["rows"]]
    numbers = random.Random(7)
    rows = [[numbers.randrange(2048) for _ in range(length)] for length in (2, 37, 200)]
    story = common.story_model(arguments)
    for dtype in ("float32", "bfloat16", "float16"):
        yield f"tinystories {dtype}", common.with_dtype(story, work / f"stories-{dtype}", dtype), rows


def compare(arguments, report, name, directory, rows, work, linear_count):
    model, replaced = common.unrounded(directory)
    expected = common.row_logits(model, rows)
    report.that(f"{name}: transformers loads it", replaced == linear_count, f"{replaced} linears in 4 bits")
    if arguments.oracle_only:
        return
    _, _, tensors = common.evaluate(arguments, directory, rows, work, logits=True)
    report.at_most(
        f"{name}: logits", common.difference([tensors[f"row.{i}"] for i in range(len(rows))], expected), TOLERANCE)


def main():
    arguments = common.parser(__doc__).parse_args()
    common.quiet()
    report = common.Report()
    with common.work_directory(arguments) as work:
        for source_name, source, rows in sources(arguments, work):
            layers = json.loads((source / "config.json").read_text())["num_hidden_layers"]
            for format in common.FORMATS:
                for by in ("qlora", "transformers"):
                    if by == ("qlora" if arguments.oracle_only else "transformers" if format == "fp4" else ""):
                        continue
                    directory = common.quantized(arguments, source, work / "quantized", format, by)
                    compare(
                        arguments, report, f"{source_name}, {format} by {by}", directory, rows, work / "evaluated",
                        len(common.LINEARS) * layers)
    report.finish()


if __name__ == "__main__":
    main()
