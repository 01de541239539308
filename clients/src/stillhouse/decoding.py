"""An n-gram index beside a model that writes: both distributions are mixed at every token.

    end = tokenizer.eos_token_id
    processor = InfgramLogitsProcessor(client, sparse=0.5, non_sparse=0.2, end=end)
    model.generate(**inputs, logits_processor=LogitsProcessorList([processor]))

Needs torch and transformers, which the rest of the client does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from transformers import LogitsProcessor

from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.generator.types import Infgram
from stillhouse.index.client import IndexClient
from stillhouse.index.session import Session
from stillhouse.index.types import Distribution

_CONTEXTS = 4096  # in a session; a server allows no more


def weight_of(found: Distribution, infgram: Infgram) -> float:
    """How much an index has to say of the next token, by what it knows before the token."""
    if found.suffix_length < max(1, infgram.min_suffix):
        return 0.0
    return infgram.sparse_weight if found.sparse else infgram.weight


def mixed(scores: torch.Tensor, found: Distribution, weight: float, end: int) -> torch.Tensor:
    """Log-probabilities (vocabulary,) of (1 - w) P_model + w P_ngram, from a model's scores.

    The document's end counts as the token `end`. FailedPrecondition if the index knows tokens
    that the model does not have.
    """
    highest = max(int(found.tokens.max(initial=0)), end)
    if highest >= len(scores):
        raise FailedPrecondition(
            f"the index knows token {highest}, the model has {len(scores)}; "
            "build the index with the model's tokenizer"
        )
    left = math.log1p(-weight) if weight < 1 else -math.inf
    total = scores.log_softmax(-1) + left
    tokens = torch.from_numpy(found.tokens.astype("int64"))
    shares = torch.from_numpy(found.counts.astype("float64") * (weight / found.context_count))
    total[tokens] = torch.logaddexp(total[tokens], shares.log().to(total))
    if found.end_count:
        share = total.new_tensor(found.end_count * (weight / found.context_count))
        total[end] = torch.logaddexp(total[end], share.log())
    return total


@dataclass
class _Row:
    """A text in progress: the session that follows it, as which row, and what it was told."""

    session: Session
    number: int
    known: list[int] = field(default_factory=list)
    begun: bool = False

    def tell(self, text: list[int]) -> None:
        """Send what is new of the text; all of it where it is another one."""
        size = len(self.known)
        goes_on = self.begun and text[:size] == self.known
        appended = text[size:] if goes_on else text
        self.session.send(appended, reset=not goes_on, row=self.number)
        self.known, self.begun = text, True


class Mixer:
    """Texts in progress, followed by an index that is mixed into what a model says of them."""

    def __init__(self, client: IndexClient, infgram: Infgram, end: int) -> None:
        """`end`: the token that stands for the end of a document."""
        self._client, self._infgram, self._end = client, infgram, end
        self._sessions: list[Session] = []
        self._rows: dict[int, _Row] = {}

    def mix(
        self, rows: Iterable[int], texts: Iterable[list[int]], scores: torch.Tensor
    ) -> torch.Tensor:
        """Scores (n, vocabulary) of the next token of n texts, mixed.

        `rows` name the texts from step to step; one that does not go on as it was is told anew.
        A text of which the index has nothing to say keeps its scores as they are.
        """
        followed = [self._row(number) for number in rows]
        for row, text in zip(followed, texts, strict=True):
            row.tell(text)
        found = scores.clone()
        for place, row in enumerate(followed):
            answer = row.session.receive()
            weight = weight_of(answer, self._infgram)
            if weight:
                found[place] = mixed(scores[place], answer, weight, self._end)
        return found

    def _row(self, number: int) -> _Row:
        if number not in self._rows:
            session, place = divmod(len(self._rows), _CONTEXTS)
            if session == len(self._sessions):
                least = max(1, self._infgram.min_suffix)
                opened = self._client.session(self._infgram.index, min_suffix=least)
                self._sessions.append(opened)
            self._rows[number] = _Row(self._sessions[session], place)
        return self._rows[number]

    def close(self) -> None:
        """Forget the texts."""
        for session in self._sessions:
            session.close()
        self._sessions, self._rows = [], {}

    def __enter__(self) -> Mixer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class InfgramLogitsProcessor(LogitsProcessor):
    """Mixes the infinity-gram's distribution into a model's, for `generate` of transformers.

    P = (1 - w) P_model + w P_ngram with w = `sparse` where one single token can follow by the
    index, `non_sparse` elsewhere (Liu et al. 2024, section 4), and 0 where no suffix of the
    text of `min_suffix` tokens or more occurs. The end of a document counts as the token `end`.
    A row that a beam search replaces is told to the index anew. The index must have been cut
    by the model's tokenizer.
    """

    def __init__(
        self,
        client: IndexClient,
        index: str = "",
        *,
        sparse: float,
        non_sparse: float,
        end: int,
        min_suffix: int = 1,
        pad: int | None = None,
    ) -> None:
        """`pad`: the token before the texts of a batch, which is no part of them."""
        for name, weight in (("sparse", sparse), ("non_sparse", non_sparse)):
            if not 0 <= weight <= 1:
                raise InvalidArgument(name, f"is {weight}; a weight lies between 0 and 1")
        infgram = Infgram(non_sparse, sparse, min_suffix, index)
        self._mixer = Mixer(client, infgram, end)
        self._idle = not (sparse or non_sparse)
        self._pad = pad

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores (rows, vocabulary) of the next token, mixed, as log-probabilities.

        A row whose weight is 0 keeps its scores as they are.
        """
        if self._idle:
            return scores
        texts = self._texts(input_ids.tolist())
        return self._mixer.mix(range(len(texts)), texts, scores)  # type: ignore[return-value]

    def _texts(self, rows: Sequence[list[int]]) -> list[list[int]]:
        starts = [
            next((at for at, token in enumerate(row) if token != self._pad), len(row))
            for row in rows
        ]
        return [row[start:] for row, start in zip(rows, starts, strict=True)]

    def close(self) -> None:
        """End the sessions."""
        self._mixer.close()

    def __enter__(self) -> InfgramLogitsProcessor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
