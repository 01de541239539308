"""Every call of the index as data: the rpc, its requests, how answers are read.

Both clients send these; what a call means is said here once. Batches are cut into as
many requests as the server's limits need, and their answers joined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np

from stillhouse.index import answers, convert
from stillhouse.index.convert import Ids, Query
from stillhouse.index.types import (
    Attribution,
    CnfHits,
    CountResult,
    Detokenization,
    Distribution,
    Document,
    FindResult,
    IndexInfo,
    MatchStatistics,
    Probabilities,
    Probability,
    Scores,
    SearchResult,
    Tokenization,
)
from stillhouse.index.v1 import index_pb2 as pb

_R = TypeVar("_R")

Cnf: TypeAlias = Sequence[Sequence[Query]]
"""An AND of ORs of n-grams."""

# A server's limits unless it is told otherwise.
BATCH_QUERIES = 4096
BATCH_TOKENS = 1_048_576


@dataclass(frozen=True, slots=True)
class Call(Generic[_R]):
    """Requests for one rpc, and what their answers together mean."""

    rpc: str
    requests: Sequence[Any]
    read: Callable[[Sequence[Any]], _R]


def _single(rpc: str, request: Any, read: Callable[[Any], _R]) -> Call[_R]:
    return Call(rpc, [request], lambda found: read(found[0]))


def _listed(
    rpc: str, requests: Sequence[Any], field: str, read: Callable[[Any], _R]
) -> Call[tuple[_R, ...]]:
    return Call(
        rpc,
        requests,
        lambda found: tuple(read(one) for part in found for one in getattr(part, field)),
    )


def _batches(kind: type[Any], queries: Iterable[Query], index: str, **options: Any) -> list[Any]:
    """Requests for the queries, each within the limits; ids alone go as one array."""
    messages = convert.queries_to_proto(queries)
    return [_batch(kind, part, index, options) for part in _parts(messages)]


def _batch(kind: type[Any], part: Sequence[pb.Query], index: str, options: dict[str, Any]) -> Any:
    request = kind(index=index, **options)
    if part and all(one.WhichOneof("value") == "tokens" for one in part):
        for one in part:
            request.sequences.ids.extend(one.tokens.ids)
        request.sequences.lengths.extend(len(one.tokens.ids) for one in part)
    else:
        request.queries.extend(part)
    return request


def _parts(messages: Sequence[pb.Query]) -> Iterator[Sequence[pb.Query]]:
    start = size = 0
    for number, one in enumerate(messages):
        # A text has hardly more tokens than bytes.
        tokens = (
            len(one.text.encode()) if one.WhichOneof("value") == "text" else len(one.tokens.ids)
        )
        if number > start and (number - start >= BATCH_QUERIES or size + tokens > BATCH_TOKENS):
            yield messages[start:number]
            start, size = number, 0
        size += tokens
    if start < len(messages):
        yield messages[start:]


def _chunks(values: Sequence[Any], size: int = BATCH_QUERIES) -> list[Sequence[Any]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _excerpt(context: int | None, match_length: int = 0) -> pb.Excerpt:
    return pb.Excerpt(context=context, match_length=match_length)


def _cnf(cnf: Cnf, field: str) -> pb.Cnf:
    return pb.Cnf(
        clauses=[
            pb.Clause(
                any_of=[
                    convert.query_to_proto(ngram, f"{field}[{i}][{j}]")
                    for j, ngram in enumerate(clause)
                ]
            )
            for i, clause in enumerate(cnf)
        ]
    )


def list_indexes() -> Call[tuple[IndexInfo, ...]]:
    """The server's indexes."""
    return _listed("ListIndexes", [pb.ListIndexesRequest()], "indexes", convert.info_from_proto)


def load_index(name: str, folder: str, preload: bool, digest: str) -> Call[IndexInfo]:
    """Open an index."""
    request = pb.LoadIndexRequest(name=name, folder=folder, preload=preload, digest=digest)
    return _single("LoadIndex", request, lambda one: convert.info_from_proto(one.index))


def unload_index(name: str) -> Call[None]:
    """Forget an index."""
    return _single("UnloadIndex", pb.UnloadIndexRequest(name=name), lambda _one: None)


def set_alias(alias: str, name: str) -> Call[None]:
    """Point an alias."""
    return _single("SetAlias", pb.SetAliasRequest(alias=alias, name=name), lambda _one: None)


