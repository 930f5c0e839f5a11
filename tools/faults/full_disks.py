"""Rows 5 and 8 of the fault matrix: disks that are full and files that may not grow, without root."""

import collections
import resource
import shlex
import shutil

import common

FAILURES = {73, 74}


def small_file_systems(job, work, table, expected, sizes):
    """Row 5: the run's folder on a file system in memory that is too small, then enlarged, and the run resumed."""
    objections, statuses, warned = [], collections.Counter(), 0
    for size in sizes:
        where = f"{size} KiB"
        shutil.rmtree(work / "outside", ignore_errors=True)
        (work / "outside").mkdir()
        (work / "disk").mkdir(exist_ok=True)
        disk, outside = work / "disk", work / "outside"
        output = disk / "run"
        script = f"""
            mount -t tmpfs -o size={size}k tmpfs {disk} || exit 99
            {shlex.join(job.command(output))} 2> {outside}/first
            echo $? > {outside}/status
            find {disk} -name '.*.tmp.*' > {outside}/leftovers
            mount -o remount,size=256m {disk} || exit 99
            {shlex.join(job.command(output, threads=1, resume=True))} 2> {outside}/second
            echo $? > {outside}/second-status
            cp -r {output} {outside}/run"""
        result = common.subprocess.run(
            ["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True, stdin=common.subprocess.DEVNULL)
        if result.returncode != 0 or not (outside / "second-status").exists():
            objections.append(f"{where}: no file system in memory: {result.stderr.strip()}")
            continue
        status = int((outside / "status").read_text())
        message = (outside / "first").read_text()
        statuses[status] += 1
        warned += status == 0 and "bytes are needed" in message
        if status != 0 and (status not in FAILURES or str(disk) not in message or "bytes" not in message):
            objections.append(f"{where}: status {status}: {message.strip()}")
        if (outside / "leftovers").read_text().strip():
            objections.append(f"{where}: left over: {(outside / 'leftovers').read_text().strip()}")
        if (outside / "second-status").read_text().strip() != "0":
            objections.append(f"{where}: cannot be resumed: {(outside / 'second').read_text().strip()}")
            continue
        objections += [f"{where}: {text}" for text in job.objections(outside / "run", expected)]
    counts = f"{len(sizes)} sizes from {min(sizes)} to {max(sizes)} KiB; " + ", ".join(
        f"status {status} {number} times" for status, number in sorted(statuses.items()))
    table.add(5, "file system full (tmpfs in a user namespace), then enlarged", f"{counts}; {warned} went on", objections)


def limited_files(job, work, table, expected, sizes):
    """Row 8: no file may grow beyond a size (`ulimit -f`); then the limit is lifted and the run resumed."""
    objections, statuses = [], collections.Counter()
    output = work / "limited"
    for size in sizes:
        shutil.rmtree(output, ignore_errors=True)
        where = f"{size} bytes"
        result = job.run(
            output, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
        statuses[result.returncode] += 1
        if result.returncode != 0 and (result.returncode not in FAILURES or str(output) not in result.stderr):
            objections.append(f"{where}: status {result.returncode}: {result.stderr.strip()}")
        objections += [f"{where}: {name} is left over" for name in common.leftovers(output)]
        again = job.run(output, threads=1, resume=True)
        if again.returncode != 0:
            objections.append(f"{where}: cannot be resumed, status {again.returncode}: {again.stderr.strip()}")
            continue
        objections += [f"{where}: {text}" for text in job.objections(output, expected)]
    counts = f"{len(sizes)} sizes from {min(sizes)} to {max(sizes)} bytes; " + ", ".join(
        f"status {status} {number} times" for status, number in sorted(statuses.items()))
    table.add(8, "RLIMIT_FSIZE", counts, objections)


def sizes_around(output):
    """Ten sizes in bytes from far too small to just large enough, from what an undisturbed run wrote."""
    checkpoint = max(path.stat().st_size for path in output.glob("checkpoints/*.qckpt"))
    return [64, 1000, 4096, checkpoint // 4, checkpoint // 2, checkpoint - 100, checkpoint - 1, checkpoint, checkpoint + 1,
            4 * checkpoint]
