"""Acceptance: `qlora tokenize` on a tokenizer.model equals the `sentencepiece` package and, where that agrees, transformers.

    PYTHON tools/parity/sentencepiece_models.py [--qlora PATH] [--shared PATH] [--strings N] [--seed N]

Trains models of every kind on the text of tools/quickstart.d, with and without a table of characters, bytes, a space in
front and user-defined pieces, and compares ids on that text's held-out rows, the hard strings of the tests and random ones.
The models laid out as Llama's are loaded with transformers, too. It builds a tokenizer of its own from the pieces, which
puts no space before a text that begins with one and reads control tokens in it: those texts are compared with sentencepiece
alone. Every tokenizer.model among the shared tokenizers and models is compared in the same way. Needs sentencepiece 0.2.3
and transformers.
"""

import io
import json

import common
import tokenizer_fuzz

NAMED = ["<sep>", "<sep2>", "  ", "Tilda"]
LLAMA = dict(byte_fallback=True, remove_extra_whitespaces=False, normalization_rule_name="identity", split_digits=True)
MODELS = {
    "bpe, as Llama": dict(model_type="bpe", vocab_size=1500) | LLAMA,
    "bpe, as Llama, user-defined pieces": dict(model_type="bpe", vocab_size=1500, user_defined_symbols=NAMED) | LLAMA,
    "bpe, no space in front": dict(model_type="bpe", vocab_size=1500, add_dummy_prefix=False) | LLAMA,
    "bpe, NFKC": dict(model_type="bpe", vocab_size=1200, normalization_rule_name="nmt_nfkc"),
    "unigram, bytes": dict(model_type="unigram", vocab_size=1500) | LLAMA,
    "unigram, NFKC": dict(model_type="unigram", vocab_size=1000, normalization_rule_name="nmt_nfkc"),
    "unigram, NFKC, lower case": dict(model_type="unigram", vocab_size=800, normalization_rule_name="nmt_nfkc_cf", user_defined_symbols=NAMED),
    "unigram, space behind": dict(model_type="unigram", vocab_size=800, treat_whitespace_as_suffix=True),
    "word": dict(model_type="word", vocab_size=900),
    "char": dict(model_type="char", vocab_size=400, user_defined_symbols=NAMED),
    "char, bytes": dict(model_type="char", vocab_size=400) | LLAMA,
}  # fmt: skip


def rows(name):
    lines = (common.ROOT / "tools/quickstart.d" / name).read_text(encoding="utf-8").split("\n")
    return [text for line in lines if line for text in json.loads(line).values() if isinstance(text, str)]


def train(corpus, options):
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, num_threads=1, minloglevel=2, hard_vocab_limit=False, **options)
    return model.getvalue()


def compare(report, what, texts, theirs, ours):
    wrong = [number for number, (their, our) in enumerate(zip(theirs, ours)) if their != our]
    first = f"{texts[wrong[0]]!r}: theirs {theirs[wrong[0]][:12]}, ours {ours[wrong[0]][:12]}" if wrong else ""
    report.that(f"{what}: {len(texts)} texts", not wrong and len(ours) == len(texts), f"{len(wrong)} differ, {first}" if wrong else "")


def check(arguments, report, work, name, model, texts, is_llama):
    import sentencepiece

    directory = common.fresh(work / "model")
    directory.mkdir(parents=True)
    (directory / "tokenizer.model").write_bytes(model)
    settings = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))

    def ours(lines, *options):
        stdin = "".join(json.dumps(line) + "\n" for line in lines)
        output = common.qlora(arguments, "tokenize", "--model", directory, "--no-special-tokens", *options, stdin=stdin)
        return [json.loads(line) for line in output.split("\n") if line]

    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    found = ours(texts, "--control-text", "plain")
    compare(report, f"{name}, sentencepiece", texts, [processor.encode(text) for text in texts], found)
    if not is_llama:
        return
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    control = [token.content for token in tokenizer.added_tokens_decoder.values()]
    shared = [number for number, text in enumerate(texts)
              if text[:1] not in (" ", "▁") and not any(token in text for token in control)]  # fmt: skip
    kept = [texts[number] for number in shared]
    theirs = [tokenizer.encode(text, add_special_tokens=False) for text in kept]
    compare(report, f"{name}, transformers", kept, theirs, [found[number] for number in shared])
    decoded = [tokenizer.decode(ids, clean_up_tokenization_spaces=False) for ids in theirs]
    compare(report, f"{name}, transformers, decoded", kept, decoded, ours(theirs, "--decode"))


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--strings", type=int, default=1500, help="random strings (1500)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.oracle_only:
        parser.error("this script has no oracle")
    import random

    report = common.Report()
    generator = random.Random(arguments.seed)
    corpus = rows("train.jsonl") + (common.ROOT / "Tests/TokenizersTests/Fixtures/corpus.txt").read_text().split("\n")
    texts = json.loads((common.ROOT / "Tests/TokenizersTests/Fixtures/strings.json").read_text()) + rows("held-out.jsonl")
    texts += tokenizer_fuzz.strings(generator, arguments.strings, NAMED)
    # NUL ends a string inside the library.
    texts = [text for text in texts if "\0" not in text]
    with common.work_directory(arguments) as work:
        for name, options in MODELS.items():
            check(arguments, report, work, name, train(corpus, options), texts, "Llama" in name and "pieces" not in name)
        for folder in ("tokenizers", "models"):
            for path in sorted((arguments.shared / "data" / folder).glob("*/tokenizer.model")):
                check(arguments, report, work, f"shared {path.parent.name}", path.read_bytes(), texts, True)
    report.finish()


if __name__ == "__main__":
    main()
