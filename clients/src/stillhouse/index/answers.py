"""Between the index's answers as messages and as typed results, both ways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stillhouse.index.convert import ids_from_proto, ids_to_proto
from stillhouse.index.types import (
    Attribution,
    CnfHits,
    Distribution,
    Document,
    FindResult,
    HitsPage,
    Probabilities,
    Probability,
    Scores,
    SearchResult,
    Span,
)
from stillhouse.index.v1 import index_pb2 as pb


def find_from_proto(message: pb.FindResponse) -> FindResult:
    """Where an n-gram occurs."""
    segments = tuple((one.begin, one.end) for one in message.segments)
    return FindResult(message.count, segments, tuple(message.tokens.ids))


def find_to_proto(segments: Sequence[tuple[int, int]]) -> pb.FindResponse:
    """Intervals of ranks; empty ones are left out."""
    return pb.FindResponse(
        count=sum(end - first for first, end in segments),
        segments=[pb.Segment(begin=first, end=end) for first, end in segments if first < end],
    )


def probability_to_proto(found: Probabilities) -> pb.ProbResponse:
    """The first of some probabilities."""
    return pb.ProbResponse(
        probability=found.probabilities[0],
        count=int(found.counts[0]),
        context_count=int(found.context_counts[0]),
        suffix_length=int(found.suffix_lengths[0]),
        sparse=bool(found.sparse[0]),
    )


def probability_from_proto(message: pb.ProbResponse) -> Probability:
    """How likely a token follows a context."""
    return Probability(
        message.probability, message.count, message.context_count, message.suffix_length,
        message.sparse, tuple(message.tokens.ids),
    )  # fmt: skip


def probabilities_to_proto(found: Probabilities) -> pb.ProbBatchResponse:
    """Columns."""
    return pb.ProbBatchResponse(
        probabilities=found.probabilities.tolist(),
        counts=found.counts.tolist(),
        context_counts=found.context_counts.tolist(),
        suffix_lengths=found.suffix_lengths.tolist(),
        sparse=found.sparse.tolist(),
    )


def probabilities_from_proto(message: pb.ProbBatchResponse | pb.ScoreResponse) -> Probabilities:
    """Columns."""
    return Probabilities(
        np.array(message.probabilities, np.float64),
        np.array(message.counts, np.uint64),
        np.array(message.context_counts, np.uint64),
        np.array(message.suffix_lengths, np.uint32),
        np.array(message.sparse, np.bool_),
    )


def distribution_to_proto(found: Distribution) -> pb.NtdResponse:
    """What follows a context; without the ids that were looked up."""
    return pb.NtdResponse(
        context_count=found.context_count,
        suffix_length=found.suffix_length,
        sparse=found.sparse,
        next=pb.TokenIds(ids=found.tokens.tolist(), pieces=found.pieces),
        counts=found.counts.tolist(),
        end_count=found.end_count,
    )


def distribution_from_proto(message: pb.NtdResponse) -> Distribution:
    """What follows a context."""
    return Distribution(
        context_count=message.context_count,
        suffix_length=message.suffix_length,
        sparse=message.sparse,
        tokens=ids_from_proto(message.next),
        counts=np.array(message.counts, np.uint64),
        end_count=message.end_count,
        context=ids_from_proto(message.tokens),
        pieces=tuple(message.next.pieces),
    )


def scores_to_proto(found: Scores) -> pb.ScoreResponse:
    """Columns; without the ids that were looked up."""
    return pb.ScoreResponse(
        probabilities=found.probabilities.tolist(),
        counts=found.counts.tolist(),
        context_counts=found.context_counts.tolist(),
        suffix_lengths=found.suffix_lengths.tolist(),
        sparse=found.sparse.tolist(),
    )


def scores_from_proto(message: pb.ScoreResponse) -> Scores:
    """Columns."""
    columns = probabilities_from_proto(message)
    return Scores(
        columns.probabilities, columns.counts, columns.context_counts, columns.suffix_lengths,
        columns.sparse, ids_from_proto(message.tokens),
    )  # fmt: skip


def cnf_hits_to_proto(hits: CnfHits) -> pb.FindCnfResponse:
    """Places of a CNF query."""
    return pb.FindCnfResponse(count=hits.count, positions=hits.positions.tolist())


def cnf_hits_from_proto(message: pb.FindCnfResponse) -> CnfHits:
    """Places of a CNF query."""
    return CnfHits(message.count, np.array(message.positions, np.uint64))


def attribution_to_proto(found: Attribution) -> pb.AttributeResponse:
    """Stretches; without the ids that were looked up."""
    return pb.AttributeResponse(spans=map(_span_to_proto, found.spans))


def _span_to_proto(span: Span) -> pb.Span:
    return pb.Span(
        begin=span.begin,
        end=span.end,
        count=span.count,
        positions=span.positions.tolist(),
        documents=span.documents.tolist(),
        document_ids=span.document_ids,
        begin_character=span.begin_character,
        end_character=span.end_character,
    )


def attribution_from_proto(message: pb.AttributeResponse) -> Attribution:
    """Stretches."""
    return Attribution(tuple(map(_span_from_proto, message.spans)), ids_from_proto(message.tokens))


def _span_from_proto(message: pb.Span) -> Span:
    return Span(
        begin=message.begin,
        end=message.end,
        count=message.count,
        positions=np.array(message.positions, np.uint64),
        documents=np.array(message.documents, np.uint64),
        document_ids=tuple(message.document_ids),
        begin_character=message.begin_character,
        end_character=message.end_character,
    )


def document_to_proto(document: Document) -> pb.Document:
    """A stretch of a document."""
    return pb.Document(
        document=document.document,
        id=document.id,
        length=document.length,
        offset=document.offset,
        begin=document.begin,
        tokens=ids_to_proto(document.tokens),
        before=document.before,
        match=document.match,
        after=document.after,
    )


def document_from_proto(message: pb.Document) -> Document:
    """A stretch of a document."""
    return Document(
        document=message.document,
        id=message.id,
        length=message.length,
        offset=message.offset,
        begin=message.begin,
        tokens=ids_from_proto(message.tokens),
        before=message.before,
        match=message.match,
        after=message.after,
    )


def search_to_proto(found: SearchResult) -> pb.SearchDocsResponse:
    """Documents; without the ids that were looked up."""
    return pb.SearchDocsResponse(
        count=found.count, documents=map(document_to_proto, found.documents)
    )


def search_from_proto(message: pb.SearchDocsResponse) -> SearchResult:
    """Documents."""
    documents = tuple(map(document_from_proto, message.documents))
    return SearchResult(message.count, documents, ids_from_proto(message.tokens))


def page_to_proto(page: HitsPage) -> pb.ListHitsResponse:
    """Some hits."""
    return pb.ListHitsResponse(
        hits=map(document_to_proto, page.hits),
        next_page_token=page.next_page_token,
        count=page.count,
    )


def page_from_proto(message: pb.ListHitsResponse) -> HitsPage:
    """Some hits."""
    hits = tuple(map(document_from_proto, message.hits))
    return HitsPage(hits, message.next_page_token, message.count)
