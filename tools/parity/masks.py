"""Acceptance: `qlora tokenize --chat` gives the ids and assistant masks of transformers.

    PYTHON tools/parity/masks.py [--qlora PATH] [--shared PATH]

Every shared template over the shared qwen2 tokenizer, one- and two-turn chats with and without the system's words: text and
ids equal those of `apply_chat_template`; for templates with `{% generation %}` the mask equals
`return_assistant_tokens_mask`. A template that refuses a chat refuses it in both. Needs transformers alone.
"""

import json
import os
import re
import shutil
import tempfile

import common

os.environ.setdefault("USE_TORCH", "0")

CHATS = {
    "one turn": [("user", "What is 2+2?"), ("assistant", "It is four.")],
    "two turns": [("user", "Hi 🙂"), ("assistant", "Hello!\n"), ("user", " And 3+3? "), ("assistant", "  Six\n\nthen.")],
    "with system": [("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes"), ("user", "你好"), ("assistant", "再见")],
}


def main():
    parser = common.parser(__doc__)
    arguments = parser.parse_args()
    if arguments.oracle_only:
        parser.error("this script has no oracle")
    from transformers import PreTrainedTokenizerFast

    report = common.Report()
    templates = {}
    for line in (arguments.shared / "data/chat-templates/renderings.jsonl").read_text().split("\n"):
        if line:
            row = json.loads(line)
            templates.setdefault(row["name"], row["template"])
    source = arguments.shared / "data/tokenizers/qwen2/tokenizer.json"
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(source), bos_token="<|im_start|>", eos_token="<|endoftext|>")
    folder = tempfile.mkdtemp()
    shutil.copy(source, folder)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump({"bos_token": "<|im_start|>", "eos_token": "<|endoftext|>"}, file)
    counts = {"ids": 0, "refused": 0, "masks": 0, "exact masks": 0, "none": 0, "no tools": 0}
    wrong = {"ids": [], "refusals": [], "masks": []}
    for name, template in templates.items():
        marked = re.search(r"\{%-?\s*generation\s*-?%\}", re.sub(r"\{#.*?#\}", "", template, flags=re.S))
        with open(os.path.join(folder, "chat_template.jinja"), "w") as file:
            file.write(template)
        chats = [[{"role": role, "content": content} for role, content in chat] for chat in CHATS.values()]
        run = common.subprocess.run(
            [str(arguments.qlora), "tokenize", "--model", folder, "--chat", "--quiet"], text=True, capture_output=True,
            input="".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
        found = [json.loads(line) for line in run.stdout.splitlines()]
        for label, chat, line in zip(CHATS, chats, found):
            place = f"{name}, {label}"
            try:
                expected = tokenizer.apply_chat_template(
                    chat, chat_template=template, return_dict=True, return_assistant_tokens_mask=bool(marked))
            except Exception as error:
                # Where a template stops at tools=None, which transformers always passes, it gets no tools at all from us.
                if "NoneType" in str(error):
                    counts["no tools"] += 1
                    continue
                counts["refused"] += 1
                if "error" not in line:
                    wrong["refusals"].append(f"{place}: {error}")
                continue
            if "error" in line or line["ids"] != expected["input_ids"]:
                wrong["ids"].append(f"{place}: {line.get('error', 'other ids')}")
                continue
            counts["ids"] += 1
            if line["assistant_mask"] is None:
                counts["none"] += 1
            else:
                counts["exact masks"] += 1
            if marked:
                if line["assistant_mask"] == expected["assistant_masks"]:
                    counts["masks"] += 1
                else:
                    wrong["masks"].append(place)
        if len(found) != len(chats):
            wrong["ids"].append(f"{name}: {run.stderr.strip()}")
    shutil.rmtree(folder)
    report.that("text and ids equal", not wrong["ids"], f"{counts['ids']} chats; wrong: {wrong['ids'][:5]}")
    report.that(
        "refused by both", not wrong["refusals"],
        f"{counts['refused']} chats; wrong: {wrong['refusals'][:5]}; {counts['no tools']} stopped by tools=None alone")
    report.that(
        "masks of templates with marks equal", not wrong["masks"] and counts["masks"] > 0,
        f"{counts['masks']} chats; wrong: {wrong['masks'][:5]}")
    report.that("chats with an exact mask", True, f"{counts['exact masks']}, without one {counts['none']}")
    report.finish()


if __name__ == "__main__":
    main()
