#!/usr/bin/env python3
"""Stories from a grammar, in the plain voice or the captain's. Needs nothing but Python.

    generate.py plain --count 20 --seed 1        rows {"prompt","completion"} on standard output
    generate.py captain --count 20 --seed 1
    generate.py --demo DIRECTORY                 writes train.jsonl, held-out.jsonl and prompts.txt of the quickstart

The prompt is the title, which is the same in both voices; the completion is the rest. The same seed gives the same
rows.
"""

import argparse
import json
import pathlib
import random
import sys

import captain
import plain
from story import Story

VOICES = {"plain": plain, "captain": captain}
DEMO_FILES = ("train.jsonl", "held-out.jsonl", "prompts.txt")
DEMO_SEED, TRAINED_ROWS, HELD_OUT_ROWS, PROMPTS = 7, 200, 32, 5


def rows(voice, count, seed):
    """`count` rows of a voice; titles may occur twice."""
    numbers = random.Random(f"{voice}/{seed}")
    for _ in range(count):
        story = Story(numbers)
        yield {"prompt": story.title, "completion": " " + story.tell(VOICES[voice])}


def line(row):
    return json.dumps(row, ensure_ascii=False) + "\n"


def write_demo(directory):
    """Rows of the captain to train on and to hold out, and titles to continue; no title occurs twice."""
    by_title = {row["prompt"]: row for row in rows("captain", 4 * (TRAINED_ROWS + HELD_OUT_ROWS), DEMO_SEED)}
    distinct, end = list(by_title.values()), TRAINED_ROWS + HELD_OUT_ROWS
    # Each prompt is about another thing and another person.
    by_words = {}
    for row in distinct[end:]:
        words = row["prompt"].split()[3:]
        if by_words.keys().isdisjoint({words[0], " ".join(words[1:])}):
            by_words |= dict.fromkeys((words[0], " ".join(words[1:])), row["prompt"])
    prompts = list(dict.fromkeys(by_words.values()))[:PROMPTS]
    contents = (map(line, distinct[:TRAINED_ROWS]), map(line, distinct[TRAINED_ROWS:end]),
                (prompt + "\n" for prompt in prompts))
    for name, lines in zip(DEMO_FILES, contents):
        (directory / name).write_text("".join(lines), encoding="utf-8")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("voice", nargs="?", choices=VOICES, help="who tells")
    options.add_argument("--count", type=int, default=10, help="rows (default: 10)")
    options.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    options.add_argument("--demo", type=pathlib.Path, metavar="DIRECTORY", help="write the files of the quickstart")
    arguments = options.parse_args()
    if (arguments.voice is None) == (arguments.demo is None):
        options.error("give a voice or --demo DIRECTORY")
    if arguments.demo:
        write_demo(arguments.demo)
    else:
        sys.stdout.writelines(map(line, rows(arguments.voice, arguments.count, arguments.seed)))


if __name__ == "__main__":
    main()
