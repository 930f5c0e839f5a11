"""Acceptance: `qlora tokenize` gives the ids of the `tokenizers` library, in linear time.

    PYTHON tools/parity/tokenization.py [--qlora PATH] [--shared PATH]

Every line of the shared expected.jsonl (gpt2, llama-2, phi-3, qwen2): ids with and without special tokens, and the decoded
text. One megabyte of `a`, of spaces, of Chinese and of emoji each in under a second and two in less than 2.5 times as much,
start of the program included, with these and with fixtures of every kind of model. Needs no Python package. (The file is
not called tokenizers.py because a script's folder comes first where Python looks for the library of that name.)
"""

import json
import time

import common

LIMIT_SECONDS = 1.0
LIMIT_GROWTH = 2.5
MEGABYTE = 1_000_000
CHARACTERS = {"a": "a", "spaces": " ", "Chinese": "的", "emoji": "😀"}
FIXTURES = common.ROOT / "Tests/TokenizersTests/Fixtures"
# One fixture for each kind of model, and for what may be slow around it.
KINDS = ("added-tokens", "albert", "bert", "bpe-prefix", "byte-normalizer", "deepseek-coder-v2", "falcon", "openai-gpt",
         "t5", "unigram-bytes", "unigram-scripts", "word-level")  # fmt: skip
MODELS = ("bpe-bytes", "bpe-spaces", "unigram", "unigram-bytes")


def seconds(arguments, directory, text):
    """The least of three: other work on the machine does not count."""
    stdin, times = json.dumps(text, ensure_ascii=False) + "\n", []
    for _ in range(3):
        start = time.monotonic()
        common.qlora(arguments, "tokenize", "--model", directory, stdin=stdin)
        times.append(time.monotonic() - start)
    return min(times)


def is_fast(arguments, report, name, directory):
    for what, character in CHARACTERS.items():
        text = character * (MEGABYTE // len(character.encode()))
        # A neighbour's burst may last longer than three runs, quadratic time lasts for ever.
        for _ in range(3):
            once, twice = seconds(arguments, directory, text), seconds(arguments, directory, text + text)
            if twice < LIMIT_GROWTH * once:
                break
        report.that(
            f"{name}: a megabyte of {what}", once < LIMIT_SECONDS and twice < LIMIT_GROWTH * once,
            f"{once:.2f} s, twice as much in {twice / once:.2f} times")


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
            found = [json.loads(line) for line in output.split("\n") if line]
            wrong = [number for number, line in enumerate(lines, 1)
                     if number > len(found) or found[number - 1] != line[key]]
            report.that(
                f"{directory.name}: {key} of {len(lines)} lines", not wrong and len(found) == len(lines),
                f"wrong in lines {wrong[:10]}" if wrong else f"{sum(len(line[key]) for line in lines)} ids")
        bare = "".join(json.dumps(line["ids_no_special"]) + "\n" for line in lines)
        output = common.qlora(arguments, "tokenize", "--model", directory, "--decode", "--no-special-tokens", stdin=bare)
        found = [json.loads(line) for line in output.split("\n") if line]
        wrong = [number for number, line in enumerate(lines, 1) if found[number - 1 : number] != [line["decoded"]]]
        report.that(f"{directory.name}: decoded text of {len(lines)} lines", not wrong, f"wrong in lines {wrong[:10]}" if wrong else "")
        is_fast(arguments, report, directory.name, directory)
    with common.work_directory(arguments) as work:
        files = {name: ("tokenizer.json", FIXTURES / f"{name}.json") for name in KINDS}
        files |= {f"spm-{name}": ("tokenizer.model", FIXTURES / f"spm-{name}.model") for name in MODELS}
        for name, (target, source) in files.items():
            directory = common.fresh(work / name)
            directory.mkdir(parents=True)
            (directory / target).write_bytes(source.read_bytes())
            is_fast(arguments, report, name, directory)
    report.finish()


if __name__ == "__main__":
    main()
