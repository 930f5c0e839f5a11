"""Acceptance: `qlora tokenize` equals the `tokenizers` library on random pipelines and random hard strings.

    PYTHON tools/parity/tokenizer_fuzz.py [--qlora PATH] [--shared PATH] [--pipelines N] [--strings N] [--seed N]

Each pipeline puts random normalizers, pre-tokenizers, a post-processor, a decoder and added tokens with random flags around
a model of Tests/TokenizersTests/Fixtures; every fixture itself and the four shared tokenizers come first, unchanged. Ids
with and without special tokens and the decoded text of the latter are compared on every string. A disagreement prints the
pipeline, the string and both results. Needs tokenizers 0.23.3.
"""

import contextlib
import json
import os
import random
import re

import common

POOLS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", " ", "  ", "\n\r\t", "'\"`.,:;!?-_/\\()[]{}<>|@#$%^&*+=~",
    "äöüßéèñçøåÆŁİıſǅ", "ΑΒΓαβγςΣ", "АБВгдеё", "אבגד", "ابتثجحخ٠١٢٣", "नमस्तेक्षि०१", "กขค่้ไทย", "ཀྲཱུ", "漢字中文的了。，、「」", "ひらがなカタカナーｶﾞ", "한국어각",
    "\u1100\u1161\u11a8\u1112\u1175", "\u0300\u0301\u0327\u0308\u0345\u0488\u05b0\u064b\u093c\u1ab0\u20d0\u3099", "😀👍🏽👩‍👩‍👧🇩🇪🇫🏳️‍🌈", "①②½¾²³ⅣⅧ㈠㍻",
    "ﬁﬂﷺﷲ℃Åﬀ", "ＡＢｃ１２！", "𝒳𝓎𝟘𝔸", "\u0000\u0001\u0008\u000b\u000c\u001f\u007f\u0085\u008f\u009f\u00ad", "\u00a0\u1680\u2000\u2003\u2028\u2029\u202f\u205f\u3000",
    "\u200b\u200c\u200d\u200e\u2060\ufeff\ufffd\ufffe", "\ue000\uf8ff\U000f0000\U0010ffff", "\u0378\u0380\U0001fbfe\U000e0100\U000e0041", "▁▁ ▁", "ĠĊĉâ",
    "\u3021\u3007\u3005\u2e80\U00020000\U0002f800", "µªº×÷", "\u0130\u1e9e\u01c4\u03f4", "\U00011de0\U00011de5\U00016ff4\u0e50\u0966",
]  # fmt: skip
PHRASES = [
    "the river", "The sheep's", " don't", "THEY'RE", "'s't're", "1234567", "1,881.00", "\r\n\r\n", "\n \n", "   x", "x   ", "http://a.b/c?d=e", "for (int i = 0; i < n; ++i) {\n\t",
    "Über die Brücke", "naïve café", "e\u0301e\u0327", "<0x41>", "<0xFF>", "<unk>", "<s>", "</s>", "##ing", "</w>", " do not ", " n't", "``quoted''", "a" * 30, " " * 20,
    "的" * 12, "\u0301" * 8, "日本語とカナ", "12 345 6789", "camelCaseHTTPServer", "snake_case", "|word|", "ab|cd",
]  # fmt: skip


def strings(generator, count, tokens=()):
    """Random strings: runs out of pools, phrases and special tokens, from empty to long."""
    tokens = list(tokens)
    for _ in range(count):
        parts = []
        for _ in range(generator.choice([0, 1, 1, 2, 3, 4, 6, 9, 14])):
            kind = generator.random()
            if kind < 0.2:
                parts.append(generator.choice(PHRASES))
            elif kind < 0.35 and tokens:
                token = generator.choice(tokens)
                parts.append(token if generator.random() < 0.7 else token[: generator.randrange(len(token) + 1)])
            elif kind < 0.4:
                parts.append(chr(generator.choice([*range(1, 0xD800), *range(0xE000, 0xE100)] if kind < 0.37 else range(0x10000, 0x20000))))
            else:
                pool = generator.choice(POOLS)
                parts.append("".join(generator.choice(pool) for _ in range(generator.choice([1, 1, 1, 2, 3, 5, 8]))))
        yield "".join(parts)


# --- random pipelines ---


