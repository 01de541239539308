# %% [markdown]
# # n-grams with n = infinity over your own files, in ten minutes
#
# Run it as a script, or cell by cell in an editor that knows `# %%`:
#
#     python clients/examples/infinity_grams.py MODEL FOLDER
#
# MODEL is a folder with a causal language model and its tokenizer.json, FOLDER one with .txt
# files. An index is built beside them once, in FOLDER.index.

# %%
"""An index of one's own files: counted, asked, traced, mixed with a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from stillhouse.index.client import IndexClient
from stillhouse.local.serve import serving_index

# %% [markdown]
# ## An index of one's own files
# The texts are cut by the model's own tokenizer, so that both speak of the same tokens. The same
# from the shell: `stillhouse index build --tokenizer MODEL --out FOLDER.index FOLDER`.


# %%
def build(model: Path, files: Path) -> Path:
    """The index over the .txt files, built at first use."""
    from services.index.build import build_index  # noqa: PLC0415

    index = files.with_name(f"{files.name}.index")
    if not index.exists():
        paths = sorted(files.glob("*.txt"))
        texts = [path.read_text(encoding="utf-8") for path in paths]
        built = build_index(texts, model / "tokenizer.json", index, [path.name for path in paths])
        print(f"{built.documents} documents, {built.tokens} tokens in {index}")
    return index


# %% [markdown]
# ## Counting, and what comes next
# `infgram_ntd` looks at the longest end of the text that occurs in your files, however long:
# here n is as large as it can be, and the answer says how many tokens were used.


# %%
def look_up(client: IndexClient, text: str) -> None:
    """How often a text occurs, and what follows it."""
    print(f"{text!r} occurs {client.count(text).count} times")
    found = client.infgram_ntd(text, top=5, pieces=True)
    print(f"after its last {found.suffix_length} tokens, {found.context_count} times:")
    for piece, count in zip(found.pieces, found.counts.tolist(), strict=True):
        print(f"  {piece!r} {count}")


# %% [markdown]
# ## Where does a text come from?
# The maximal stretches of a text that stand in your files word by word, and in which of them.


# %%
def trace(client: IndexClient, text: str) -> None:
    """The stretches of three tokens and more, with their documents."""
    for span in client.attribute(text, min_length=3, documents=3).spans:
        stretch = text[span.begin_character : span.end_character]
        print(f"{stretch!r}: {span.count} times, in {', '.join(dict.fromkeys(span.document_ids))}")


# %% [markdown]
# ## Mixing it with a language model
# At each token the model's distribution and that of your files are mixed: with more weight where
# only one thing ever followed (`sparse`). Weight 0 is the model as it was.


# %%
def write(client: IndexClient, model: Path, text: str, weight: float) -> str:
    """The model's most likely continuation with the files' weight."""
    from transformers import (  # noqa: PLC0415
        AutoModelForCausalLM,
        AutoTokenizer,
        LogitsProcessorList,
    )

    from stillhouse.decoding import InfgramLogitsProcessor  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(model)
    inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    end = int(tokenizer.eos_token_id)
    with InfgramLogitsProcessor(client, sparse=weight, non_sparse=weight / 2, end=end) as mixing:
        writer: Any = AutoModelForCausalLM.from_pretrained(model)
        written = writer.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=24,
            do_sample=False,
            pad_token_id=end,
            logits_processor=LogitsProcessorList([mixing]),
        )
    return str(tokenizer.decode(written[0], skip_special_tokens=True))


# %% [markdown]
# ## All of it
# What the index is worth in numbers, on texts that it does not hold:
# `stillhouse perplexity --model MODEL --index FOLDER.index TEXTS.jsonl`.


# %%
def main(model: Path, files: Path) -> None:
    """Each step in turn, with the beginning of the first file."""
    index = build(model, files)
    start = next(iter(sorted(files.glob("*.txt")))).read_text(encoding="utf-8").split()
    begun = " ".join(start[:3])
    with serving_index(index, files.with_name("logs")) as target, IndexClient(target) as client:
        look_up(client, begun)
        trace(client, f"They say: {' '.join(start[:8])}.")
        for weight in (0.0, 0.9):
            print(f"weight {weight}: {write(client, model, begun, weight)!r}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
