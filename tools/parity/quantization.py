"""Acceptance: what `qlora quantize` stores equals what bitsandbytes makes on the CPU, byte for byte.

    PYTHON tools/parity/quantization.py [--qlora PATH] [--work DIR]

Random checkpoints of llama and qwen2 that transformers writes itself (odd widths, explicit head_dim, biases, float32,
bfloat16 and float16, in one file and in shards) are quantized over formats, block sizes and double quantization. Every
part of every linear (codes, scales, tables, quant_state text) is compared with `quantize_4bit` of bitsandbytes with one
torch thread; every other tensor with its source; the report's hashes with the stored bytes. transformers must load every
directory of block size 64 and dequantize the same weights. `--oracle-only` has nothing to run here.
"""

import hashlib
import json
import random
import sys

import common

BLOCK_SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
DTYPES = ("float32", "bfloat16", "float16")
CHECKPOINTS = 36


def random_model(number, directory):
    """A checkpoint of random sizes, and its dtype."""
    import torch
    import transformers

    numbers = random.Random(number)
    torch.manual_seed(number)
    dtype = DTYPES[number % 3]
    family = ("llama", "qwen2")[number // 3 % 2]
    key_value_heads = numbers.randint(1, 3)
    heads = key_value_heads * numbers.randint(1, 3)
    head_width = 2 * numbers.randint(2, 13)
    fields = dict(
        vocab_size=numbers.randint(30, 90), num_hidden_layers=numbers.randint(1, 3),
        num_attention_heads=heads, num_key_value_heads=key_value_heads,
        intermediate_size=numbers.randint(17, 300), tie_word_embeddings=numbers.random() < 0.5,
        max_position_embeddings=64)
    if family == "llama":
        # The width of the stream is independent of the heads, and may be odd.
        fields |= dict(
            hidden_size=heads * numbers.randint(5, 40), head_dim=head_width, attention_bias=numbers.random() < 0.3,
            mlp_bias=numbers.random() < 0.3)
        configuration = transformers.LlamaConfig(**fields)
        model = transformers.LlamaForCausalLM(configuration)
    else:
        configuration = transformers.Qwen2Config(hidden_size=heads * head_width, **fields)
        model = transformers.Qwen2ForCausalLM(configuration)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn(parameter.shape) * 10 ** numbers.uniform(-3, 1))
            if parameter.dim() == 2 and numbers.random() < 0.3:
                parameter[: parameter.shape[0] // 2] = 0
            if parameter.dim() == 2 and numbers.random() < 0.3:
                parameter *= torch.randn(parameter.shape[0], 1) ** 8
            parameter.clamp_(-6e4, 6e4)  # what float16 holds
    model = model.to(getattr(torch, dtype))
    shard = "20KB" if number % 4 == 3 else "5GB"
    model.save_pretrained(directory, max_shard_size=shard)
    return dtype


def tensors(directory):
    """All stored tensors, in one file or in shards."""
    import safetensors.torch

    index = directory / "model.safetensors.index.json"
    files = {"model.safetensors"}
    if index.exists():
        files = set(json.loads(index.read_text())["weight_map"].values())
    found = {}
    for file in sorted(files):
        found |= safetensors.torch.load_file(directory / file)
    return found, len(files)


def raw(tensor):
    import torch

    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def same(left, right):
    return left.dtype == right.dtype and left.shape == right.shape and raw(left) == raw(right)


def expected_parts(weight, format, block_size, double):
    """What bitsandbytes stores for a weight, by suffix."""
    from bitsandbytes import functional

    codes, state = functional.quantize_4bit(
        weight, blocksize=block_size, quant_type=format, compress_statistics=double)
    return {"": codes} | {"." + key: value for key, value in state.as_dict(packed=True).items()}


def differences(source, stored, format, block_size, double):
    """(names that differ, linears compared, stored tensors compared)"""
    wrong, linears, compared, seen = [], 0, 0, set()
    for name, weight in source.items():
        is_linear = name.removesuffix(".weight").endswith(common.LINEARS) and name.endswith(".weight")
        parts = expected_parts(weight, format, block_size, double) if is_linear else {"": weight}
        linears += is_linear
        for suffix, tensor in parts.items():
            compared += is_linear
            seen.add(name + suffix)
            if name + suffix not in stored or not same(tensor, stored[name + suffix]):
                wrong.append(name + suffix)
    return wrong + sorted(stored.keys() - seen), linears, compared


def report_differences(directory, stored):
    report = json.loads((directory / "quantization_report.json").read_text())
    hashes = {}
    for entry in report["tensors"]:
        hashes[entry["name"]] = entry["sha256"]
        for part in entry.get("parts", []):
            hashes[f"{entry['name']}.{part['name']}"] = part["sha256"]
    return [
        name for name in hashes.keys() | stored.keys()
        if name not in stored or hashes.get(name) != hashlib.sha256(raw(stored[name])).hexdigest()
    ]


def loaded_differences(directory, source):
    """Loads the directory by transformers; the linears that are not what bitsandbytes makes of the source."""
    import bitsandbytes
    import torch
    import transformers

    configuration = json.loads((directory / "config.json").read_text())["quantization_config"]
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, device_map="cpu")
    wrong, count = [], 0
    for name, module in model.named_modules():
        if not isinstance(module, bitsandbytes.nn.Linear4bit):
            continue
        count += 1
        loaded = bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
        codes, state = bitsandbytes.functional.quantize_4bit(
            source[name + ".weight"], blocksize=64, quant_type=configuration["bnb_4bit_quant_type"],
            compress_statistics=configuration["bnb_4bit_use_double_quant"])
        if not torch.equal(loaded, bitsandbytes.functional.dequantize_4bit(codes, state)):
            wrong.append(name)
    return wrong, count


