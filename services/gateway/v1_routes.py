"""`/v1`: one endpoint per call of the index.

Loading, unloading and aliases stay with the gRPC service: they belong to whoever runs it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request

from services.gateway import v1_models as v1
from stillhouse.errors import InvalidArgument
from stillhouse.index.client import AsyncIndexClient
from stillhouse.work_time import work_time

_FAULTS: dict[int | str, dict[str, Any]] = {
    400: {"model": v1.Problem, "description": "A field is wrong; the message names the remedy"},
    404: {"model": v1.Problem, "description": "No such index"},
    413: {"model": v1.Problem, "description": "The body is too large"},
    429: {"model": v1.Problem, "description": "Too many calls; see Retry-After"},
    503: {"model": v1.Problem, "description": "The index is loading or away; see Retry-After"},
    504: {"model": v1.Problem, "description": "The index took too long"},
    "default": {"model": v1.Problem, "description": "Any other fault"},
}

router = APIRouter(prefix="/v1", tags=["index"], responses=_FAULTS)

_R = TypeVar("_R")


def _client(request: Request) -> AsyncIndexClient:
    client: AsyncIndexClient = request.app.state.index
    return client


Index = Annotated[AsyncIndexClient, Depends(_client)]


async def _timed(call: Awaitable[_R]) -> tuple[_R, float]:
    """What the call gives, and the milliseconds of its work."""
    with work_time() as spent:
        return await call, spent.milliseconds


@router.get("/indexes")
async def list_indexes(client: Index) -> v1.Indexes:
    """The server's indexes."""
    found, spent = await _timed(client.list_indexes())
    return v1.Indexes(indexes=[v1.IndexInfo.of(one) for one in found], latency_ms=spent)


@router.post("/count")
async def count(asked: v1.OneQuery, client: Index) -> v1.Count:
    """Occurrences of an n-gram."""
    found, spent = await _timed(client.count(asked.query, asked.index))
    return v1.Count(
        count=found.count, ids=list(found.tokens), pieces=list(found.pieces), latency_ms=spent
    )


@router.post("/count_batch")
async def count_batch(asked: v1.ManyQueries, client: Index) -> v1.Counts:
    """Occurrences of many n-grams."""
    found, spent = await _timed(client.count_batch(asked.queries, asked.index))
    return v1.Counts(counts=list(found), latency_ms=spent)


@router.post("/find")
async def find(asked: v1.OneQuery, client: Index) -> v1.FoundOne:
    """Ranks of an n-gram's occurrences."""
    found, spent = await _timed(client.find(asked.query, asked.index))
    return v1.FoundOne(**v1.Found.of(found).model_dump(), ids=list(found.tokens), latency_ms=spent)


@router.post("/find_batch")
async def find_batch(asked: v1.ManyQueries, client: Index) -> v1.FoundMany:
    """Ranks of the occurrences of many n-grams."""
    found, spent = await _timed(client.find_batch(asked.queries, asked.index))
    return v1.FoundMany(results=[v1.Found.of(one) for one in found], latency_ms=spent)


@router.post("/prob")
async def prob(asked: v1.ProbQuery, client: Index) -> v1.ProbabilityOne:
    """How likely the last token, or the document's end, follows the rest."""
    found, spent = await _timed(client.prob(asked.query, asked.index, end=asked.end))
    return v1.ProbabilityOne(**v1.probability(found), ids=list(found.tokens), latency_ms=spent)


@router.post("/prob_batch")
async def prob_batch(asked: v1.ProbQueries, client: Index) -> v1.ProbabilityMany:
    """Probabilities of many."""
    found, spent = await _timed(client.prob_batch(asked.queries, asked.index, end=asked.end))
    return v1.ProbabilityMany(results=v1.probabilities(found), latency_ms=spent)


