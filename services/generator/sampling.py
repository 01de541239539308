"""Sampling k continuations of each of a batch of prompts.

A prompt is read once and its cache shared by its samples. The batch that the
caller forms is decoded as it is: the same batch gives the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch

from services.checkpoints.load import LoadedModel
from services.generator.constraints.guide import Guide
from services.generator.contrast import Others
from services.generator.lines import first_line
from services.generator.memory import DEFAULT_BUDGET, footprint, passes
from services.generator.nucleus import draw, uniforms
from services.generator.prompts import encode, token_counts
from services.generator.readings import texts
from services.generator.written import written_rows
from stillhouse.decoding import Mixer
from stillhouse.errors import Cancelled, FailedPrecondition
from stillhouse.generator.types import Decoding, Prompt, Sample
from stillhouse.index.client import IndexClient


@torch.inference_mode()
def sample(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    cancelled: Callable[[], bool] = lambda: False,
    budget: int = DEFAULT_BUDGET,
    index: IndexClient | None = None,
) -> list[list[Sample]]:
    """`decoding.samples` continuations for each prompt, in their order.

    A continuation ends at an end token, at the first line break after its first
    word, or at the length limit. Where a prompt has constraints, tokens that would
    violate them have no chance, and those that go towards them a better one; each
    sample tells which of them it satisfies. What a prompt with a contrast is told apart from is
    read and continued beside it. What does not fit into `budget` bytes at
    once is decoded in several passes. With decoding.infgram `index` is mixed in, before
    anything else changes what is drawn; what it is told are prompt and continuation, for a
    model with an encoder the continuation alone. InvalidArgument if a prompt does not fit the
    model's context or the budget.
    """
    groups: list[list[Sample]] = [[] for _ in prompts]
    lengths = token_counts(loaded, prompts)
    each = footprint(loaded.model.config)
    read = [len(texts(prompt)) for prompt in prompts]
    for one in passes(lengths, decoding.samples, decoding.max_new_tokens, each, budget, read):
        indexes = range(one.start, one.stop)
        with _mixing(loaded, decoding, index) as mixer:
            batch = _Batch(loaded, prompts[one.first : one.last], decoding, indexes, mixer)
            while batch.active.numel():
                if cancelled():
                    raise Cancelled("the caller gave up")
                batch.step()
        for place, text in enumerate(batch.samples()):
            groups[one.first + place // len(indexes)].append(text)
    return groups


def _mixing(
    loaded: LoadedModel, decoding: Decoding, index: IndexClient | None
) -> AbstractContextManager[Mixer | None]:
    if decoding.infgram is None:
        return nullcontext()
    end = loaded.tokenizer.eos_token_id
    if index is None or end is None:
        raise FailedPrecondition("decoding.infgram needs an index service and an end token")
    return Mixer(index, decoding.infgram, int(end))


_DROP_SHARE = 8  # finished rows are dropped when they are an eighth of those that are run


class _Batch:
    """Rows being decoded; row i is sample indexes[i % k] of prompt i // k, k = len(indexes)."""

    def __init__(
        self,
        loaded: LoadedModel,
        prompts: Sequence[Prompt],
        decoding: Decoding,
        indexes: Sequence[int],
        mixer: Mixer | None = None,
    ) -> None:
        self._loaded = loaded
        self._decoding = decoding
        self._indexes = indexes
        self._each = k = len(indexes)
        rows = len(prompts) * k
        room = decoding.max_new_tokens
        encoded = encode(loaded, [prompt.text for prompt in prompts], room)
        self._text = written_rows(loaded, encoded, k, room)
        self._others = (
            Others(loaded, prompts, k, room) if any(prompt.contrast for prompt in prompts) else None
        )
        self._uniforms = torch.stack(
            [
                uniforms(decoding.seed, prompt.id, index, decoding.max_new_tokens)
                for prompt in prompts
                for index in indexes
            ]
        )
        self._ends = torch.tensor(sorted(loaded.vocabulary.ends))
        self._guides = [
            Guide(prompt, loaded.vocabulary, decoding)
            if prompt.constraints or prompt.outline
            else None
            for prompt in prompts
        ]
        self._mixer = mixer
        self._before = [[]] * len(prompts) if loaded.has_encoder else _tokens_of(encoded)
        self._tokens: list[list[int]] = [[] for _ in range(rows)]
        self._logprobs = [0.0] * rows
        self._finished = [False] * rows
        self._steps = 0
        self.active = torch.arange(rows)  # rows of the whole batch that are still run

    def step(self) -> None:
        """Draw one token for every active row and run the model on them.

        Rows that are finished are run a while longer; what they draw is not looked at.
        """
        drawn = draw(
            self._guided(),
            self._uniforms[self.active, self._steps],
            temperature=self._decoding.temperature,
            top_p=self._decoding.top_p,
        )
        logits = self._text.logits
        logprobs = logits.gather(-1, drawn[:, None])[:, 0] - logits.logsumexp(-1)
        over = torch.isin(drawn, self._ends)
        for row, token, logprob, end in zip(
            self.active.tolist(), drawn.tolist(), logprobs.tolist(), over.tolist(), strict=True
        ):
            if self._finished[row]:
                continue
            self._tokens[row].append(token)
            guide = self._guides[row // self._each]
            if guide is not None:
                guide.advance(self._indexes[row % self._each], token)
            self._logprobs[row] += logprob
            self._finished[row] = end or self._at_line_end(row, token)
        self._steps += 1
        if self._steps == self._decoding.max_new_tokens:
            self.active = self.active[:0]
            return
        going = torch.tensor([not self._finished[row] for row in self.active.tolist()])
        finished = int((~going).sum())
        if finished == len(going):
            self.active = self.active[:0]
            return
        # To drop a row is to copy the cache of all others: worth it for several at once.
        if finished * _DROP_SHARE >= len(going):
            self.active = self.active[going]
            self._text.keep(going)
            if self._others is not None:
                self._others.keep(going)
            drawn = drawn[going]
        self._text.feed(drawn[:, None])
        if self._others is not None:
            self._others.feed(drawn)

    def _guided(self) -> torch.Tensor:
        """The logits, told apart, mixed with an index's, and changed by a prompt's constraints."""
        logits = self._text.logits
        if self._others is not None:
            logits = self._others.told_apart(logits)
        if self._mixer is not None:
            logits = self._mixed(self._mixer, logits)
        if not any(self._guides):
            return logits
        logits = logits.clone() if logits is self._text.logits else logits
        for place, row in enumerate(self.active.tolist()):
            guide = self._guides[row // self._each]
            if guide is not None:
                guide.steer(self._indexes[row % self._each], logits[place], self._steps)
        return logits

    def _mixed(self, mixer: Mixer, logits: torch.Tensor) -> torch.Tensor:
        rows = self.active.tolist()
        texts = [self._before[row // self._each] + self._tokens[row] for row in rows]
        return mixer.mix(rows, texts, logits)

    def _at_line_end(self, row: int, token: int) -> bool:
        if not self._loaded.vocabulary.has_break(token):
            return False
        text = self._loaded.tokenizer.decode(self._tokens[row], skip_special_tokens=True)
        return "\n" in str(text).lstrip()

    def samples(self) -> list[Sample]:
        """The samples of all rows, in order."""
        texts = self._loaded.tokenizer.batch_decode(self._tokens, skip_special_tokens=True)
        return [self._sample(row, first_line(text)) for row, text in enumerate(texts)]

    def _sample(self, row: int, text: str) -> Sample:
        guide = self._guides[row // self._each]
        return Sample(
            text,
            len(self._tokens[row]),
            self._logprobs[row],
            self._finished[row],
            () if guide is None else guide.satisfied(text),
        )


def _tokens_of(encoded: dict[str, torch.Tensor]) -> list[list[int]]:
    """The tokens of each prompt of a batch, without its padding."""
    pairs = zip(encoded["input_ids"], encoded["attention_mask"], strict=True)
    return [ids[mask.bool()].tolist() for ids, mask in pairs]
