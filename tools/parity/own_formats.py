"""Acceptance: transformers stops at directories in our own formats, and loads those in formats of the ecosystem.

    PYTHON tools/parity/own_formats.py [--qlora PATH] [--shared PATH] [--work DIR]

A directory that transformers loaded and read as something else would compute nonsense without a word. So every format
that only this project has (int8, int4, quantized embeddings beside any body, experts in 4 bits) must end in an exception, whatever is
accepted: with the configuration as written, and with `quantization_config` removed or renamed to bitsandbytes, as someone
in a hurry might do. `nf4`, `fp4` and `none` must load. Prints what transformers says.
"""

import json
import shutil

import common

# words of `quantize`, whether transformers loads the directory
VARIANTS = {
    "int8": (["--format", "int8"], False),
    "int4": (["--format", "int4"], False),
    "int4, scales plain, block 256": (["--format", "int4", "--no-double-quant", "--block-size", "256"], False),
    "nf4, embeddings int8": (["--format", "nf4", "--embeddings", "int8"], False),
    "nf4, embeddings nf4": (["--format", "nf4", "--embeddings", "nf4"], False),
    "none, embeddings int8": (["--format", "none", "--embeddings", "int8"], False),
    "int8, embeddings int8": (["--format", "int8", "--embeddings", "int8"], False),
    "none": (["--format", "none"], True),
    "nf4": (["--format", "nf4"], True),
    "fp4, scales plain": (["--format", "fp4", "--no-double-quant"], True),
}
MODELS = ("llama-v4-plain", "llama-v5-default-tied", "qwen2-v4-tied")
# Mixtures of experts: with their experts in few bits; with experts kept, as bitsandbytes leaves them.
MIXTURES = ("mixtral-v4", "qwen2-moe-v5-stacked", "qwen3-moe-v5", "olmoe-v4")
MIXTURE_VARIANTS = {
    "nf4": (["--format", "nf4"], False),
    "int8": (["--format", "int8"], False),
    "nf4, experts kept": (["--format", "nf4", "--keep", "*.experts.*"], True),
}


def load(directory):
    """What transformers says to a directory: None if it loads it."""
    import transformers

    try:
        transformers.AutoModelForCausalLM.from_pretrained(directory, device_map="cpu")
    except Exception as error:  # anything but a model is a stop
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"{type(error).__name__}: {lines[0] if lines else ''}"[:150]
    return None


def tampered(directory, copy, configuration):
    """A copy of a directory with another quantization_config (None: without one)."""
    shutil.copytree(directory, common.fresh(copy))
    stored = json.loads((directory / "config.json").read_text())
    del stored["quantization_config"]
    if configuration:
        stored["quantization_config"] = configuration
    (copy / "config.json").write_text(json.dumps(stored))
    return copy


def main():
    arguments = common.parser(__doc__).parse_args()
    common.quiet()
    report = common.Report()
    fixtures = common.ROOT / "Tests/DecoderModelsTests/Fixtures"
    sources = [(fixtures / name, VARIANTS) for name in MODELS]
    sources += [(fixtures / name, MIXTURE_VARIANTS) for name in MIXTURES]
    if (arguments.shared / "data").exists():
        sources.append((common.story_model(arguments), VARIANTS))
    bitsandbytes = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    with common.work_directory(arguments) as work:
        for source, variants in sources:
            for name, (words, loads) in variants.items():
                directory = common.fresh(work / "quantized")
                common.qlora(arguments, "quantize", source, "-o", directory, *words, "--quiet")
                said = load(directory)
                report.that(f"{source.name}: {name}: {'loads' if loads else 'stops'}", (said is None) == loads, said or "")
                if loads:
                    continue
                for what, configuration in (("without its configuration", None), ("called bitsandbytes", bitsandbytes)):
                    said = load(tampered(directory, work / "tampered", configuration))
                    report.that(f"{source.name}: {name}, {what}: stops", said is not None, said or "")
    report.finish()


if __name__ == "__main__":
    main()
