"""Requests and answers of /v1, in the words of stillhouse.index.v1."""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from stillhouse.index import types

_MAX_ID = 2**32 - 1


def _unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a surrogate pair; send Unicode text") from None
    return text


def _check_query(value: object) -> object:
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, list) and all(type(one) is int and 0 <= one <= _MAX_ID for one in value):
        return value
    raise ValueError(f"must be text or a flat list of token ids from 0 to {_MAX_ID}")


Text = Annotated[str, AfterValidator(_unicode)]
Query: TypeAlias = Annotated[
    Any,
    BeforeValidator(_check_query),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": _MAX_ID}},
            ],
            "description": "An n-gram or longer text: as text, or by token ids.",
            "examples": ["once upon a time"],
        }
    ),
]
TokenId = Annotated[int, Field(strict=True, ge=0, le=_MAX_ID)]
Number = Annotated[int, Field(strict=True, ge=0, le=_MAX_ID)]
Long = Annotated[int, Field(strict=True, ge=0, le=2**64 - 1)]
Flag = Annotated[bool, Field(strict=True)]
Cnf = Annotated[
    list[list[Query]], Field(description="An AND of ORs of n-grams: one list per clause.")
]


class Asked(BaseModel):
    """What every request may say."""

    model_config = ConfigDict(extra="forbid")

    index: Text = Field(default="", description="The index to ask; empty means the only one.")


class OneQuery(Asked):
    """One query."""

    query: Query


class ManyQueries(Asked):
    """Many queries."""

    queries: list[Query]


class _End(BaseModel):
    end: Flag = Field(
        default=False,
        description="Ask for the document's end after the whole query instead of its last token.",
    )


class ProbQuery(OneQuery, _End):
    """A context and the token behind it."""


class ProbQueries(ManyQueries, _End):
    """Contexts, each with the token behind it."""


class _Top(BaseModel):
    top: Number = Field(default=0, description="Only that many, the most frequent first; 0: all.")
    pieces: Flag = Field(default=True, description="Also the piece of vocabulary behind each id.")


class NtdQuery(OneQuery, _Top):
    """A context."""


class NtdQueries(ManyQueries, _Top):
    """Contexts."""


class _Near(BaseModel):
    max_diff_tokens: Number | None = Field(
        default=None, description="Furthest distance from start to start, in tokens; else 100."
    )


class CnfQuery(Asked, _Near):
    """Clauses near each other."""

    cnf: Cnf


class CnfQueries(Asked, _Near):
    """Many queries of clauses."""

    cnfs: list[Cnf]


class _Limit(BaseModel):
    limit: Number = Field(
        default=0, description="Most positions in an answer; 0: as many as the server allows."
    )


class FindCnfQuery(CnfQuery, _Limit):
    """Clauses near each other, and how many places are told."""


class FindCnfQueries(CnfQueries, _Limit):
    """Many queries of clauses, and how many places are told of each."""


class _Stretches(BaseModel):
    min_length: Number = Field(default=1, description="Shortest stretch in tokens.")
    max_count: Long | None = Field(
        default=None, description="Leave out stretches that occur more often."
    )
    delimiters: list[TokenId] = Field(
        default_factory=list, description="Ids behind which a stretch is cut."
    )
    whole_words: Flag = Field(default=False, description="Only stretches of whole words.")
    documents: Number = Field(default=10, description="Most documents per stretch.")


class AttributeQuery(OneQuery, _Stretches):
    """A text to trace."""


class AttributeQueries(ManyQueries, _Stretches):
    """Texts to trace."""


_CONTEXT = Field(
    default=None, description="Most tokens before and behind a match; else as many as allowed."
)


class _Drawn(BaseModel):
    limit: Number = Field(default=10, description="Most documents; 0 means 10.")
    seed: Long = Field(default=0, description="The same seed draws the same documents.")
    context: Number | None = _CONTEXT


class SearchQuery(OneQuery, _Drawn):
    """An n-gram, and how many of its documents are shown."""


class SearchQueries(ManyQueries, _Drawn):
    """N-grams, and how many documents are shown of each."""


class _Shown(BaseModel):
    context: Number | None = _CONTEXT
    match_length: Number = Field(
        default=0, description="Tokens of the match to mark; 0: none is marked."
    )


class RankQuery(Asked, _Shown):
    """A rank that find gave."""

    rank: Long


class RankQueries(Asked, _Shown):
    """Ranks that find gave."""

    ranks: list[Long]


class PositionQuery(Asked, _Shown):
    """A position of the corpus."""

    position: Long


class PositionQueries(Asked, _Shown):
    """Positions of the corpus."""

    positions: list[Long]


class HitsQuery(Asked, _Near):
    """A page of the hits of an n-gram or of clauses; one of them."""

    query: Query = Field(default=None, validate_default=False)
    cnf: Cnf | None = None
    page_size: Annotated[int, Field(strict=True, ge=1, le=_MAX_ID)] = 100
    page_token: Text = Field(default="", description="Where the page before ended; empty begins.")
    context: Number | None = _CONTEXT


