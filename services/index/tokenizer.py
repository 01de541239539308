"""The tokenizer that belongs to an index: a `tokenizer.json` of the `tokenizers` library."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.index.types import Detokenization, Tokenization

FILE_NAME = "tokenizer.json"

_SPACE_MARKERS = ("\u0120", "\u2581", " ")  # of byte-level and of SentencePiece vocabularies
_BREAKS = "\u010a\u0109\u010d"  # line feed, tab and carriage return of byte-level vocabularies
_APART = tuple(set(string.punctuation + _BREAKS + "\n\t\r") - {"'"})
_INSIDE_MARKER = "##"  # of WordPiece vocabularies


@dataclass(frozen=True, slots=True)
class Cut:
    """A text cut into n tokens: ids (n,), first characters (n,), ends (n,)."""

    ids: NDArray[np.uint32]
    begins: NDArray[np.uint32]
    ends: NDArray[np.uint32]


class IndexTokenizer:
    """Cuts text into ids, without special tokens, truncation or padding."""

    def __init__(self, file: bytes) -> None:
        """Take the contents of a tokenizer.json; ValueError if they are none."""
        try:
            self._tokenizer = Tokenizer.from_buffer(file)
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"not a tokenizer: {error}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.sha256 = hashlib.sha256(file).hexdigest()

    @classmethod
    def read(cls, path: Path) -> IndexTokenizer:
        """The tokenizer in a file; InvalidArgument names a file that is missing or no tokenizer."""
        try:
            return cls(path.read_bytes())
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InvalidArgument("tokenizer", f"cannot read {path}: {reason}") from None
        except ValueError as error:
            raise InvalidArgument("tokenizer", f"{path}: {error}") from None

    @property
    def largest_id(self) -> int:
        """The largest id of the vocabulary, added tokens included."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=0)

    def ids(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """The ids (n,) of each text; FailedPrecondition if the vocabulary has none for it."""
        encode = self._tokenizer.encode_batch_fast  # leaves the pieces out
        return [np.array(one.ids, np.uint32) for one in _encoded(encode, texts)]

    def cut(self, texts: Sequence[str]) -> list[Cut]:
        """The ids of each text and where each lies; FailedPrecondition as `ids`."""
        return [
            Cut(
                np.array(one.ids, np.uint32),
                *np.array(one.offsets, np.uint32).reshape(-1, 2).T,
            )
            for one in _encoded(self._tokenizer.encode_batch, texts)
        ]

    def pieces(self, ids: NDArray[np.uint32]) -> list[str]:
        """The piece of vocabulary behind each id; "" for an id that has none."""
        return [self._tokenizer.id_to_token(one) or "" for one in ids.tolist()]

    def decode(self, parts: Sequence[NDArray[np.uint32]]) -> list[str]:
        """Each part (n,) as text."""
        lists = [part.tolist() for part in parts]
        return self._tokenizer.decode_batch(lists, skip_special_tokens=False)

    def detokenize(self, sequences: Sequence[NDArray[np.uint32]]) -> list[Detokenization]:
        """Each sequence (n,) as text, and its pieces."""
        texts = self.decode(sequences)
        return [
            Detokenization(text, tuple(self.pieces(ids)))
            for text, ids in zip(texts, sequences, strict=True)
        ]

    @cached_property
    def word_starts(self) -> NDArray[np.uint32]:
        """The ids that begin a word, ascending.

        Where the vocabulary marks spaces, those are the marked pieces, line breaks and
        punctuation but for apostrophes, so that a word ends before its comma; where it marks
        what goes on inside a word, all others; elsewhere every piece is a word.
        """
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        marked = [n for piece, n in vocabulary.items() if piece.startswith(_SPACE_MARKERS)]
        whole = [n for piece, n in vocabulary.items() if not piece.startswith(_INSIDE_MARKER)]
        if marked:
            marked += [n for piece, n in vocabulary.items() if piece.startswith(_APART)]
        return np.array(sorted(marked or whole), np.uint32)

    def tokenize(self, texts: Sequence[str]) -> list[Tokenization]:
        """The ids and pieces of each text; FailedPrecondition as `ids`."""
        encodings = _encoded(self._tokenizer.encode_batch, texts)
        return [Tokenization(tuple(one.ids), tuple(one.tokens)) for one in encodings]


def _encoded(encode: Callable[..., list[Encoding]], texts: Sequence[str]) -> list[Encoding]:
    try:
        return encode(list(texts), add_special_tokens=False)
    except Exception as error:  # the library raises bare Exception
        raise FailedPrecondition(f"the tokenizer cannot cut this text: {error}") from None
