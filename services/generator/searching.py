"""Beam search under clauses with a causal language model: the best texts for each prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from services.checkpoints.load import LoadedModel
from services.generator.constraints.beam import BeamSearch, Hypothesis, LogProbs, Step
from services.generator.constraints.occurrence import satisfied
from services.generator.constraints.tracker import Constraints
from services.generator.lines import first_line
from services.generator.prompts import encode
from services.generator.rows import Rows, read_rows
from stillhouse.errors import Cancelled
from stillhouse.generator.types import Beam, Prompt, Sample


@torch.inference_mode()
def search(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    beam: Beam,
    *,
    samples: int,
    max_new_tokens: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[list[Sample]]:
    """The `samples` best texts for each prompt, those that meet most clauses first.

    Fewer where the search found fewer. Prompts are searched side by side, each as if it
    were alone. InvalidArgument if one does not fit the model's context.
    """
    if not prompts:
        return []
    vocabulary = loaded.vocabulary
    ends = vocabulary.breaks.copy()
    ends[list(vocabulary.ends)] = True
    searches = [
        BeamSearch(Constraints(prompt.constraints, vocabulary), ends, beam, max_new_tokens)
        for prompt in prompts
    ]
    rows = read_rows(loaded, encode(loaded, [prompt.text for prompt in prompts], max_new_tokens))
    while any(one.rows for one in searches):
        if cancelled():
            raise Cancelled("the caller gave up")
        logprobs = rows.logprobs.numpy()
        chosen: list[Step] = []
        first = 0
        for one in searches:
            count = len(one.rows)
            if count:
                roll_out = partial(_roll_out, rows, first)
                steps = one.step(_padded(logprobs[first : first + count], len(ends)), roll_out)
                chosen.extend((first + row, token) for row, token in steps)
            first += count
        if chosen:
            rows = rows.extend([row for row, _ in chosen], [token for _, token in chosen])
    return [
        [_sample(loaded, prompt, text) for text in one.best(samples)]
        for prompt, one in zip(prompts, searches, strict=True)
    ]


def _padded(logprobs: LogProbs, size: int) -> LogProbs:
    """Rows of exactly `size` tokens: a model's output layer may be wider or narrower."""
    width = logprobs.shape[1]
    if width >= size:
        return logprobs[:, :size]
    return np.pad(logprobs, ((0, 0), (0, size - width)), constant_values=-np.inf)


def _roll_out(
    rows: Rows, first: int, steps: Sequence[Step], depth: int, width: int
) -> list[list[LogProbs]]:
    """What is likely behind each step, along its `width` most likely continuations."""
    ahead = rows.extend([first + row for row, _ in steps], [token for _, token in steps])
    branches = ahead.logprobs.topk(width, dim=-1).indices
    owners = [number for number in range(len(steps)) for _ in range(width)]
    future = [ahead.logprobs[owners]]
    tokens = branches.flatten().tolist()
    ahead = ahead.extend(owners, tokens) if depth > 1 else ahead
    for _ in range(depth - 1):
        future.append(ahead.logprobs)
        if len(future) < depth:
            tokens = ahead.logprobs.argmax(dim=-1).tolist()
            ahead = ahead.extend(range(len(owners)), tokens)
    paths = torch.stack(future, dim=1).numpy()
    return [list(paths[n * width : (n + 1) * width]) for n in range(len(steps))]


def _sample(loaded: LoadedModel, prompt: Prompt, text: Hypothesis) -> Sample:
    shown = first_line(str(loaded.tokenizer.decode(list(text.tokens), skip_special_tokens=True)))
    return Sample(
        shown,
        len(text.tokens),
        text.logprob,
        text.ended,
        satisfied(prompt.constraints, shown),
    )
