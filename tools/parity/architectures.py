"""Acceptance: every architecture computes and trains as transformers and PEFT do, on its tiny golden model.

    PYTHON tools/parity/architectures.py [--qlora PATH] [--work DIR] [NAME ...]

For each model of Tests/DecoderModelsTests/Fixtures (or those named): logits of float32 weights; 20 training steps from an
adapter that PEFT wrote (rank 4, all-linear, three rows of 5 to 21 tokens a step, AdamW at 5e-3, gradients clipped to 1),
losses step by step and the final adapter, loaded by PEFT; logits of the model quantized to NF4 by us and by transformers +
bitsandbytes, both opened by both; three training steps on that base. Falcon's linears and experts are left in full
precision by transformers: there the oracle's weights go through bitsandbytes' functions one by one.

Mixtures of experts are adapted in experts and routers too, and train 20 further steps with the routers' loss (times 0.05):
one step is one batch of padded rows to transformers, whose own loss it is; ours is cut into a batch for each row.

Allowed: logits 1e-4 of the largest, losses 1e-4 relative, adapter tensors 1e-3 in relative Frobenius norm.
"""

import random

import common

STEPS, QUANTIZED_STEPS = 20, 3
LOGIT_TOLERANCE, LOSS_TOLERANCE, TENSOR_TOLERANCE = 1e-4, 1e-4, 1e-3
OPTIONS = {"attn_implementation": "eager"}  # the only attention that every family has
MIXTURES = ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe")
ROUTER_WEIGHT = 0.05


def rows_of(vocabulary):
    numbers = random.Random(5)
    return [[numbers.randrange(vocabulary) for _ in range(length)] for length in (5, 9, 21)]


def loss_of(model, rows):
    """Mean over all predicted tokens, rows alone: some frequencies depend on the longest row of a batch."""
    import torch

    total, count = 0, 0
    for ids in rows:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        total = total + torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="sum")
        count += len(ids) - 1
    return total / count


def whole_loss(model, rows):
    """transformers' loss of one batch, the routers' included."""
    import torch

    longest = max(map(len, rows))

    def padded(value):
        return torch.tensor([row + [value] * (longest - len(row)) for row in rows])

    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return model(
        input_ids=padded(0), attention_mask=mask, labels=padded(-100), output_router_logits=True, use_cache=False).loss


