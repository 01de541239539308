"""An n-gram index beside a model that writes: both distributions are mixed at every token.

    end = tokenizer.eos_token_id
    processor = InfgramLogitsProcessor(client, sparse=0.5, non_sparse=0.2, end=end)
    model.generate(**inputs, logits_processor=LogitsProcessorList([processor]))

Needs torch and transformers, which the rest of the client does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from transformers import LogitsProcessor

from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.index.client import IndexClient
from stillhouse.index.session import Session
from stillhouse.index.types import Distribution


@dataclass
class _Row:
    """A text in progress: the session that follows it and the tokens it was told."""

    session: Session
    known: list[int] = field(default_factory=list)
    begun: bool = False


class InfgramLogitsProcessor(LogitsProcessor):
    """Mixes the infinity-gram's distribution into a model's, for `generate` of transformers.

    P = (1 - w) P_model + w P_ngram with w = `sparse` where one single token can follow by the
    index, `non_sparse` elsewhere (Liu et al. 2024, section 4), and 0 where no suffix of the
    text occurs. The end of a document counts as the token `end`. Each row of a batch has a
    session of its own with the index; a row that a beam search replaces is told anew. The
    index must have been cut by the model's tokenizer.
    """

    def __init__(
        self,
        client: IndexClient,
        index: str = "",
        *,
        sparse: float,
        non_sparse: float,
        end: int,
        pad: int | None = None,
    ) -> None:
        """`pad`: the token before the texts of a batch, which is no part of them."""
        for name, weight in (("sparse", sparse), ("non_sparse", non_sparse)):
            if not 0 <= weight <= 1:
                raise InvalidArgument(name, f"is {weight}; a weight lies between 0 and 1")
        self._client, self._index = client, index
        self._weights = (non_sparse, sparse)
        self._end, self._pad = end, pad
        self._rows: list[_Row] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores (rows, vocabulary) of the next token, mixed, as log-probabilities.

        A row whose weight is 0 keeps its scores as they are.
        """
        if not any(self._weights):
            return scores
        texts = [self._text(row) for row in input_ids.tolist()]
        while len(self._rows) < len(texts):
            self._rows.append(_Row(self._client.session(self._index)))
        rows = self._rows[: len(texts)]
        for row, text in zip(rows, texts, strict=True):
            _tell(row, text)
        mixed = scores.clone()
        for place, row in enumerate(rows):
            found = row.session.receive()
            weight = self._weights[found.sparse] if found.suffix_length else 0.0
            if weight:
                mixed[place] = self._mix(scores[place], found, weight)
        return mixed  # type: ignore[return-value]

    def _text(self, row: list[int]) -> list[int]:
        start = 0
        while start < len(row) and row[start] == self._pad:
            start += 1
        return row[start:]

    def _mix(self, scores: torch.Tensor, found: Distribution, weight: float) -> torch.Tensor:
        chances = torch.zeros_like(scores)
        tokens = torch.from_numpy(found.tokens.astype("int64"))
        highest = int(tokens.max()) if len(tokens) else 0
        if max(highest, self._end) >= len(scores):
            raise FailedPrecondition(
                f"the index knows token {max(highest, self._end)}, the model has {len(scores)}; "
                "build the index with the model's tokenizer"
            )
        counts = torch.from_numpy(found.counts.astype("float64")) / found.context_count
        chances[tokens] = counts.to(chances)
        chances[self._end] += found.end_count / found.context_count
        model = scores.log_softmax(-1).exp()
        return torch.log((1 - weight) * model + weight * chances)

    def close(self) -> None:
        """End the sessions."""
        for row in self._rows:
            row.session.close()
        self._rows = []

    def __enter__(self) -> InfgramLogitsProcessor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _tell(row: _Row, text: list[int]) -> None:
    size = len(row.known)
    goes_on = row.begun and text[:size] == row.known
    row.session.send(text[size:] if goes_on else text, reset=not goes_on)
    row.known, row.begun = text, True