@router.post("/infgram_prob")
async def infgram_prob(asked: v1.ProbQuery, client: Index) -> v1.ProbabilityOne:
    """`prob` given the longest suffix of the context that occurs."""
    found, spent = await _timed(client.infgram_prob(asked.query, asked.index, end=asked.end))
    return v1.ProbabilityOne(**v1.probability(found), ids=list(found.tokens), latency_ms=spent)


@router.post("/infgram_prob_batch")
async def infgram_prob_batch(asked: v1.ProbQueries, client: Index) -> v1.ProbabilityMany:
    """`infgram_prob` of many."""
    call = client.infgram_prob_batch(asked.queries, asked.index, end=asked.end)
    found, spent = await _timed(call)
    return v1.ProbabilityMany(results=v1.probabilities(found), latency_ms=spent)


@router.post("/ntd")
async def ntd(asked: v1.NtdQuery, client: Index) -> v1.DistributionOne:
    """What follows a context."""
    call = client.ntd(asked.query, asked.index, top=asked.top, pieces=asked.pieces)
    found, spent = await _timed(call)
    return v1.DistributionOne(
        **v1.Distribution.of(found).model_dump(), ids=found.context.tolist(), latency_ms=spent
    )


@router.post("/ntd_batch")
async def ntd_batch(asked: v1.NtdQueries, client: Index) -> v1.DistributionMany:
    """What follows many contexts."""
    call = client.ntd_batch(asked.queries, asked.index, top=asked.top, pieces=asked.pieces)
    found, spent = await _timed(call)
    return v1.DistributionMany(results=[v1.Distribution.of(one) for one in found], latency_ms=spent)


@router.post("/infgram_ntd")
async def infgram_ntd(asked: v1.NtdQuery, client: Index) -> v1.DistributionOne:
    """What follows the longest suffix of a context that occurs."""
    call = client.infgram_ntd(asked.query, asked.index, top=asked.top, pieces=asked.pieces)
    found, spent = await _timed(call)
    return v1.DistributionOne(
        **v1.Distribution.of(found).model_dump(), ids=found.context.tolist(), latency_ms=spent
    )


@router.post("/infgram_ntd_batch")
async def infgram_ntd_batch(asked: v1.NtdQueries, client: Index) -> v1.DistributionMany:
    """`infgram_ntd` of many contexts."""
    call = client.infgram_ntd_batch(asked.queries, asked.index, top=asked.top, pieces=asked.pieces)
    found, spent = await _timed(call)
    return v1.DistributionMany(results=[v1.Distribution.of(one) for one in found], latency_ms=spent)


@router.post("/score")
async def score(asked: v1.OneQuery, client: Index) -> v1.ScoresOne:
    """`infgram_prob` of every token given all before it."""
    found, spent = await _timed(client.score(asked.query, asked.index))
    return v1.ScoresOne(
        **v1.Scores.of(found).model_dump(), ids=found.tokens.tolist(), latency_ms=spent
    )


@router.post("/score_batch")
async def score_batch(asked: v1.ManyQueries, client: Index) -> v1.ScoresMany:
    """Scores of many sequences."""
    found, spent = await _timed(client.score_batch(asked.queries, asked.index))
    return v1.ScoresMany(results=[v1.Scores.of(one) for one in found], latency_ms=spent)


@router.post("/match_lengths")
async def match_lengths(asked: v1.OneQuery, client: Index) -> v1.MatchesOne:
    """The longest match in the corpus from each position."""
    found, spent = await _timed(client.match_lengths(asked.query, asked.index))
    return v1.MatchesOne(**v1.Matches.of(found).model_dump(), latency_ms=spent)


@router.post("/match_lengths_batch")
async def match_lengths_batch(asked: v1.ManyQueries, client: Index) -> v1.MatchesMany:
    """Longest matches of many sequences."""
    found, spent = await _timed(client.match_lengths_batch(asked.queries, asked.index))
    return v1.MatchesMany(results=[v1.Matches.of(one) for one in found], latency_ms=spent)


