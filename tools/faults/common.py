"""What the fault programs share: a small training run, its fingerprint, and comparing the two."""

import argparse
import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORDS = """the a little old young happy small big red blue bird dog cat girl boy mother father friend tree house park
garden river ball flower cake found saw loved wanted took gave ran played slept said and then but so because one day
morning night with to in under near over very was were is had made big again home""".split()


def parser(description):
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--qlora", type=pathlib.Path, default=ROOT / ".build/release/qlora", help="the program")
    result.add_argument(
        "--model", type=pathlib.Path, default=ROOT / "tools/quickstart.d/model", help="a small model directory")
    result.add_argument(
        "--data", type=pathlib.Path, help="rows to train on (default: rows of random words, made from a seed)")
    result.add_argument(
        "--steps", type=int, default=12, help="optimizer steps of the run that is disturbed (default: %(default)s)")
    result.add_argument("--seed", type=int, default=1, help="of everything drawn (default: %(default)s)")
    result.add_argument("--work", type=pathlib.Path, help="keep what was made in this folder")
    return result


def checked(arguments):
    """The arguments, after everything they name was found."""
    arguments.qlora = arguments.qlora.resolve()
    if not arguments.qlora.is_file():
        sys.exit(f"{arguments.qlora} does not exist: build it with `swift build -c release`, or give --qlora")
    if not (arguments.model / "config.json").is_file():
        sys.exit(f"{arguments.model} is no model directory: give --model")
    arguments.model = arguments.model.resolve()
    return arguments


class Work:
    """A folder for everything a program makes; removed at the end unless it was asked for."""

    def __init__(self, arguments):
        self.keeps = arguments.work is not None
        self.path = arguments.work or pathlib.Path(tempfile.mkdtemp(prefix="qlora-faults-"))
        self.path.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        if not self.keeps:
            shutil.rmtree(self.path, ignore_errors=True)


def rows(path, seed, count=120):
    """Writes rows of random words."""
    numbers = random.Random(seed)
    with open(path, "w") as file:
        for _ in range(count):
            words = [numbers.choice(WORDS) for _ in range(numbers.randint(10, 40))]
            file.write(json.dumps({"text": " ".join(words).capitalize() + "."}) + "\n")
    return path


class Job:
    """A training run with a checkpoint every few steps and evaluations between."""

    def __init__(self, arguments, work, save_every=2):
        self.arguments = arguments
        self.data = arguments.data.resolve() if arguments.data else rows(work / "rows.jsonl", arguments.seed)
        self.steps = arguments.steps
        self.save_every = save_every

    def command(self, output, threads=2, resume=False):
        command = [
            self.arguments.qlora, "train", "--model", self.arguments.model, "--data", self.data, "-o", output,
            "--max-steps", self.steps, "--batch-size", 2, "--gradient-accumulation", 2, "--max-length", 128, "--rank", 4,
            "--learning-rate", 1e-3, "--dropout", 0.1, "--seed", self.arguments.seed, "--save-every", self.save_every,
            "--keep", 2, "--eval-every", 3, "--threads", threads, "--quiet",
        ]
        return [str(part) for part in command + (["--resume"] if resume else [])]

    def run(self, output, threads=2, resume=False, prefix=(), **options):
        return subprocess.run(
            list(prefix) + self.command(output, threads, resume), capture_output=True, text=True,
            stdin=subprocess.DEVNULL, **options)

    def fingerprint(self, output):
        """What must not depend on disturbances: losses and gradient norms as they are written, adapter, steps."""
        output = pathlib.Path(output)
        lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        steps = [line for line in lines if line["kind"] == "step"]
        return {
            "steps": [line["step"] for line in steps],
            "losses": [json.dumps([line["loss"], line["grad_norm"], line["learning_rate"]]) for line in steps],
            "evaluations": [json.dumps([line["step"], line["loss"]]) for line in lines if line["kind"] == "eval"],
            "adapter": hashlib.sha256((output / "adapter_model.safetensors").read_bytes()).hexdigest(),
        }

    def objections(self, output, expected):
        """How a finished run differs from the undisturbed one; empty if it does not."""
        try:
            found = self.fingerprint(output)
        except (OSError, ValueError, KeyError) as error:
            return [f"{output}: {error}"]
        result = []
        if found["steps"] != list(range(1, self.steps + 1)):
            result.append(f"metrics.jsonl has the steps {found['steps']}")
        for key in ("losses", "evaluations", "adapter"):
            if found[key] != expected[key]:
                result.append(f"{key} differ from the undisturbed run's")
        return result

    def undisturbed(self, output):
        """The run without any disturbance, in a new folder."""
        shutil.rmtree(output, ignore_errors=True)
        result = self.run(output)
        if result.returncode != 0:
            sys.exit(f"the undisturbed run failed with status {result.returncode}:\n{result.stderr}")
        return self.fingerprint(output)


def checkpoints(output):
    """The steps of a run's checkpoints by name, ascending."""
    folder = pathlib.Path(output) / "checkpoints"
    return sorted(int(path.name[5:-6]) for path in folder.glob("step-*.qckpt"))


def leftovers(output):
    """Temporary files in a run's folder and its checkpoints."""
    output = pathlib.Path(output)
    return [path.name for folder in (output, output / "checkpoints") for path in folder.glob(".*.tmp.*")]


class Table:
    """Rows of the fault matrix with what was counted."""

    def __init__(self):
        self.rows, self.failed = [], 0

    def add(self, row, fault, counts, objections):
        self.failed += bool(objections)
        self.rows.append((row, fault, counts, "ok" if not objections else f"{len(objections)} FAILED"))
        print(f"row {row}: {fault}: {counts}: {'ok' if not objections else 'FAILED'}", file=sys.stderr)
        for objection in objections[:10]:
            print(f"    {objection}", file=sys.stderr)

    def finish(self):
        print("| row | fault | counted | result |\n| --- | --- | --- | --- |")
        for row in self.rows:
            print("| " + " | ".join(str(cell) for cell in row) + " |")
        sys.exit(1 if self.failed else 0)