def main():
    arguments = common.parser(__doc__).parse_args()
    if arguments.oracle_only:
        print("nothing was compared")
        sys.exit(2)
    common.quiet()
    report = common.Report()
    totals = dict(directories=0, linears=0, tensors=0, loaded=0)
    with common.work_directory(arguments) as work:
        for number in range(CHECKPOINTS):
            source = work / f"source-{number}"
            dtype = random_model(number, common.fresh(source))
            weights, file_count = tensors(source)
            variants = [
                (format, BLOCK_SIZES[(number + shift) % 8], double)
                for shift, (format, double) in enumerate(
                    [("nf4", False), ("nf4", True), ("fp4", False), ("fp4", True)])
            ] + [("nf4", 64, True), ("nf4", 64, False), ("fp4", 64, number % 2 == 0)]
            wrong = []
            for format, block_size, double in variants:
                directory = common.fresh(work / "quantized")
                common.qlora(
                    arguments, "quantize", source, "-o", directory, "--format", format, "--block-size", block_size,
                    "--double-quant" if double else "--no-double-quant", "--quiet")
                stored, _ = tensors(directory)
                found, linears, compared = differences(weights, stored, format, block_size, double)
                wrong += found + report_differences(directory, stored)
                totals["directories"] += 1
                totals["linears"] += linears
                totals["tensors"] += compared
                if block_size == 64:
                    found, count = loaded_differences(directory, weights)
                    wrong += [f"loaded {name}" for name in found]
                    totals["loaded"] += 1
                    if count != linears:
                        wrong.append(f"{count} of {linears} linears loaded in 4 bits")
            report.that(
                f"checkpoint {number}: {dtype}, {file_count} files, {len(weights)} tensors", not wrong,
                ", ".join(wrong[:5]))
    report.note(", ".join(f"{count} {name}" for name, count in totals.items()))
    report.that("at least 30 checkpoints and 200 quantized tensors", totals["linears"] >= 200 and CHECKPOINTS >= 30)
    report.finish()


if __name__ == "__main__":
    main()
