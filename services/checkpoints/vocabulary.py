"""A tokenizer's vocabulary as bytes, so that constraints see text and not tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from stillhouse.errors import FailedPrecondition

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True)
class Vocabulary:
    """What each token id adds to a text.

    pieces: (size, longest) uint8, padded; lengths: (size,) bytes of each, 0 for special
    tokens. ends: ids after which a text is over. A piece is cut at its first line break,
    and `breaks` (size,) tells of it: the text is over there too.
    encode gives the ids of a text in the tokenizer's own cut.
    """

    pieces: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    breaks: NDArray[np.bool_]
    ends: frozenset[int]
    encode: Callable[[str], list[int]]

    @cached_property
    def ids(self) -> dict[bytes, tuple[int, ...]]:
        """The tokens that add some bytes to a text, by these bytes; none that breaks the line."""
        found: dict[bytes, list[int]] = {}
        for token in np.flatnonzero((self.lengths > 0) & ~self.breaks).tolist():
            found.setdefault(self.piece(token), []).append(token)
        return {piece: tuple(tokens) for piece, tokens in found.items()}

    def has_break(self, token: int) -> bool:
        """Whether a token holds a line break."""
        return token < len(self.breaks) and bool(self.breaks[token])

    def piece(self, token: int) -> bytes:
        """The bytes of one token, up to a line break."""
        return self.pieces[token, : self.lengths[token]].tobytes()


def read_vocabulary(tokenizer: PreTrainedTokenizerBase, ends: frozenset[int]) -> Vocabulary:
    """The vocabulary of a tokenizer; FailedPrecondition if its pieces can't be told.

    Known are byte-level BPE (GPT-2 and its kin), SentencePiece with or without byte
    fallback, and WordPiece.
    """
    to_bytes = _reader(tokenizer)
    special = set(tokenizer.all_special_ids)
    size = len(tokenizer)
    raw = [b""] * size
    for token, name in enumerate(tokenizer.convert_ids_to_tokens(list(range(size)))):
        if token not in special and name is not None:
            raw[token] = to_bytes(name)
    breaks = np.array([b"\n" in piece for piece in raw])
    shown = [piece.partition(b"\n")[0] for piece in raw]
    pieces = np.zeros((size, max(map(len, shown), default=0)), np.uint8)
    for token, piece in enumerate(shown):
        pieces[token, : len(piece)] = list(piece)
    lengths = np.array([len(piece) for piece in shown])

    def encode(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    return Vocabulary(pieces, lengths, breaks, ends, encode)


def _reader(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], bytes]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise FailedPrecondition(
            "constraints need a fast tokenizer (tokenizer.json); this model's has none"
        )
    decoder = json.dumps(json.loads(backend.to_str()).get("decoder") or {})
    if "ByteLevel" in decoder:
        table = _byte_level()
        return lambda name: (
            bytes(table[character] for character in name)
            if all(character in table for character in name)
            else name.encode()
        )
    if "WordPiece" in decoder:
        return lambda name: name[2:].encode() if name.startswith("##") else b" " + name.encode()
    if "\\u2581" in decoder or "Metaspace" in decoder:
        return _sentence_piece
    raise FailedPrecondition("constraints do not know how this model's tokenizer makes text")


def _sentence_piece(name: str) -> bytes:
    byte = _BYTE.fullmatch(name)
    return bytes([int(byte[1], 16)]) if byte else name.replace("\u2581", " ").encode()


def _byte_level() -> dict[str, int]:
    """Character to byte in GPT-2's byte-level alphabet: printable Latin-1 as itself, the
    rest, in order, from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    rest = [byte for byte in range(256) if byte not in set(printable)]
    return table | {chr(0x100 + number): byte for number, byte in enumerate(rest)}