def peft_losses(model, rows, steps, loss_of=loss_of):
    import torch

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=5e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    losses = []
    for _ in range(steps):
        loss = loss_of(model, rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def our_losses(arguments, base, rows, initial, output, steps, router_weight=None):
    # A configuration may ask for the routers' loss by itself; None where there are no routers.
    data = output.parent / "train.jsonl"
    common.write_rows(data, rows * steps)
    common.qlora(
        arguments, "train", "--model", base, "--data", data, "-o", common.fresh(output), "--init-adapter", initial,
        "--compute", "float32", "--data-order", "sequential", "--eval-split", "0", "--max-steps", steps, "--batch-size",
        1 if router_weight else len(rows), "--gradient-accumulation", len(rows) if router_weight else 1, "--max-length", "22", "--optimizer", "adamw", "--learning-rate", "5e-3",
        "--schedule", "constant", "--warmup-steps", "0", "--weight-decay", "0.01", "--max-grad-norm", "1.0", "--quiet",
        *([] if router_weight is None else ["--router-aux-loss-coef", router_weight, "--no-packing"]))
    return [line["loss"] + (router_weight or 0) * line.get("router_aux_loss", 0) for line in common.metrics(output, "step")]


def worst(found, expected):
    return max(abs(ours - theirs) / theirs for ours, theirs in zip(found, expected, strict=True))


def check(arguments, report, name, source, work):
    import safetensors.torch
    import torch
    import transformers

    model_type = transformers.AutoConfig.from_pretrained(source).model_type
    is_mixture = model_type in MIXTURES
    options = OPTIONS | ({"experts_implementation": "eager"} if is_mixture else {})
    # PEFT's all-linear reaches experts of the other mixtures.
    lora = {"seed": 3, "rank": 4, "alpha": 8} | (
        {"parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj", "mlp.gate.weight"]}
        if model_type == "qwen2_moe" else {})

    def load():
        return transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, **options).eval()

    def logits(base, adapter=None):
        _, _, tensors = common.evaluate(
            arguments, base, rows, work / "evaluated", adapter=adapter, logits=True, longest=22)
        return [tensors[f"row.{i}"] for i in range(len(rows))]

    rows = rows_of(transformers.AutoConfig.from_pretrained(source).vocab_size)
    report.at_most(
        f"{name}: logits", common.difference(logits(source), common.row_logits(load(), rows)), LOGIT_TOLERANCE)

    initial, ours = work / "initial", work / "ours"
    adapted = common.lora(load(), name, directory=initial, **lora).eval()
    expected = peft_losses(adapted, rows, STEPS)
    found = our_losses(arguments, source, rows, initial, ours, STEPS, 0 if is_mixture else None)
    report.that(f"{name}: the model learns", expected[-1] < expected[0], f"{expected[0]:.4f} to {expected[-1]:.4f}")
    report.at_most(f"{name}: losses of {STEPS} steps, relative", worst(found, expected), LOSS_TOLERANCE)
    tensors = safetensors.torch.load_file(ours / "adapter_model.safetensors")
    theirs = common.fresh(work / "theirs")
    adapted.save_pretrained(theirs)
    reference = safetensors.torch.load_file(theirs / "adapter_model.safetensors")
    report.that(f"{name}: tensors of the adapter", tensors.keys() == reference.keys(), str(len(tensors)))
    report.at_most(
        f"{name}: adapter after {STEPS} steps, relative",
        max(((tensors[key] - reference[key]).norm() / reference[key].norm()).item() for key in reference),
        TENSOR_TOLERANCE)
    report.at_most(
        f"{name}: our adapter in PEFT, logits",
        common.difference(logits(source, ours), common.row_logits(common.load_adapter(load(), ours), rows)),
        LOGIT_TOLERANCE)

    if is_mixture:
        adapted = common.lora(load(), name, directory=initial, **lora).eval()
        adapted.get_base_model().router_aux_loss_coef = ROUTER_WEIGHT
        expected = peft_losses(adapted, rows, STEPS, whole_loss)
        found = our_losses(arguments, source, rows, initial, ours, STEPS, ROUTER_WEIGHT)
        report.at_most(
            f"{name}: losses of {STEPS} steps, routers' included, relative", worst(found, expected), LOSS_TOLERANCE)

    def restored():
        """The model with every weight that we store in 4 bits put through bitsandbytes' functions."""
        model, replaced = load(), 0

        def through(weight):
            nonlocal replaced
            replaced += 1
            return common.restored(weight, "nf4", 64)

        for path, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and (".layers." in path or ".h." in path):
                module.weight.data = through(module.weight.data)
            elif path.endswith(".experts"):
                width = module.gate_up_proj.shape[1] // 2
                for both, down in zip(module.gate_up_proj.data, module.down_proj.data):
                    both[:width], both[width:] = through(both[:width]), through(both[width:])
                    down[:] = through(down)
        return model, replaced

    is_ours = is_mixture or model_type == "falcon"
    for by in ("qlora",) if is_ours else ("qlora", "transformers"):
        base = common.quantized(arguments, source, work / f"base-{by}", "nf4", by=by)
        oracle, replaced = restored() if is_ours else common.unrounded(base, **OPTIONS)
        report.that(f"{name}: linears in 4 bits, by {by}", replaced > 0, str(replaced))
        report.at_most(
            f"{name}: logits, NF4 by {by}", common.difference(logits(base), common.row_logits(oracle, rows)),
            LOGIT_TOLERANCE)
        if by == "qlora":
            adapted = common.lora(oracle, name, directory=initial, **lora).eval()
            expected = peft_losses(adapted, rows, QUANTIZED_STEPS)
            found = our_losses(
                arguments, base, rows, initial, ours, QUANTIZED_STEPS, 0 if is_mixture else None)
            report.at_most(
                f"{name}: losses of {QUANTIZED_STEPS} steps on NF4, relative", worst(found, expected), LOSS_TOLERANCE)


def main():
    parser = common.parser(__doc__)
    parser.add_argument("names", nargs="*", help="golden models, all without any")
    arguments = parser.parse_args()
    common.quiet()
    report = common.Report()
    fixtures = common.ROOT / "Tests/DecoderModelsTests/Fixtures"
    names = arguments.names or sorted(path.parent.name for path in fixtures.glob("*/config.json"))
    with common.work_directory(arguments) as work:
        for name in names:
            check(arguments, report, name, fixtures / name, work)
    report.finish()


if __name__ == "__main__":
    main()
