"""Rows 1 and 6 of the fault matrix, and half of row 5: a run whose system calls end or fail one by one, by strace."""

import collections
import re
import shutil

import common

CALLS = ("openat", "pwrite64", "write", "fsync", "rename", "unlink", "close")
LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(.*)$")
# What the command line may end with when a disk fails.
FAILURES = {65, 66, 73, 74}


def traced(job, output, log, injection=None):
    """The run under strace, with an injection or none. Returns what subprocess.run does."""
    prefix = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", "trace=" + ",".join(CALLS)]
    if injection:
        prefix += ["-e", "inject=" + injection]
    return job.run(output, prefix=prefix)


def calls(log):
    """The calls of a log in order: process, name, arguments, result, the rest of the line."""
    for line in log.read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if match:
            yield match.groups()


def places(job, work):
    """For each call the ordinals at which an undisturbed run touches its folder, from calibrating once."""
    output, log = work / "calibration", work / "calibration.log"
    shutil.rmtree(output, ignore_errors=True)
    result = traced(job, output, log)
    if result.returncode != 0:
        raise SystemExit(f"the run fails under strace with status {result.returncode}: {result.stderr}")
    ordinals, found = collections.Counter(), collections.defaultdict(list)
    for process, name, arguments, _, rest in calls(log):
        ordinals[process, name] += 1
        if str(output) in arguments or str(output) in rest:
            found[name].append(ordinals[process, name])
    return {name: sorted(set(numbers)) for name, numbers in found.items()}


def durable_step(log):
    """The step of the last checkpoint whose name was made durable before the run ended: 0 for none."""
    renamed, durable = 0, 0
    for _, name, arguments, result, _ in calls(log):
        match = re.search(r'step-(\d+)\.qckpt"\)?$', arguments)
        if name == "rename" and result == "0" and match:
            renamed = int(match.group(1))
        elif name == "fsync" and result == "0" and "checkpoints>" in arguments:
            durable = renamed
    return durable


def repeated_synchronizations(log):
    """How often a file was synchronized again after that had failed, its descriptor still the same."""
    failed, count = set(), 0
    for _, name, arguments, result, _ in calls(log):
        number = arguments.split("<")[0]
        if name == "close":
            failed.discard(number)
        elif name == "fsync":
            count += number in failed
            if result.startswith("-"):
                failed.add(number)
    return count


def killed(job, work, table, expected, stride):
    """Row 1: SIGKILL at every call that touches the run's folder."""
    objections, counts = [], collections.Counter()
    output, log = work / "killed", work / "killed.log"
    for name, ordinals in places(job, work).items():
        for ordinal in ordinals[::stride]:
            shutil.rmtree(output, ignore_errors=True)
            traced(job, output, log, f"{name}:signal=KILL:when={ordinal}")
            counts[name] += 1
            where = f"killed at {name} {ordinal}"
            durable, newest = durable_step(log), max(common.checkpoints(output), default=0)
            if newest < durable:
                objections.append(f"{where}: step {durable} was safe, and {newest} is the newest")
            result = job.run(output, threads=1, resume=True)
            if result.returncode != 0:
                objections.append(f"{where}: cannot be resumed, status {result.returncode}: {result.stderr.strip()}")
                continue
            if "corrupt" in result.stderr or list(output.glob("checkpoints/*.corrupt*")):
                objections.append(f"{where}: a checkpoint was damaged")
            objections += [f"{where}: {text}" for text in job.objections(output, expected)]
            objections += [f"{where}: {name} is left over" for name in common.leftovers(output)]
    table.add(1, "SIGKILL at every system call on the run's folder", described(counts), objections)


def failing(job, work, table, expected, stride, row, error, names):
    """Row 5 or 6: calls fail, once and from then on."""
    objections, counts, statuses = [], collections.Counter(), collections.Counter()
    output, log = work / "failing", work / "failing.log"
    for name, ordinals in places(job, work).items():
        if name not in names:
            continue
        for ordinal in ordinals[::stride]:
            for when in (f"{ordinal}", f"{ordinal}+"):
                shutil.rmtree(output, ignore_errors=True)
                result = traced(job, output, log, f"{name}:error={error}:when={when}")
                counts[name] += 1
                statuses[result.returncode] += 1
                where = f"{error} at {name} {when}"
                if result.returncode != 0 and result.returncode not in FAILURES:
                    objections.append(f"{where}: status {result.returncode}: {result.stderr.strip()}")
                # Where every write fails, the message's does too.
                if result.returncode != 0 and not result.stderr.strip() and (name, when[-1]) != ("write", "+"):
                    objections.append(f"{where}: no message")
                if repeated_synchronizations(log):
                    objections.append(f"{where}: a failed fsync was tried again")
                durable, newest = durable_step(log), max(common.checkpoints(output), default=0)
                if newest < durable:
                    objections.append(f"{where}: step {durable} was safe, and {newest} is the newest")
                # Where the removal itself fails, only the next start can clear up.
                if name != "unlink" and common.leftovers(output):
                    objections.append(f"{where}: {common.leftovers(output)} left over")
                again = job.run(output, threads=1, resume=True)
                if again.returncode != 0:
                    objections.append(f"{where}: cannot be resumed, status {again.returncode}: {again.stderr.strip()}")
                    continue
                objections += [f"{where}: {text}" for text in job.objections(output, expected)]
                objections += [f"{where}: {name} is left over after resuming" for name in common.leftovers(output)]
    ends = ", ".join(f"status {status} {number} times" for status, number in sorted(statuses.items()))
    table.add(
        row, f"{error} of every {', '.join(names)} on the run's folder, once and lasting", f"{described(counts)}; {ends}",
        objections)


def described(counts):
    return f"{sum(counts.values())}: " + ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