class TextQuery(Asked):
    """A text."""

    text: Text


class TextQueries(Asked):
    """Texts."""

    texts: list[Text]


class IdsQuery(Asked):
    """Token ids."""

    ids: list[TokenId]


class IdsQueries(Asked):
    """Sequences of token ids."""

    sequences: list[list[TokenId]]


class Answer(BaseModel):
    """What every answer says."""

    latency_ms: float = Field(
        default=0.0, description="Milliseconds that the index worked, without network and waiting."
    )


class Problem(BaseModel):
    """Why there is no answer."""

    class Reason(BaseModel):
        """`code` is the gRPC status, `field` the path of what is wrong in the request."""

        code: str
        message: str
        field: str = ""

    error: Reason


class IndexInfo(BaseModel):
    """An index of the server."""

    name: str
    ready: bool
    tokens: int
    documents: int
    tokenizer_sha256: str
    digest: str
    aliases: list[str]

    @classmethod
    def of(cls, found: types.IndexInfo) -> IndexInfo:
        """From the client's type."""
        return cls(
            name=found.name, ready=found.ready, tokens=found.tokens, documents=found.documents,
            tokenizer_sha256=found.tokenizer_sha256, digest=found.digest,
            aliases=list(found.aliases),
        )  # fmt: skip


class Indexes(Answer):
    """The server's indexes in order of their names, ready or still loading."""

    indexes: list[IndexInfo]


class Count(Answer):
    """Occurrences of an n-gram; `pieces` if it came as text."""

    count: int
    ids: list[int]
    pieces: list[str]


class Counts(Answer):
    """One count per query, in their order."""

    counts: list[int]


class Found(BaseModel):
    """Half-open intervals of ranks in suffix order."""

    count: int
    segments: list[tuple[int, int]]

    @classmethod
    def of(cls, found: types.FindResult) -> Found:
        """From the client's type."""
        return cls(count=found.count, segments=list(found.segments))


class FoundOne(Answer, Found):
    """Where an n-gram occurs."""

    ids: list[int] = Field(default_factory=list)


class FoundMany(Answer):
    """One answer per query, in their order."""

    results: list[Found]


class Probability(BaseModel):
    """`probability` is null where the context doesn't occur."""

    probability: float | None
    count: int
    context_count: int
    suffix_length: int
    sparse: bool


class ProbabilityOne(Answer, Probability):
    """How likely a token follows a context."""

    ids: list[int]


class ProbabilityMany(Answer):
    """One answer per query, in their order."""

    results: list[Probability]


class Distribution(BaseModel):
    """What follows a context: ids and counts side by side; `end_count` documents end there."""

    context_count: int
    suffix_length: int
    sparse: bool
    next_ids: list[int]
    next_pieces: list[str]
    counts: list[int]
    end_count: int

    @classmethod
    def of(cls, found: types.Distribution) -> Distribution:
        """From the client's type."""
        return cls(
            context_count=found.context_count, suffix_length=found.suffix_length,
            sparse=found.sparse, next_ids=found.tokens.tolist(), next_pieces=list(found.pieces),
            counts=found.counts.tolist(), end_count=found.end_count,
        )  # fmt: skip


class DistributionOne(Answer, Distribution):
    """What follows a context."""

    ids: list[int] = Field(default_factory=list)


class DistributionMany(Answer):
    """One answer per context, in their order."""

    results: list[Distribution]


class Scores(BaseModel):
    """Columns: entry i is about token i given all before it."""

    probabilities: list[float]
    counts: list[int]
    context_counts: list[int]
    suffix_lengths: list[int]
    sparse: list[bool]

    @classmethod
    def of(cls, found: types.Scores) -> Scores:
        """From the client's type."""
        return cls(
            probabilities=found.probabilities.tolist(), counts=found.counts.tolist(),
            context_counts=found.context_counts.tolist(),
            suffix_lengths=found.suffix_lengths.tolist(), sparse=found.sparse.tolist(),
        )  # fmt: skip


class ScoresOne(Answer, Scores):
    """Scores of a sequence."""

    ids: list[int] = Field(default_factory=list)


class ScoresMany(Answer):
    """One answer per sequence, in their order."""

    results: list[Scores]


class Matches(BaseModel):
    """The longest match from each position in tokens, and how often it occurs."""

    lengths: list[int]
    counts: list[int]
    ids: list[int]

    @classmethod
    def of(cls, found: types.MatchStatistics) -> Matches:
        """From the client's type."""
        return cls(
            lengths=found.lengths.tolist(), counts=found.counts.tolist(), ids=found.tokens.tolist()
        )


class MatchesOne(Answer, Matches):
    """Matches of a sequence."""


