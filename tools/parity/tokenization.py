"""Acceptance: `qlora tokenize` gives the ids of the `tokenizers` library, in linear time.

    PYTHON tools/parity/tokenization.py [--qlora PATH] [--shared PATH]

Every line of the shared expected.jsonl (gpt2, llama-2, phi-3, qwen2), with and without special tokens; one megabyte of
`a` and of spaces each in under a second, start of the program included. Needs no Python package. (The file is not
called tokenizers.py because a script's folder comes first where Python looks for the library of that name.)
"""

import json
import time

import common

LIMIT_SECONDS = 1.0
MEGABYTE = 1_000_000


def main():
    parser = common.parser(__doc__)
    arguments = parser.parse_args()
    if arguments.oracle_only:
        parser.error("this script has no oracle")
    report = common.Report()
    for directory in sorted((arguments.shared / "data/tokenizers").iterdir()):
        lines = [json.loads(line) for line in (directory / "expected.jsonl").read_text().split("\n") if line]
        texts = "".join(json.dumps(line["text"]) + "\n" for line in lines)
        for key, options in (("ids", ()), ("ids_no_special", ("--no-special-tokens",))):
            output = common.qlora(arguments, "tokenize", "--model", directory, *options, stdin=texts)
            found = [json.loads(line) for line in output.splitlines()]
            wrong = [number for number, line in enumerate(lines, 1)
                     if number > len(found) or found[number - 1] != line[key]]
            report.that(
                f"{directory.name}: {key} of {len(lines)} lines", not wrong and len(found) == len(lines),
                f"wrong in lines {wrong[:10]}" if wrong else f"{sum(len(line[key]) for line in lines)} ids")
        for name, character in (("a", "a"), ("spaces", " ")):
            stdin = json.dumps(character * MEGABYTE) + "\n"
            start = time.monotonic()
            output = common.qlora(arguments, "tokenize", "--model", directory, stdin=stdin)
            seconds = time.monotonic() - start
            report.that(
                f"{directory.name}: a megabyte of {name} in under {LIMIT_SECONDS:g} s", seconds < LIMIT_SECONDS,
                f"{seconds:.2f} s, {len(json.loads(output))} ids")
    report.finish()


if __name__ == "__main__":
    main()
