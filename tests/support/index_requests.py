"""Requests of every kind for every rpc of the index, most of them wrong in some way."""

from __future__ import annotations

from hypothesis import strategies as st

from stillhouse.index.v1 import index_pb2
from tests.support.small_index import TEXTS

STREAMING = ("ListHits", "ScoreText", "DecodeSession")
"""The rpcs that answer more than once."""

_SMALL = st.integers(0, 12)
_IDS = (
    st.lists(st.integers(0, 2**32 - 1) | _SMALL, max_size=70)
    | st.lists(_SMALL, max_size=4)
    | st.lists(_SMALL, min_size=1, max_size=30)
)
_WORDS = st.lists(st.sampled_from(sorted(set(" ".join(TEXTS).split()))), max_size=6).map(" ".join)
_QUERY = st.one_of(
    st.just(index_pb2.Query()),
    st.builds(index_pb2.Query, text=st.text(max_size=40) | _WORDS),
    st.builds(lambda ids: index_pb2.Query(tokens=index_pb2.TokenIds(ids=ids)), _IDS),
)
_NAME = st.sampled_from(["words", "ids", "", "other"])
_NUMBER = st.integers(0, 30) | st.sampled_from([2**31, 2**32 - 1])
_WIDE = st.integers(0, 30) | st.sampled_from([2**32, 2**63, 2**64 - 1])
_SEQUENCES = st.builds(
    lambda ids, lengths: index_pb2.Sequences(ids=ids, lengths=lengths), _IDS, st.lists(_NUMBER)
)
_CNF = st.builds(
    lambda clauses: index_pb2.Cnf(clauses=[index_pb2.Clause(any_of=one) for one in clauses]),
    st.lists(st.lists(_QUERY, max_size=3), max_size=3),
)
_EXCERPT = st.builds(index_pb2.Excerpt, context=st.none() | _NUMBER, match_length=_NUMBER)
_OPTIONS = st.builds(
    index_pb2.AttributeOptions,
    min_length=_NUMBER,
    max_count=st.none() | _WIDE,
    delimiters=_IDS,
    whole_words=st.booleans(),
    documents=_NUMBER,
)
_FIELDS: dict[str, st.SearchStrategy[object]] = {
    "index": _NAME,
    "query": st.none() | _QUERY,
    "queries": st.lists(_QUERY, max_size=9),
    "sequences": st.none() | _SEQUENCES,
    "tokens": st.none() | st.builds(index_pb2.TokenIds, ids=_IDS),
    "text": st.text(max_size=50),
    "texts": st.lists(st.text(max_size=20), max_size=9),
    "end": st.booleans(),
    "top": _NUMBER,
    "pieces": st.booleans(),
    "cnf": st.none() | _CNF,
    "cnfs": st.lists(_CNF, max_size=9),
    "max_diff_tokens": st.none() | _NUMBER,
    "anchor": st.none() | st.integers(0, 3),
    "skip": _WIDE,
    "limit": _NUMBER,
    "options": _OPTIONS,
    "excerpt": _EXCERPT,
    "seed": _WIDE,
    "rank": _WIDE,
    "ranks": st.lists(_WIDE, max_size=9),
    "position": _WIDE,
    "positions": st.lists(_WIDE, max_size=9),
    "page_size": _NUMBER,
    "page_token": st.text(max_size=9),
    "name": st.text(max_size=9),
    "folder": st.text(max_size=9),
    "alias": st.text(max_size=9),
    "preload": st.booleans(),
    "digest": st.text(max_size=3),
    "id": st.text(max_size=9),
    "append": st.none() | _QUERY,
    "reset": st.booleans(),
    "row": _NUMBER,
    "min_suffix": _NUMBER,
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, object]:
    """An rpc and a request for it, or three for one that takes a stream."""
    methods = index_pb2.DESCRIPTOR.services_by_name["IndexService"].methods
    method = draw(st.sampled_from([one.name for one in methods]))
    kind = getattr(index_pb2, f"{method}Request")

    def one() -> object:
        given = {name: draw(_FIELDS[name]) for name in kind.DESCRIPTOR.fields_by_name}
        if method == "ListHits" and draw(st.booleans()):
            given.pop("query")
        return kind(**given)

    asks = method in ("ScoreText", "DecodeSession")
    return method, [one() for _ in range(3)] if asks else one()
