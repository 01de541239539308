"""What a causal language model says of every token of long texts, kept on disk as it is found."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from services.checkpoints.load import LoadedModel
from stillhouse.errors import FailedPrecondition, InvalidArgument

_ROWS = 128  # logits that are looked at together: 128 x 49,152 x 4 bytes = 25 MB


@dataclass(frozen=True, slots=True)
class TokenScores:
    """Of n tokens: log-probability given those before, and the entropy there, in nats; (n,)."""

    logprobs: NDArray[np.float32]
    entropies: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Windows:
    """Texts longer than `size` tokens are read in windows that overlap.

    Of each window but the first the `overlap` tokens are context alone, so every token is
    scored once, with at least that many before it where the text has them.
    """

    size: int = 1024
    overlap: int = 256

    def check(self, context_length: int) -> None:
        """InvalidArgument if windows don't move on or don't fit the model's context."""
        if not 0 <= self.overlap < self.size:
            raise InvalidArgument("--overlap", f"is {self.overlap}; less than --window is needed")
        if context_length and self.size > context_length:
            raise InvalidArgument(
                "--window", f"is {self.size}; the model's context is {context_length}"
            )

    def cut(self, length: int) -> Iterator[tuple[int, int, int]]:
        """(begin, end, first that is scored) of each window over `length` places."""
        begin = end = 0
        while end < length:
            first, end = end, min(begin + self.size, length)
            yield begin, end, first
            begin = end - self.overlap


class Scorer:
    """A model, its windows, and a folder with the scores of texts that were read before."""

    def __init__(self, loaded: LoadedModel, windows: Windows, folder: Path) -> None:
        """FailedPrecondition for a model with an encoder, InvalidArgument as `Windows.check`."""
        if loaded.has_encoder:
            raise FailedPrecondition("perplexity needs a causal model; this one has an encoder")
        windows.check(getattr(loaded.model.config, "max_position_embeddings", 0) or 0)
        self._loaded = loaded
        self._windows = windows
        digest = loaded.pointer.digest[:12] or "model"
        self._folder = folder / f"{digest}-{windows.size}-{windows.overlap}"
        self._folder.mkdir(parents=True, exist_ok=True)

    def score(self, tokens: NDArray[np.uint32]) -> TokenScores:
        """Of every token; the first follows the model's start token."""
        path = self._folder / f"{hashlib.sha256(tokens.tobytes()).hexdigest()[:32]}.npz"
        if path.is_file():
            with np.load(path) as kept:
                return TokenScores(kept["logprobs"], kept["entropies"])
        found = self._read(tokens)
        part = path.with_suffix(f".{os.getpid()}.part.npz")
        np.savez(part, logprobs=found.logprobs, entropies=found.entropies)
        part.replace(path)
        return found

    @torch.inference_mode()
    def _read(self, tokens: NDArray[np.uint32]) -> TokenScores:
        ids = torch.tensor([_start(self._loaded), *tokens.tolist()])
        logprobs = np.empty(len(tokens), np.float32)
        entropies = np.empty(len(tokens), np.float32)
        for begin, end, first in self._windows.cut(len(tokens)):
            # Place i of the logits tells of token i, which is ids[i + 1].
            logits = self._loaded.model(ids[None, begin:end]).logits[0]
            for start in range(first, end, _ROWS):
                stop = min(start + _ROWS, end)
                rows = logits[start - begin : stop - begin].log_softmax(-1)
                chosen = rows.gather(-1, ids[start + 1 : stop + 1, None])[:, 0]
                logprobs[start:stop] = chosen.numpy()
                entropies[start:stop] = torch.special.entr(rows.exp()).sum(-1).numpy()
        return TokenScores(logprobs, entropies)


def _start(loaded: LoadedModel) -> int:
    tokenizer = loaded.tokenizer
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        if token is not None:
            return int(token)
    return 0
