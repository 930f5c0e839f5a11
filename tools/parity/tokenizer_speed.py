"""Acceptance: encoding English text on one thread is at least as fast as the `tokenizers` library, in the same run.

    PYTHON tools/parity/tokenizer_speed.py [--shared PATH] [--benchmarks PATH] [--text FILE]

The four shared tokenizers over an English text, line by line and as a whole, without special tokens: the median of several
runs each, library and program in turn; the numbers of ids must be equal too. Needs tokenizers 0.23.3, and a release build
of the product Benchmarks.
"""

import os
import pathlib
import statistics
import subprocess
import time

import common

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
RUNS = 5


def median_speed(megabytes, body):
    body()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        count = body()
        times.append(time.perf_counter() - start)
    return megabytes / statistics.median(times), count


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--benchmarks", type=pathlib.Path, default=common.ROOT / ".build/release/Benchmarks")
    parser.add_argument("--text", type=pathlib.Path, help="an English text (tinyshakespeare of --shared)")
    arguments = parser.parse_args()
    if arguments.oracle_only:
        parser.error("this script has no oracle")
    import tokenizers

    path = arguments.text or arguments.shared / "data/datasets/tinyshakespeare/input.txt"
    text = path.read_text(encoding="utf-8")
    lines, megabytes = text.split("\n"), len(text.encode()) / 1e6
    report = common.Report()
    for directory in sorted((arguments.shared / "data/tokenizers").iterdir()):
        library = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))

        def encode(part):
            return len(library.encode(part, add_special_tokens=False).ids)

        theirs = median_speed(megabytes, lambda: sum(map(encode, lines))), median_speed(megabytes, lambda: encode(text))
        output = subprocess.run(
            [arguments.benchmarks, "tokenizer", f"--text={path}", directory], capture_output=True, text=True, check=True)
        fields = output.stdout.strip().split("\t")
        ours = (float(fields[1]), int(fields[3])), (float(fields[2]), int(fields[4]))
        for what, (speed, count), (their_speed, their_count) in zip(("by lines", "as a whole"), ours, theirs):
            report.that(
                f"{directory.name} {what}: at least the library's speed", speed >= their_speed and count == their_count,
                f"{speed:.1f} MB/s, library {their_speed:.1f}: {speed / their_speed:.1f} times; {count} ids")
    report.finish()


if __name__ == "__main__":
    main()
