#!/usr/bin/env python3
"""Makes the quickstart's files: a tokenizer and a small llama trained on plain stories, and the rows of the demo.

    python tools/quickstart.d/make/train_model.py [--steps N] [--output DIRECTORY]

Needs torch, transformers, tokenizers and safetensors, and ten to fifteen minutes of one core. Writes model/ (at most 4 MB),
train.jsonl, held-out.jsonl, prompts.txt and manifest.json with versions and SHA-256. The same seed, versions and kind
of processor give the same bytes.
"""

import argparse
import hashlib
import json
import pathlib
import platform
import random
import sys
import time

import safetensors.torch
import tokenizers
import torch
import transformers

import generate

BEGIN, END = "<|begin|>", "<|end|>"
VOCABULARY = 1536
SEED = 1
STORIES = 11_200
BATCH = 8
LEARNING_RATE = 4e-3
BYTE_LIMIT = 4_000_000
# Of every eighth story some words are cut at random places, so that parts of words, which other texts need, are
# trained too (subword regularization: Kudo 2018, arXiv:1804.10959).
CUT_EVERY, CUT_PROBABILITY = 8, 0.02


def text(row):
    return row["prompt"] + row["completion"]


def train_tokenizer(texts):
    """Byte-level BPE that puts the begin token before a text."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[BEGIN, END], show_progress=False,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A {BEGIN} $B", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))])
    return tokenizer


def cut(text, numbers):
    """The text in pieces, as `CUT_PROBABILITY` says."""
    places = [0] + [place for place in range(1, len(text)) if numbers.random() < CUT_PROBABILITY] + [len(text)]
    return [text[start:end] for start, end in zip(places, places[1:])]


def encoded(tokenizer, texts, numbers):
    """Ids of every text, from the begin to the end token."""
    begin, end = tokenizer.token_to_id(BEGIN), tokenizer.token_to_id(END)
    result = []
    for index, text in enumerate(texts):
        pieces = cut(text, numbers) if index % CUT_EVERY == 0 else [text]
        ids = [id for piece in pieces for id in tokenizer.encode(piece, add_special_tokens=False).ids]
        result.append([begin] + ids + [end])
    return result


def batches(rows, numbers):
    """Rows of about the same length together, in random order; each batch is (ids, labels), padded on the right."""
    rows = sorted(rows, key=len)
    groups = [rows[start:start + BATCH] for start in range(0, len(rows), BATCH)]
    numbers.shuffle(groups)
    for group in groups:
        length = max(map(len, group))
        yield (torch.tensor([ids + [0] * (length - len(ids)) for ids in group]),
               torch.tensor([ids + [-100] * (length - len(ids)) for ids in group]))


def configuration(tokenizer):
    return transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=32, max_position_embeddings=1024, tie_word_embeddings=True,
        bos_token_id=tokenizer.token_to_id(BEGIN), eos_token_id=tokenizer.token_to_id(END), pad_token_id=None,
        dtype="bfloat16",
        # The usual 0.02 is meant for wide models: here attention would stay flat for long.
        initializer_range=0.06)


def loss_of(model, ids, labels):
    logits = model(input_ids=ids, use_cache=False).logits.float()
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)


def train(model, rows, steps, numbers):
    """AdamW with a linear warm-up and a cosine down to a hundredth; products in bfloat16."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    optimizer = torch.optim.AdamW(
        [dict(params=matrices, weight_decay=0.05), dict(params=others, weight_decay=0.0)], lr=LEARNING_RATE,
        betas=(0.9, 0.95))
    warm_up, shape = max(1, steps // 20), torch.tensor(torch.pi)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(
        (step + 1) / warm_up, 0.01 + 0.99 * (1 + torch.cos(shape * step / steps).item()) / 2))
    start, step = time.monotonic(), 0
    while step < steps:
        for ids, labels in batches(rows, numbers):
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model, ids, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            step += 1
            if step % 50 == 0 or step == steps:
                print(f"step {step} of {steps}  loss {loss.item():.4f}  {time.monotonic() - start:.0f} s", flush=True)
            if step == steps:
                break


def save(model, tokenizer, directory):
    """A Hugging Face directory in bfloat16."""
    directory.mkdir(parents=True, exist_ok=True)
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=model.config.bos_token_id, eos_token_id=model.config.eos_token_id, do_sample=True, temperature=0.5)
    model.to(torch.bfloat16).save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="PreTrainedTokenizerFast", bos_token=BEGIN, eos_token=END, add_bos_token=True,
        clean_up_tokenization_spaces=False, model_max_length=1024), indent=2) + "\n")
    total = sum(file.stat().st_size for file in directory.iterdir())
    if total > BYTE_LIMIT:
        sys.exit(f"{directory} has {total} bytes, more than {BYTE_LIMIT}")


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_manifest(directory, **facts):
    """How the files of a directory were made, their bytes and SHA-256; prints it too."""
    names = [f"model/{file.name}" for file in sorted((directory / "model").iterdir())] + list(generate.DEMO_FILES)
    manifest = dict(
        made_by="tools/quickstart.d/make/train_model.py", **facts,
        made_with=dict(python=platform.python_version()) | {
            module.__name__: module.__version__ for module in (torch, transformers, tokenizers, safetensors)},
        files={name: dict(bytes=(directory / name).stat().st_size, sha256=sha256(directory / name)) for name in names})
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(json.dumps(manifest, indent=2))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=1400, help="optimizer steps (default: 1400, a pass)")
    options.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[1],
                         help="where to write (default: tools/quickstart.d)")
    arguments = options.parse_args()
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # sums depend on the number, and a model this small gains little from more
    numbers = random.Random(SEED)

    texts = [text(row) for row in generate.rows("plain", STORIES, SEED)]
    tokenizer = train_tokenizer(texts[:4000])
    print(f"{len(texts)} stories", flush=True)
    rows = encoded(tokenizer, texts, numbers)
    held_out = [tokenizer.encode(text(row)).ids + [tokenizer.token_to_id(END)]
                for row in generate.rows("plain", 64, SEED + 1)]
    print(f"{sum(map(len, rows)) / len(rows):.0f} tokens on average, at most {max(map(len, rows))}")
    model = transformers.LlamaForCausalLM(configuration(tokenizer)).float()
    print(f"{model.num_parameters()} parameters")
    train(model, rows, arguments.steps, numbers)
    model.eval()
    save(model, tokenizer, arguments.output / "model")
    generate.write_demo(arguments.output)

    stored = transformers.AutoModelForCausalLM.from_pretrained(arguments.output / "model", dtype=torch.float32)
    with torch.no_grad():
        sums = [loss_of(stored, ids, labels) * (labels[:, 1:] >= 0).sum() for ids, labels in batches(held_out, numbers)]
    loss = sum(sums).item() / sum(len(ids) - 1 for ids in held_out)
    write_manifest(arguments.output, seed=SEED, steps=arguments.steps, parameters=stored.num_parameters(),
                   held_out_plain_loss=round(loss, 4))


if __name__ == "__main__":
    main()