def normalizer(generator, tables):
    choice = generator.choice
    return choice([
        lambda: {"type": choice(["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"])},
        lambda: {"type": "Strip", "strip_left": choice([True, False]), "strip_right": choice([True, False])},
        lambda: {"type": "BertNormalizer", "clean_text": choice([True, False]), "handle_chinese_chars": choice([True, False]),
                 "strip_accents": choice([None, True, False]), "lowercase": choice([True, False])},
        lambda: {"type": "Replace", "pattern": choice([{"String": " "}, {"String": "e"}, {"String": "''"}, {"Regex": " {2,}"},
                 {"Regex": r"\s+"}, {"Regex": r"\s{2,}|[\n\r\t]"}, {"Regex": r"\A +| +\z"}, {"Regex": "\\A▁"}]), "content": choice(["▁", " ", "", "ab"])},
        lambda: {"type": "Prepend", "prepend": choice(["▁", "x"])},
        lambda: {"type": "Precompiled", "precompiled_charsmap": choice(tables)} if tables else {"type": "NFKC"},
    ])()  # fmt: skip


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def pre_tokenizer(generator, patterns):
    choice = generator.choice
    return choice([
        lambda: {"type": choice(["Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts"])},
        lambda: {"type": "ByteLevel", "add_prefix_space": choice([True, False]), "trim_offsets": True, "use_regex": choice([True, False])},
        lambda: {"type": "Metaspace", "replacement": "▁", "prepend_scheme": choice(["always", "first", "never"]), "split": choice([True, False])},
        lambda: {"type": "Punctuation", "behavior": choice(BEHAVIORS)},
        lambda: {"type": "Digits", "individual_digits": choice([True, False])},
        lambda: {"type": "CharDelimiterSplit", "delimiter": choice(["|", " ", "的"])},
        lambda: {"type": "FixedLength", "length": choice([1, 2, 5, 9])},
        lambda: {"type": "Split", "pattern": {"Regex": choice(patterns)}, "behavior": choice(BEHAVIORS), "invert": choice([True, False])},
        lambda: {"type": "Split", "pattern": {"String": choice([" ", "e", "th", "的", "aa"])}, "behavior": choice(BEHAVIORS), "invert": choice([True, False])},
    ])()  # fmt: skip