def count(query: Query, index: str) -> Call[CountResult]:
    """Occurrences of an n-gram."""
    request = pb.CountRequest(index=index, query=convert.query_to_proto(query))
    return _single("Count", request, convert.count_from_proto)


def count_batch(queries: Iterable[Query], index: str) -> Call[tuple[int, ...]]:
    """Occurrences of many."""
    return _listed("CountBatch", _batches(pb.CountBatchRequest, queries, index), "counts", int)


def find(query: Query, index: str) -> Call[FindResult]:
    """Ranks of an n-gram."""
    request = pb.FindRequest(index=index, query=convert.query_to_proto(query))
    return _single("Find", request, answers.find_from_proto)


def find_batch(queries: Iterable[Query], index: str) -> Call[tuple[FindResult, ...]]:
    """Ranks of many."""
    requests = _batches(pb.FindBatchRequest, queries, index)
    return _listed("FindBatch", requests, "results", answers.find_from_proto)


def prob(query: Query, index: str, end: bool) -> Call[Probability]:
    """Probability of the last token."""
    request = pb.ProbRequest(index=index, query=convert.query_to_proto(query), end=end)
    return _single("Prob", request, answers.probability_from_proto)


def infgram_prob(query: Query, index: str, end: bool) -> Call[Probability]:
    """Infinity-gram probability of the last token."""
    request = pb.InfgramProbRequest(index=index, query=convert.query_to_proto(query), end=end)
    return _single("InfgramProb", request, lambda one: answers.probability_from_proto(one.result))


def prob_batch(queries: Iterable[Query], index: str, end: bool) -> Call[Probabilities]:
    """Probabilities of many."""
    requests = _batches(pb.ProbBatchRequest, queries, index, end=end)
    return Call("ProbBatch", requests, _joined)


def infgram_prob_batch(queries: Iterable[Query], index: str, end: bool) -> Call[Probabilities]:
    """Infinity-gram probabilities of many."""
    requests = _batches(pb.InfgramProbBatchRequest, queries, index, end=end)
    return Call("InfgramProbBatch", requests, lambda found: _joined([one.results for one in found]))


def _joined(found: Sequence[pb.ProbBatchResponse]) -> Probabilities:
    parts = [answers.probabilities_from_proto(one) for one in (*found, pb.ProbBatchResponse())]
    return Probabilities(
        np.concatenate([one.probabilities for one in parts]),
        np.concatenate([one.counts for one in parts]),
        np.concatenate([one.context_counts for one in parts]),
        np.concatenate([one.suffix_lengths for one in parts]),
        np.concatenate([one.sparse for one in parts]),
    )


def ntd(query: Query, index: str, top: int, pieces: bool) -> Call[Distribution]:
    """What follows a context."""
    asked = convert.query_to_proto(query)
    request = pb.NtdRequest(index=index, query=asked, top=top, pieces=pieces)
    return _single("Ntd", request, answers.distribution_from_proto)


def infgram_ntd(query: Query, index: str, top: int, pieces: bool) -> Call[Distribution]:
    """What follows the longest suffix that occurs."""
    asked = convert.query_to_proto(query)
    request = pb.InfgramNtdRequest(index=index, query=asked, top=top, pieces=pieces)
    return _single("InfgramNtd", request, lambda one: answers.distribution_from_proto(one.result))


def ntd_batch(
    queries: Iterable[Query], index: str, top: int, pieces: bool
) -> Call[tuple[Distribution, ...]]:
    """What follows many contexts."""
    requests = _batches(pb.NtdBatchRequest, queries, index, top=top, pieces=pieces)
    return _listed("NtdBatch", requests, "results", answers.distribution_from_proto)


def infgram_ntd_batch(
    queries: Iterable[Query], index: str, top: int, pieces: bool
) -> Call[tuple[Distribution, ...]]:
    """What follows the longest suffixes that occur."""
    requests = _batches(pb.InfgramNtdBatchRequest, queries, index, top=top, pieces=pieces)
    return _listed("InfgramNtdBatch", requests, "results", answers.distribution_from_proto)


def score(query: Query, index: str) -> Call[Scores]:
    """Scores of a sequence."""
    request = pb.ScoreRequest(index=index, query=convert.query_to_proto(query))
    return _single("Score", request, answers.scores_from_proto)


