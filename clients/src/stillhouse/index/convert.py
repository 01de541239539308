"""Between the index's protobuf messages and its typed queries and results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stillhouse.errors import InvalidArgument
from stillhouse.index.types import (
    CountResult,
    Detokenization,
    IndexInfo,
    MatchStatistics,
    Tokenization,
)
from stillhouse.index.v1 import index_pb2

Ids: TypeAlias = Sequence[int] | NDArray[np.integer[Any]]
"""Token ids in [0, 2**32)."""

Query: TypeAlias = str | Ids
"""An n-gram or longer text: as text, or as token ids in [0, 2**32)."""

_MAX_ID = 2**32 - 1
_FEW = 32


def query_to_proto(query: Query, field: str = "query") -> index_pb2.Query:
    """A query; InvalidArgument names `field` if it holds anything but token ids."""
    if isinstance(query, str):
        return index_pb2.Query(text=query)
    return index_pb2.Query(tokens=checked_ids_to_proto(query, field))


def checked_ids_to_proto(ids: Ids, field: str) -> index_pb2.TokenIds:
    """Token ids (n,); InvalidArgument names `field` if they are none."""
    return ids_to_proto(_checked_ids(ids, field))


def queries_to_proto(queries: Iterable[Query]) -> list[index_pb2.Query]:
    """Many queries; InvalidArgument names the first that is wrong."""
    return [query_to_proto(query, f"queries[{i}]") for i, query in enumerate(queries)]


def query_from_proto(message: index_pb2.Query, field: str) -> str | NDArray[np.uint32]:
    """The text or the ids (n,) of a query; InvalidArgument if it has neither."""
    kind = message.WhichOneof("value")
    if kind is None:
        raise InvalidArgument(field, "is missing; give tokens or text")
    return message.text if kind == "text" else ids_from_proto(message.tokens)


def _checked_ids(query: Ids, field: str) -> NDArray[Any]:
    try:
        ids = np.asarray(query)
    except (ValueError, OverflowError):
        raise InvalidArgument(field, "must be text or a flat sequence of token ids") from None
    if ids.size == 0 and ids.ndim == 1:
        return ids.astype(np.uint32)
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise InvalidArgument(field, "must be text or a flat sequence of token ids")
    if ids.min() < 0 or ids.max() > _MAX_ID:
        raise InvalidArgument(field, f"holds an id outside 0 to {_MAX_ID}")
    return ids


def ids_to_proto(ids: NDArray[np.integer[Any]]) -> index_pb2.TokenIds:
    """Token ids (n,)."""
    return index_pb2.TokenIds(ids=ids.tolist())


def ids_from_proto(message: index_pb2.TokenIds | index_pb2.Sequences) -> NDArray[np.uint32]:
    """Token ids (n,)."""
    ids = message.ids
    # A container is copied without a step per id, but a short list is looked at sooner.
    return np.array(ids[:] if len(ids) < _FEW else ids, np.uint32)


def info_to_proto(info: IndexInfo) -> index_pb2.IndexInfo:
    """What an index is."""
    return index_pb2.IndexInfo(
        name=info.name,
        ready=info.ready,
        tokens=info.tokens,
        documents=info.documents,
        tokenizer_sha256=info.tokenizer_sha256,
        digest=info.digest,
        aliases=info.aliases,
    )


def info_from_proto(message: index_pb2.IndexInfo) -> IndexInfo:
    """What an index is."""
    return IndexInfo(
        name=message.name,
        ready=message.ready,
        tokens=message.tokens,
        documents=message.documents,
        tokenizer_sha256=message.tokenizer_sha256,
        digest=message.digest,
        aliases=tuple(message.aliases),
    )


def count_from_proto(message: index_pb2.CountResponse) -> CountResult:
    """How often an n-gram occurs."""
    return CountResult(message.count, tuple(message.tokens.ids), tuple(message.tokens.pieces))


def match_to_proto(match: MatchStatistics) -> index_pb2.MatchLengthsResponse:
    """Matching statistics of one sequence."""
    return index_pb2.MatchLengthsResponse(
        lengths=match.lengths.tolist(),
        counts=match.counts.tolist(),
        tokens=ids_to_proto(match.tokens),
    )


def match_from_proto(message: index_pb2.MatchLengthsResponse) -> MatchStatistics:
    """Matching statistics of one sequence."""
    return MatchStatistics(
        lengths=np.array(message.lengths, np.uint32),
        counts=np.array(message.counts, np.uint64),
        tokens=ids_from_proto(message.tokens),
    )


def tokenization_to_proto(tokenization: Tokenization) -> index_pb2.TokenizeResponse:
    """A text cut into tokens."""
    return index_pb2.TokenizeResponse(
        tokens=index_pb2.TokenIds(ids=tokenization.ids), pieces=tokenization.pieces
    )


def tokenization_from_proto(message: index_pb2.TokenizeResponse) -> Tokenization:
    """A text cut into tokens."""
    return Tokenization(tuple(message.tokens.ids), tuple(message.pieces))


def detokenization_to_proto(found: Detokenization) -> index_pb2.DetokenizeResponse:
    """Ids as text."""
    return index_pb2.DetokenizeResponse(text=found.text, pieces=found.pieces)


def detokenization_from_proto(message: index_pb2.DetokenizeResponse) -> Detokenization:
    """Ids as text."""
    return Detokenization(message.text, tuple(message.pieces))
