"""Rows 12 to 14 of the fault matrix: checkpoints damaged after they were written, by the tests of the container."""

import os
import re
import subprocess

import common

TESTS = ("everyFlippedBitIsSeen", "everyTruncationIsSeen", "everyRearrangementIsSeen")


def rows(table):
    """Runs the tests in their full mode and takes the counts from what they print."""
    result = subprocess.run(
        ["swift", "test", "-c", "release", "--skip-build", "--disable-xctest", "--filter", "|".join(TESTS)],
        cwd=common.ROOT, capture_output=True, text=True, env=os.environ | {"QLORA_FULL_TESTS": "1"})
    counts = dict(re.findall(r"row (1[234]): (.*)", result.stdout + result.stderr))
    for row, fault in (("12", "flipped bits"), ("13", "truncations"), ("14", "rearranged bytes and files")):
        objections = [] if result.returncode == 0 and row in counts else [
            (result.stdout + result.stderr)[-2000:] or "the tests were not built: swift build -c release --build-tests"]
        table.add(row, fault, counts.get(row, "nothing"), objections)
