"""Acceptance: log-probabilities and losses of the shared story model, on five stories written for this test.

    PYTHON tools/parity/stories.py [--qlora PATH] [--shared PATH] [--work DIR]

Stories are tokenized once by the `tokenizers` library (tokenizer.json literally) and passed as ids. The unquantized
model's log-probability of every token must lie within 1e-4 of transformers' float32; the mean losses of NF4, NF4 with
double quantization and FP4 within 1e-4 of plain float32 torch over the unrounded dequantized weights. Greedy generation
must choose the oracle's tokens, which are computed without a cache.
"""

import json

import common

TOLERANCE = 1e-4
PROMPT, NEW_TOKENS = "Once upon a time", 60

STORIES = [
    "Once upon a time, there was a little fox named Pip. Pip had a red ball. Every day he took the ball to the big "
    "green hill and let it roll down. One day the ball did not stop. It went into the pond with a big splash. Pip was "
    "sad. \"I can not swim,\" he said. A kind duck heard him. The duck pushed the ball back with her nose. \"Thank "
    "you!\" said Pip. They played together until the sun went down.",
    "Lily wanted to make a cake for her mom. She put flour, eggs and milk in a bowl. She mixed and mixed. But she "
    "forgot the sugar! When mom took a bite, she made a funny face. Lily began to cry. Mom gave her a hug and said, "
    "\"Let us put honey on it.\" They did, and the cake was very good. Lily learned that a mistake can be fixed.",
    "One night, Ben could not sleep. The wind was loud and the tree hit the window. Ben was scared. He called his dad. "
    "Dad came with a small lamp. \"Look,\" said dad, \"it is only a branch. It wants to say hello.\" Ben waved at the "
    "branch. He was not scared any more. He closed his eyes and had a happy dream about a tree that could dance.",
    "There was an old boat at the beach. Nobody used it. A crab lived under the boat, and a bird lived on top of it. "
    "They did not like each other. The bird was too noisy and the crab was too slow. Then a storm came. The boat "
    "shook. The bird held the crab, and the crab held the sand. In the morning they were safe. From that day on they "
    "were best friends.",
    "Tom and Sue found a tiny key in the garden. \"What does it open?\" asked Sue. They tried the door. No. They tried "
    "the box in the kitchen. No. At last they saw an old clock in grandma's room. The key fit! Inside the clock was a "
    "note. It said, \"You are very clever. Come and get a cookie.\" Grandma laughed. She had a plate full of cookies "
    "for them.",
]


def greedy(model, ids):
    """The likeliest next tokens, one at a time, up to the end token or NEW_TOKENS of them."""
    ids, count = list(ids), len(ids)
    while len(ids) < count + NEW_TOKENS:
        token = common.row_logits(model, [ids])[0][-1].argmax().item()
        if token == model.config.eos_token_id:
            break
        ids.append(token)
    return ids[count:]


def check_generation(arguments, report, name, directory, model):
    found = json.loads(common.qlora(
        arguments, "generate", "--model", directory, "--prompt", PROMPT, "--max-tokens", NEW_TOKENS,
        "--temperature", "0", "--compute", "float32", "--json"))
    # The end token may or may not be among the ids.
    ids = [token for token in found["ids"] if token != model.config.eos_token_id]
    report.that(f"{name}: greedy tokens", ids == greedy(model, found["prompt_ids"]), repr(found["text"][:60]))


def main():
    import tokenizers

    arguments = common.parser(__doc__).parse_args()
    common.quiet()
    report = common.Report()
    source = common.story_model(arguments)
    tokenizer = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    rows = [tokenizer.encode(story).ids for story in STORIES]
    report.note(f"{len(rows)} stories of {', '.join(str(len(ids)) for ids in rows)} tokens")
    with common.work_directory(arguments) as work:
        for name in ("float32", *common.FORMATS):
            directory = source
            if name != "float32":
                directory = common.quantized(arguments, source, work / f"stories-{name}", name)
            model, _ = common.unrounded(directory)
            logits = common.row_logits(model, rows)
            expected = [common.log_probabilities(row, ids) for row, ids in zip(logits, rows)]
            count = sum(map(len, expected))
            loss = -sum(row.sum().item() for row in expected) / count
            report.note(f"      {name}: oracle loss {loss:.6f} over {count} tokens")
            if arguments.oracle_only:
                report.that(f"{name}: the loss is of the known order", 2.0 < loss < 4.5)
                continue
            found, per_token, _ = common.evaluate(arguments, directory, rows, work / "evaluated")
            report.at_most(f"{name}: mean loss {found['loss']:.6f}", abs(found["loss"] - loss), TOLERANCE)
            report.that(f"{name}: tokens", found["tokens"] == count, str(found["tokens"]))
            report.that(f"{name}: ids of --per-token", [line["ids"] for line in per_token] == rows)
            report.that(f"{name}: first tokens have none", all(line["logprobs"][0] is None for line in per_token))
            worst = max(
                abs(ours - theirs)
                for line, row in zip(per_token, expected, strict=True)
                for ours, theirs in zip(line["logprobs"][1:], row.tolist(), strict=True))
            report.at_most(f"{name}: every log-probability", worst, TOLERANCE)
            check_generation(arguments, report, name, directory, model)
    report.finish()


if __name__ == "__main__":
    main()