def score_batch(queries: Iterable[Query], index: str) -> Call[tuple[Scores, ...]]:
    """Scores of many."""
    requests = _batches(pb.ScoreBatchRequest, queries, index)
    return _listed("ScoreBatch", requests, "results", answers.scores_from_proto)


def match_lengths(query: Query, index: str) -> Call[MatchStatistics]:
    """Matching statistics."""
    request = pb.MatchLengthsRequest(index=index, query=convert.query_to_proto(query))
    return _single("MatchLengths", request, convert.match_from_proto)


def match_lengths_batch(queries: Iterable[Query], index: str) -> Call[tuple[MatchStatistics, ...]]:
    """Matching statistics of many."""
    requests = _batches(pb.MatchLengthsBatchRequest, queries, index)
    return _listed("MatchLengthsBatch", requests, "matches", convert.match_from_proto)


def count_cnf(cnf: Cnf, index: str, max_diff_tokens: int | None) -> Call[int]:
    """Places near each other, counted."""
    request = pb.CountCnfRequest(index=index, cnf=_cnf(cnf, "cnf"), max_diff_tokens=max_diff_tokens)
    return _single("CountCnf", request, lambda one: int(one.count))


def count_cnf_batch(
    cnfs: Iterable[Cnf], index: str, max_diff_tokens: int | None
) -> Call[tuple[int, ...]]:
    """The same for many."""
    requests = [
        pb.CountCnfBatchRequest(index=index, cnfs=part, max_diff_tokens=max_diff_tokens)
        for part in _chunks([_cnf(one, f"cnfs[{n}]") for n, one in enumerate(cnfs)])
    ]
    return _listed("CountCnfBatch", requests, "counts", int)


def find_cnf(cnf: Cnf, index: str, max_diff_tokens: int | None, limit: int) -> Call[CnfHits]:
    """Places near each other."""
    request = pb.FindCnfRequest(
        index=index, cnf=_cnf(cnf, "cnf"), max_diff_tokens=max_diff_tokens, limit=limit
    )
    return _single("FindCnf", request, answers.cnf_hits_from_proto)


def find_cnf_batch(
    cnfs: Iterable[Cnf], index: str, max_diff_tokens: int | None, limit: int
) -> Call[tuple[CnfHits, ...]]:
    """The same for many."""
    requests = [
        pb.FindCnfBatchRequest(index=index, cnfs=part, max_diff_tokens=max_diff_tokens, limit=limit)
        for part in _chunks([_cnf(one, f"cnfs[{n}]") for n, one in enumerate(cnfs)])
    ]
    return _listed("FindCnfBatch", requests, "results", answers.cnf_hits_from_proto)


def attribute(query: Query, index: str, options: pb.AttributeOptions) -> Call[Attribution]:
    """Where a text comes from."""
    asked = convert.query_to_proto(query)
    request = pb.AttributeRequest(index=index, query=asked, options=options)
    return _single("Attribute", request, answers.attribution_from_proto)


def attribute_batch(
    queries: Iterable[Query], index: str, options: pb.AttributeOptions
) -> Call[tuple[Attribution, ...]]:
    """Where many texts come from."""
    requests = _batches(pb.AttributeBatchRequest, queries, index, options=options)
    return _listed("AttributeBatch", requests, "results", answers.attribution_from_proto)


def search_docs(
    query: Query, index: str, limit: int, seed: int, context: int | None
) -> Call[SearchResult]:
    """Documents with an n-gram."""
    request = pb.SearchDocsRequest(
        index=index, query=convert.query_to_proto(query), limit=limit, seed=seed,
        excerpt=_excerpt(context),
    )  # fmt: skip
    return _single("SearchDocs", request, answers.search_from_proto)


def search_docs_batch(
    queries: Iterable[Query], index: str, limit: int, seed: int, context: int | None
) -> Call[tuple[SearchResult, ...]]:
    """Documents with many n-grams."""
    requests = _batches(
        pb.SearchDocsBatchRequest, queries, index, limit=limit, seed=seed,
        excerpt=_excerpt(context),
    )  # fmt: skip
    return _listed("SearchDocsBatch", requests, "results", answers.search_from_proto)


def doc_by_rank(rank: int, index: str, context: int | None, match_length: int) -> Call[Document]:
    """The document of a rank."""
    request = pb.DocByRankRequest(index=index, rank=rank, excerpt=_excerpt(context, match_length))
    return _single("DocByRank", request, lambda one: answers.document_from_proto(one.document))