@router.post("/count_cnf")
async def count_cnf(asked: v1.CnfQuery, client: Index) -> v1.CountOne:
    """Places where every clause has one of its n-grams, near each other."""
    call = client.count_cnf(asked.cnf, asked.index, max_diff_tokens=asked.max_diff_tokens)
    found, spent = await _timed(call)
    return v1.CountOne(count=found, latency_ms=spent)


@router.post("/count_cnf_batch")
async def count_cnf_batch(asked: v1.CnfQueries, client: Index) -> v1.Counts:
    """`count_cnf` of many queries."""
    call = client.count_cnf_batch(asked.cnfs, asked.index, max_diff_tokens=asked.max_diff_tokens)
    found, spent = await _timed(call)
    return v1.Counts(counts=list(found), latency_ms=spent)


@router.post("/find_cnf")
async def find_cnf(asked: v1.FindCnfQuery, client: Index) -> v1.PlacesOne:
    """The first positions that `count_cnf` counts."""
    call = client.find_cnf(
        asked.cnf, asked.index, max_diff_tokens=asked.max_diff_tokens, limit=asked.limit
    )
    found, spent = await _timed(call)
    return v1.PlacesOne(**v1.Places.of(found).model_dump(), latency_ms=spent)


@router.post("/find_cnf_batch")
async def find_cnf_batch(asked: v1.FindCnfQueries, client: Index) -> v1.PlacesMany:
    """`find_cnf` of many queries."""
    call = client.find_cnf_batch(
        asked.cnfs, asked.index, max_diff_tokens=asked.max_diff_tokens, limit=asked.limit
    )
    found, spent = await _timed(call)
    return v1.PlacesMany(results=[v1.Places.of(one) for one in found], latency_ms=spent)


@router.post("/attribute")
async def attribute(asked: v1.AttributeQuery, client: Index) -> v1.TracedOne:
    """The maximal stretches of a text that occur in the corpus, and where."""
    call = client.attribute(
        asked.query, asked.index, min_length=asked.min_length, max_count=asked.max_count,
        delimiters=asked.delimiters, whole_words=asked.whole_words, documents=asked.documents,
    )  # fmt: skip
    found, spent = await _timed(call)
    return v1.TracedOne(
        **v1.Traced.of(found).model_dump(), ids=found.tokens.tolist(), latency_ms=spent
    )


@router.post("/attribute_batch")
async def attribute_batch(asked: v1.AttributeQueries, client: Index) -> v1.TracedMany:
    """`attribute` of many texts."""
    call = client.attribute_batch(
        asked.queries, asked.index, min_length=asked.min_length, max_count=asked.max_count,
        delimiters=asked.delimiters, whole_words=asked.whole_words, documents=asked.documents,
    )  # fmt: skip
    found, spent = await _timed(call)
    return v1.TracedMany(results=[v1.Traced.of(one) for one in found], latency_ms=spent)


@router.post("/search_docs")
async def search_docs(asked: v1.SearchQuery, client: Index) -> v1.SearchedOne:
    """Different documents that hold an n-gram, drawn at random."""
    call = client.search_docs(
        asked.query, asked.index, limit=asked.limit, seed=asked.seed, context=asked.context
    )
    found, spent = await _timed(call)
    return v1.SearchedOne(
        **v1.Searched.of(found).model_dump(), ids=found.tokens.tolist(), latency_ms=spent
    )


@router.post("/search_docs_batch")
async def search_docs_batch(asked: v1.SearchQueries, client: Index) -> v1.SearchedMany:
    """Documents that hold each of many n-grams."""
    call = client.search_docs_batch(
        asked.queries, asked.index, limit=asked.limit, seed=asked.seed, context=asked.context
    )
    found, spent = await _timed(call)
    return v1.SearchedMany(results=[v1.Searched.of(one) for one in found], latency_ms=spent)


