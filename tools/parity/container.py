"""Acceptance: what a run's checkpoint takes, beside raw safetensors, zstd -19 and ZipNN.

    PYTHON tools/parity/container.py [--checkpoint FILE] [--benchmarks PATH] [--qlora PATH] [--shared PATH] [--work DIR]

The state of an adapter in training: A and B (p), AdamW's m and v. Without --checkpoint the story model is trained on
tinyshakespeare as `learning.py` does it, from NF4 with double quantization, rank 16, and the newest checkpoint is taken.
`Benchmarks container` (swift build -c release --product Benchmarks) encodes its tensors again, role by role, and writes
them out raw for the others.

Expected ratios of float32 to coded bytes were measured on adapters of another model (A 1.200, m 1.182, v 1.254): ours are
allowed 2 % less, and no more bytes than zstd -19 needs on the whole raw file. Adapter and m cannot do better than their
entropy: sign, exponent and the first seven bits of the mantissa, plus 16 bits that are noise.
"""

import subprocess
import sys

import common

EXPECTED = {"p": 1.200, "m": 1.182, "v": 1.254}
ALLOWED = 0.98


def trained(arguments, work):
    """The newest checkpoint of a run over the story model."""
    ids = common.shakespeare_ids(arguments, 60_000)
    data = work / "rows.jsonl"
    common.write_rows(data, [ids[i:i + 128] for i in range(0, len(ids) - 127, 128)])
    base = common.quantized(arguments, common.story_model(arguments), work / "base", "nf4+dq")
    run = common.fresh(work / "run")
    common.qlora(
        arguments, "train", "--model", base, "--data", data, "-o", run, "--max-steps", 150, "--batch-size", 8,
        "--gradient-accumulation", 1, "--learning-rate", 2e-3, "--schedule", "constant", "--save-every", 50)
    return max((run / "checkpoints").glob("step-*.qckpt"))


def limit(raw):
    """32 bits over the order-0 entropy of sign, exponent and seven bits of mantissa, plus 16 bits of noise."""
    import numpy

    counts = numpy.bincount(numpy.frombuffer(raw, "<u4") >> 16, minlength=1 << 16)
    share = counts[counts > 0] / counts.sum()
    return 32 / (16 - (share * numpy.log2(share)).sum())


def safetensors_bytes(raw):
    import numpy
    import safetensors.numpy

    return len(safetensors.numpy.save({"tensor": numpy.frombuffer(raw, "<f4")}))


def zipnn_bytes(raw):
    import zipnn

    coder = zipnn.ZipNN(bytearray_dtype="float32", input_format="byte", threads=1)
    coded = coder.compress(bytearray(raw))
    assert bytes(zipnn.ZipNN(bytearray_dtype="float32", input_format="byte").decompress(coded)) == raw
    return len(coded)


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--checkpoint", help="a checkpoint of a run; trains one without it")
    parser.add_argument("--benchmarks", default=common.ROOT / ".build/release/Benchmarks", help="the benchmarks")
    arguments = parser.parse_args()
    common.quiet()
    import zstandard

    report = common.Report()
    with common.work_directory(arguments) as work:
        checkpoint = arguments.checkpoint or trained(arguments, work)
        dump = work / "floats"
        table = subprocess.run(
            [arguments.benchmarks, "container", "--threads=1", f"--checkpoint={checkpoint}", f"--dump={dump}"],
            capture_output=True, text=True)
        if table.returncode != 0:
            sys.exit(table.stderr)
        print(table.stdout)
        ours = {line.split()[0]: float(line.split()[2]) for line in table.stdout.splitlines()[2:]}
        print("bytes per element    safetensors   zstd -19     ZipNN      ours   ratio   entropy limit")
        total = {"raw": 0, "zstd": 0, "zipnn": 0, "ours": 0.0}
        for role in EXPECTED:
            raw = (dump / f"{role}.f32").read_bytes()
            count = len(raw) / 4
            sizes = {
                "raw": safetensors_bytes(raw), "zstd": len(zstandard.ZstdCompressor(level=19).compress(raw)),
                "zipnn": zipnn_bytes(raw), "ours": len(raw) / ours[role]}
            for name, size in sizes.items():
                total[name] += size
            print(f"{role:<20}" + "".join(f"{size / count:11.3f}" for size in sizes.values())
                  + f"{ours[role]:8.3f}{limit(raw):16.3f}")
            report.that(
                f"{role}: ratio", ours[role] >= ALLOWED * EXPECTED[role],
                f"{ours[role]:.3f} (expected {EXPECTED[role]:.3f}, at least {ALLOWED * EXPECTED[role]:.3f})")
            report.that(
                f"{role}: no more than zstd -19", sizes["ours"] <= sizes["zstd"],
                f"{sizes['ours'] / sizes['zstd']:.3f} of it, {sizes['ours'] / sizes['zipnn']:.3f} of ZipNN")
        print("all, per parameter  " + "".join(f"{size / count:11.3f}" for size in total.values()))
    report.finish()


main()