def decoder(generator):
    choice = generator.choice
    return choice([
        lambda: {"type": choice(["ByteFallback", "Fuse"])},
        lambda: {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        lambda: {"type": "Metaspace", "replacement": "▁", "prepend_scheme": choice(["always", "first", "never"]), "split": True},
        lambda: {"type": "WordPiece", "prefix": "##", "cleanup": choice([True, False])},
        lambda: {"type": "CTC", "pad_token": "<unk>", "word_delimiter_token": choice(["|", "▁"]), "cleanup": choice([True, False])},
        lambda: {"type": "BPEDecoder", "suffix": "</w>"},
        lambda: {"type": "Strip", "content": choice([" ", "▁", "e"]), "start": choice([0, 1, 2]), "stop": choice([0, 1])},
        lambda: {"type": "Replace", "pattern": choice([{"String": "▁"}, {"String": "th"}, {"Regex": r"\s+"}]), "content": choice([" ", ""])},
    ])()  # fmt: skip


def several(generator, make, most, name, key):
    count = generator.randrange(most + 1)
    if count == 0:
        return None
    if count == 1 and generator.random() < 0.5:
        return make()
    return {"type": name, key: [make() for _ in range(count)]}


def pipeline(generator, base, tables, patterns):
    """A fixture's model with everything around it random."""
    document = json.loads(json.dumps(base))
    vocabulary = document["model"]["vocab"]
    words = [entry[0] for entry in vocabulary] if isinstance(vocabulary, list) else list(vocabulary)
    document["normalizer"] = several(generator, lambda: normalizer(generator, tables), 3, "Sequence", "normalizers")
    document["pre_tokenizer"] = several(generator, lambda: pre_tokenizer(generator, patterns), 3, "Sequence", "pretokenizers")
    document["decoder"] = several(generator, lambda: decoder(generator), 3, "Sequence", "decoders")
    document["post_processor"] = None
    added = []
    for content in generator.sample(["<mask>", "<|end|>", "river", "The ", " x", "\n\n", "e\u0301", "ﬁ", "ABC", "aa", "▁▁", "的", "<s>", "'s"], generator.randrange(6)):
        flags = {flag: generator.random() < 0.3 for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        added.append({"id": len(words) + len(added), "content": content} | flags)
    document["added_tokens"] = added
    first = words[generator.randrange(len(words))]
    if generator.random() < 0.3:
        document["post_processor"] = {"type": generator.choice(["BertProcessing", "RobertaProcessing"]), "sep": [first, words.index(first)], "cls": [words[0], 0]}
        if document["post_processor"]["type"] == "RobertaProcessing":
            document["post_processor"] |= {"trim_offsets": True, "add_prefix_space": False}
    return document


def known_patterns(fixtures):
    """The expressions in the fixtures' Split pre-tokenizers."""
    found = set()

    def walk(value):
        if isinstance(value, dict):
            if value.get("type") == "Split" and "Regex" in value["pattern"]:
                found.add(value["pattern"]["Regex"])
            for member in value.values():
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    for document in fixtures:
        walk(document["pre_tokenizer"])
    return sorted(found)


def charsmaps(fixtures):
    def walk(value):
        if isinstance(value, dict):
            if "precompiled_charsmap" in value:
                yield value["precompiled_charsmap"]
            for member in value.values():
                yield from walk(member)
        elif isinstance(value, list):
            for member in value:
                yield from walk(member)

    return sorted({table for document in fixtures for table in walk(document["normalizer"]) if table})


# --- comparison ---


@contextlib.contextmanager
def quiet():
    """Keeps standard error away: the library's panics print a trace each."""
    saved, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nothing)


def expected(tokenizer, text):
    encoding = tokenizer.encode(text)
    bare = tokenizer.encode(text, add_special_tokens=False).ids
    return encoding.ids, bare, tokenizer.decode(bare, skip_special_tokens=False)


def compare(arguments, work, name, document, texts, run):
    """Compares one tokenizer on many strings: (strings compared, strings left out, first disagreement)."""
    import tokenizers

    try:
        tokenizer = tokenizers.Tokenizer.from_str(document)
    except Exception as error:  # the library refuses the pipeline: nothing to compare
        return 0, 0, None, f"refused: {error}"
    # An added token that is normalized to nothing makes the library take memory without end.
    added = [token["content"] for token in json.loads(document)["added_tokens"] if token["normalized"]]
    if tokenizer.normalizer and not all(tokenizer.normalizer.normalize_str(content) for content in added):
        return 0, 0, None, "an added token is nothing"
    # The library panics on some strings with some pipelines: those are counted and left out.
    kept, results, panics = [], [], 0
    with quiet():
        for text in texts:
            try:
                results.append(expected(tokenizer, text))
                kept.append(text)
            except KeyboardInterrupt:
                raise
            except BaseException:  # a panic is no Exception
                panics += 1
    found = run(work, document, kept, [result[1] for result in results])
    if isinstance(found, str):
        return 0, panics, (None, found, None), None
    for text, result, ours in zip(kept, results, found):
        if list(result) != list(ours):
            return len(kept), panics, (text, result, ours), None
    return len(kept), panics, None, None


def run_program(arguments):
    def run(work, document, texts, bare):
        directory = common.fresh(work / "tokenizer")
        directory.mkdir(parents=True)
        (directory / "tokenizer.json").write_text(document, encoding="utf-8")
        lines = "".join(json.dumps(text) + "\n" for text in texts)

        def read(*options, stdin=lines):
            output = common.qlora(arguments, "tokenize", "--model", directory, *options, stdin=stdin)
            return [json.loads(line) for line in output.split("\n") if line]

        ids, plain = read(), read("--no-special-tokens")
        decoded = read("--no-special-tokens", "--decode", stdin="".join(json.dumps(line) + "\n" for line in bare))
        return list(zip(ids, plain, decoded))

    return run


def main(run=None):
    parser = common.parser(__doc__)
    parser.add_argument("--pipelines", type=int, default=150, help="random pipelines (150)")
    parser.add_argument("--strings", type=int, default=200, help="strings for each (200)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report = common.Report()
    generator = random.Random(arguments.seed)
    folder = common.ROOT / "Tests/TokenizersTests/Fixtures"
    fixtures = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))
                if path.stem not in ("strings", "hostile", "decoders") and "." not in path.stem}  # fmt: skip
    jobs = [(name, json.dumps(document)) for name, document in fixtures.items()]
    shared = arguments.shared / "data/tokenizers"
    if shared.exists():
        jobs += [(f"shared {path.parent.name}", path.read_text()) for path in sorted(shared.glob("*/tokenizer.json"))]
    tables, patterns = charsmaps(fixtures.values()), known_patterns(fixtures.values())
    for number in range(arguments.pipelines):
        base = fixtures[generator.choice(sorted(fixtures))]
        jobs.append((f"pipeline {number}", json.dumps(pipeline(generator, base, tables, patterns))))
    total, panics, refused, failures = 0, 0, 0, 0
    with common.work_directory(arguments) as work:
        for name, document in jobs:
            tokens = [token["content"] for token in json.loads(document)["added_tokens"]]
            texts = list(strings(generator, arguments.strings, tokens))
            count, out, difference, refusal = compare(arguments, work, name, document, texts, run or run_program(arguments))
            total, panics, refused = total + count, panics + out, refused + bool(refusal)
            if difference:
                failures += 1
                text, theirs, ours = difference
                shape = {key: value for key, value in json.loads(document).items() if key not in ("model", "version", "truncation", "padding")}
                shape = re.sub(r'"precompiled_charsmap": "[^"]*"', '"precompiled_charsmap": …', json.dumps(shape))
                print(f"DIFFERS {name}: {shape}\n  text   {text!r}", flush=True)
                if ours is None:
                    print(f"  {theirs}", flush=True)
                    continue
                for what, their, our in zip(("ids", "without special tokens", "decoded"), theirs, ours):
                    if their != our:
                        print(f"  {what}\n    theirs {their}\n    ours   {our}", flush=True)
    report.that(
        f"{len(jobs)} tokenizers, seed {arguments.seed}", failures == 0 and total > 0,
        f"{total} strings equal, {failures} tokenizers differ; the library cannot run {refused} and panicked on {panics} strings")
    report.finish()


if __name__ == "__main__":
    main()
