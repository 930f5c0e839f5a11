"""Row 2 of the fault matrix: a run that is ended at random times and resumed is the run that was never ended."""

import collections
import random
import shutil
import signal
import subprocess
import time

import common

KILLS_PER_RUN = 5
THREADS = (2, 1, 3)
# From the signal to the end of the process: far above a micro-batch of these models, far below a patient user's.
LONGEST_EXIT_SECONDS = 20


def phase(output, lines_before):
    """What the process was doing when the signal came, from the files it had made by then."""
    metrics, folder = output / "metrics.jsonl", output / "checkpoints"
    if folder.is_dir() and any(folder.glob(".*.tmp.*")):
        return "saving"
    if (output / "run.json").exists() and (output / "adapter_model.safetensors").exists() and lines_before is None:
        return "ending"
    if not output.exists() or not metrics.exists():
        return "loading"
    lines = metrics.read_text(errors="replace").count("\n")
    return "training" if lines > (lines_before or 0) else "loading"


def disturb(job, output, kill, numbers, limit, duration, report):
    """One run with up to `limit` signals, then left to finish. Returns the number of signals and objections."""
    shutil.rmtree(output, ignore_errors=True)
    count, process_count = 0, 0
    while True:
        threads = THREADS[process_count % len(THREADS)]
        command = job.command(output, threads, resume=process_count > 0)
        process_count += 1
        if count == limit:
            result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if result.returncode != 0:
                return count, [f"the last resumption failed with status {result.returncode}: {result.stderr.strip()}"]
            return count, None
        metrics = output / "metrics.jsonl"
        before = metrics.read_text(errors="replace").count("\n") if metrics.exists() else None
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        try:
            # Later than the run takes now and then, because a resumed one is shorter and a busy machine slower.
            process.wait(timeout=numbers.uniform(0, duration))
            error = process.stderr.read()
            if process.returncode != 0:
                return count, [f"status {process.returncode} without a signal: {error.strip()}"]
            return count, None
        except subprocess.TimeoutExpired:
            pass
        seen = phase(output, before)
        saved = max(common.checkpoints(output), default=0)
        start = time.monotonic()
        process.send_signal(kill)
        try:
            _, error = process.communicate(timeout=LONGEST_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return count, [f"still running {LONGEST_EXIT_SECONDS} s after the signal, in the phase {seen}"]
        if process.returncode == 0:
            # It had just finished.
            return count, None
        count += 1
        report["phases"][seen] += 1
        if kill == signal.SIGTERM:
            report["seconds"].append(time.monotonic() - start)
            # Before its handler is installed a process ends as any does.
            if process.returncode not in (143, -signal.SIGTERM) or (process.returncode < 0 and seen != "loading"):
                return count, [f"status {process.returncode} after SIGTERM in the phase {seen}: {error.strip()}"]
        if max(common.checkpoints(output), default=0) < saved:
            return count, [f"the checkpoint of step {saved} is gone"]


def row(job, work, table, kill, wanted, numbers, expected, duration):
    """Ends runs until `wanted` signals have reached a process, and adds the row to the table."""
    count, runs, objections = 0, 0, []
    report = {"phases": collections.Counter(), "seconds": []}
    while count < wanted and runs < 4 * wanted + 4:
        output = work / "disturbed"
        done, found = disturb(job, output, kill, numbers, min(KILLS_PER_RUN, wanted - count), duration, report)
        count += done
        runs += 1
        found = found if found is not None else job.objections(output, expected)
        objections += found
        if found:
            output.rename(work / f"failed-{kill.name}-{runs}")
    if count < wanted:
        objections.append(f"only {count} of {wanted} signals reached a process")
    counts = f"{count} in {runs} runs of {job.steps} steps; " + ", ".join(
        f"{number} {name}" for name, number in sorted(report["phases"].items()))
    if report["seconds"]:
        counts += f"; at most {max(report['seconds']):.2f} s to the end"
    table.add(2, f"{kill.name} at random times, resumed with other threads", counts, objections)


def rows(job, work, table, kills, terminations, seed):
    """Both signals, against an undisturbed run that other threads must not change either."""
    numbers = random.Random(seed)
    start = time.monotonic()
    expected = job.undisturbed(work / "undisturbed")
    duration = (time.monotonic() - start) * 1.1
    other = work / "other-threads"
    shutil.rmtree(other, ignore_errors=True)
    if job.run(other, threads=1).returncode != 0 or job.objections(other, expected):
        raise SystemExit("one thread gives another run than two: nothing can be said about resuming")
    row(job, work, table, signal.SIGKILL, kills, numbers, expected, duration)
    row(job, work, table, signal.SIGTERM, terminations, numbers, expected, duration)