@router.post("/doc_by_rank")
async def doc_by_rank(asked: v1.RankQuery, client: Index) -> v1.DocumentOne:
    """The document at a rank that `find` gave."""
    call = client.doc_by_rank(
        asked.rank, asked.index, context=asked.context, match_length=asked.match_length
    )
    found, spent = await _timed(call)
    return v1.DocumentOne(document=v1.Document.of(found), latency_ms=spent)


@router.post("/doc_by_rank_batch")
async def doc_by_rank_batch(asked: v1.RankQueries, client: Index) -> v1.Documents:
    """The documents at many ranks."""
    call = client.doc_by_rank_batch(
        asked.ranks, asked.index, context=asked.context, match_length=asked.match_length
    )
    found, spent = await _timed(call)
    return v1.Documents(documents=[v1.Document.of(one) for one in found], latency_ms=spent)


@router.post("/doc_by_position")
async def doc_by_position(asked: v1.PositionQuery, client: Index) -> v1.DocumentOne:
    """The document around a position of the corpus."""
    call = client.doc_by_position(
        asked.position, asked.index, context=asked.context, match_length=asked.match_length
    )
    found, spent = await _timed(call)
    return v1.DocumentOne(document=v1.Document.of(found), latency_ms=spent)


@router.post("/doc_by_position_batch")
async def doc_by_position_batch(asked: v1.PositionQueries, client: Index) -> v1.Documents:
    """The documents around many positions."""
    call = client.doc_by_position_batch(
        asked.positions, asked.index, context=asked.context, match_length=asked.match_length
    )
    found, spent = await _timed(call)
    return v1.Documents(documents=[v1.Document.of(one) for one in found], latency_ms=spent)


@router.post("/list_hits")
async def list_hits(asked: v1.HitsQuery, client: Index, request: Request) -> v1.Hits:
    """A page of the hits of an n-gram, in rank order, or of clauses, in corpus order."""
    if (asked.query is None) == (asked.cnf is None):
        raise InvalidArgument("query", "give query or cnf, one of them")
    pages = client.list_hits(
        asked.query, asked.cnf, asked.index, max_diff_tokens=asked.max_diff_tokens,
        page_size=asked.page_size, page_token=asked.page_token, limit=asked.page_size,
        context=asked.context, timeout=request.app.state.settings.index_timeout,
    )  # fmt: skip
    (page,) = [one async for one in pages]
    return v1.Hits(
        hits=[v1.Document.of(one) for one in page.hits],
        count=page.count,
        next_page_token=page.next_page_token,
    )


@router.post("/tokenize")
async def tokenize(asked: v1.TextQuery, client: Index) -> v1.TokenizationOne:
    """The tokens of a text by the index's own tokenizer."""
    found, spent = await _timed(client.tokenize(asked.text, asked.index))
    return v1.TokenizationOne(**v1.Tokenization.of(found).model_dump(), latency_ms=spent)


@router.post("/tokenize_batch")
async def tokenize_batch(asked: v1.TextQueries, client: Index) -> v1.TokenizationMany:
    """The tokens of many texts."""
    found, spent = await _timed(client.tokenize_batch(asked.texts, asked.index))
    return v1.TokenizationMany(results=[v1.Tokenization.of(one) for one in found], latency_ms=spent)


@router.post("/detokenize")
async def detokenize(asked: v1.IdsQuery, client: Index) -> v1.DetokenizationOne:
    """Token ids as text."""
    found, spent = await _timed(client.detokenize(asked.ids, asked.index))
    return v1.DetokenizationOne(**v1.Detokenization.of(found).model_dump(), latency_ms=spent)


@router.post("/detokenize_batch")
async def detokenize_batch(asked: v1.IdsQueries, client: Index) -> v1.DetokenizationMany:
    """Many sequences of token ids as text."""
    found, spent = await _timed(client.detokenize_batch(asked.sequences, asked.index))
    results = [v1.Detokenization.of(one) for one in found]
    return v1.DetokenizationMany(results=results, latency_ms=spent)