def doc_by_rank_batch(
    ranks: Iterable[int], index: str, context: int | None, match_length: int
) -> Call[tuple[Document, ...]]:
    """The documents of many ranks."""
    requests = [
        pb.DocByRankBatchRequest(index=index, ranks=part, excerpt=_excerpt(context, match_length))
        for part in _chunks(list(ranks), 1000)
    ]
    return _listed("DocByRankBatch", requests, "documents", answers.document_from_proto)


def doc_by_position(
    position: int, index: str, context: int | None, match_length: int
) -> Call[Document]:
    """The document of a position."""
    request = pb.DocByPositionRequest(
        index=index, position=position, excerpt=_excerpt(context, match_length)
    )
    return _single("DocByPosition", request, lambda one: answers.document_from_proto(one.document))


def doc_by_position_batch(
    positions: Iterable[int], index: str, context: int | None, match_length: int
) -> Call[tuple[Document, ...]]:
    """The documents of many positions."""
    requests = [
        pb.DocByPositionBatchRequest(
            index=index, positions=part, excerpt=_excerpt(context, match_length)
        )
        for part in _chunks(list(positions), 1000)
    ]
    return _listed("DocByPositionBatch", requests, "documents", answers.document_from_proto)


def tokenize(text: str, index: str) -> Call[Tokenization]:
    """Tokens of a text."""
    request = pb.TokenizeRequest(index=index, text=text)
    return _single("Tokenize", request, convert.tokenization_from_proto)


def tokenize_batch(texts: Iterable[str], index: str) -> Call[tuple[Tokenization, ...]]:
    """Tokens of many."""
    requests = [pb.TokenizeBatchRequest(index=index, texts=part) for part in _chunks(list(texts))]
    return _listed("TokenizeBatch", requests, "results", convert.tokenization_from_proto)


def detokenize(ids: Ids, index: str) -> Call[Detokenization]:
    """Ids as text."""
    tokens = convert.checked_ids_to_proto(ids, "tokens")
    request = pb.DetokenizeRequest(index=index, tokens=tokens)
    return _single("Detokenize", request, convert.detokenization_from_proto)


def detokenize_batch(sequences: Iterable[Ids], index: str) -> Call[tuple[Detokenization, ...]]:
    """Many as text."""
    asked = [
        pb.Query(tokens=convert.checked_ids_to_proto(ids, f"sequences[{number}]"))
        for number, ids in enumerate(sequences)
    ]
    requests = [_batch(pb.DetokenizeBatchRequest, part, index, {}) for part in _parts(asked)]
    return _listed("DetokenizeBatch", requests, "results", convert.detokenization_from_proto)


def attribute_options(
    min_length: int, max_count: int | None, delimiters: Sequence[int], whole_words: bool,
    documents: int,
) -> pb.AttributeOptions:  # fmt: skip
    """Which stretches are kept."""
    return pb.AttributeOptions(
        min_length=min_length, max_count=max_count, delimiters=delimiters,
        whole_words=whole_words, documents=documents,
    )  # fmt: skip


def list_hits(
    query: Query | None, cnf: Cnf | None, index: str, max_diff_tokens: int | None,
    page_size: int, page_token: str, limit: int, context: int | None,
) -> pb.ListHitsRequest:  # fmt: skip
    """Every hit."""
    return pb.ListHitsRequest(
        index=index,
        query=None if query is None else convert.query_to_proto(query),
        cnf=None if cnf is None else _cnf(cnf, "cnf"),
        max_diff_tokens=max_diff_tokens, page_size=page_size, page_token=page_token,
        limit=limit, excerpt=_excerpt(context),
    )  # fmt: skip


def decode(
    appended: Iterable[Query], index: str, top: int, pieces: bool
) -> Iterator[pb.DecodeSessionRequest]:
    """One message for each piece of a growing context; the first names the index."""
    for query in appended:
        yield decode_step(query, index, top, pieces)
        index = ""


def decode_step(query: Query, index: str, top: int, pieces: bool) -> pb.DecodeSessionRequest:
    """Append to the context."""
    asked = convert.query_to_proto(query)
    return pb.DecodeSessionRequest(index=index, append=asked, top=top, pieces=pieces)
