"""What the parity scripts share: options, running `qlora`, the unrounded oracle, batched loss, the table of results."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# name -> (format, double quantization)
FORMATS = {"nf4": ("nf4", False), "nf4+dq": ("nf4", True), "fp4": ("fp4", False)}


def parser(description):
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--qlora", type=pathlib.Path, default=ROOT / ".build/release/qlora", help="the program")
    options.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared", help="folder holding data/")
    options.add_argument("--work", type=pathlib.Path, help="folder for what is made; a temporary one without it")
    options.add_argument(
        "--oracle-only", action="store_true",
        help="run the Python half alone, over bases that transformers quantizes; compares nothing")
    return options


@contextlib.contextmanager
def work_directory(arguments):
    """The folder of --work, kept, or a temporary one."""
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
        yield arguments.work.resolve()
    else:
        with tempfile.TemporaryDirectory() as temporary:
            yield pathlib.Path(temporary)


class Report:
    """Lines of `what, found, allowed`, a verdict each, and the exit status of them all."""

    def __init__(self):
        self.failures = 0
        self.checks = 0

    def note(self, text):
        print(text, flush=True)

    def at_most(self, what, found, allowed):
        self._line(what, f"{found:.3e} (at most {allowed:.0e})", found <= allowed)

    def that(self, what, holds, detail=""):
        self._line(what, detail, bool(holds))

    def _line(self, what, detail, holds):
        self.checks += 1
        self.failures += not holds
        print(f"{'PASS' if holds else 'FAIL'}  {what:64} {detail}", flush=True)

    def finish(self):
        if self.checks == 0:
            print("nothing was compared")
            sys.exit(2)
        print(f"{'FAIL' if self.failures else 'PASS'}: {self.checks - self.failures} of {self.checks} checks")
        sys.exit(1 if self.failures else 0)


# --- the program ---


def qlora(arguments, *words, stdin=None, environment=None):
    """Runs a verb and returns its standard output; a failing run ends the script with what it said."""
    command = [str(arguments.qlora), *map(str, words)]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=os.environ | (environment or {}))
    if done.returncode != 0:
        print(f"FAIL: exit status {done.returncode}: {' '.join(command)}\n{done.stderr}", file=sys.stderr)
        sys.exit(1)
    return done.stdout


def fresh(directory):
    shutil.rmtree(directory, ignore_errors=True)
    return directory


def quantized(arguments, source, directory, name, by="qlora"):
    """`source` quantized to the format of this name, by the program or by transformers + bitsandbytes."""
    format, double = FORMATS[name]
    fresh(directory)
    if by == "qlora" and not arguments.oracle_only:
        qlora(
            arguments, "quantize", source, "-o", directory, "--format", format,
            "--double-quant" if double else "--no-double-quant", "--quiet")
        return directory
    import torch
    import transformers

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the mean in double quantization depends on torch's threads
    configuration = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=format, bnb_4bit_use_double_quant=double)
    stored = json.loads((source / "config.json").read_text())
    dtype = getattr(torch, stored.get("dtype") or stored.get("torch_dtype") or "float32")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        source, dtype=dtype, device_map="cpu", quantization_config=configuration)
    torch.set_num_threads(threads)
    model.save_pretrained(directory)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (source / file).exists():
            shutil.copyfile(source / file, directory / file)
    return directory


def evaluate(arguments, model, rows, directory, *words, adapter=None, logits=False, longest=4096):
    """`qlora evaluate` in float32 over rows of ids: its report, per-token log-probabilities, and logits if wanted.

    `longest` is the most tokens of a row of logits.
    """
    import safetensors.torch

    directory.mkdir(parents=True, exist_ok=True)
    data, tokens, tensors = directory / "rows.jsonl", directory / "tokens.jsonl", directory / "logits.safetensors"
    write_rows(data, rows)
    tokens.unlink(missing_ok=True)
    tensors.unlink(missing_ok=True)
    options = ["--model", model, "--data", data, "--compute", "float32", "--per-token", tokens, "--json", *words]
    if adapter:
        options += ["--adapter", adapter]
    if logits:
        options += ["--max-length", longest, "--logits", tensors]
    report = json.loads(qlora(arguments, "evaluate", *options))
    per_token = [json.loads(line) for line in tokens.read_text().splitlines()]
    return report, per_token, safetensors.torch.load_file(tensors) if logits else None


def write_rows(path, rows):
    """Rows of token ids, or (ids, labels), as JSONL."""
    with open(path, "w") as file:
        for row in rows:
            ids, labels = row if isinstance(row, tuple) else (row, None)
            file.write(json.dumps({"input_ids": ids} | ({"labels": labels} if labels else {})) + "\n")


def metrics(directory, kind):
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["kind"] == kind]


# --- the oracle ---


def quiet():
    """torch on one thread, libraries without progress bars and notes."""
    import logging

    import torch
    import transformers

    torch.set_num_threads(1)  # these models are small, and waiting threads of torch burn a shared machine
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def by_definition(codes, state):
    """A 4-bit weight in float32: table[code] * absmax of its block, blocks running on across rows.

    `dequantize_4bit` of bitsandbytes 0.50.2 on CPUs scales some shapes whose rows are no whole number of blocks, [64, 48]
    in blocks of 64 for one, by other blocks' absmax; where rows are whole blocks the two are equal to the bit.
    """
    import bitsandbytes
    import torch

    absmax = state.absmax
    if state.nested:
        absmax = bitsandbytes.functional.dequantize_blockwise(state.absmax, state.state2) + state.offset
    count = state.shape.numel()
    packed = codes.view(torch.uint8).reshape(-1).long()
    unpacked = torch.stack([packed >> 4, packed & 15], 1).reshape(-1)[:count]
    values = state.code[unpacked] * absmax.float().repeat_interleave(state.blocksize)[:count]
    return values.reshape(state.shape)


def restored(weight, name, block_size):
    """A float32 weight quantized to a format (`int8`, `int4`, `nf4+dq`, …) and read back, in float32.

    nf4 and fp4 are bitsandbytes' codes and scales. int8 and int4 are ours, by their written definition: int8 is
    round(x * (127 / absmax)) * (absmax / 127), halves to even; int4 is the nearest of the 15 levels (k / 7) * absmax, halves
    to the lower one, found as bitsandbytes finds the places of its tables.
    """
    import numpy
    import torch

    weight = weight.detach().float()
    format, double = (name[:-3], True) if name.endswith("+dq") else (name, False)
    if format in ("nf4", "fp4"):
        from bitsandbytes import functional

        codes, state = functional.quantize_4bit(
            weight.contiguous(), blocksize=block_size, quant_type=format, compress_statistics=double)
        state.dtype = torch.float32
        return by_definition(codes, state)
    assert not double, name
    flat = weight.numpy().reshape(-1)
    blocks = [flat[start:start + block_size] for start in range(0, len(flat), block_size)]
    one = numpy.float32(1)
    result = []
    for block in blocks:
        absmax = numpy.abs(block).max()
        if format == "int8":
            codes = numpy.rint(block * (numpy.float32(127) / max(absmax, numpy.float32(2.0**-119))))
            result.append(codes.astype(numpy.float32) * (absmax / numpy.float32(127)))
            continue
        assert format == "int4", name
        levels = numpy.arange(-8, 8, dtype=numpy.float32) / numpy.float32(7)
        thresholds = (levels[:-1] + levels[1:]) / numpy.float32(2)
        divisor = max(absmax, numpy.float32(1e-38))
        # A last, short block is divided; full ones are multiplied with the reciprocal.
        scaled = block * (one / divisor) if len(block) == block_size else block / divisor
        places = (numpy.clip(scaled, -1, 1)[:, None] > thresholds[None]).sum(1)
        result.append(levels[places] * (absmax if len(block) == block_size else divisor))
    return torch.from_numpy(numpy.concatenate(result)).reshape(weight.shape)


def with_restored(model, name, block_size):
    """A copy of a float32 model whose linears inside the layers went through a format; `none` leaves them."""
    import copy

    result = copy.deepcopy(model)
    for path, module in result.named_modules():
        if name != "none" and path.split(".")[-1] in LINEARS:
            module.weight.data = restored(module.weight.data, name, block_size)
    return result


def differences(model, reference, rows):
    """(mean loss, mean KL(reference || model) in nats, top-1 agreement, scored tokens) over rows of ids, in float64."""
    loss = divergence = agreements = count = 0
    for ours, theirs, ids in zip(row_logits(model, rows), row_logits(reference, rows), rows):
        q, p = ours[:-1].double().log_softmax(-1), theirs[:-1].double().log_softmax(-1)
        loss -= log_probabilities(ours, ids).sum().item()
        divergence += (p.exp() * (p - q)).sum().item()
        agreements += (q.argmax(-1) == p.argmax(-1)).sum().item()
        count += len(ids) - 1
    return loss / count, divergence / count, agreements / count, count


def unrounded(directory, **options):
    """The model of a directory in plain float32 torch, and how many of its linears were 4-bit.

    Loaded by transformers + bitsandbytes; every 4-bit linear is then replaced by its weight, dequantized in float32
    without the rounding to the source's dtype that `dequantize_4bit` would do. bitsandbytes runs no forward: on some
    CPUs its eval-mode forward loses later gradients.
    """
    import bitsandbytes
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, device_map="cpu", **options)
    replaced = 0
    for name, module in list(model.named_modules()):
        if not isinstance(module, bitsandbytes.nn.Linear4bit):
            continue
        state = module.weight.quant_state
        state.dtype = torch.float32
        plain = torch.nn.Linear(module.in_features, module.out_features, bias=module.bias is not None)
        plain.weight.data = by_definition(module.weight.data, state)
        if module.in_features % state.blocksize == 0:
            theirs = bitsandbytes.functional.dequantize_4bit(module.weight.data, state).float()
            assert torch.equal(plain.weight.data, theirs), name
        if module.bias is not None:
            plain.bias.data = module.bias.data.float()
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, plain)
        replaced += 1
    # A fresh plain model, so that nothing of the quantizer stays hooked to it.
    configuration = transformers.AutoConfig.from_pretrained(directory)
    if hasattr(configuration, "quantization_config"):
        del configuration.quantization_config
    result = transformers.AutoModelForCausalLM.from_config(configuration, dtype=torch.float32, **options)
    weights = model.state_dict()
    for name, module in result.named_modules():
        if isinstance(module, transformers.pytorch_utils.Conv1D):
            weights[f"{name}.weight"] = weights[f"{name}.weight"].T
    result.load_state_dict(weights)
    result.eval()
    return result, replaced


def row_logits(model, rows):
    """float32 logits [T, V] of each row, run alone."""
    import torch

    with torch.no_grad():
        return [model(input_ids=torch.tensor([ids]), use_cache=False).logits[0] for ids in rows]


def log_probabilities(logits, ids):
    """Of each token after the first, in float64."""
    import torch

    return logits[:-1].double().log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]


def difference(found, expected):
    """Largest absolute difference over rows, as a share of the largest logit.

    `found` may lack the logits behind a row's last token, which predict nothing in the row.
    """
    scale = max(logits.abs().max().item() for logits in expected)
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        if len(ours) not in (len(theirs), len(theirs) - 1):
            return float("inf")
        worst = max(worst, (ours - theirs[:len(ours)]).abs().max().item())
    return worst / scale


def mean_loss(model, rows):
    """Mean over the supervised tokens of all rows (ids, or (ids, labels)), rows batched behind their last token.

    Attention is causal, so padding on the right needs no mask: no supervised token sees it.
    """
    import torch

    pairs = [row if isinstance(row, tuple) else (row, row) for row in rows]
    length = max(len(ids) for ids, _ in pairs)
    ids = torch.tensor([ids + [0] * (length - len(ids)) for ids, _ in pairs])
    labels = torch.tensor([labels + [-100] * (length - len(labels)) for _, labels in pairs])
    logits = model(input_ids=ids, use_cache=False).logits
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)


def lora(model, name, directory=None, seed=0, rank=16, alpha=32, parameters=None):
    """The model with a PEFT adapter on every linear: new from a seed (and saved to `directory`), trainable.

    `parameters`: names of parameters that are adapted too, as those of stacked experts are.
    """
    import peft
    import torch

    torch.manual_seed(seed)
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(
            r=rank, lora_alpha=alpha, target_modules="all-linear", target_parameters=parameters, task_type="CAUSAL_LM"))
    adapted.peft_config["default"].base_model_name_or_path = name
    if directory:
        adapted.save_pretrained(fresh(directory))
    return adapted


def load_adapter(model, directory):
    """The model with an adapter directory, loaded by PEFT."""
    import peft

    return peft.PeftModel.from_pretrained(model, directory).eval()


def train(model, steps, learning_rate, weight_decay, clip, after=None):
    """Trains an adapted model, one list of rows per step; the loss of each step. `after(step)` runs from step 1 on."""
    import torch

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)
    losses = []
    model.train()
    for number, rows in enumerate(steps, 1):
        loss = mean_loss(model, rows)
        loss.backward()
        if clip > 0:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if after:
            after(number)
    model.eval()
    return losses


# --- shared data ---


def story_model(arguments):
    directory = arguments.shared / "data/models/tinystories-656k"
    if not directory.exists():
        sys.exit(f"{directory} does not exist: name the folder that holds data/ by --shared")
    return directory.resolve()


def with_dtype(source, directory, dtype):
    """A copy of a checkpoint with its floating-point tensors in another dtype; the source itself for its own."""
    import safetensors
    import safetensors.torch
    import torch

    configuration = json.loads((source / "config.json").read_text())
    key = "dtype" if "dtype" in configuration else "torch_dtype"
    if configuration[key] == dtype:
        return source
    fresh(directory).mkdir(parents=True)
    for file in source.iterdir():
        if file.suffix == ".json":
            shutil.copyfile(file, directory / file.name)
    (directory / "config.json").write_text(json.dumps(configuration | {key: dtype}, indent=2) + "\n")
    with safetensors.safe_open(source / "model.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name).to(getattr(torch, dtype)) for name in file.keys()}
        safetensors.torch.save_file(tensors, directory / "model.safetensors", file.metadata())
    return directory


def shakespeare_ids(arguments, characters):
    """The first characters of tinyshakespeare as ids of the story model's tokenizer.json, taken literally."""
    import tokenizers

    text = (arguments.shared / "data/datasets/tinyshakespeare/input.txt").read_text()[:characters]
    tokenizer = tokenizers.Tokenizer.from_file(str(story_model(arguments) / "tokenizer.json"))
    return tokenizer.encode(text, add_special_tokens=False).ids


@contextlib.contextmanager
def timed(report, what):
    start = time.monotonic()
    yield
    report.note(f"      {what}: {time.monotonic() - start:.1f} s")
