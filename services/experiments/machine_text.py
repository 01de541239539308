"""Texts that a causal model writes behind the beginnings of others, token by token."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from services.checkpoints.load import LoadedModel
from services.generator.continued import CausalRows
from services.generator.nucleus import draw, uniforms
from services.generator.packed import pack
from stillhouse.errors import FailedPrecondition, InvalidArgument

_TOGETHER = 40  # texts that are written at once

Ids = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Manner:
    """How tokens are drawn: temperature, 0 for the likeliest, and nucleus mass."""

    temperature: float
    top_p: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Manner:
        """`T` or `T:P`; InvalidArgument if it is neither."""
        first, _, second = text.partition(":")
        try:
            found = cls(float(first), float(second or 1))
        except ValueError:
            found = cls(-1)
        if not (0 <= found.temperature < float("inf") and 0 < found.top_p <= 1):
            raise InvalidArgument(
                "--manner", f"is {text!r}; give a temperature, or temperature:nucleus as 1:0.9"
            )
        return found

    def __str__(self) -> str:
        if self.temperature == 0:
            return "greedy"
        nucleus = f", top-p {self.top_p:g}" if self.top_p < 1 else ""
        return f"T = {self.temperature:g}{nucleus}"


class Writer:
    """A model, a seed, and a folder with what was written before."""

    def __init__(self, loaded: LoadedModel, seed: int, folder: Path) -> None:
        """Changes the model for decoding; FailedPrecondition for one with an encoder."""
        if loaded.has_encoder:
            raise FailedPrecondition("a causal model is needed; this one has an encoder")
        pack(loaded)
        self._loaded, self._seed = loaded, seed
        self._folder = folder / (loaded.pointer.digest[:12] or "model")
        self._folder.mkdir(parents=True, exist_ok=True)

    def write(
        self, begun: Ids, tokens: int, manner: Manner, told: Callable[[int], None]
    ) -> list[Ids]:
        """What follows each of m beginnings (m, length): `tokens` ids, less where a text ends.

        Text i draws from its own stream of the seed. `told` hears how many are written.
        """
        found: list[Ids] = []
        for first in range(0, len(begun), _TOGETHER):
            found += self._kept(begun[first : first + _TOGETHER], first, tokens, manner)
            told(len(found))
        return found

    def _kept(self, begun: Ids, first: int, tokens: int, manner: Manner) -> list[Ids]:
        name = f"{begun.shape}\0{first}\0{tokens}\0{manner!r}\0{self._seed}".encode()
        key = hashlib.sha256(name + begun.tobytes()).hexdigest()[:32]
        path = self._folder / f"{key}.npz"
        if path.is_file():
            with np.load(path) as kept:
                return [kept[f"text-{number}"] for number in range(len(begun))]
        found = self._together(begun, first, tokens, manner)
        part = path.with_suffix(f".{os.getpid()}.part.npz")
        texts: dict[str, Any] = {f"text-{number}": one for number, one in enumerate(found)}
        np.savez(part, **texts)
        part.replace(path)
        return found

    @torch.inference_mode()
    def _together(self, begun: Ids, first: int, tokens: int, manner: Manner) -> list[Ids]:
        ids = torch.from_numpy(begun.astype(np.int64))
        encoded = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        rows = CausalRows(self._loaded, encoded, 1, tokens)
        streams = torch.stack(
            [uniforms(self._seed, str(first + row), 0, tokens) for row in range(len(begun))]
        )
        ends = torch.tensor(sorted(self._loaded.vocabulary.ends))
        written = torch.empty((len(begun), 0), dtype=torch.long)
        for step in range(tokens):
            drawn = draw(
                rows.logits, streams[:, step], temperature=manner.temperature, top_p=manner.top_p
            )
            written = torch.cat([written, drawn[:, None]], dim=-1)
            if bool(torch.isin(written, ends).any(-1).all()):
                break
            if step + 1 < tokens:
                rows.feed(drawn[:, None])
        over = torch.isin(written, ends).long().cumsum(-1) > 0
        return [
            row[~done].numpy().astype(np.uint32) for row, done in zip(written, over, strict=True)
        ]
