"""Queries by text as tokens, cut as inside a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stillhouse.errors import FailedPrecondition, InvalidArgument
from stillhouse.index.client import AsyncIndexClient
from stillhouse.index.types import Tokenization

_SPACE = "\u0120"  # what byte-level vocabularies write for a space


@dataclass(frozen=True, slots=True)
class Tokens:
    """Ids and the piece of vocabulary behind each; `named` is False without a tokenizer."""

    ids: list[int]
    pieces: list[str]
    named: bool = True


def inside_text(plain: Tokenization, spaced: Tokenization) -> bool:
    """True if a text shall be looked up with a space before it.

    Byte-level vocabularies write a word's space into its first piece. A word that is asked
    for stands inside a text nearly always, so it is looked up as it is written there.
    """
    first = spaced.pieces[0] if spaced.pieces else ""
    return bool(plain.pieces) and len(first) > 1 and first.startswith(_SPACE)


async def cut(client: AsyncIndexClient, texts: Sequence[str], index: str) -> list[Tokens]:
    """The tokens of each text."""
    both = [form for text in texts for form in (text, f" {text}")]
    for text in texts:
        check_text(text)
    found = await client.tokenize_batch(both, index)
    pairs = zip(found[::2], found[1::2], strict=True)
    chosen = [spaced if inside_text(plain, spaced) else plain for plain, spaced in pairs]
    return [Tokens(list(one.ids), list(one.pieces)) for one in chosen]


async def name(
    client: AsyncIndexClient, sequences: Sequence[Sequence[int]], index: str
) -> list[Tokens]:
    """The pieces behind ids; their numbers where the index has no tokenizer."""
    try:
        found = await client.detokenize_batch(sequences, index)
    except FailedPrecondition:
        return [Tokens(list(ids), [str(one) for one in ids], False) for ids in sequences]
    pairs = zip(sequences, found, strict=True)
    return [Tokens(list(ids), list(one.pieces)) for ids, one in pairs]


def check_text(text: str, field: str = "query") -> None:
    """InvalidArgument for half a surrogate pair, which JSON can say and UTF-8 can't."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(
            field, f"holds half a surrogate pair at character {error.start}; send Unicode text"
        ) from None