class MatchesMany(Answer):
    """One answer per sequence, in their order."""

    results: list[Matches]


class CountOne(Answer):
    """Places that hold all clauses."""

    count: int


class Places(BaseModel):
    """Places that hold all clauses, and the first positions of them in the corpus."""

    count: int
    positions: list[int]

    @classmethod
    def of(cls, found: types.CnfHits) -> Places:
        """From the client's type."""
        return cls(count=found.count, positions=found.positions.tolist())


class PlacesOne(Answer, Places):
    """Places of a query."""


class PlacesMany(Answer):
    """One answer per query, in their order."""

    results: list[Places]


class Span(BaseModel):
    """A stretch [begin, end) of the query that occurs in the corpus; characters for text."""

    begin: int
    end: int
    begin_character: int
    end_character: int
    count: int
    positions: list[int]
    documents: list[int]
    document_ids: list[str]


class Traced(BaseModel):
    """The maximal stretches of a text that occur in the corpus."""

    spans: list[Span]

    @classmethod
    def of(cls, found: types.Attribution) -> Traced:
        """From the client's type."""
        return cls(
            spans=[
                Span(
                    begin=one.begin, end=one.end, begin_character=one.begin_character,
                    end_character=one.end_character, count=one.count,
                    positions=one.positions.tolist(), documents=one.documents.tolist(),
                    document_ids=list(one.document_ids),
                )
                for one in found.spans
            ]
        )  # fmt: skip


class TracedOne(Answer, Traced):
    """Where a text comes from."""

    ids: list[int] = Field(default_factory=list)


class TracedMany(Answer):
    """One answer per text, in their order."""

    results: list[Traced]


class Document(BaseModel):
    """A stretch of a document around a place; its ids begin at `begin` of `length`."""

    document: int
    id: str
    length: int
    offset: int
    begin: int
    ids: list[int]
    before: str
    match: str
    after: str

    @classmethod
    def of(cls, found: types.Document) -> Document:
        """From the client's type."""
        return cls(
            document=found.document, id=found.id, length=found.length, offset=found.offset,
            begin=found.begin, ids=found.tokens.tolist(), before=found.before,
            match=found.match, after=found.after,
        )  # fmt: skip


class DocumentOne(Answer):
    """One document."""

    document: Document


class Documents(Answer):
    """Documents in the order of what was asked."""

    documents: list[Document]


class Searched(BaseModel):
    """Occurrences of an n-gram and different documents that hold it."""

    count: int
    documents: list[Document]

    @classmethod
    def of(cls, found: types.SearchResult) -> Searched:
        """From the client's type."""
        return cls(count=found.count, documents=[Document.of(one) for one in found.documents])


class SearchedOne(Answer, Searched):
    """Documents with an n-gram."""

    ids: list[int] = Field(default_factory=list)


class SearchedMany(Answer):
    """One answer per n-gram, in their order."""

    results: list[Searched]


class Hits(BaseModel):
    """A page of hits; `next_page_token` is empty on the last."""

    hits: list[Document]
    count: int
    next_page_token: str


class Tokenization(BaseModel):
    """Token ids of a text and the piece of vocabulary behind each."""

    ids: list[int]
    pieces: list[str]

    @classmethod
    def of(cls, found: types.Tokenization) -> Tokenization:
        """From the client's type."""
        return cls(ids=list(found.ids), pieces=list(found.pieces))


class TokenizationOne(Answer, Tokenization):
    """A text cut into tokens."""


class TokenizationMany(Answer):
    """One answer per text, in their order."""

    results: list[Tokenization]


class Detokenization(BaseModel):
    """Token ids as text, and the piece of vocabulary behind each."""

    text: str
    pieces: list[str]

    @classmethod
    def of(cls, found: types.Detokenization) -> Detokenization:
        """From the client's type."""
        return cls(text=found.text, pieces=list(found.pieces))


class DetokenizationOne(Answer, Detokenization):
    """Ids as text."""


class DetokenizationMany(Answer):
    """One answer per sequence, in their order."""

    results: list[Detokenization]


def probability(found: types.Probability) -> dict[str, Any]:
    """The fields of a probability."""
    return {
        "probability": None if math.isnan(found.probability) else found.probability,
        "count": found.count,
        "context_count": found.context_count,
        "suffix_length": found.suffix_length,
        "sparse": found.sparse,
    }


def probabilities(found: types.Probabilities) -> list[Probability]:
    """One entry per query."""
    columns = zip(
        found.probabilities.tolist(), found.counts.tolist(), found.context_counts.tolist(),
        found.suffix_lengths.tolist(), found.sparse.tolist(), strict=True,
    )  # fmt: skip
    return [
        Probability(
            probability=None if math.isnan(share) else share, count=count, context_count=context,
            suffix_length=suffix, sparse=sparse,
        )
        for share, count, context, suffix, sparse in columns
    ]  # fmt: skip
